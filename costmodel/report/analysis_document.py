"""An analysis as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.report.assumptions import (
    assumed_constants,
    bibliography,
    constant_table,
    free_rules,
    modelled,
    unknown,
    used_constants,
)
from costmodel.report.document import Document
from costmodel.report.dominance import dominance
from costmodel.report.layer_table import layer_table
from costmodel.report.names import visible
from costmodel.report.objective import mapped_for
from costmodel.report.schedule_table import cascades, executed, schedule_table
from costmodel.report.totals import totals_facts

if TYPE_CHECKING:
    from costmodel.analysis import Analysis
    from costmodel.report.document import Block


def document(analysis: Analysis) -> Document:
    """Report of one network on one piece of hardware."""
    used = used_constants([analysis])
    return Document(
        title=title(analysis),
        summary=(unknown(analysis.unknown), totals_facts(analysis), schedule_table(analysis), dominance(analysis)),
        details=(layer_table(analysis), free_rules(analysis.layers), cascades(analysis), *reconciled(analysis)),
        notes=(assumed_constants(used), modelled(analysis)),
        appendix=lambda: (constant_table(used), bibliography(analysis)),
    )


def reconciled(analysis: Analysis) -> tuple[Block, ...]:
    """The reconciliation of parameters, if it was asked for."""
    found = analysis.reconciliation
    if found is None:
        return ()
    from costmodel.report.reconciliation_document import table, verdict

    return table(found, f"Parameters, reconciled with {found.framework}"), verdict(found, "")


def title(analysis: Analysis) -> str:
    """What was priced."""
    name = f"{visible(analysis.network)} on {visible(analysis.hardware.name)}"
    how = mapped_for(analysis.objective) if analysis.objective else executed(analysis.kind, analysis.phase)
    return f"{name}, {visible(analysis.precision.name)}, batch {analysis.batch}, {how}"
