"""The how-to for layers: its examples run, and its rules are those of the code."""

import re
from pathlib import Path

import numpy as np
import pytest

from costmodel.errors import ShapeError
from costmodel.graph import Graph
from costmodel.graph.rows import FREE_RULES

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "add-a-layer.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def names():
    """What all examples define, run one after the other as a reader would."""
    defined = {"__name__": "howto"}
    for block in BLOCKS:
        exec(block, defined)
    return defined


def test_examples_run(names):
    """Both operations are defined, and their assertions hold."""
    assert len(BLOCKS) == 2
    assert {"PixelShuffle", "LowRank"} <= set(names)


def test_examples_take_design_points(names):
    """The habits of the page suffice for arrays."""
    g = Graph("space")
    x = g.input("x", (1, np.array([16, 36]), 4, 4))
    (y,) = g.layer("shuffle", names["PixelShuffle"](2), x)
    g.layer("fc", names["LowRank"](np.array([2, 3]), 10), g.flatten("flat", y))

    assert y.shape[1].tolist() == [4, 9]
    assert g.table().total("macs").tolist() == [2 * (256 + 10), 3 * (576 + 10)]


def test_example_refusals_name_the_layer(names):
    """The graph puts the name in front."""
    g = Graph("net")
    with pytest.raises(ShapeError) as caught:
        g.layer("shuffle", names["PixelShuffle"](2), g.input("x", (1, 6, 4, 4)))

    assert str(caught.value) == "shuffle: block 2 does not divide the channels: x gives (1, 6, 4, 4)"


def test_every_rule_is_listed():
    """The page names each rule by which a row is free."""
    for rule in FREE_RULES:
        assert f"| {rule} |" in PAGE
