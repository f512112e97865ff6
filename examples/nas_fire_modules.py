"""Search for a small network with the estimator and training in one loop: accuracy against energy, within a budget.

Candidates are stacks of SqueezeNet's fire modules for the digits that ship with scikit-learn (1,797 images of 8 x 8 pixels).
Optuna suggests a batch of them, costmodel prices the batch in one call, and only those within the budget are trained, each for
a second or so. Of all that were trained the front of accuracy and energy is printed, marked where it depends on constants of
the hardware that are not known exactly.

    pip install 'nn-costmodel[examples]'
    python examples/nas_fire_modules.py --trials 24

Accuracy is that of fp32 on images kept aside: what int8 would lose is not part of it.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import costmodel as cm
from costmodel.explore import optuna_adapter
from costmodel.explore.evaluate import evaluate_points
from costmodel.explore.libraries import library
from costmodel.graph import as_dim, as_ratio
from costmodel.graph.blocks import fire_module, scaled

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from optuna.study import Study
    from torch import Tensor, nn

SEED = 0
KEPT_ASIDE = 597
"""Images that accuracy is measured on; the other 1,200 are learnt."""
EPOCHS, MINIBATCH, LEARNING_RATE = 8, 50, 0.02
METRICS = ("params", "macs", "peak_ram_bytes", "energy_j")


# ---- the network, once for the estimator and once for training


def widths(expand: cm.Dim, squeeze_ratio: cm.Ratio, pct_3x3: cm.Ratio) -> tuple[cm.Dim, cm.Dim, cm.Dim]:
    """Filters of a fire module: squeeze, expand 1 x 1, expand 3 x 3."""
    wide = scaled(expand, pct_3x3)
    return scaled(expand, squeeze_ratio), expand - wide, wide


def build(
    stem: cm.Dim = 8, expand: cm.Dim = 16, squeeze_ratio: cm.Ratio = 0.25, pct_3x3: cm.Ratio = 0.5, fires: int = 2
) -> cm.Graph:
    """A stack of fire modules for images of 8 x 8 pixels; sizes may be arrays, so that one graph is many networks."""
    ratios = as_ratio(squeeze_ratio, "squeeze_ratio"), as_ratio(pct_3x3, "pct_3x3")
    squeeze, narrow, wide = widths(as_dim(expand, "expand"), *ratios)
    g = cm.Graph("fire-digits")
    x = g.relu("relu1", g.conv("conv1", g.input("image", (1, 1, 8, 8)), as_dim(stem, "stem"), kernel=3, padding=1))
    for number in range(fires):
        x = fire_module(g, f"fire{number + 2}", x, squeeze, (narrow, wide))
        if number == 0:
            x = g.max_pool("pool2", x, kernel=2, stride=2)
    x = g.conv("classify", x, 10, kernel=1)
    g.output(g.flatten("scores", g.global_avg_pool("pool", x)))
    return g


def module(stem: int, expand: int, squeeze_ratio: float, pct_3x3: float, fires: int) -> nn.Module:
    """The same network in PyTorch, with batch normalisations, which deployment folds into the convolutions."""
    torch = library("torch")
    nn = torch.nn
    squeeze, narrow, wide = widths(expand, squeeze_ratio, pct_3x3)

    def conv(channels: int, filters: int, kernel: int) -> nn.Module:
        layers = nn.Conv2d(channels, filters, kernel, padding=kernel // 2), nn.BatchNorm2d(filters), nn.ReLU()
        made: nn.Module = nn.Sequential(*layers)
        return made

    class Fire(nn.Module):  # type: ignore[name-defined,misc]  # torch is imported here only
        """Squeeze, then two convolutions side by side."""

        def __init__(self, channels: int) -> None:
            super().__init__()
            self.squeeze, self.narrow, self.wide = conv(channels, squeeze, 1), conv(squeeze, narrow, 1), conv(squeeze, wide, 3)

        def forward(self, x: Tensor) -> Tensor:
            squeezed = self.squeeze(x)
            both: Tensor = torch.cat([self.narrow(squeezed), self.wide(squeezed)], 1)
            return both

    layers = [conv(1, stem, 3), Fire(stem), nn.MaxPool2d(2)]
    layers += [Fire(expand) for _ in range(fires - 1)]
    made: nn.Module = nn.Sequential(*layers, nn.Conv2d(expand, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return made


# ---- training


@dataclass(frozen=True)
class Digits:
    """Images as (N, 1, 8, 8) from 0 to 1, and what they show."""

    images: Tensor
    labels: Tensor


@cache
def digits() -> tuple[Digits, Digits]:
    """What is learnt, and what is kept aside."""
    torch = library("torch")
    found = library("sklearn.datasets").load_digits()
    order = torch.randperm(len(found.target), generator=torch.Generator().manual_seed(SEED))
    images = torch.tensor(found.images, dtype=torch.float32)[order].unsqueeze(1) / 16
    labels = torch.tensor(found.target)[order]
    return Digits(images[:-KEPT_ASIDE], labels[:-KEPT_ASIDE]), Digits(images[-KEPT_ASIDE:], labels[-KEPT_ASIDE:])


def accuracy(net: nn.Module, seed: int = SEED, epochs: int = EPOCHS) -> float:
    """Train a network on the CPU, and give the share of the images kept aside that it tells right."""
    torch = library("torch")
    torch.set_num_threads(1)  # small convolutions; more threads wait for each other, and sums change
    learnt, aside = digits()
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATE)
    steps = epochs * (len(learnt.labels) // MINIBATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(learnt.labels), generator=random).split(MINIBATCH)[: steps // epochs]:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(learnt.images[batch]), learnt.labels[batch]).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        return float((net(aside.images).argmax(1) == aside.labels).double().mean())


@cache
def trained_accuracy(stem: int, expand: int, squeeze_ratio: float, pct_3x3: float, fires: int) -> float:
    """Accuracy of a design; designs that are suggested again are not trained again."""
    library("torch").manual_seed(SEED)
    return accuracy(module(stem, expand, squeeze_ratio, pct_3x3, fires))


# ---- the search


def design_space(hardware: str = "stm32h743") -> cm.DesignSpace:
    """Designs that are searched: 2,100 networks on a microcontroller."""
    return cm.DesignSpace(
        name="fire modules for digits",
        network=str(Path(__file__).resolve()),
        hardware=hardware,
        axes={
            "net.stem": [4, 6, 8, 12, 16],
            "net.expand": [8, 12, 16, 24, 32, 48, 64],
            "net.squeeze_ratio": [0.125, 0.25, 0.5, 0.75],
            "net.pct_3x3": [0.125, 0.25, 0.5, 0.75, 0.875],
            "net.fires": [1, 2, 3],
        },
        constraints=["net.expand * net.squeeze_ratio >= 2"],
        schedule="layer",
    )


def searched(space: cm.DesignSpace, budget: cm.Budget, trials: int, batch: int = 8) -> pd.DataFrame:
    """Ask for batches of designs, price each at once, train those within the budget, and tell; one row per design trained."""
    import pandas as pd

    study, rows = new_study(), {}
    for start in range(0, trials, batch):
        asked = [study.ask(optuna_adapter.distributions(space)) for _ in range(min(batch, trials - start))]
        points = [optuna_adapter.point_of(space, trial.params) for trial in asked]
        costs = priced(space, points, budget)
        for trial, point in zip(asked, points, strict=True):
            cost = costs.get(point)
            for name in budget.limits:
                trial.set_constraint(name, cost["violations"][name] if cost else 1.0)
            if cost is None or max(cost["violations"].values(), default=0) > 0:
                study.tell(trial, (0.0, cost["energy_j"] if cost else 1.0))  # what is not allowed is not trained
                continue
            design = {name.removeprefix("net."): value for name, value in space.at(point).items()}
            reached = trained_accuracy(**design)
            study.tell(trial, (reached, cost["energy_j"]))
            rows[point] = {"point": point, **design, **{name: cost[name] for name in METRICS}, "accuracy": reached}
    return pd.DataFrame(rows.values())


def new_study() -> Study:
    """A study of accuracy, the more the better, and energy, the less the better."""
    optuna = library("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=SEED, n_startup_trials=12)
        study: Study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    return study


def priced(space: cm.DesignSpace, points: Sequence[int], budget: cm.Budget) -> dict[int, dict[str, Any]]:
    """Metrics and violations of points by their index, in one call; points that the space excludes are missing."""
    found: dict[str, np.ndarray[Any, Any]] = evaluate_points(space, sorted(set(points)), METRICS)
    violations = budget.violations(found)
    return {
        int(point): {name: float(found[name][row]) for name in METRICS}
        | {"violations": {name: float(values[row]) for name, values in violations.items()}}
        for row, point in enumerate(found["point"])
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the search and print the front; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=24, help="designs that are asked for (default: 24)")
    parser.add_argument("--hw", default="stm32h743", help="hardware, as costmodel analyze takes it (default: stm32h743)")
    parser.add_argument("--max-energy", default="1 mJ", help="most energy per image (default: 1 mJ)")
    parser.add_argument("--max-ram", default="12 KiB", help="most activations alive at once (default: 12 KiB)")
    parser.add_argument("--max-params", default="8 k", help="most parameters (default: 8 k)")
    options = parser.parse_args(argv)
    try:
        for name in ("torch", "sklearn", "optuna", "moocore"):
            library(name)
        budget = cm.Budget(max_energy=options.max_energy, max_ram=options.max_ram, max_params=options.max_params)
        space = design_space(options.hw)
        designs = searched(space, budget, options.trials)
        if designs.empty:
            raise cm.CostModelError(f"none of {options.trials} designs is within the budget; loosen it, or try more")
        front = cm.pareto(designs, "accuracy,energy_j", maximise="accuracy", space=space)
    except cm.CostModelError as error:
        sys.stderr.writelines(f"error: {problem}\n" for problem in error.problems)
        return 2
    print(f"{len(designs)} designs trained of {options.trials} asked for, {space.size:,} in the grid\n")
    print(front)
    return 0


if __name__ == "__main__":
    sys.exit(main())
