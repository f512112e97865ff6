"""The compiled search, made before the tests that need it: ``python -m tests.compiled``.

Numba compiles a function when it is first called, and keeps it beside its module for other processes. That takes more than a
minute; processes that begin at the same time find nothing yet, and each does the same work.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, Final

from costmodel.mapping.levels.hierarchy import OPERANDS, Hierarchy, Side, Store
from costmodel.mapping.levels.pins import FREE, StationaryPin, TilePin, pins_of
from costmodel.mapping.levels.search import OBJECTIVES, Found, search
from costmodel.mapping.nest import Layer

PJ: Final = dict.fromkeys(OPERANDS, 1.0)
LAYER: Final = Layer(
    k=3, c=2, p=4, q=4, r=3, s=3, ifmap_h=6, ifmap_w=6, weight_bits=8, ifmap_bits=8, ofmap_bits=8, psum_bits=32
)
STORES: Final = Store("dram", None, PJ, PJ), Store("glb", 8192, PJ, PJ, optional=("weight",))
ELEMENT: Final = Store("rf", None, PJ, PJ, {"weight": 64, "ofmap": 64}, holds=("weight", "ofmap"), per_element=True)
SIDES: Final = Side("rows", 2, ("c",)), Side("columns", 2, ("k", "p"))
HIERARCHIES: Final = Hierarchy(STORES, SIDES, 4.0), Hierarchy((*STORES, ELEMENT), SIDES, 4.0)
PINS: Final = FREE, pins_of([TilePin("glb", "k", 3), StationaryPin("glb", "weight")])


def searched() -> list[Found]:
    """Search in every way that a search has: for each objective, with and without stores in elements and pins."""
    every = product(HIERARCHIES, OBJECTIVES, PINS)
    return [search([LAYER], hierarchy, objective, pins=pins)[0] for hierarchy, objective, pins in every]


def modules() -> list[ModuleType]:
    """Return the modules of the search that are loaded."""
    return [module for name, module in sys.modules.items() if name.startswith("costmodel.mapping.levels.")]


def functions() -> Iterator[Any]:
    """Yield every compiled function of the search, once."""
    for module in modules():
        for value in vars(module).values():
            if hasattr(value, "py_func") and value.__module__ == module.__name__:
                yield value


def made_here() -> list[str]:
    """Return the functions that this process compiled, as it found them nowhere."""
    return sorted(f.__name__ for f in functions() if f.stats.cache_misses)


def main() -> None:
    """Compile what is not kept yet, and say how long that took."""
    begun = perf_counter()
    assert all(found.optimal for found in searched())
    kept = {Path(function.stats.cache_path) for function in functions()}
    assert any(file for folder in kept for file in folder.glob("*.nbi")), f"nothing is kept in {kept}: is Numba installed?"
    print(f"{len(made_here())} functions of the search compiled in {perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
