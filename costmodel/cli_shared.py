"""What all commands share: failures and exit codes, options, and how a result is delivered.

Results go to stdout, everything else to stderr. Exit codes: 0, 1 for a check that failed, 2 for input that cannot be used.
Modules that cost time to load are imported inside the commands.
"""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import click

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
            click.echo(printable(str(error.__cause__ or error)) or "interrupted", err=True)
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
BATCH: Final = click.option(
    "--batch", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
    help="Inputs processed together, such as --batch 8; all figures are for the whole batch.",
)  # fmt: skip
WIDTHS: Final = (
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
)  # fmt: skip
PRINTING: Final = (
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
)  # fmt: skip
STRICT: Final = click.option(
    "--strict", is_flag=True, help="Exit with 1 if any layer is unknown. [default: only say so on stderr]"
)
PRICING: Final = (BATCH, *WIDTHS, *PRINTING, STRICT)
OBJECTIVE: Final = click.option(
    "--objective", type=click.Choice(("energy", "latency", "edp", "dram_bytes", "none")),
    help="What every layer is mapped for through all memories and the array at once, such as --objective energy: the least "
    "energy, time, their product or off-chip bytes; none prices each boundary between memories by itself. Layer by layer "
    "only. [default: what the profile declares]",
)  # fmt: skip
PIN: Final = click.option(
    "--pin", "pins", multiple=True, metavar="PIN|FILE",
    help="Fix a part of the mappings, and find the best of the rest, such as --pin glb.k=16, --pin glb.stationary=weight, "
    "--pin glb.bypass=weight, --pin glb.hold=weight, --pin rows=r:11,c or --pin 'conv*:glb.k=16' for some layers, or a YAML "
    "file of these. Repeat it for several. [default: none]",
)  # fmt: skip
HARDWARE: Final = "Hardware: a name (costmodel profiles list) or a YAML file, such as --hw snapdragon."
NET: Final = click.argument("net", metavar="NET")
ON_HARDWARE: Final = (NET, click.option("--hw", required=True, metavar="PROFILE", help=HARDWARE))
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
    import shutil

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
    import tempfile

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


def printed(command: Callable[..., Result]) -> Command:
    """A command that prints the result that it returns, with the options that say how."""

    @wraps(command)
    def whole(*, fmt: str, output: Path | None, width: int | None, **options: Any) -> None:  # noqa: ANN401 - the command's
        checked_output(output)
        report(command(**options), fmt, output, width)

    return with_options(PRINTING)(whole)


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
