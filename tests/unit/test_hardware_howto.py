"""The how-to for profiles: its examples load, and its tables say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from costmodel.hardware import TIER_RATIO, load_hardware
from costmodel.hardware.schema import ComputeSpec, LevelSpec, ProfileSpec

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-profile.md"
TEXT = PAGE.read_text()
EXAMPLES = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", TEXT, re.DOTALL))


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_load(tmp_path, name):
    """Every profile on the page is valid."""
    (tmp_path / name).write_text(EXAMPLES[name])
    assert load_hardware(tmp_path / name).name == Path(name).stem


def test_an_inheriting_profile_takes_about_twenty_lines(tmp_path):
    """The example changes what it says, keeps the rest, and cites its own measurements."""
    assert len(EXAMPLES["my-board.yaml"].splitlines()) <= 22
    (tmp_path / "my-board.yaml").write_text(EXAMPLES["my-board.yaml"])
    board, parent = load_hardware(tmp_path / "my-board.yaml"), load_hardware("snapdragon")
    assert board.levels[1].capacity_bytes.value == parent.levels[1].capacity_bytes.value / 2
    assert board.levels[1].read_pj_per_byte == parent.levels[1].read_pj_per_byte
    assert board.levels[0].bandwidth_bytes_per_s.tier == "measured"
    assert "bench" in [source.key for source in board.sources()]


def test_tier_table_matches_the_code():
    """The default ranges on the page are those of the code."""
    rows = re.findall(r"\| `(\w+)` \| value / ([\d.]+) to value x ([\d.]+) \|", TEXT)
    assert {tier: (float(low), float(high)) for tier, low, high in rows} == {
        t: (r, r) for t, r in TIER_RATIO.items()
    }


@pytest.mark.parametrize("model", [ProfileSpec, LevelSpec, ComputeSpec])
def test_every_field_is_described(model):
    """No field of a profile is missing from the page."""
    assert [name for name in model.model_fields if f"`{name}`" not in TEXT and f"{name}:" not in TEXT] == []


def test_what_if_example():
    """The Python on the page prints what its comment says."""
    example = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]
    assert "import costmodel as cm" in example
    shown = re.search(r"# (vtcm\.capacity = .*)", example)[1]
    hardware = load_hardware("snapdragon").with_constant("vtcm.capacity", "2 MiB")
    assert str(hardware.level("vtcm").capacity_bytes) == shown
