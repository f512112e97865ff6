"""The playbook: steps that make a network smaller, each a transformation of any graph.

Steps in the order in which they are best composed: what removes layers, what makes fire modules of convolutions (squeeze, then
filters of which some are 1x1), what else splits a layer into several, where the map becomes smaller, how many channels are
left, and how wide a number is. They do not commute: a layer that one step puts in is an ordinary layer to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from costmodel.errors import InputError
from costmodel.playbook.design import Change, Design, Transformed

__all__ = ["STEPS", "Change", "Design", "Step", "Transformed", "checked_step", "transformed"]


@dataclass(frozen=True)
class Step:
    """A step of the playbook.

    Attributes
    ----------
    name
        Its name, and that of its module.
    title
        What it does, in a few words.
    usual
        Strengths that published networks are near to.
    least
        Smallest strength, 0 or -1.
    """

    name: str
    title: str
    usual: tuple[float, ...]
    least: float = 0.0


STEPS: Final = (
    Step("global_pooling", "global average pooling instead of fully connected layers", (1.0,)),
    Step("channel_reduction", "1x1 squeeze layers before wide convolutions", (0.5, 0.75)),
    Step("kernel_reduction", "filters become 1x1", (0.5,)),
    Step("depthwise_separable", "depthwise and pointwise convolutions", (1.0,)),
    Step("separable_kernel", "k x 1 and 1 x k filters", (1.0,)),
    Step("bottleneck", "1x1 down, filters, 1x1 up", (0.5, 0.75)),
    Step("grouped_convolution", "groups, and a shuffle of the channels", (0.5, 0.75)),
    Step("delayed_pooling", "down-sampling later, or earlier below zero", (0.5, -0.5), -1.0),
    Step("pruning", "fewer channels", (0.25, 0.5)),
    Step("lower_precision", "fewer bits", (0.5,)),
)
"""The playbook in the order of composition."""


def checked_step(name: str, strength: Any) -> tuple[Step, float]:  # noqa: ANN401 - whatever a user gives
    """A step by name, with a strength that it takes.

    Raises
    ------
    InputError
        Unknown steps, and strengths that are no number within bounds.
    """
    known = {step.name: step for step in STEPS}
    if name not in known:
        raise InputError(f"playbook: {name!r} is not a step{close(name, known)}; the steps are {', '.join(known)}")
    step = known[name]
    number = isinstance(strength, int | float) and not isinstance(strength, bool)
    if not number or not step.least <= strength <= 1:
        raise InputError(f"playbook: {name} has strength {strength!r}; give a number from {step.least:g} to 1")
    return step, float(strength)


def close(word: str, known: dict[str, Step]) -> str:
    """What was probably meant, or nothing."""
    from difflib import get_close_matches

    found = get_close_matches(word, known, n=1)
    return f", did you mean {found[0]!r}?" if found else ""


def transformed(design: Design, name: str, strength: float) -> Transformed:
    """A design after one step; the design itself at strength zero.

    Raises
    ------
    InputError
        As :func:`checked_step`, or the graph carries design points: a step is about one network.
    """
    step, strength = checked_step(name, strength)
    points = design.graph.design_points
    if points != 1:
        raise InputError(f"{design.graph.name}: carries {points} design points; the playbook transforms one network")
    if not strength:
        return Transformed(design, ())
    apply: Callable[[Design, float], Transformed] = import_module(f"costmodel.playbook.{step.name}").transformed
    return apply(design, strength)
