"""Parameters and buffers of a PyTorch module: what each is for, from the module that holds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from costmodel.importers.inventory import (
    BATCH_NORM,
    BIASES,
    CONSTANTS,
    NORM,
    STATISTICS,
    TRAINED,
    WEIGHTS,
    Inventory,
    Stored,
    judged,
)
from costmodel.importers.torch import Example, Module, torch_program

STATISTICS_OF: Final = ("running_mean", "running_var")
UNREAD: Final = "no operation reads them on these inputs"


def torch_inventory(module: Module, *inputs: Example) -> Inventory:
    """Every parameter and buffer of a module, shared ones once; arguments and errors as of ``torch_graph``."""
    program = torch_program(module, *inputs)
    counted = program.counted
    readers = Counter(id(p) for _, p in module.named_parameters(remove_duplicate=False))
    tensors = [
        _parameter(module, name, value, counted=name in counted, shared=readers[id(value)] > 1)
        for name, value in module.named_parameters()
    ]
    rule = "sum(p.numel() for p in module.parameters())"
    return Inventory(program.graph, "PyTorch", rule, (*tensors, *_buffers(module)))


def _parameter(module: Module, name: str, value: Any, *, counted: bool, shared: bool) -> Stored:  # noqa: ANN401 - torch's own
    """One parameter."""
    owner, _, leaf = name.rpartition(".")
    kind, elems = _kind(module.get_submodule(owner), leaf), value.numel()
    found = judged(name, kind, elems, 8 * value.element_size(), elems if counted else 0, "", shared=shared)
    return found if counted else Stored(name, kind, elems, found.bits, elems, 0, UNREAD, shared)


def _kind(owner: Module, leaf: str) -> str:
    """What a parameter is for, by the class that holds it and its name."""
    kind = type(owner).__name__
    if "BatchNorm" in kind:
        return BATCH_NORM
    if "Norm" in kind:
        return NORM
    if leaf.startswith("bias") or leaf.endswith("bias"):
        return BIASES
    return WEIGHTS if "weight" in leaf else TRAINED


def _buffers(module: Module) -> Iterator[Stored]:
    """Buffers, which torch counts as no parameters either; None where one is switched off."""
    for name, value in module.named_buffers():
        kind = STATISTICS if name.rpartition(".")[2] in STATISTICS_OF else CONSTANTS
        yield Stored(name, kind, value.numel(), 8 * value.element_size(), 0, 0)

