"""The command line: arguments, formats and exit codes; everything else is the library's."""

from __future__ import annotations

import atexit
import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from costmodel import __version__, cli_explore, cli_mapping
from costmodel.cli_shared import (
    BATCH,
    COUNTING,
    FAILED_CHECK,
    HARDWARE,
    INPUT,
    NET,
    OBJECTIVE,
    ON_HARDWARE,
    PIN,
    PRICING,
    PRINTING,
    SCHEDULING,
    STRICT,
    WIDTHS,
    Commands,
    attach,
    checked_attachment,
    checked_output,
    printable,
    printed,
    report,
    reported,
    show,
    strictly,
    with_options,
    write_atomically,
)
from costmodel.errors import CostModelError, InputError

if TYPE_CHECKING:
    from costmodel.report import Result

LIVE_OBJECTS: Final = 100_000

# ---- commands


@click.group("costmodel", cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """What a neural network costs on a given piece of hardware.

    Parameters, MACs, off-chip bytes, energy and latency, per layer, with the source of every number.

    \b
    costmodel analyze squeezenet --hw snapdragon
    costmodel compare alexnet squeezenet:version=1.1 --hw snapdragon --dtype int8
    """


@cli.command()
@with_options(ON_HARDWARE)
@click.option(
    "--netron", type=click.Path(path_type=Path), metavar="FILE",
    help="Also write an attachment for Netron, such as --netron model.costs.json: open it there on top of the model file. "
    "[default: none]",
)  # fmt: skip
@click.option(
    "--reconcile", is_flag=True,
    help="Also set the parameters against those that the framework counts, with the reason of every difference; CSV then "
    "has one row per kind of tensor. [default: off]",
)  # fmt: skip
@click.option(
    "--activation-density", metavar="SHARE|FILE",
    help="Share of activations that are not zero, such as --activation-density 0.4, the name of a shipped measurement "
    "(alexnet, squeezenet-1.1, googlenet) or a YAML file: off chip they take a run-length code. [default: dense]",
)  # fmt: skip
@OBJECTIVE
@click.option(
    "--time-limit", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
    help="How long to search for the mappings of an objective, such as --time-limit 10: then the best found so far is taken, "
    "and the report says how far from the optimum it may be. [default: until every mapping is proved optimal]",
)  # fmt: skip
@PIN
@INPUT
@with_options((*SCHEDULING, *PRICING))
def analyze(
    net: str,
    hw: str,
    netron: Path | None,
    time_limit: float | None,
    pins: tuple[str, ...],
    fmt: str,
    output: Path | None,
    width: int | None,
    *,
    reconcile: bool,
    strict: bool,
    **options: Any,  # noqa: ANN401 - activations, objective, inputs, schedule, batch, widths
) -> int:
    """Price one network on one piece of hardware, layer by layer.

    NET is the name of a shipped network (costmodel nets list), with arguments after a colon, an ONNX, TFLite or Keras
    file, or a Python file with a function build(), which is executed.

    \b
    costmodel analyze squeezenet --hw snapdragon
    costmodel analyze model.onnx --hw snapdragon --input data=1x3x224x224
    costmodel analyze squeezenet:version=1.1,input=227 --hw horowitz-45nm --batch 8
    costmodel analyze mobilenet_v2 --hw ethos-u65-512 --schedule fused
    costmodel analyze alexnet --hw snapdragon --objective energy
    costmodel analyze alexnet --hw eyeriss-168 --objective energy --pin rf.stationary=weight
    costmodel analyze mine.py --hw mine.yaml --format json -o mine.json
    costmodel analyze model.onnx --hw snapdragon --reconcile --netron model.costs.json
    """
    checked_output(output)
    checked_attachment(netron)
    from costmodel import api

    result = api.analyze(net, hw, reconciled=reconcile, time_limit_s=time_limit, pins=pins or None, **options)
    if netron is not None:
        attach(result, netron)
    report(result, fmt, output, width)
    return strictly((result,), strict=strict)


@cli.command()
@click.argument("nets", metavar="NET...", nargs=-1, required=True)
@click.option("--hw", required=True, multiple=True, metavar="PROFILE", help=f"{HARDWARE} Repeat it for several.")
@OBJECTIVE
@INPUT
@with_options((*SCHEDULING, *PRICING))
def compare(
    nets: tuple[str, ...],
    hw: tuple[str, ...],
    fmt: str,
    output: Path | None,
    width: int | None,
    *,
    strict: bool,
    **options: Any,  # noqa: ANN401 - objective, inputs, schedule, batch, widths
) -> int:
    """Put networks side by side, and say why one moves less than another.

    The first NET is the baseline of every ratio, on each --hw. One NET on several --hw is compared across them.

    \b
    costmodel compare alexnet squeezenet --hw snapdragon
    costmodel compare alexnet squeezenet squeezenet:version=1.1 --hw eyeriss --hw stm32h743
    costmodel compare alexnet squeezenet --hw snapdragon --dtype fp32,int8 --format md -o report.md
    costmodel compare squeezenet model.onnx --hw snapdragon --input data=1x3x224x224 --batch 8
    """
    checked_output(output)
    from costmodel import api

    result = api.compare(nets, hw, **options)
    report(result, fmt, output, width)
    return strictly(result.analyses, strict=strict)


@cli.command()
@NET
@click.option("--hw", metavar="PROFILE", help=f"{HARDWARE} Its memory stands beside the figures. [default: none]")
@INPUT
@with_options((*COUNTING, BATCH, *WIDTHS))
@printed
def memory(net: str, **options: Any) -> Result:  # noqa: ANN401 - hardware, inputs, conventions, batch, widths
    """Count the memory that activations take, step by step.

    NET is a network as for analyze. Without --dtype, activations and weights have the widths of a quantised file, else the
    format of --hw, else int8.

    \b
    costmodel memory squeezenet --hw stm32h743
    costmodel memory squeezenet:bypass=complex --order least
    costmodel memory model.tflite --convention arena --format csv -o arena.csv
    """
    from costmodel import api

    return api.memory(net, **options)


COMPRESSING: Final = (
    click.option(
        "--density", metavar="LAYER=SHARE,...",
        help="Share of the weights that is not pruned, of all layers or by name, pattern or operation, the first that "
        "matches, such as --density 0.33 or --density fc*=0.09,conv=0.37. [default: the scheme's, else 1]",
    ),
    click.option(
        "--bits", metavar="LAYER=BITS,...",
        help="Width of a code, such as --bits 6 or --bits conv*=8,fc*=5: it names one of 2^BITS shared weights, zero among "
        "them. [default: the scheme's, else 8]",
    ),
    click.option(
        "--index-bits", metavar="LAYER=BITS,...",
        help="Width of a relative index, such as --index-bits conv=8,linear=5; 0 stores every position. [default: the "
        "scheme's, else 4 where anything is pruned]",
    ),
    click.option(
        "--weights", type=click.Path(path_type=Path), metavar="FILE",
        help="Real weights, such as --weights model.npz: an .npz or .onnx file, pruned by magnitude, shared, and counted with "
        "their own Huffman codes. [default: expected values]",
    ),
    click.option(
        "--quantize", type=click.Choice(("linear", "kmeans")), default="linear", show_default=True,
        help="How real weights are shared, such as --quantize kmeans: evenly spaced values, or k-means, which needs "
        "nn-costmodel[kmeans].",
    ),
    click.option(
        "--save", type=click.Path(path_type=Path), metavar="FILE",
        help="Also write the scheme with what was counted, such as --save mine.yaml: NET@mine.yaml is the compressed network "
        "for every command. [default: none]",
    ),
)  # fmt: skip


@cli.command()
@NET
@INPUT
@with_options(COMPRESSING)
@printed
def storage(net: str, save: Path | None, **options: Any) -> Result:  # noqa: ANN401 - inputs, and the scheme's part by part
    """Count the bytes of the weights, pruned, shared, indexed and Huffman-coded.

    NET is a network as for analyze, with a compression scheme behind an @: a shipped one (costmodel schemes) or a YAML file.

    \b
    costmodel storage squeezenet@squeezenet-deep-compression-6bit
    costmodel storage squeezenet --density 0.33 --bits 6
    costmodel storage model.onnx --weights model.onnx --density 0.3 --save mine.yaml
    """
    checked_output(save, "--save")
    from costmodel import api

    found = api.storage(net, **options)
    if save is not None:
        from costmodel.compression.scheme import scheme_text

        write_atomically(save, scheme_text(found.to_scheme(), found.network))
    return found


@cli.command()
def schemes() -> None:
    """List the shipped compression schemes and their sources.

    \b
    costmodel schemes
    """
    from costmodel.compression import load_scheme, scheme_names
    from costmodel.report.catalogue import schemes as listed

    show(listed(map(load_scheme, scheme_names())))


@cli.command()
@with_options(ON_HARDWARE)
@click.option(
    "--objective", type=click.Choice(("energy", "latency", "dram", "storage")), default="energy", show_default=True,
    help="What the what-ifs are ranked by, such as --objective dram: energy, latency, off-chip bytes, or stored weights.",
)
@click.option(
    "--strength", "strengths", multiple=True, type=float, metavar="S",
    help="Strength of every step, from 0 to 1, of delayed_pooling from -1, such as --strength 0.5. Repeat it for several. "
    "[default: those usual for each step]",
)
@INPUT
@with_options((*SCHEDULING, *PRICING))
def advise(
    net: str,
    hw: str,
    objective: str,
    strengths: tuple[float, ...],
    fmt: str,
    output: Path | None,
    width: int | None,
    *,
    strict: bool,
    **options: Any,  # noqa: ANN401 - what both take and analyze has: inputs, batch, widths, schedule
) -> int:
    """Rank what would make a network smaller: every step of the playbook, applied and priced again.

    NET is a network as for analyze. Accuracy is not modelled: each network must be trained again and measured.

    \b
    costmodel advise alexnet --hw snapdragon --objective storage
    costmodel advise model.onnx --hw ethos-u65-512 --objective latency --strength 0.25 --strength 0.5
    """
    checked_output(output)
    from costmodel import api

    result = api.advise(net, hw, objective, strengths or None, **options)
    report(result, fmt, output, width)
    return strictly((result.before,), strict=strict)


@cli.command()
@with_options(ON_HARDWARE)
@click.option(
    "--step", "steps", multiple=True, required=True, metavar="NAME=STRENGTH",
    help="A step of the playbook, such as --step kernel_reduction=0.5. Repeat it for several, in order.",
)
@click.option(
    "--towards", multiple=True, metavar="NET",
    help="A network to stand beside the result, such as --towards squeezenet. Repeat it for several. [default: none]",
)
@click.option(
    "--curve", "curves", multiple=True, metavar="NET:ARGUMENT=VALUES",
    help="A network over an argument of its builder, such as --curve squeezenet:squeeze_ratio=0.125,0.25. Repeat it for "
    "several. [default: none]",
)
@INPUT
@with_options((*SCHEDULING, *PRICING))
def shrink(
    net: str,
    hw: str,
    steps: tuple[str, ...],
    towards: tuple[str, ...],
    curves: tuple[str, ...],
    fmt: str,
    output: Path | None,
    width: int | None,
    *,
    strict: bool,
    **options: Any,  # noqa: ANN401 - what both take and analyze has: inputs, batch, widths, schedule
) -> int:
    """Apply steps of the playbook one after the other, and show what each does.

    NET is a network as for analyze. Accuracy is not modelled: each network must be trained again and measured.

    \b
    costmodel shrink alexnet --hw snapdragon --step global_pooling=1 --step channel_reduction=0.75 --towards squeezenet
    """
    checked_output(output)
    from costmodel import api

    result = api.shrink(net, hw, steps, towards, curves, **options)
    report(result, fmt, output, width)
    return strictly((result.before,), strict=strict)


LINK: Final = "a name (costmodel links list) or a YAML file"


@cli.command("train-cost")
@NET
@click.option("--hw", required=True, metavar="PROFILE", help=f"{HARDWARE} Every worker has one.")
@click.option("--link", required=True, metavar="LINK", help=f"What connects the workers: {LINK}, such as --link gemini.")
@click.option(
    "--workers", default="1:128", show_default=True, metavar="RANGE",
    help="Numbers of workers, such as --workers 1:128, which doubles, 8:64:8, which adds, or 1,32,128.",
)  # fmt: skip
@click.option(
    "--batch", type=click.IntRange(min=1), default=1024, show_default=True, metavar="N",
    help="Samples per iteration of all workers together, such as --batch 256.",
)  # fmt: skip
@click.option(
    "--dtype", metavar="TYPE", help="Number format of the arithmetic, such as --dtype fp16. [default: the profile's own]"
)
@click.option(
    "--gradient-bits", type=click.Choice(("8", "16", "32")), default="32", show_default=True,
    help="Width of an element of the gradient as it is sent, such as --gradient-bits 16.",
)  # fmt: skip
@click.option("--overlap", is_flag=True, help="Send gradients while the backward pass goes on. [default: after it]")
@INPUT
@with_options((*PRINTING, STRICT))
def train_cost(
    net: str,
    hw: str,
    link: str,
    gradient_bits: str,
    fmt: str,
    output: Path | None,
    width: int | None,
    *,
    strict: bool,
    **options: Any,  # noqa: ANN401 - workers, batch, format, inputs, overlap
) -> int:
    """Count an iteration of training, and how it scales with the number of workers.

    NET is a network as for analyze. Gradients are summed by a parameter server, by a reduction tree and by a ring.

    \b
    costmodel train-cost squeezenet --hw k20x --link titan
    costmodel train-cost googlenet:auxiliary=true --hw k20x --link gemini --workers 1:128 --batch 1024
    """
    checked_output(output)
    from costmodel import api

    found = api.train_cost(net, hw, link, gradient_bits=int(gradient_bits), **options)
    report(found, fmt, output, width)
    for name in found.unknown:
        click.echo(f"unknown layer: {found.network}: {printable(name)}: its work is missing from every total", err=True)
    return FAILED_CHECK if strict and found.unknown else 0


def fleet_option(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    """Number of devices."""
    try:
        number = float(value)
    except ValueError:
        number = 0.5
    if not number.is_integer():
        raise InputError(f"--fleet: {value!r} is no whole number of devices; write for example 1000000 or 1e6")
    return int(number)


@cli.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="[NEW]", required=False)
@click.option(
    "--link", "links", required=True, multiple=True, metavar="LINK",
    help=f"What the update comes over: {LINK}, such as --link lte. Repeat it for several.",
)  # fmt: skip
@click.option(
    "--fleet", default="1", show_default=True, callback=fleet_option, metavar="DEVICES",
    help="Number of devices that receive it, such as --fleet 1e6.",
)  # fmt: skip
@click.option(
    "--dtype", metavar="TYPE",
    help="Number format that parameters are stored in, such as --dtype int8. [default: fp32; with weights, their own]",
)  # fmt: skip
@click.option(
    "--retrained", multiple=True, metavar="LAYER",
    help="Layers whose weights change although their shape does not, such as --retrained 'fc*'. Repeat it for several. "
    "[default: with NEW none, without it all]",
)  # fmt: skip
@printed
def update(old: str, new: str | None, links: tuple[str, ...], **options: Any) -> Result:  # noqa: ANN401 - fleet, format, layers
    """Count what an update over the air sends, and its time and energy for a device and for a fleet.

    OLD is what devices have, NEW what they shall have: networks as for analyze, or .npz archives of their weights. Without
    NEW, OLD is sent with other weights in the --retrained layers, or as a whole.

    \b
    costmodel update alexnet squeezenet --fleet 1e6 --link lte
    costmodel update squeezenet --retrained conv10 --fleet 1e6 --link lte --link nb-iot
    costmodel update old.npz new.npz --link wifi --format csv -o update.csv
    """
    from costmodel import api

    return api.update(old, new, links, **options)


@cli.group()
def links() -> None:
    """Links: list, show."""


@links.command("list")
def links_list() -> None:
    """List the shipped links.

    \b
    costmodel links list
    """
    from costmodel.hardware.link_loading import link_names, load_link
    from costmodel.report.catalogue import links as listed

    show(listed(map(load_link, link_names())))


@links.command("show")
@click.argument("name", metavar="NAME")
@click.option("--sources", is_flag=True, help="Add the bibliography of the constants. [default: their keys only]")
def links_show(name: str, *, sources: bool) -> None:
    """Show every constant of a link, with its range, tier and source.

    NAME is the name of a shipped link or a YAML file.

    \b
    costmodel links show lte --sources
    """
    from costmodel.hardware.link_loading import load_link
    from costmodel.report.catalogue import link

    show(link(load_link(name), sources=sources))


@cli.group()
def nets() -> None:
    """Networks that ship with costmodel."""


@nets.command("list")
def nets_list() -> None:
    """List the shipped networks with their arguments and defaults.

    \b
    costmodel nets list
    """
    from costmodel.importers import load_builder, net_names, net_title
    from costmodel.report.catalogue import networks

    show(networks([(name, net_title(name), load_builder(name)) for name in net_names()]))


@cli.group()
def profiles() -> None:
    """Hardware profiles: list, show, validate, schema."""


@profiles.command("list")
def profiles_list() -> None:
    """List the shipped hardware profiles.

    \b
    costmodel profiles list
    """
    from costmodel.hardware import load_hardware, profile_names
    from costmodel.report.catalogue import profiles as listed

    show(listed(map(load_hardware, profile_names())))


@profiles.command("show")
@click.argument("name", metavar="NAME")
@click.option("--sources", is_flag=True, help="Add the bibliography of the constants. [default: their keys only]")
def profiles_show(name: str, *, sources: bool) -> None:
    """Show every constant of a profile, with its range, tier and source.

    NAME is the name of a shipped profile or a YAML file.

    \b
    costmodel profiles show snapdragon --sources
    """
    from costmodel.hardware import load_hardware
    from costmodel.report.catalogue import profile

    show(profile(load_hardware(name), sources=sources))


@profiles.command("validate")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
def profiles_validate(files: tuple[Path, ...]) -> int:
    """Check profile files: units, fields, ranges, sources; every problem with its line and column.

    \b
    costmodel profiles validate mine.yaml
    """
    from costmodel.hardware import load_hardware

    code = 0
    for file in files:
        try:
            found = load_hardware(file)
        except CostModelError as error:
            code = reported(error)
        else:
            click.echo(f"{printable(str(file))}: ok, {len(found.constants())} constants, {len(found.assumptions())} assumed")
    return code


@profiles.command("schema")
def profiles_schema() -> None:
    """Print the JSON Schema of a profile file, for editors.

    \b
    costmodel profiles schema > profile.schema.json
    """
    import json

    from costmodel.hardware import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@cli.command()
def validate() -> int:
    """Compute published figures and compare; exit with 1 if one is not reproduced.

    \b
    costmodel validate
    """
    from costmodel.report.catalogue import checks
    from costmodel.validation import left_out, rows

    found = rows()
    show(checks(found))
    if missing := left_out():
        click.echo(f"{len(missing)} figures of mappers need Numba: pip install 'nn-costmodel[fast]'", err=True)
    return 0 if all(check.ok for check in found) else FAILED_CHECK


for command in (*cli_explore.COMMANDS, *cli_mapping.COMMANDS):
    cli.add_command(command)


def main() -> NoReturn:
    """Entry point of the command ``costmodel``."""
    gc.set_threshold(LIVE_OBJECTS)  # libraries are objects that stay: looking for garbage among them costs a twentieth
    atexit.register(gc.freeze)  # and to look again when they all go costs another
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's threads wait busily, and nothing here is for them
    cli.main(prog_name="costmodel")
