"""A result as CSV: one row per layer, step, point or line of a reconciliation in base units; the header names the columns."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import TYPE_CHECKING, Any

from costmodel.report.names import visible

if TYPE_CHECKING:
    from costmodel.activations import MemoryTimeline
    from costmodel.analysis import Analysis
    from costmodel.compression import Storage
    from costmodel.reconciliation import Reconciliation
    from costmodel.report import Result


def csv_text(result: Result) -> str:
    """CSV of a result: layers of analyses, steps of a timeline, points of a variation, what-ifs, lines of a reconciliation."""
    records = list(records_of(result))
    out = StringIO()
    writer = csv.DictWriter(out, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def records_of(result: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any result
    """Rows of a result; an analysis with a reconciliation gives the lines of that."""
    reconciled = result if hasattr(result, "lines") else getattr(result, "reconciliation", None)
    if reconciled is not None:
        yield from reconciliation_records(reconciled)
    elif hasattr(result, "steps") and hasattr(result, "convention"):
        yield from step_records(result)
    elif hasattr(result, "scheme"):
        yield from storage_records(result)
    elif hasattr(result, "records"):
        yield from map(shown, result.records())
    else:
        for analysis in analyses(result):
            yield from layer_records(analysis)


def shown(record: dict[str, Any]) -> dict[str, Any]:
    """A record whose names and texts do not act on a terminal."""
    return {visible(key): visible(value) if isinstance(value, str) else value for key, value in record.items()}


def analyses(result: Any) -> Iterable[Analysis]:  # noqa: ANN401 - an Analysis or a Comparison
    """The analyses that a result consists of."""
    found: Iterable[Analysis] = getattr(result, "analyses", (result,))
    return found


def layer_records(analysis: Analysis) -> Iterator[dict[str, Any]]:
    """One record per layer, after what it was priced for."""
    context = {
        "network": visible(analysis.network),
        "hardware": visible(analysis.hardware.name),
        "precision": visible(analysis.precision.name),
        "batch": analysis.batch,
    }
    for layer in analysis.layers:
        record = {**context, **layer.flat()}
        yield {key: visible(value) if isinstance(value, str) else value for key, value in record.items()}


def reconciliation_records(reconciled: Reconciliation) -> Iterator[dict[str, Any]]:
    """One record per line, after what is compared; what nothing says is empty."""
    for line in reconciled.to_dict()["lines"]:
        yield {"network": visible(reconciled.network), "framework": reconciled.framework, **line}


def storage_records(result: Storage) -> Iterator[dict[str, Any]]:
    """One record per layer, after what was stored and how."""
    context = {"network": visible(result.network), "scheme": visible(result.scheme.name)}
    for record in result.records():
        yield {**context, **record, "name": visible(record["name"])}


def step_records(result: MemoryTimeline) -> Iterator[dict[str, Any]]:
    """One record per step, after what was counted; what is alive is separated by semicolons."""
    context = {
        "network": visible(result.network),
        "precision": visible(result.precision.name),
        "batch": result.batch,
        "convention": result.convention,
        "order": result.order,
    }
    for record in result.records():
        named = {key: visible(record[key]) for key in ("name", "op")}
        yield {**context, **record, **named, "alive": ";".join(map(visible, record["alive"]))}
