"""Sparse activations: a run-length code against an encoder and decoder, densities, and what they are priced at."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.cli import cli
from costmodel.compression.activations import activation_names, load_activations
from costmodel.errors import InputError
from costmodel.formulas.compression import run_length_bits
from costmodel.sparsity import RUN_BITS, ActivationDensities, ActivationDensity, coded_ratio

WORD_BITS = 64


def run(*arguments):
    """Run ``costmodel analyze``."""
    return CliRunner().invoke(cli, ["analyze", *map(str, arguments)])


# ---- the code


def words(values, width):
    """Words of 64 bits: pairs of a run of zeros and a value, as many as fit beside the bit that marks the last word."""
    pairs, zeros = [], 0
    for value in values:
        if value == 0 and zeros < 2**RUN_BITS - 1:
            zeros += 1
        else:
            pairs.append((zeros, value))
            zeros = 0
    if zeros:
        pairs.append((zeros - 1, 0))
    each = (WORD_BITS - 1) // (RUN_BITS + width)
    found = []
    for start in range(0, len(pairs), each):
        word = int(start + each >= len(pairs))
        for run_length, value in pairs[start : start + each]:
            word = (word << RUN_BITS | run_length) << width | value
        found.append((word, len(pairs[start : start + each])))
    return found


def values_of(coded, width):
    """The values back."""
    found = []
    for word, count in coded:
        assert word.bit_length() <= WORD_BITS
        for index in reversed(range(count)):
            pair = word >> index * (RUN_BITS + width)
            found += [0] * (pair >> width & 2**RUN_BITS - 1) + [pair & 2**width - 1]
    return found


@given(st.lists(st.integers(0, 3).map(lambda value: value if value > 1 else 0), max_size=300), st.sampled_from([8, 16]))
def test_the_code_is_read_back(values, width):
    """The encoder that the prediction is compared with loses nothing."""
    assert values_of(words(values, width), width) == values


@pytest.mark.parametrize("density", [0.01, 0.03, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("width", [8, 16])
def test_the_size_of_the_code_is_predicted(density, width):
    """Words of random activations, to one in fifty."""
    rng = np.random.default_rng(7)
    values = np.where(rng.random(60_000) < density, rng.integers(1, 256, 60_000), 0)
    predicted = float(run_length_bits(values.size, int(np.count_nonzero(values)), RUN_BITS, width))

    assert predicted == pytest.approx(len(words(values.tolist(), width)) * WORD_BITS, rel=0.02)


def test_three_pairs_in_a_word():
    """16-bit values of which none is zero grow by a third; the dense form is then kept."""
    assert float(run_length_bits(300, 300, 5, 16)) == pytest.approx(100 * 64)
    assert coded_ratio(np.array([[300]]), np.array([[1.0]]), np.array([[16]])).tolist() == [[1.0]]


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(0, 1), st.sampled_from([4, 8, 16, 32]))
def test_more_zeros_never_take_more(elems, one, other, width):
    """Monotone in density, and never longer than dense."""
    low, high = (
        coded_ratio(np.array([[elems]]), np.array([[density]]), np.array([[width]])).item() for density in sorted((one, other))
    )

    assert 0 <= low <= high + 1e-12
    assert high <= 1


# ---- densities


@pytest.mark.parametrize("name", activation_names())
def test_shipped_measurements_fit_their_network(name):
    """Every layer with MACs has a density, and a source."""
    found = load_activations(name)
    spec = {"squeezenet-1.1": "squeezenet:version=1.1"}.get(name, name)
    analysis = cm.analyze(spec, "eyeriss-168", objective="none", activation_density=name)

    assert found.source
    assert found.place
    assert all(layer.effective_macs < layer.macs for layer in analysis.layers if layer.macs and "conv1" not in layer.name)
    assert len(found.layers) == sum(layer.macs > 0 for layer in analysis.layers)


def test_densities_are_shares():
    """A number from 0 to 1, for everything."""
    assert load_activations(0.25).layers == {"*": ActivationDensity(0.25, 0.25)}
    assert load_activations("0.25") == load_activations(0.25)
    for bad in (1.5, -0.1, float("nan"), True):
        with pytest.raises(InputError, match="give a number from 0 to 1"):
            load_activations(bad)


def test_names_before_patterns():
    """A layer's own density, then the first pattern, else none."""
    one, two = ActivationDensity(0.1), ActivationDensity(0.2)
    found = ActivationDensities("x", {"conv*": one, "conv2": two})

    assert (found.of_layer("conv2"), found.of_layer("conv1"), found.of_layer("fc")) == (two, one, None)


def test_files_are_checked_with_their_places(tmp_path):
    """Every problem at once."""
    file = tmp_path / "a.yaml"
    file.write_text("speed: 1\nlayers:\n  a: {ifmap_zeros: 2}\n  b: 0.5\n  c: {zeros: 0.1}\n")
    with pytest.raises(InputError) as caught:
        load_activations(file)

    places = [problem.split(": ")[0].removeprefix(f"{file}:") for problem in caught.value.problems]
    assert places == ["1:1", "3:3", "4:3", "5:3"]
    file.write_text("name: x\n")
    with pytest.raises(InputError, match="layers is missing"):
        load_activations(str(file))


@pytest.mark.parametrize(
    ("given_density", "message"),
    [("1.5", "no share"), ("alexnett", "did you mean alexnet"), ("absent.yaml", "no such file"), ("googlenet", "no layer")],
)
def test_bad_input_is_one_line_each(given_density, message):
    """Exit 2 and no traceback."""
    result = run("alexnet", "--hw", "eyeriss", "--activation-density", given_density)

    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_schedules_across_layers_are_refused():
    """A schedule does not know what will be zero."""
    with pytest.raises(InputError, match="use schedule layer"):
        cm.analyze("alexnet", "snapdragon", schedule="resident", activation_density=0.5)


# ---- prices


def test_dense_activations_change_nothing():
    """A density of one is the analysis without it, but for its own column."""
    plain, dense = (cm.analyze("alexnet", "eyeriss", objective="none", activation_density=given) for given in (None, 1))

    assert dense.totals.dram_bytes == plain.totals.dram_bytes
    assert dense.totals.energy_j == plain.totals.energy_j
    assert dense.totals.effective_macs == dense.totals.macs
    assert plain.totals.effective_macs is None
    assert "effective_macs" not in plain.layers[0].to_dict()


def test_coded_activations_move_fewer_bytes_and_macs_stay():
    """Weights as before, activations at the ratio of the code, MACs counted in full with the effective ones beside."""
    options = {"objective": "none"}
    plain, coded = (cm.analyze("alexnet", "eyeriss", activation_density=given, **options) for given in (None, "alexnet"))
    conv3 = {a.name: (a, b) for a, b in zip(plain.layers, coded.layers, strict=True)}["conv3"]
    density = load_activations("alexnet").layers["conv3"]
    width = coded.precision.ifmap_bits
    ratio = coded_ratio(np.array([[64_896]]), np.array([[density.ifmap_ratio]]), np.array([[width]])).item()

    assert coded.totals.macs == plain.totals.macs
    assert coded.totals.energy_mac_j == plain.totals.energy_mac_j
    assert coded.totals.weight_dram_bytes == plain.totals.weight_dram_bytes
    assert conv3[1].ifmap_dram_bytes == pytest.approx(conv3[0].ifmap_dram_bytes * ratio, rel=1e-3)
    assert conv3[1].ofmap_dram_bytes < conv3[0].ofmap_dram_bytes
    assert conv3[1].effective_macs == round(conv3[0].macs * density.ifmap_ratio)
    assert coded.totals.dram_bytes >= coded.totals.compulsory_bytes
    assert coded.schedule.dram_bytes == coded.totals.dram_bytes
    assert [schedule.kind for schedule in coded.schedules] == ["layer"]
    assert coded.totals.energy_j.value < plain.totals.energy_j.value


def test_partial_sums_are_not_coded():
    """What is written unfinished and read back crosses in full."""
    from costmodel.sparsity import coded_boundary

    code = cm.analyze("alexnet", "stm32h743", activation_density=0.1).estimate.code
    plain = cm.analyze("alexnet", "stm32h743").estimate.off_chip
    spilled = replace(plain, ofmap_bytes=plain.ofmap_bytes + 2 * 10_000, psum_bytes=plain.psum_bytes + 10_000)
    once, twice = coded_boundary(plain, code), coded_boundary(spilled, code)

    assert (twice.ofmap_bytes - once.ofmap_bytes == 20_000).all()
    assert once.ofmap_bytes.sum() < plain.ofmap_bytes.sum()


def test_both_compressions_meet():
    """Weights by their scheme, activations by their code."""
    spec = "squeezenet:version=1.1"
    both = cm.analyze("alexnet@alexnet-deep-compression", "eyeriss", activation_density="alexnet").totals
    one = cm.analyze("alexnet@alexnet-deep-compression", "eyeriss").totals

    assert both.weight_dram_bytes == one.weight_dram_bytes
    assert both.ifmap_dram_bytes < one.ifmap_dram_bytes
    sparse = cm.analyze(spec, "eyeriss", objective="none", activation_density="squeezenet-1.1")
    assert sparse.totals.effective_macs < 349_151_936


def test_every_format_has_the_column():
    """Text, JSON and CSV show the effective MACs beside the MACs, and what they rest on."""
    arguments = ("alexnet", "--hw", "eyeriss", "--objective", "none", "--activation-density", "alexnet")
    text = run(*arguments, "--width", "160").output
    data = json.loads(run(*arguments, "--format", "json").output)
    rows = list(csv.DictReader(StringIO(run(*arguments, "--format", "csv").output)))

    assert "effective" in text
    assert "manasiumn37/CNNergy" in text
    assert data["totals"]["effective_macs"] == sum(int(row["effective_macs"]) for row in rows) < data["totals"]["macs"]
    assert data["activations"]["layers"] == 8
