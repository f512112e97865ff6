"""Reports: a result as text, Markdown, JSON, CSV or HTML.

>>> sorted(FORMATS)
['csv', 'json', 'md', 'text']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeAlias

from costmodel.errors import InputError

if TYPE_CHECKING:
    from costmodel.activations import MemoryTimeline
    from costmodel.advice import Advice, Shrinking
    from costmodel.analysis import Analysis
    from costmodel.comparison import Comparison
    from costmodel.compression import Storage
    from costmodel.explanation import Explanation
    from costmodel.explore.codesign import CoDesign
    from costmodel.explore.curve import Curve
    from costmodel.explore.pareto import Front
    from costmodel.explore.study import Search
    from costmodel.explore.vary import Variation
    from costmodel.reconciliation import Reconciliation
    from costmodel.report.document import Document
    from costmodel.training import TrainingCost
    from costmodel.updates import UpdateCost

    Result: TypeAlias = (
        Advice
        | Analysis
        | CoDesign
        | Comparison
        | Curve
        | Explanation
        | Front
        | MemoryTimeline
        | Reconciliation
        | Search
        | Shrinking
        | Storage
        | TrainingCost
        | UpdateCost
        | Variation
    )

__all__ = ["FORMATS", "document_of", "html_table", "render", "render_document"]

FORMATS: Final = ("text", "md", "json", "csv")
DOCUMENTS: Final = {
    "Advice": "advice_document",
    "Analysis": "analysis_document",
    "CoDesign": "codesign_document",
    "Comparison": "comparison_document",
    "Curve": "curve_document",
    "Explanation": "explanation_document",
    "Front": "front_document",
    "MemoryTimeline": "memory_document",
    "Reconciliation": "reconciliation_document",
    "Search": "search_document",
    "Shrinking": "shrinking_document",
    "TrainingCost": "training_document",
    "UpdateCost": "update_document",
    "Storage": "storage_document",
    "Variation": "variation_document",
}


def document_of(result: Result) -> Document:
    """Tables, facts and sentences of a result."""
    module = import_module(f"costmodel.report.{DOCUMENTS[type(result).__name__]}")
    document: Document = module.document(result)
    return document


def render(
    result: Result,
    fmt: str = "text",
    *,
    width: int | None = None,
    color: bool = False,
    command: str | None = None,
) -> str:
    """Render a result.

    Parameters
    ----------
    result
        An Advice, Analysis, CoDesign, Comparison, Curve, Explanation, Front, MemoryTimeline, Reconciliation, Search,
        Shrinking, Storage, TrainingCost, UpdateCost or Variation.
    fmt
        ``text``, ``md``, ``json`` or ``csv``.
    width
        Columns of the terminal, for text; 80 where None.
    color
        Whether text carries ANSI colours.
    command
        Command that gives this report, shown as the first line of Markdown.

    Returns
    -------
    str
        The report, its last line ended.

    Raises
    ------
    InputError
        Unknown format.
    """
    if fmt == "json":
        from costmodel.report.as_json import json_text

        return json_text(result)
    if fmt == "csv":
        from costmodel.report.as_csv import csv_text

        return csv_text(result)
    if fmt == "md":
        from costmodel.report.as_markdown import markdown

        return markdown(document_of(result), command)
    if fmt == "text":
        from costmodel.report.as_text import text

        return text(document_of(result), width, color=color)
    raise InputError(f"format: {fmt!r} is not known; use one of {', '.join(FORMATS)}")


def render_document(document: Document, *, width: int | None = None, color: bool = False) -> str:
    """Text of a document that is not a result: a list of networks, of profiles, of published figures."""
    from costmodel.report.as_text import text

    return text(document, width, color=color)


def html_table(result: Result) -> str:
    """Render a result as an HTML fragment for notebooks, every text escaped."""
    from costmodel.report.as_html import html

    return html(document_of(result))
