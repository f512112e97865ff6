"""Tables of the documentation that are computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

import costmodel as cm
from costmodel.formulas.counts import ceil_div

PUBLISHED: Final = Path(__file__).parents[1] / "published"
MIB: Final = 1 << 20
BATCHES: Final = (1, 4, 8, 16, 64)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (header, rule, *rows))


def published(file: str) -> list[dict[str, Any]]:
    """Return the published figures of a file."""
    loaded: list[dict[str, Any]] = YAML(typ="safe").load(PUBLISHED / file)
    return loaded


def squeezenet_macs() -> str:
    """MACs of SqueezeNet under every convention found in print, published and computed."""
    rows = []
    for figure in published("squeezenet_macs.yaml"):
        if figure["quantity"] == "macs":
            macs = int(cm.load_network(figure["network"]).table().macs.sum())
            source = f"{figure['source']}: {figure['place']}"
            rows.append((f"`{figure['network']}`", f"{macs:,}", f"{figure['value'] / 1e6:.2f} M", source))
    return table(("network", "MACs", "printed", "where"), rows).replace("---: |\n", "--- |\n", 1)


def megabytes() -> str:
    """Stored weights in both megabytes, beside what the paper prints."""
    rows = []
    for figure in published("networks.yaml"):
        if figure["quantity"] == "weight_bytes":
            params = int(cm.load_network(figure["network"]).table().params.sum())
            size = int(ceil_div(params * figure["bits"], 8))
            printed = figure["place"].rpartition(", ")[2] if "Table" in figure["place"] else figure["place"]
            rows.append(
                (f"`{figure['network']}`", f"{params:,}", f"{size / 1e6:.2f} MB", f"{size / MIB:.2f} MiB", printed)
            )
    header = ("network, fp32", "parameters", "10^6 bytes", "2^20 bytes", "the SqueezeNet paper")
    return table(header, rows)
