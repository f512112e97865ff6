"""Commands that explore: networks priced while something varies."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from costmodel.cli_shared import HARDWARE, INPUT, SCHEDULING, SWEEPING, checked_output, report, with_options
from costmodel.errors import InputError


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


@click.command()
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


SHOWING: Final = SWEEPING[1:]
"""How to print."""
MAXIMISE: Final = "such as --maximise macs, separated by commas. [default: none]"


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
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="S",
    help="What decides the points tried, such as --seed 1.",
)
@click.option(
    "--batch", type=click.IntRange(min=1), default=10, show_default=True, metavar="N",
    help="Trials that are asked for and priced together, such as --batch 50.",
)
@with_options(SHOWING)
def search(
    space: Path,
    objective: str,
    maximise: str,
    trials: int,
    budget: tuple[str, ...],
    fmt: str,
    output: Path | None,
    width: int | None,
    **settings: Any,  # noqa: ANN401 - storage, sampler, seed, batch
) -> None:
    """Search a design space, and print the best designs that were tried.

    SPACE.yaml says what varies. Several objectives give the designs that no other one tried beats in all of them. The same
    seed tries the same points, also when a search is killed and goes on.

    \b
    costmodel search space.yaml --objective energy,params --trials 200
    costmodel search space.yaml --objective macs --maximise macs --budget max_energy=5mJ --trials 500 --storage s.journal
    """
    checked_output(output)
    from costmodel import api

    report(api.search(space, objective, trials, budget, maximise, **settings), fmt, output, width)


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
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="S",
    help="What decides the draws, such as --seed 1.",
)
@click.option(
    "--near", type=click.IntRange(min=1), default=1000, show_default=True, metavar="N",
    help="How many designs are looked at, in whole fronts from the first one on, such as --near 5000.",
)
@with_options(SHOWING)
def pareto(
    table: Path,
    by: str,
    maximise: str,
    fronts: int,
    space: Path | None,
    fmt: str,
    output: Path | None,
    width: int | None,
    **uncertainty: Any,  # noqa: ANN401 - samples, seed, near
) -> None:
    """Find the designs that no other one beats.

    TABLE is what costmodel sweep -o wrote, or any .csv or .parquet file with a column per figure.

    \b
    costmodel pareto out.parquet --by params,energy
    costmodel pareto out.parquet --by params,energy --space space.yaml
    costmodel pareto trained.csv --by params,accuracy --maximise accuracy --format csv
    """
    checked_output(output)
    from costmodel import api

    report(api.pareto(table, by, maximise, fronts, space, **uncertainty), fmt, output, width)


COMMANDS = (sweep, search, pareto)
