"""What results made of records have in common: a frame, and a report wherever they are shown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class Recorded(ABC):
    """A result that gives itself as flat records."""

    @abstractmethod
    def records(self) -> list[dict[str, Any]]:
        """One flat record per line of the result."""

    def to_frame(self) -> pd.DataFrame:
        """One row per record."""
        import pandas as pd

        return pd.DataFrame.from_records(self.records())

    def __repr__(self) -> str:
        """Return the report that the command line prints."""
        from costmodel.report import render

        return render(self, "text")  # type: ignore[arg-type]  # every result of records has a document

    def _repr_html_(self) -> str:
        """Return the report for notebooks."""
        from costmodel.report import html_table

        return html_table(self)  # type: ignore[arg-type]  # every result of records has a document
