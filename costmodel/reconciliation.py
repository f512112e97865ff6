"""Parameters as the framework counts them against those counted here, and a reason for every difference."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from costmodel.importers.inventory import KINDS

if TYPE_CHECKING:
    import pandas as pd

    from costmodel.importers.inventory import Inventory, Stored

UNEXPLAINED = "not explained; please report this network"


@dataclass(frozen=True)
class Line:
    """Tensors of one kind with one reason.

    Attributes
    ----------
    kind
        What they are for.
    tensors, elems, stored_bytes
        How many there are, their elements, and their size as stored [B], None where nothing says it.
    framework_params, params
        Parameters that the framework's total and costmodel count in them.
    why
        Why the two differ, "" where they do not.
    shared
        How many of the tensors several layers read.
    """

    kind: str
    tensors: int
    elems: int
    stored_bytes: int | None
    framework_params: int
    params: int
    why: str
    shared: int


@dataclass(frozen=True, repr=False)
class Reconciliation:
    """Parameter counts of one network, line by line.

    Attributes
    ----------
    network, framework
        Names of the network and of what its total is compared with.
    rule
        What that total is.
    lines
        Every tensor that is stored, by kind and reason.
    params
        Parameters that costmodel reports.
    """

    network: str
    framework: str
    rule: str
    lines: tuple[Line, ...]
    params: int

    @property
    def framework_params(self) -> int:
        """The total of the framework."""
        return sum(line.framework_params for line in self.lines)

    @property
    def unexplained(self) -> int:
        """Parameters reported that no stored tensor accounts for; 0 unless a tensor was overlooked."""
        return self.params - sum(line.params for line in self.lines)

    @property
    def differences(self) -> tuple[Line, ...]:
        """The lines that the two totals differ in."""
        return tuple(line for line in self.lines if line.framework_params != line.params)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "network": self.network,
            "framework": self.framework,
            "rule": self.rule,
            "lines": [asdict(line) for line in self.lines],
            "framework_params": self.framework_params,
            "params": self.params,
            "unexplained": self.unexplained,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per line."""
        import pandas as pd

        return pd.DataFrame.from_records([asdict(line) for line in self.lines])

    def __repr__(self) -> str:
        """Return the table that the command line prints."""
        from costmodel.report import render

        return render(self, "text")

    def _repr_html_(self) -> str:
        """Return the table for notebooks."""
        from costmodel.report import html_table

        return html_table(self)


def reconciliation_of(inventory: Inventory) -> Reconciliation:
    """Lines of an inventory, in the order of their kinds."""
    groups: dict[tuple[str, str], list[Stored]] = {}
    for stored in inventory.tensors:
        groups.setdefault((stored.kind, stored.why), []).append(stored)
    order = sorted(groups, key=lambda group: (KINDS.index(group[0]), group[1]))
    lines = tuple(line_of(kind, why, groups[kind, why]) for kind, why in order)
    params = int(inventory.graph.table().total("params")[0])
    return Reconciliation(inventory.graph.name, inventory.framework, inventory.rule, lines, params)


def line_of(kind: str, why: str, tensors: list[Stored]) -> Line:
    """Sums over tensors; elements narrower than a byte are packed tensor by tensor."""
    known = all(stored.bits for stored in tensors)
    size = sum(-(-stored.elems * stored.bits // 8) for stored in tensors) if known else None
    return Line(
        kind,
        len(tensors),
        sum(stored.elems for stored in tensors),
        size,
        sum(stored.framework for stored in tensors),
        sum(stored.counted for stored in tensors),
        why,
        sum(stored.shared for stored in tensors),
    )
