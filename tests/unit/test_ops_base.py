"""Operations as records: what `operation` makes is what a frozen dataclass with slots is."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass, replace

import pytest

from costmodel.graph import Graph
from costmodel.graph.ops.base import Op, operation
from costmodel.graph.ops.convolution import Conv
from costmodel.graph.ops.dense import Linear
from costmodel.graph.ops.normalization import BatchNorm


class Still(Op):
    """An operation that gives and costs nothing."""

    __slots__ = ()

    def infer(self, _inputs):
        """No output."""
        return ()

    def lower(self, _inputs, _outputs):
        """No row."""
        return ()


@operation
class Quick(Still):
    """Made by `operation`."""

    size: int
    kind: str = "plain"


@dataclass(frozen=True, slots=True)
class Plain(Still):
    """The same by hand."""

    size: int
    kind: str = "plain"


@dataclass(frozen=True, slots=True)
class Further(Quick):
    """Derived by hand from what `operation` made."""

    more: bool = False


def test_equal_by_class_and_values():
    """Two operations are equal if their class and every field are."""
    assert Quick(3) == Quick(3, "plain")
    assert Quick(3) != Quick(4)
    assert Quick(3) != Plain(3)
    assert Quick(3) != Further(3)
    assert Conv.of(2, 8, 3, 1, 0, 1, 1, bias=True, shared=False) == Conv.of(2, 8, (3, 3), 1, 0, 1, 1, bias=True, shared=False)


def test_hash_goes_with_equality():
    """Equal operations are one entry of a set, as with the dataclass by hand."""
    assert len({Quick(3), Quick(3, "plain"), Quick(4)}) == 2
    assert hash(Quick(3)) == hash(Plain(3))


@pytest.mark.parametrize("made", [Quick(3), Quick(4, "other")])
def test_repr_is_that_of_a_dataclass(made):
    """The class and its fields by name."""
    assert repr(made) == repr(Plain(made.size, made.kind)).replace("Plain", "Quick")


def test_frozen_and_without_other_attributes():
    """No field can be set, and no other attribute added."""
    with pytest.raises(FrozenInstanceError):
        Quick(3).size = 4
    with pytest.raises((AttributeError, TypeError)):
        Quick(3).other = 4
    assert not hasattr(Linear(4), "__dict__")


def test_derived_copied_and_sent():
    """A dataclass can be derived; replace and pickle work."""
    assert Further(3, more=True) == replace(Further(3), more=True)
    assert repr(Further(3)) == "Further(size=3, kind='plain', more=False)"
    assert pickle.loads(pickle.dumps(Quick(3))) == Quick(3)
    assert replace(Quick(3), kind="other") == Quick(3, "other")


def test_who_may_write_in_place():
    """Activations and normalisation by constants may; a product does not."""
    g = Graph("some")
    x = g.batch_norm("norm", g.relu("relu", g.conv("conv", g.input("x", (1, 3, 8, 8)), 4, kernel=3)))

    assert x.shape == (1, 4, 6, 6)
    assert [layer.op.in_place for layer in g.layers] == [False, True, True]
    assert type(g.layers[-1].op) is BatchNorm


def test_families_that_are_not_used_are_not_loaded():
    """A network of convolutions loads neither recurrent layers nor normalisations."""
    script = "import sys, costmodel.graph; print([m for m in sys.modules if m.endswith(('recurrent', 'normalization'))])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert found.strip() == "[]"
