"""Commands that explore: networks priced while something varies."""

from __future__ import annotations

from pathlib import Path

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


COMMANDS = (sweep,)
