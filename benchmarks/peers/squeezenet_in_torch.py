"""SqueezeNets built in torch and counted one by one, by torchinfo or fvcore, run by the Python of its own environment.

``python squeezenet_in_torch.py torchinfo|fvcore FILE`` takes builder arguments as a JSON list of objects, and prints one JSON
object: seconds of all networks but the first, and parameters and MACs of each.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import torch
from torch import nn

SHAPE: Final = (1, 3, 224, 224)
POOLED_AFTER: Final = (2, 6)
"""Fire modules behind which a pooling is, from 0."""
CLASSES: Final = 1000


class Fire(nn.Module):
    """A fire module."""

    def __init__(self, channels: int, squeeze: int, one: int, three: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.one, self.three = nn.Conv2d(squeeze, one, 1), nn.Conv2d(squeeze, three, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Squeeze, expand, put together."""
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.one(x)), torch.relu(self.three(x))], 1)


def built(base_e: int, pct_3x3: float, squeeze_ratio: float) -> nn.Module:
    """SqueezeNet v1.0 of some metaparameters, as ``nets/squeezenet.py`` has it."""
    layers: list[nn.Module] = [nn.Conv2d(3, 96, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)]
    channels = 96
    for index in range(8):
        expand = base_e + 128 * (index // 2)
        three = round(expand * pct_3x3)
        layers.append(Fire(channels, round(expand * squeeze_ratio), expand - three, three))
        channels = expand
        if index in POOLED_AFTER:
            layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
    return nn.Sequential(*layers, nn.Conv2d(channels, CLASSES, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def by_torchinfo(model: nn.Module) -> tuple[int, int]:
    """Parameters, and multiply-adds as torchinfo counts them: biases among them."""
    from torchinfo import summary

    found = summary(model, input_size=SHAPE, verbose=0)
    return found.total_params, found.total_mult_adds


def by_fvcore(model: nn.Module) -> tuple[int, int]:
    """Parameters, and MACs of convolutions: what fvcore calls flops."""
    from fvcore.nn import FlopCountAnalysis, parameter_count

    counted = FlopCountAnalysis(model, torch.zeros(SHAPE)).unsupported_ops_warnings(False)
    return parameter_count(model)[""], int(counted.by_operator()["conv"])


COUNTERS: Final = {"torchinfo": by_torchinfo, "fvcore": by_fvcore}


def main() -> None:
    """Count and print; the first network, which imports what is imported late, is not timed."""
    logging.disable(logging.CRITICAL)
    count = COUNTERS[sys.argv[1]]
    designs: list[dict[str, Any]] = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    with torch.no_grad():
        first, *rest = designs
        found = [count(built(**first).eval())]
        start = perf_counter()
        found += [count(built(**one).eval()) for one in rest]
        seconds = perf_counter() - start
    params, macs = zip(*found, strict=True)
    json.dump({"seconds": seconds, "params": params, "macs": macs}, sys.stdout)


if __name__ == "__main__":
    main()
