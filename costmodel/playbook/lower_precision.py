"""Lower precision: fewer bits for weights and activations.

S. Han et al., "Deep Compression", arXiv:1510.00149, for weights; the width is one for the whole network. Strength is the
fraction of the bits that falls away: 0.5 makes 8 out of 16 bits, 0.75 out of 32. A MAC is then priced at the narrowest integer
multiplier of the hardware that holds both operands.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from costmodel.playbook.design import Change, Transformed
from costmodel.playbook.layers import kept

if TYPE_CHECKING:
    from costmodel.playbook.design import Design


def transformed(design: Design, strength: float) -> Transformed:
    """Every operand with a fraction of its bits less, one at least."""
    bits = {operand: kept(width, strength) for operand, width in design.bits.items()}
    changes = tuple(
        Change("", f"{operand} of {width} bits", f"{bits[operand]} bits")
        for operand, width in design.bits.items()
        if bits[operand] < width
    )
    return Transformed(replace(design, bits=bits), changes)
