"""Commands that explore: networks priced while something varies, and whole design spaces."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from costmodel.cli_shared import (
    BATCH,
    HARDWARE,
    INPUT,
    NET,
    PRINTING,
    SCHEDULING,
    WIDTHS,
    checked_output,
    printable,
    printed,
    report,
    with_options,
    write_atomically,
)
from costmodel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from costmodel.cli_shared import Command
    from costmodel.report import Result

SPACES: Final = (".yaml", ".yml")
"""How the name of a design space ends."""
OF_SPACES: Final = ("metrics", "chunk", "workers", "dask", "resume")
"""Options that only a design space takes."""
OF_BOTH: Final = ("nets", "output")


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


def names_option(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Names between commas."""
    return None if value is None else tuple(name.strip() for name in value.split(","))


SPACE: Final = (
    click.option(
        "--metrics", callback=names_option, metavar="NAME,...",
        help="Columns to compute for a SPACE, such as --metrics params,macs,energy_j; only what they need is computed. "
        "[default: every column of an analysis]",
    ),
    click.option(
        "--workers", type=click.IntRange(min=1), metavar="N",
        help="Processes that evaluate a SPACE, such as --workers 8; with --dask local, workers of its cluster. [default: 1]",
    ),
    click.option(
        "--dask", metavar="ADDRESS",
        help="Evaluate a SPACE on a Dask cluster, such as --dask tcp://10.0.0.1:8786, or on one started here, --dask local. "
        "[default: no cluster]",
    ),
    click.option(
        "--resume", is_flag=True,
        help="Continue the run in -o if there is one, such as after it was killed; space and metrics must be the same. "
        "[default: refuse an -o that exists]",
    ),
    click.option(
        "--chunk", type=click.IntRange(min=1), metavar="POINTS",
        help="Points that are evaluated and written together, such as --chunk 1000: a killed run loses those of the chunks it "
        "was at. [default: from the size of the space and the metrics]",
    ),
)  # fmt: skip


@click.command()
@click.argument("nets", metavar="NET...|SPACE.yaml", nargs=-1, required=True)
@click.option("--hw", metavar="PROFILE", help=f"{HARDWARE} Every NET needs it. [default: the SPACE's]")
@click.option(
    "--vary", "axes", multiple=True, callback=axes_option, metavar="NAME=VALUES",
    help="What varies: batch, dtype, schedule, state, or a constant of the hardware (hw.sram is the first memory on chip), as "
    "a list or START:STOP:STEP, such as --vary hw.sram=32KiB:16MiB:2x. Repeat it for several. "
    "Every NET needs one. [default: the SPACE's axes]",
)  # fmt: skip
@INPUT
@with_options((*SCHEDULING, BATCH, *PRINTING, *SPACE))
@click.pass_context
def sweep(context: click.Context, /, nets: tuple[str, ...], output: Path | None, **options: Any) -> None:  # noqa: ANN401 - see above
    """Price networks while the hardware, the batch, the number format or the schedule varies, or a whole design space.

    A NET may have widths of its own, which do not vary: squeezenet@weight=3, alexnet@fp32. The first NET is the baseline of
    every ratio, the first --vary the lines of the table.

    A SPACE.yaml says itself what varies, arguments of a network included. Its rows go to a directory of Parquet files, -o
    NAME.parquet, which a killed run leaves ready for --resume, or to one file, -o NAME.csv.

    \b
    costmodel sweep alexnet squeezenet --hw snapdragon --vary hw.sram=32KiB:16MiB:2x --schedule resident
    costmodel sweep alexnet squeezenet --hw snapdragon --vary batch=1:64:2x --vary schedule=layer,resident
    costmodel sweep space.yaml --metrics params,macs,energy_j --workers 8 -o designs.parquet
    """
    if any(net.lower().endswith(SPACES) for net in nets):
        sweep_space(checked_space(nets), output, given(context))
    else:
        sweep_networks(nets, output, options, given(context))


def given(context: click.Context) -> dict[str, Any]:
    """Options that were given, by name."""
    told = {name: context.get_parameter_source(name) for name in context.params if name not in OF_BOTH}
    return {name: context.params[name] for name, source in told.items() if source is not ParameterSource.DEFAULT}


def flags(names: Sequence[str]) -> str:
    """Options as they are written."""
    return ", ".join({"axes": "--vary", "inputs": "--input", "fmt": "--format"}.get(name, f"--{name}") for name in names)


# ---- networks


def sweep_networks(nets: tuple[str, ...], output: Path | None, options: dict[str, Any], told: dict[str, Any]) -> None:
    """Networks on hardware that varies, as a report."""
    alien = [name for name in OF_SPACES if name in told]
    if alien:
        raise InputError(f"{flags(alien)}: only a design space, SPACE.yaml, takes that; leave it away")
    for name in ("hw", "axes"):
        if not options[name]:
            raise click.UsageError(f"Missing option '{flags([name])}'.")
    checked_output(output)
    from costmodel import api

    keys = ("hw", "axes", "batch", "schedule", "state", "inputs")
    report(api.vary(nets, *(options[key] for key in keys)), options["fmt"], output, options["width"])


# ---- a design space


def checked_space(nets: tuple[str, ...]) -> Path:
    """The one design space that was given."""
    if len(nets) > 1:
        raise InputError(f"{', '.join(nets)}: a design space stands alone; name its networks in the file")
    return Path(nets[0])


def sweep_space(file: Path, output: Path | None, told: dict[str, Any]) -> None:
    """A design space as rows, in a directory of Parquet files or in one CSV file."""
    alien = [name for name in told if name not in OF_SPACES]
    if alien:
        raise InputError(f"{flags(alien)}: a design space says that itself; write it into {file}")
    if output is None or output.suffix.lower() not in (".parquet", ".csv"):
        raise InputError(f"{file}: the rows of a design space need a place; give -o NAME.parquet, or for few -o NAME.csv")
    if output.suffix.lower() == ".csv":
        sweep_to_csv(file, output, told)
    else:
        sweep_to_parquet(file, output, told)


def sweep_to_csv(file: Path, output: Path, told: dict[str, Any]) -> None:
    """All rows in one file, written at the end."""
    alien = [name for name in ("workers", "dask", "resume") if name in told]
    if alien:
        other = output.with_suffix(".parquet")
        raise InputError(f"{flags(alien)}: a CSV file is written at once, by this process; give -o {other}")
    checked_output(output)
    from costmodel import api
    from costmodel.explore.run import csv_text

    frame = api.sweep(file, metrics=told.get("metrics"), chunk=told.get("chunk"))
    write_atomically(output, csv_text(frame))
    click.echo(f"{printable(str(output))}: {len(frame):,} rows", err=True)


def sweep_to_parquet(file: Path, output: Path, told: dict[str, Any]) -> None:
    """All rows in a directory, part by part, while a person may watch."""
    from costmodel import api
    from costmodel.report.progress import summary, watched

    shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    with watched(shown=shown) as progress:
        found = api.stream(file, output, **told, progress=progress)
    click.echo(printable(summary(found)), err=True)


MAXIMISE: Final = "such as --maximise macs, separated by commas. [default: none]"


def seed(decided: str) -> Callable[[Command], Command]:
    """What chance starts from."""
    told = f"What decides {decided}, such as --seed 1."
    return click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="S", help=told)


@click.command()
@click.argument("space", metavar="SPACE.yaml", type=click.Path(path_type=Path))
@click.option(
    "--objective", required=True, metavar="METRIC,...",
    help="What is to be small: energy, latency, dram, storage, ram or any metric of a sweep, such as --objective "
    "energy,params.",
)  # fmt: skip
@click.option("--maximise", default="", metavar="METRIC,...", help=f"Those of the objectives that are to be large, {MAXIMISE}")
@click.option(
    "--trials", required=True, type=click.IntRange(min=1), metavar="N",
    help="Points tried in total, such as --trials 200, those included that --storage has already.",
)
@click.option(
    "--budget", multiple=True, metavar="LIMIT=QUANTITY",
    help="What must not be exceeded: max_energy, max_latency, max_ram, max_dram, max_storage, max_params or max_macs, such as "
    "--budget max_energy=5mJ. Repeat it for several. [default: none]",
)
@click.option(
    "--storage", metavar="FILE",
    help="Where trials are kept, so that the search can go on: a file .journal or .log, an SQLite file .db, or the address of "
    "a data base, such as --storage study.journal. [default: nowhere]",
)
@click.option(
    "--sampler", type=click.Choice(("tpe", "nsga2", "random")), default="tpe", show_default=True,
    help="What suggests points, such as --sampler nsga2: Optuna's TPE or NSGA-II, or chance.",
)
@seed("the points tried")
@click.option(
    "--batch", type=click.IntRange(min=1), default=10, show_default=True, metavar="N",
    help="Trials that are asked for and priced together, such as --batch 50.",
)
@printed
def search(space: Path, objective: str, **settings: Any) -> Result:  # noqa: ANN401 - trials, limits, and how they are chosen
    """Search a design space, and print the best designs that were tried.

    SPACE.yaml says what varies. Several objectives give the designs that no other one tried beats in all of them. The same
    seed tries the same points, also when a search is killed and goes on.

    \b
    costmodel search space.yaml --objective energy,params --trials 200
    costmodel search space.yaml --objective macs --maximise macs --budget max_energy=5mJ --trials 500 --storage s.journal
    """
    from costmodel import api

    return api.search(space, objective, **settings)


@click.command()
@click.argument("table", metavar="TABLE", type=click.Path(path_type=Path))
@click.option(
    "--by", required=True, metavar="COLUMN,...", help="What is compared, such as --by params,energy; less is better."
)
@click.option("--maximise", default="", metavar="COLUMN,...", help=f"Those of them of which more is better, {MAXIMISE}")
@click.option(
    "--fronts", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
    help="How many ranks are shown, such as --fronts 3: designs that no other one beats, those that only these beat, and so "
    "on.",
)  # fmt: skip
@click.option(
    "--space", type=click.Path(path_type=Path), metavar="SPACE.yaml",
    help="The design space that the table is of, such as --space space.yaml, to mark designs whose place depends on constants "
    "that are not known exactly. [default: no marks]",
)
@click.option(
    "--samples", type=click.IntRange(min=2), default=256, show_default=True, metavar="N",
    help="Draws of these constants within their ranges, such as --samples 1000.",
)
@seed("the draws")
@click.option(
    "--near", type=click.IntRange(min=1), default=1000, show_default=True, metavar="N",
    help="How many designs are looked at, in whole fronts from the first one on, such as --near 5000.",
)
@printed
def pareto(table: Path, **options: Any) -> Result:  # noqa: ANN401 - what is compared, and how certain it is
    """Find the designs that no other one beats.

    TABLE is what costmodel sweep -o wrote, or any .csv or .parquet file with a column per figure.

    \b
    costmodel pareto out.parquet --by params,energy
    costmodel pareto out.parquet --by params,energy --space space.yaml
    costmodel pareto trained.csv --by params,accuracy --maximise accuracy --format csv
    """
    from costmodel import api

    return api.pareto(table, **options)


@click.command()
@NET
@click.option(
    "--layer", metavar="LAYER",
    help="One layer, such as --layer conv2: every size at which its minimum drops, to the byte. [default: all layers]",
)
@click.option(
    "--capacity", default="1KiB:16MiB", show_default=True, metavar="SIZES",
    help="Sizes of the memory, such as --capacity 1KiB:16MiB, which doubles, 16KiB:1MiB:4x, or 64KiB,1MiB.",
)
@click.option(
    "--hw", "hardware", metavar="PROFILE",
    help=f"{HARDWARE} Its number format, width of partial sums and double buffering are used. [default: none]",
)
@INPUT
@with_options((BATCH, *WIDTHS))
@printed
def curve(net: str, **options: Any) -> Result:  # noqa: ANN401 - layer, capacities, hardware, inputs, batch, widths
    """Show how far the off-chip bytes of a network, or of one layer, fall as the memory grows, and how far they could.

    NET is a network as for analyze. What is moved is the exact minimum over all tiles and loop orders; the I/O bound holds
    for any schedule whatever. Without --dtype, operands have the widths of a quantised file, else the format of --hw, else
    int8.

    \b
    costmodel curve squeezenet
    costmodel curve alexnet --layer conv2 --capacity 1KiB:1MiB
    costmodel curve resnet --hw ethos-u65-512 --capacity 64KiB,1MiB --format csv -o curve.csv
    """
    from costmodel import api

    return api.curve(net, **options)


@click.command()
@click.argument("space", metavar="SPACE.yaml", type=click.Path(path_type=Path))
@click.option(
    "--by", "goals", default="energy,latency,edp", show_default=True, metavar="GOAL,...",
    help="What is to be least, such as --by energy: energy, latency, or edp, their product; per input.",
)
@click.option(
    "--samples", type=click.IntRange(min=2), default=256, show_default=True, metavar="N",
    help="Draws of the constants within their ranges, such as --samples 1000.",
)
@seed("the draws")
@printed
def codesign(space: Path, goals: str, samples: int, seed: int) -> Result:
    """Find for every network the hardware that suits it best, and what that costs the other networks.

    SPACE.yaml lists the networks, and says what varies of the hardware.

    \b
    costmodel codesign examples/spaces/codesign.yaml
    costmodel codesign space.yaml --by edp --samples 1000 --format csv
    """
    from costmodel import api

    return api.codesign(space, goals, samples=samples, seed=seed)


COMMANDS = (sweep, curve, search, pareto, codesign)
