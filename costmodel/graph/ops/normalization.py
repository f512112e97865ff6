"""Normalisation over channels, features or neighbours, and softmax."""

from __future__ import annotations

from typing import ClassVar

from costmodel.graph.ops.base import Inputs, Op, Place, as_axis, expect_rank, only, operation
from costmodel.graph.rows import FOLDED, Rows, streamed
from costmodel.graph.shapes import Dim, Shape, as_dim, format_dim, product, require


@operation
class BatchNorm(Op):
    """Scale and shift per channel with the statistics of training.

    `folded` True: merged into the weights of the producer, free, no operations; False: two other
    operations per element; None: folded exactly where a convolution or linear layer feeds only this
    layer. The parameters, 2 per channel if `affine`, are counted in every case; running statistics are not.
    """

    in_place: ClassVar[bool] = True
    overwrites: ClassVar[bool] = True
    row_local: ClassVar[bool] = True
    folded: bool | None = None
    affine: bool = True

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The input's shape."""
        x = only(inputs)
        expect_rank(x, 2, 5, "(batch, channels, ...)")
        return (x.shape,)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row, or a free one if folded by request."""
        pair = product(2, outputs[0].shape[1])
        row = streamed("batch_norm", inputs, outputs[0], ops_per_elem=2)
        row = row._replace(params=pair if self.affine else 0, weight_elems=pair)
        return (row._replace(other_ops=0).freed(FOLDED) if self.folded else row,)

    def rule(self, place: Place) -> str:
        """Folded where the producer has weights to fold into."""
        return FOLDED if self.folded or (self.folded is None and place.after_product()) else ""


@operation
class LayerNorm(Op):
    """Normalisation over the last `axes` axes at every position.

    Five other operations per element (two sums, difference, square, scale), two more if `affine`.
    """

    axes: int = 1
    affine: bool = True

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The input's shape."""
        x = only(inputs)
        require(1 <= self.axes < x.rank, f"normalises {self.axes} axes besides the batch, but {x}")
        return (x.shape,)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row."""
        pair = product(2, *outputs[0].shape[-self.axes :]) if self.affine else 0
        row = streamed("layer_norm", inputs, outputs[0], ops_per_elem=7 if self.affine else 5)
        return (row._replace(params=pair, weight_elems=pair),)


@operation
class GroupNorm(Op):
    """Normalisation over groups of channels; instance normalisation has one channel per group.

    Counts like :class:`LayerNorm`, with 2 parameters per channel.
    """

    groups: Dim
    affine: bool = True

    @classmethod
    def of(cls, groups: Dim, *, affine: bool = True) -> GroupNorm:
        """A group normalisation from arguments as people write them."""
        return cls(as_dim(groups, "groups"), affine)

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The input's shape."""
        x = only(inputs)
        expect_rank(x, 2, 5, "(batch, channels, ...)")
        require(
            x.shape[1] % self.groups == 0, f"groups {format_dim(self.groups)} do not divide the channels: {x}"
        )
        return (x.shape,)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row."""
        pair = product(2, outputs[0].shape[1]) if self.affine else 0
        row = streamed("group_norm", inputs, outputs[0], ops_per_elem=7 if self.affine else 5)
        return (row._replace(params=pair, weight_elems=pair),)


@operation
class LocalResponseNorm(Op):
    """Division by a power of the local energy of `size` neighbouring channels (AlexNet, section 3.3).

    ``size + 3`` other operations per element: square, `size` - 1 sums, scale and offset, power, division.
    """

    row_local: ClassVar[bool] = True
    size: Dim = 5

    @classmethod
    def of(cls, size: Dim = 5) -> LocalResponseNorm:
        """A local response normalisation from arguments as people write them."""
        return cls(as_dim(size, "size"))

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The input's shape."""
        x = only(inputs)
        expect_rank(x, 3, 5, "(batch, channels, 1 to 3 spatial)")
        return (x.shape,)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row."""
        return (streamed("lrn", inputs, outputs[0], ops_per_elem=self.size + 3),)


@operation
class Softmax(Op):
    """Softmax along one axis: five other operations per element (maximum, difference, exp, sum, division)."""

    axis: int = -1

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The input's shape."""
        x = only(inputs)
        as_axis(self.axis, x)
        return (x.shape,)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row."""
        return (streamed("softmax", inputs, outputs[0], ops_per_elem=5),)
