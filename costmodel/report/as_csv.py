"""A result as CSV: one row per layer in base units, or per line of a reconciliation; the header names the columns."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import TYPE_CHECKING, Any

from costmodel.report.names import visible

if TYPE_CHECKING:
    from costmodel.analysis import Analysis
    from costmodel.comparison import Comparison
    from costmodel.reconciliation import Reconciliation


def csv_text(result: Analysis | Comparison | Reconciliation) -> str:
    """CSV of a result: every layer of every analysis; the lines of a reconciliation alone where there is one."""
    reconciled: Any = result if hasattr(result, "lines") else getattr(result, "reconciliation", None)
    if reconciled is not None:
        records = list(reconciliation_records(reconciled))
    else:
        records = [record for analysis in analyses(result) for record in layer_records(analysis)]
    out = StringIO()
    writer = csv.DictWriter(out, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


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
        record = {**context, **layer.to_dict(), "mapping": str(layer.mapping or "")}
        yield {key: visible(value) if isinstance(value, str) else value for key, value in record.items()}


def reconciliation_records(reconciled: Reconciliation) -> Iterator[dict[str, Any]]:
    """One record per line, after what is compared; what nothing says is empty."""
    for line in reconciled.to_dict()["lines"]:
        yield {"network": visible(reconciled.network), "framework": reconciled.framework, **line}
