"""What a step of the playbook is given and gives: a network with its widths, and what was changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from costmodel.graph import Graph


@dataclass(frozen=True)
class Design:
    """A network, and the widths at which its operands are stored.

    Attributes
    ----------
    graph
        The network.
    bits
        Widths by operand (weight, ifmap, ofmap) [bits]; only lower precision reads and changes them.
    """

    graph: Graph
    bits: Mapping[str, int]


@dataclass(frozen=True)
class Change:
    """What a step did to one layer, or to the whole network where `layer` is "".

    >>> str(Change("conv2", "3x3 64 -> 128", "1x1 64 -> 128"))
    'conv2: 3x3 64 -> 128 becomes 1x1 64 -> 128'
    """

    layer: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.layer or 'all layers'}: {self.before} becomes {self.after}"


class Transformed(NamedTuple):
    """A design after one step, and what the step changed; no changes means that the step found nothing to do."""

    design: Design
    changes: tuple[Change, ...]

    @property
    def graph(self) -> Graph:
        """The network after the step."""
        return self.design.graph


def restructured(design: Design, graph: Graph, changes: Sequence[Change]) -> Transformed:
    """A design with another graph; the design itself where nothing changed."""
    return Transformed(replace(design, graph=graph) if changes else design, tuple(changes))
