"""The command line: arguments, formats and exit codes; everything else is the library's.

Results go to stdout, everything else to stderr. Exit codes: 0, 1 for a check that failed, 2 for input that cannot be used.
Modules that cost time to load are imported inside the commands.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import click

from costmodel import __version__
from costmodel.errors import CostModelError, InputError

if TYPE_CHECKING:
    from costmodel.analysis import Analysis
    from costmodel.report import Result
    from costmodel.report.document import Document

FORMATS: Final = ("text", "md", "json", "csv")
FAILED_CHECK: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130
PIPED_WIDTH: Final = 80


class Commands(click.Group):
    """A group whose every failure is lines on stderr and an exit code, never a traceback."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]  # noqa: ANN401 - click's own, always left by sys.exit
        """Run a command and leave with its exit code."""
        with suppress(AttributeError, ValueError):
            sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a name stdout cannot write
        try:
            code = super().main(args, prog_name, **{**extra, "standalone_mode": False})
            sys.stdout.flush()
        except BrokenPipeError:
            silence_stdout()
            code = 0
        except EXPECTED as error:
            code = reported(error)
        sys.exit(code if isinstance(code, int) else 0)


EXPECTED: Final = (CostModelError, click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt, OSError)


def reported(error: BaseException) -> int:
    """Print what went wrong, one line per problem, and give the exit code."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.Abort() | KeyboardInterrupt():
            click.echo("interrupted", err=True)
            return INTERRUPTED
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
            return BAD_INPUT
    for problem in problems(error):
        click.echo(f"error: {printable(problem)}", err=True)
    return BAD_INPUT


def problems(error: BaseException) -> Sequence[str]:
    """One sentence per problem."""
    match error:
        case CostModelError():
            return error.problems
        case click.ClickException():
            return (error.format_message(),)
        case OSError(filename=str(name)):
            return (f"{name}: {error.strerror}",)
        case _:
            return (str(error),)


def printable(message: str) -> str:
    """The message without characters that act on a terminal, its lines kept."""
    from costmodel.report.names import visible

    return "\n".join(map(visible, message.splitlines()))


def silence_stdout() -> None:
    """Let the interpreter flush into nothing: whoever read stdout has read enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# ---- options


def bits_option(_context: click.Context, _parameter: click.Parameter, value: str | None) -> dict[str, int] | None:
    """Widths per operand."""
    from costmodel.precision import parse_bits

    return None if value is None else parse_bits(value)


def places_option(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """What is written in place."""
    from costmodel.schedule.conventions import parse_places

    return None if value is None else parse_places(value)


def inputs_option(
    _context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]
) -> dict[str, tuple[int, ...]] | None:
    """Shapes by input name."""
    if not value:
        return None
    from costmodel.importers.files import parse_inputs

    return parse_inputs(value)


Command: TypeAlias = Callable[..., Any]


def with_options(options: Sequence[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    """Give a command options, in the order in which its help lists them."""

    def decorated(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


SCHEDULING: Final = (
    click.option(
        "--schedule", type=click.Choice(("layer", "resident", "fused")),
        help="What stays on chip, such as --schedule resident: nothing beyond a layer, tensors and weights that fit, or these "
        "and layers cascaded in stripes. [default: what the profile declares]",
    ),
    click.option(
        "--state", type=click.Choice(("steady", "cold")), default="steady", show_default=True,
        help="Whether weights that stay on chip are there already, or every inference loads them, such as --state cold.",
    ),
)  # fmt: skip
PRICING: Final = (
    click.option(
        "--batch", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
        help="Inputs processed together, such as --batch 8; all figures are for the whole batch.",
    ),
    click.option(
        "--dtype", metavar="TYPE",
        help="Number format of all operands: int4, int8, int16, fp16, bf16 or fp32, such as --dtype int8; compare takes "
        "one per network as well, such as --dtype fp32,int8. [default: what the file stores if it is quantised, else the "
        "profile's own]",
    ),
    click.option(
        "--bits", callback=bits_option, metavar="OPERAND=BITS,...",
        help="Widths that differ from the format's, of weight, ifmap, ofmap or psum, such as --bits weight=4,ifmap=8. "
        "[default: those of the format]",
    ),
    click.option(
        "--format", "fmt", type=click.Choice(FORMATS), default="text", show_default=True,
        help="How to print the result, such as --format json: text for people, Markdown, JSON, or CSV with one row "
        "per layer.",
    ),
    click.option(
        "-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
        help="Write the result to a file, such as -o report.md, at once or not at all. [default: stdout]",
    ),
    click.option(
        "--width", type=click.IntRange(min=40), metavar="COLUMNS",
        help="Width of the text format, such as --width 120. [default: the terminal's, 80 in a pipe]",
    ),
    click.option("--strict", is_flag=True, help="Exit with 1 if any layer is unknown. [default: only say so on stderr]"),
)  # fmt: skip
OBJECTIVE: Final = click.option(
    "--objective", type=click.Choice(("energy", "latency", "edp", "dram_bytes", "none")),
    help="What every layer is mapped for through all memories and the array at once, such as --objective energy: the least "
    "energy, time, their product or off-chip bytes; none prices each boundary between memories by itself. Layer by layer "
    "only. [default: what the profile declares]",
)  # fmt: skip
SWEEPING: Final = (PRICING[0], *PRICING[3:6])
"""The batch, and how to print."""

INPUT: Final = click.option(
    "--input", "inputs", multiple=True, callback=inputs_option, metavar="NAME=SHAPE",
    help="Shape of an input that a model file leaves open, such as --input data=1x3x224x224. Repeat it for several; each "
    "network takes those that it has. [default: the file's own]",
)  # fmt: skip
COUNTING: Final = (
    click.option(
        "--convention", type=click.Choice(("live", "in_out", "arena")), default="live", show_default=True,
        help="What activation memory means, such as --convention arena: the most memory alive at once, the largest inputs "
        "plus outputs of one layer, or the addresses that TensorFlow Lite for Microcontrollers would use.",
    ),
    click.option(
        "--order", type=click.Choice(("program", "least")), default="program", show_default=True,
        help="Order of execution, such as --order least: as the network is written, or the one that needs least memory.",
    ),
    click.option(
        "--in-place", callback=places_option, metavar="WHAT,...",
        help="What is written in place, such as --in-place elementwise,concat: none, elementwise (layers over an input that "
        "dies), concat (by the layers that compute its inputs), view; with in_out also depthwise (convolutions over their "
        "input), layer (every layer) and pool (with the convolution before it). [default: the convention's own]",
    ),
)  # fmt: skip


# ---- output


def terminal_width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size((PIPED_WIDTH, 24)).columns


def colored(output: Path | None) -> bool:
    """Whether to write colours: only on a terminal, and not where NO_COLOR is set."""
    return output is None and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and sys.stdout.isatty()


def deliver(text: str, output: Path | None) -> None:
    """Write a result to stdout, or to a file."""
    if output is None:
        click.echo(text, nl=False, color=True)
    else:
        write_atomically(output, text)


def checked_output(output: Path | None, flag: str = "-o") -> None:
    """Refuse a file that cannot be written before the work is done."""
    if output is None:
        return
    if output.is_dir():
        raise InputError(f"{flag} {output}: is a directory; give a file in it, such as {output / 'report.md'}")
    if not output.parent.is_dir():
        raise InputError(f"{flag} {output}: the directory {output.parent} does not exist; create it first")


def checked_attachment(netron: Path | None) -> None:
    """Refuse a file that cannot be written, or whose name Netron takes for no attachment."""
    checked_output(netron, "--netron")
    if netron is not None and netron.suffix.lower() != ".json":
        raise InputError(f"--netron {netron}: Netron opens attachments from .json files only; give {netron.name}.json")


def attach(result: Analysis, netron: Path) -> None:
    """Write an attachment for Netron; which nodes it cannot name goes to stderr."""
    from costmodel.report.as_netron import netron_text, without_names

    write_atomically(netron, netron_text(result))
    unnamed, nodes = without_names(result)
    if unnamed:
        click.echo(
            f"netron: {unnamed} of {nodes} nodes have no name of their own; their figures are at the first value they give",
            err=True,
        )


def write_atomically(output: Path, text: str) -> None:
    """Replace a file by one that is complete; a device or a pipe is written to directly."""
    target = output.resolve()
    if target.exists() and not target.is_file():
        target.write_text(text, encoding="utf-8")
        return
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123 - a descriptor
            file.write(text)
        Path(name).chmod(permissions(target))
        os.replace(name, target)  # noqa: PTH105 - the one atomic call
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def permissions(target: Path) -> int:
    """Mode of the file that is replaced, or that of any new file."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def given_command() -> str:
    """The command as given, without -o: what a reader types to get the same report."""
    context = click.get_current_context()
    words = context.command_path.split()
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") == click.core.ParameterSource.COMMANDLINE:
            words += words_of(parameter, context)
    return shlex.join(words)


def words_of(parameter: click.Parameter, context: click.Context) -> list[str]:
    """Words on the command line that gave a parameter its value."""
    value = context.params[parameter.name or ""]
    if isinstance(parameter, click.Argument):
        return [str(v) for v in value] if parameter.nargs != 1 else [str(value)]
    if parameter.name in ("output", "width", "netron", "save"):
        return []
    flag = max(parameter.opts, key=len)
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return [flag]
    return [word for text in texts_of(parameter.name or "", value) for word in (flag, text)]


def texts_of(name: str, value: Any) -> list[str]:  # noqa: ANN401 - whatever an option gives
    """What stood behind an option, once for every time that it was given."""
    if name == "inputs":
        return [f"{key}={'x'.join(map(str, shape))}" for key, shape in value.items()]
    if name == "axes":
        return [f"{key}={values}" for key, values in value.items()]
    if isinstance(value, dict):
        return [",".join(f"{key}={width}" for key, width in value.items())]
    if name == "in_place":
        return [",".join(value) or "none"]
    return [str(one) for one in (value if isinstance(value, tuple) else (value,))]


def report(result: Result, fmt: str, output: Path | None, width: int | None) -> None:
    """Render a result and deliver it."""
    from costmodel.report import render

    color = colored(output)
    deliver(render(result, fmt, width=width or terminal_width(), color=color, command=given_command()), output)


def show(document: Document) -> None:
    """Print a list for people."""
    from costmodel.report import render_document

    deliver(render_document(document, width=terminal_width(), color=colored(None)), None)


def strictly(analyses: Sequence[Analysis], *, strict: bool) -> int:
    """Exit code for layers that nobody models, each named on stderr."""
    unknown = [f"{a.network}: {layer.name} ({layer.op})" for a in analyses for layer in a.unknown]
    for name in unknown:
        click.echo(f"unknown layer: {printable(name)}: its work is missing from every total", err=True)
    return FAILED_CHECK if strict and unknown else 0


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


HARDWARE: Final = "Hardware: a name (costmodel profiles list) or a YAML file, such as --hw snapdragon."


@cli.command()
@click.argument("net", metavar="NET")
@click.option("--hw", required=True, metavar="PROFILE", help=HARDWARE)
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
@INPUT
@with_options((*SCHEDULING, *PRICING))
def analyze(
    net: str,
    hw: str,
    netron: Path | None,
    activation_density: str | None,
    objective: str | None,
    time_limit: float | None,
    inputs: dict[str, tuple[int, ...]] | None,
    schedule: str | None,
    state: str,
    batch: int,
    dtype: str | None,
    bits: dict[str, int] | None,
    fmt: str,
    output: Path | None,
    width: int | None,
    *,
    reconcile: bool,
    strict: bool,
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
    costmodel analyze mine.py --hw mine.yaml --format json -o mine.json
    costmodel analyze model.onnx --hw snapdragon --reconcile --netron model.costs.json
    """
    checked_output(output)
    checked_attachment(netron)
    from costmodel import api

    limits = objective, time_limit
    result = api.analyze(net, hw, batch, dtype, bits, inputs, schedule, state, reconcile, activation_density, *limits)
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
    objective: str | None,
    inputs: dict[str, tuple[int, ...]] | None,
    schedule: str | None,
    state: str,
    batch: int,
    dtype: str | None,
    bits: dict[str, int] | None,
    fmt: str,
    output: Path | None,
    width: int | None,
    *,
    strict: bool,
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

    result = api.compare(nets, hw, batch, dtype, bits, inputs, schedule, state, objective)
    report(result, fmt, output, width)
    return strictly(result.analyses, strict=strict)


EXPLAINING: Final = (
    click.option(
        "--objective", type=click.Choice(("energy", "latency", "edp", "dram_bytes", "none")),
        help="What layers are mapped for through all memories at once, such as --objective energy; none takes each boundary "
        "between memories by itself. [default: what the profile declares]",
    ),
    *PRICING[:3],
    INPUT,
)  # fmt: skip


@cli.command()
@click.argument("net", metavar="NET")
@click.option("--hw", required=True, metavar="PROFILE", help=HARDWARE)
@click.option("--layer", required=True, metavar="LAYER", help="The layer, such as --layer conv3.")
@click.option(
    "--mapping", type=click.Path(path_type=Path), metavar="FILE",
    help="Price this mapping instead of the best, such as --mapping conv3.yaml: YAML or JSON, as costmodel mapping --format "
    "json writes it. [default: the best]",
)  # fmt: skip
@click.option("--no-drops", is_flag=True, help="Do not search for the memory that would save something. [default: search]")
@with_options(EXPLAINING)
@with_options(PRICING[3:6])
def explain(
    net: str,
    hw: str,
    layer: str,
    mapping: Path | None,
    objective: str | None,
    inputs: dict[str, tuple[int, ...]] | None,
    batch: int,
    dtype: str | None,
    bits: dict[str, int] | None,
    fmt: str,
    output: Path | None,
    width: int | None,
    *,
    no_drops: bool,
) -> None:
    """Explain one layer: its loop nest, every access with its formula, and what a larger memory would save.

    NET is a network as for analyze; costmodel analyze lists its layers. A given mapping is checked, priced, and set beside
    the best one.

    \b
    costmodel explain alexnet --hw eyeriss-168 --layer conv3
    costmodel explain squeezenet --hw snapdragon --layer conv10 --format json
    costmodel explain alexnet --hw eyeriss-168 --layer conv3 --mapping mine.yaml
    """
    checked_output(output)
    from costmodel import api

    if mapping is None:
        found = api.explain(net, hw, layer, objective, batch, dtype, bits, inputs, drops=not no_drops)
    else:
        found = api.price_mapping(net, hw, layer, mapping, objective, batch, dtype, bits, inputs)
    report(found, fmt, output, width)


@cli.command()
@click.argument("net", metavar="NET")
@click.option("--hw", required=True, metavar="PROFILE", help=HARDWARE)
@click.option(
    "--layer", "layers", multiple=True, metavar="LAYER",
    help="Only this layer, such as --layer conv3. Repeat it for several. [default: all]",
)  # fmt: skip
@with_options(EXPLAINING)
@click.option(
    "--format", "fmt", type=click.Choice(("text", "json", "timeloop", "zigzag")), default="text", show_default=True,
    help="As what to write them, such as --format timeloop: loop nests for people, JSON, or the mapping files of Timeloop "
    "(one per layer) or ZigZag.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE|DIRECTORY",
    help="Write to a file, such as -o conv3.yaml, or in Timeloop's format one file per layer to a directory that exists, such "
    "as -o maps. [default: stdout]",
)  # fmt: skip
def mapping(
    net: str,
    hw: str,
    layers: tuple[str, ...],
    objective: str | None,
    inputs: dict[str, tuple[int, ...]] | None,
    batch: int,
    dtype: str | None,
    bits: dict[str, int] | None,
    fmt: str,
    output: Path | None,
) -> None:
    """Write the best mappings of a network's layers through all memories, for people and for other mappers.

    NET is a network as for analyze. What another mapper's format cannot say is noted in the file and on stderr.

    \b
    costmodel mapping alexnet --hw eyeriss-168 --layer conv3
    costmodel mapping alexnet --hw eyeriss-168 --format zigzag -o alexnet.mapping.yaml
    costmodel mapping alexnet --hw eyeriss-168 --format timeloop -o maps
    """
    into = output if output is not None and output.is_dir() and fmt == "timeloop" else None
    checked_output(None if into else output)
    from costmodel import api
    from costmodel.report.as_mapping import nests_of, remarks, texts

    result = api.analyze(net, hw, batch, dtype, bits, inputs, "layer", objective=objective)
    nests = nests_of(result, layers)
    files = texts(result, nests, fmt)
    if output is not None and into is None and len(files) > 1:
        raise InputError(f"-o {output}: Timeloop takes one file per layer; give a directory that exists, or one --layer")
    for remark in remarks(nests, fmt):
        click.echo(f"note: {printable(remark)}", err=True)
    if into is None:
        deliver("---\n".join(files.values()), output)
        return
    for name, text in files.items():
        write_atomically(into / name, text)


@cli.command()
@click.argument("net", metavar="NET")
@click.option("--hw", metavar="PROFILE", help=f"{HARDWARE} Its memory stands beside the figures. [default: none]")
@INPUT
@with_options(COUNTING)
@with_options(PRICING[:-1])
def memory(
    net: str,
    hw: str | None,
    inputs: dict[str, tuple[int, ...]] | None,
    convention: str,
    order: str,
    in_place: tuple[str, ...] | None,
    batch: int,
    dtype: str | None,
    bits: dict[str, int] | None,
    fmt: str,
    output: Path | None,
    width: int | None,
) -> None:
    """Count the memory that activations take, step by step.

    NET is a network as for analyze. Without --dtype, activations and weights have the widths of a quantised file, else the
    format of --hw, else int8.

    \b
    costmodel memory squeezenet --hw stm32h743
    costmodel memory squeezenet:bypass=complex --order least
    costmodel memory model.tflite --convention arena --format csv -o arena.csv
    """
    checked_output(output)
    from costmodel import api

    found = api.memory(net, dtype, batch, convention, order, hw, in_place=in_place, bits=bits, inputs=inputs)
    report(found, fmt, output, width)


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
@click.argument("net", metavar="NET")
@INPUT
@with_options(COMPRESSING)
@with_options(PRICING[3:6])
def storage(
    net: str,
    inputs: dict[str, tuple[int, ...]] | None,
    density: str | None,
    bits: str | None,
    index_bits: str | None,
    weights: Path | None,
    quantize: str,
    save: Path | None,
    fmt: str,
    output: Path | None,
    width: int | None,
) -> None:
    """Count the bytes of the weights, pruned, shared, indexed and Huffman-coded.

    NET is a network as for analyze, with a compression scheme behind an @: a shipped one (costmodel schemes) or a YAML file.

    \b
    costmodel storage squeezenet@squeezenet-deep-compression-6bit
    costmodel storage squeezenet --density 0.33 --bits 6
    costmodel storage model.onnx --weights model.onnx --density 0.3 --save mine.yaml
    """
    checked_output(output)
    checked_output(save, "--save")
    from costmodel import api

    found = api.storage(net, density, bits, index_bits, weights, quantize, inputs=inputs)
    if save is not None:
        from costmodel.compression.scheme import scheme_text

        write_atomically(save, scheme_text(found.to_scheme(), found.network))
    report(found, fmt, output, width)


@cli.command()
def schemes() -> None:
    """List the shipped compression schemes and their sources.

    \b
    costmodel schemes
    """
    from costmodel.compression import load_scheme, scheme_names
    from costmodel.report.catalogue import schemes as listed

    show(listed(map(load_scheme, scheme_names())))


def axes_option(
    _context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]
) -> dict[str, str]:
    """Values by name of what varies."""
    found: dict[str, str] = {}
    for text in value:
        name, equals, values = text.partition("=")
        if not equals or not values:
            raise InputError(f"--vary: {text!r} is not NAME=VALUES; write for example hw.sram=32KiB:16MiB:2x")
        if name in found:
            raise InputError(f"--vary: {name} is given twice; give all its values at once")
        found[name] = values
    return found


@cli.command()
@click.argument("nets", metavar="NET...", nargs=-1, required=True)
@click.option("--hw", required=True, metavar="PROFILE", help=HARDWARE)
@click.option(
    "--vary", "axes", multiple=True, required=True, callback=axes_option, metavar="NAME=VALUES",
    help="What varies: batch, dtype, schedule, state, or a constant of the hardware (hw.sram is the first memory on chip), as "
    "a list or START:STOP:STEP, such as --vary hw.sram=32KiB:16MiB:2x. Repeat it for several.",
)  # fmt: skip
@INPUT
@with_options((*SCHEDULING, *SWEEPING))
def sweep(
    nets: tuple[str, ...],
    hw: str,
    axes: dict[str, str],
    inputs: dict[str, tuple[int, ...]] | None,
    schedule: str | None,
    state: str,
    batch: int,
    fmt: str,
    output: Path | None,
    width: int | None,
) -> None:
    """Price networks while the hardware, the batch, the number format or the schedule varies.

    A NET may have widths of its own, which do not vary: squeezenet@weight=3, alexnet@fp32. The first NET is the baseline of
    every ratio, the first --vary the lines of the table.

    \b
    costmodel sweep alexnet squeezenet --hw snapdragon --vary hw.sram=32KiB:16MiB:2x --schedule resident
    costmodel sweep alexnet squeezenet --hw snapdragon --vary batch=1:64:2x --vary schedule=layer,resident
    """
    checked_output(output)
    from costmodel import api

    report(api.vary(nets, hw, axes, batch, schedule, state, inputs), fmt, output, width)


@cli.command()
@click.argument("net", metavar="NET")
@click.option("--hw", required=True, metavar="PROFILE", help=HARDWARE)
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
@click.argument("net", metavar="NET")
@click.option("--hw", required=True, metavar="PROFILE", help=HARDWARE)
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
@click.argument("net", metavar="NET")
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
@with_options(PRICING[3:])
def train_cost(
    net: str,
    hw: str,
    link: str,
    workers: str,
    batch: int,
    dtype: str | None,
    gradient_bits: str,
    inputs: dict[str, tuple[int, ...]] | None,
    fmt: str,
    output: Path | None,
    width: int | None,
    *,
    overlap: bool,
    strict: bool,
) -> int:
    """Count an iteration of training, and how it scales with the number of workers.

    NET is a network as for analyze. Gradients are summed by a parameter server, by a reduction tree and by a ring.

    \b
    costmodel train-cost squeezenet --hw k20x --link titan
    costmodel train-cost googlenet:auxiliary=true --hw k20x --link gemini --workers 1:128 --batch 1024
    """
    checked_output(output)
    from costmodel import api

    found = api.train_cost(net, hw, link, workers, batch, dtype, int(gradient_bits), overlap=overlap, inputs=inputs)
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
@with_options(PRICING[3:6])
def update(
    old: str,
    new: str | None,
    links: tuple[str, ...],
    fleet: int,
    dtype: str | None,
    retrained: tuple[str, ...],
    fmt: str,
    output: Path | None,
    width: int | None,
) -> None:
    """Count what an update over the air sends, and its time and energy for a device and for a fleet.

    OLD is what devices have, NEW what they shall have: networks as for analyze, or .npz archives of their weights. Without
    NEW, OLD is sent with other weights in the --retrained layers, or as a whole.

    \b
    costmodel update alexnet squeezenet --fleet 1e6 --link lte
    costmodel update squeezenet --retrained conv10 --fleet 1e6 --link lte --link nb-iot
    costmodel update old.npz new.npz --link wifi --format csv -o update.csv
    """
    checked_output(output)
    from costmodel import api

    report(api.update(old, new, links, fleet, dtype, retrained), fmt, output, width)


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
    from costmodel.validation import rows

    found = rows()
    show(checks(found))
    return 0 if all(check.ok for check in found) else FAILED_CHECK


def main() -> NoReturn:
    """Entry point of the command ``costmodel``."""
    cli.main(prog_name="costmodel")
