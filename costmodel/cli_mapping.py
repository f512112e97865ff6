"""Commands about mappings: one layer explained, and loop nests for people and for other mappers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from costmodel.cli_shared import (
    BATCH,
    INPUT,
    ON_HARDWARE,
    PIN,
    WIDTHS,
    checked_output,
    deliver,
    printable,
    printed,
    with_options,
    write_atomically,
)
from costmodel.errors import InputError

if TYPE_CHECKING:
    from costmodel.report import Result

EXPLAINING: Final = (
    click.option(
        "--objective", type=click.Choice(("energy", "latency", "edp", "dram_bytes", "none")),
        help="What layers are mapped for through all memories at once, such as --objective energy; none takes each boundary "
        "between memories by itself. [default: what the profile declares]",
    ),
    PIN,
    BATCH,
    *WIDTHS,
    INPUT,
)  # fmt: skip


@click.command()
@with_options(ON_HARDWARE)
@click.option("--layer", required=True, metavar="LAYER", help="The layer, such as --layer conv3.")
@click.option(
    "--mapping", type=click.Path(path_type=Path), metavar="FILE",
    help="Price this mapping instead of the best, such as --mapping conv3.yaml: YAML or JSON, as costmodel mapping --format "
    "json writes it. [default: the best]",
)  # fmt: skip
@click.option("--no-drops", is_flag=True, help="Do not search for the memory that would save something. [default: search]")
@with_options(EXPLAINING)
@printed
def explain(
    net: str,
    hw: str,
    layer: str,
    mapping: Path | None,
    pins: tuple[str, ...],
    *,
    no_drops: bool,
    **options: Any,  # noqa: ANN401 - objective, inputs, batch, widths
) -> Result:
    """Explain one layer: its loop nest, every access with its formula, and what a larger memory would save.

    NET is a network as for analyze; costmodel analyze lists its layers. A given mapping is checked, priced, and set beside
    the best one.

    \b
    costmodel explain alexnet --hw eyeriss-168 --layer conv3 --objective energy
    costmodel explain squeezenet --hw snapdragon --layer conv10 --format json
    costmodel explain alexnet --hw eyeriss-168 --layer conv3 --objective energy --mapping mine.yaml
    costmodel explain alexnet --hw eyeriss-168 --layer conv3 --objective energy --pin glb.k=16 --pin rows=r:3,c
    """
    from costmodel import api

    if mapping is None:
        return api.explain(net, hw, layer, drops=not no_drops, pins=pins or None, **options)
    if pins:
        raise InputError(f"--mapping {mapping} gives the whole mapping, and leaves nothing to --pin; leave one of them out")
    return api.price_mapping(net, hw, layer, mapping, **options)


@click.command()
@with_options(ON_HARDWARE)
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
    pins: tuple[str, ...],
    fmt: str,
    output: Path | None,
    **options: Any,  # noqa: ANN401 - objective, inputs, batch, widths
) -> None:
    """Write the best mappings of a network's layers through all memories, for people and for other mappers.

    NET is a network as for analyze. What another mapper's format cannot say is noted in the file and on stderr.

    \b
    costmodel mapping alexnet --hw eyeriss-168 --objective energy --layer conv3
    costmodel mapping alexnet --hw eyeriss-168 --objective latency --format zigzag -o alexnet.mapping.yaml
    costmodel mapping alexnet --hw eyeriss-168 --objective latency --format timeloop -o maps
    """
    into = output if output is not None and output.is_dir() and fmt == "timeloop" else None
    checked_output(None if into else output)
    from costmodel import api
    from costmodel.joint.pinning import given_pins
    from costmodel.report.as_mapping import nests_of, remarks, texts

    result = api.analyze(net, hw, schedule="layer", pins=given_pins(pins, layers), **options)
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


COMMANDS: Final = (explain, mapping)
"""In the order in which the help lists them."""
