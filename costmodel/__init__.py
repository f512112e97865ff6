"""What a neural network costs on a given piece of hardware: parameters, MACs, off-chip bytes, energy and latency.

Names are loaded on first use, so that ``import costmodel`` costs nothing.

>>> import costmodel as cm
>>> cm.analyze("alexnet", "snapdragon").totals.macs
724406816
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from costmodel.activations import MemoryTimeline as MemoryTimeline
    from costmodel.advice import Advice as Advice
    from costmodel.advice import Shrinking as Shrinking
    from costmodel.analysis import Analysis as Analysis
    from costmodel.api import advise as advise
    from costmodel.api import analyze as analyze
    from costmodel.api import codesign as codesign
    from costmodel.api import compare as compare
    from costmodel.api import curve as curve
    from costmodel.api import explain as explain
    from costmodel.api import from_torch as from_torch
    from costmodel.api import load_hardware as load_hardware
    from costmodel.api import load_network as load_network
    from costmodel.api import memory as memory
    from costmodel.api import pareto as pareto
    from costmodel.api import price_mapping as price_mapping
    from costmodel.api import reconcile as reconcile
    from costmodel.api import search as search
    from costmodel.api import shrink as shrink
    from costmodel.api import storage as storage
    from costmodel.api import stream as stream
    from costmodel.api import sweep as sweep
    from costmodel.api import train_cost as train_cost
    from costmodel.api import transform as transform
    from costmodel.api import update as update
    from costmodel.api import vary as vary
    from costmodel.comparison import Comparison as Comparison
    from costmodel.compression import Scheme as Scheme
    from costmodel.compression import Storage as Storage
    from costmodel.errors import CostModelError as CostModelError
    from costmodel.explanation import Explanation as Explanation
    from costmodel.explore.budget import Budget as Budget
    from costmodel.explore.codesign import CoDesign as CoDesign
    from costmodel.explore.curve import Curve as Curve
    from costmodel.explore.pareto import Front as Front
    from costmodel.explore.run import RunReport as RunReport
    from costmodel.explore.space import DesignSpace as DesignSpace
    from costmodel.explore.study import Search as Search
    from costmodel.explore.vary import Variation as Variation
    from costmodel.graph import Dim as Dim
    from costmodel.graph import Graph as Graph
    from costmodel.graph import Ratio as Ratio
    from costmodel.hardware import HardwareProfile as HardwareProfile
    from costmodel.hardware.link import Link as Link
    from costmodel.hardware.link_loading import load_link as load_link
    from costmodel.reconciliation import Reconciliation as Reconciliation
    from costmodel.schedule import Schedule as Schedule
    from costmodel.training import TrainingCost as TrainingCost
    from costmodel.updates import UpdateCost as UpdateCost

__version__ = "0.1.0"

HOMES = {
    "Advice": "advice",
    "Analysis": "analysis",
    "Budget": "explore.budget",
    "CoDesign": "explore.codesign",
    "Comparison": "comparison",
    "CostModelError": "errors",
    "Curve": "explore.curve",
    "DesignSpace": "explore.space",
    "Dim": "graph",
    "Explanation": "explanation",
    "Front": "explore.pareto",
    "Graph": "graph",
    "HardwareProfile": "hardware",
    "Link": "hardware.link",
    "MemoryTimeline": "activations",
    "Ratio": "graph",
    "Reconciliation": "reconciliation",
    "RunReport": "explore.run",
    "Schedule": "schedule",
    "Search": "explore.study",
    "Shrinking": "advice",
    "Variation": "explore.vary",
    "advise": "api",
    "TrainingCost": "training",
    "UpdateCost": "updates",
    "Scheme": "compression",
    "Storage": "compression",
    "analyze": "api",
    "codesign": "api",
    "compare": "api",
    "curve": "api",
    "explain": "api",
    "from_torch": "api",
    "load_hardware": "api",
    "load_link": "hardware.link_loading",
    "load_network": "api",
    "memory": "api",
    "pareto": "api",
    "price_mapping": "api",
    "reconcile": "api",
    "search": "api",
    "shrink": "api",
    "storage": "api",
    "stream": "api",
    "sweep": "api",
    "transform": "api",
    "train_cost": "api",
    "update": "api",
    "vary": "api",
}
__all__ = list(HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    """Load a public name from its module (PEP 562)."""
    if name not in HOMES:
        raise AttributeError(f"module 'costmodel' has no attribute {name!r}")
    return getattr(import_module(f"costmodel.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Public names, for completion."""
    return sorted([*HOMES, "__version__"])
