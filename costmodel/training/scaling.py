"""Synchronous data-parallel training: each worker computes its share of the batch, then all exchange their gradients."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from operator import mul
from typing import TYPE_CHECKING, Any, Final

from costmodel.analysis import SCHEMA_VERSION, Analysis, Range, analysis_of, checked_batch
from costmodel.errors import InputError, NetworkError
from costmodel.formulas import collectives
from costmodel.formulas.counts import ceil_div
from costmodel.precision import FORMAT_BITS
from costmodel.results import Recorded
from costmodel.training.passes import Backward, backward

if TYPE_CHECKING:
    from costmodel.graph import Graph
    from costmodel.hardware import Constant, HardwareProfile, Source
    from costmodel.hardware.link import Link
    from costmodel.precision import Precision


@dataclass(frozen=True)
class Algorithm:
    """How gradients are summed: rounds, elements sent one after the other, and by all together, of a gradient and workers."""

    title: str
    rounds: Callable[[int], int]
    serial_elems: Callable[[int, int], int]
    total_elems: Callable[[int, int], int]


ALGORITHMS: Final[Mapping[str, Algorithm]] = {
    "server": Algorithm(
        "parameter server",
        lambda _workers: 2,
        lambda elems, workers: int(collectives.server_serial_elems(elems, workers)),
        lambda elems, workers: int(collectives.server_serial_elems(elems, workers)),
    ),
    "tree": Algorithm(
        "reduction tree",
        lambda workers: int(collectives.tree_rounds(workers)),
        lambda elems, workers: int(collectives.tree_serial_elems(elems, workers)),
        lambda elems, workers: int(collectives.peer_total_elems(elems, workers)),
    ),
    "ring": Algorithm(
        "ring all-reduce",
        lambda workers: int(collectives.ring_rounds(workers)),
        lambda elems, workers: int(collectives.ring_serial_elems(elems, workers)),
        lambda elems, workers: int(collectives.peer_total_elems(elems, workers)),
    ),
}


@dataclass(frozen=True)
class Exchange:
    """What workers exchange in one iteration: rounds, bytes one after the other, and bytes of all of them together."""

    rounds: int
    serial_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class ScalingPoint:
    """One iteration of so many workers under one algorithm; times of the slowest worker.

    ``speedup`` is that over one worker without exchange, ``low`` and ``high`` its extremes over the ends of the ranges of the
    hardware and of the link, taken as wholes; ``efficiency_ratio`` is the speed-up per worker.
    """

    workers: int
    samples: int
    algorithm: str
    forward_s: float
    backward_s: float
    exchange: Exchange
    exchange_s: float
    iteration_s: float
    speedup: Range

    @property
    def efficiency_ratio(self) -> float:
        """Speed-up per worker."""
        return self.speedup.value / self.workers


@dataclass(frozen=True, repr=False)
class TrainingCost(Recorded):
    """What training one network costs per iteration, and how it scales; ``points`` by workers, then by algorithm."""

    network: str
    hardware: HardwareProfile
    link: Link
    precision: Precision
    batch: int
    overlap: bool
    params: int
    gradient_bytes: int
    forward_macs: int
    backward_macs: int
    points: tuple[ScalingPoint, ...]
    unknown: tuple[str, ...]
    used: tuple[Constant, ...]

    def constants(self) -> tuple[Constant, ...]:
        """Constants of hardware and link that the times depend on; energies are not among them."""
        return self.used

    def assumptions(self) -> tuple[Constant, ...]:
        """Constants used that no source gives."""
        return tuple(constant for constant in self.used if constant.tier == "assumed")

    def sources(self) -> tuple[Source, ...]:
        """Bibliography of the constants used."""
        cited = {constant.source for constant in self.used}
        found = {source.key: source for source in (*self.hardware.sources(), *self.link.sources())}
        return tuple(source for key, source in found.items() if key in cited)

    def records(self) -> list[dict[str, Any]]:
        """One flat record per point."""
        return [
            {
                "workers": point.workers,
                "samples": point.samples,
                "algorithm": point.algorithm,
                "forward_s": point.forward_s,
                "backward_s": point.backward_s,
                **asdict(point.exchange),
                "exchange_s": point.exchange_s,
                "iteration_s": point.iteration_s,
                "speedup": point.speedup.value,
                "speedup_low": point.speedup.low,
                "speedup_high": point.speedup.high,
                "efficiency_ratio": point.efficiency_ratio,
            }
            for point in self.points
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        plain = ("network", "batch", "overlap", "params", "gradient_bytes", "forward_macs", "backward_macs")
        return {
            "schema_version": SCHEMA_VERSION,
            **{name: getattr(self, name) for name in plain},
            "precision": self.precision.to_dict(),
            "hardware": self.hardware.name,
            "link": self.link.name,
            "points": self.records(),
            "unknown": list(self.unknown),
            "constants": [asdict(constant) for constant in self.used],
            "sources": [asdict(source) for source in self.sources()],
        }


@dataclass(frozen=True)
class Share:
    """What one worker computes in an iteration: its samples, and the time of both passes over the ranges of the hardware."""

    samples: int
    forward_s: Range
    backward_s: Range


@dataclass(frozen=True)
class Setting:
    """What all points have in common: elements and width of the gradient, the link, and the share of a single worker."""

    elems: int
    gradient_bits: int
    link: Link
    overlap: bool
    alone: Share


def training_of(
    graph: Graph,
    hardware: HardwareProfile,
    link: Link,
    workers: Sequence[int],
    batch: int,
    dtype: str | None = None,
    gradient_bits: int = FORMAT_BITS["fp32"],
    *,
    overlap: bool = False,
) -> TrainingCost:
    """Cost of an iteration on every number of workers, under every algorithm.

    Raises
    ------
    InputError
        Numbers of workers that are no positive whole numbers or exceed the batch, or a width that no gradient has.
    NetworkError
        Nothing in the network is trained.
    """
    counts = checked_workers(workers, checked_batch(batch))
    gradients, table = backward(graph), graph.table()
    one = analysis_of(graph, hardware, batch, dtype, None)
    params = int(table.total("params")[0])
    if not params:
        raise NetworkError(f"{graph.name}: has no parameters; there is nothing to train")
    samples = {count: int(ceil_div(batch, count)) for count in counts}
    shares = {size: share_of(analysis_of(graph, hardware, size, dtype, None), gradients) for size in set(samples.values())}
    setting = Setting(params, checked_width(gradient_bits), link, overlap, share_of(one, gradients))
    return TrainingCost(
        network=graph.name,
        hardware=hardware,
        link=link,
        precision=one.precision,
        batch=batch,
        overlap=overlap,
        params=params,
        gradient_bytes=sent_bytes(params, gradient_bits),
        forward_macs=int(table.total("macs")[0]) * batch,
        backward_macs=gradients.macs(table) * batch,
        points=tuple(point_of(count, name, shares[samples[count]], setting) for count, name in product(counts, ALGORITHMS)),
        unknown=tuple(layer.name for layer in one.unknown),
        used=used_constants(one, link),
    )


def parse_workers(text: str) -> list[int]:
    """Numbers of workers from a text: ``1,32,128``, ``START:STOP``, which doubles, or with ``:STEP``, which adds, or ``:3x``.

    >>> parse_workers("1:128"), parse_workers("4,8"), parse_workers("2:8:2"), parse_workers("1:27:3x")
    ([1, 2, 4, 8, 16, 32, 64, 128], [4, 8], [2, 4, 6, 8], [1, 3, 9, 27])
    """
    match = re.fullmatch(r"(\d{1,9}):(\d{1,9})(?::(\d{1,9})(x?))?", text.strip())
    if match is None:
        words = [word.strip() for word in text.split(",")]
        if not all(re.fullmatch(r"\d{1,9}", word) for word in words):
            raise InputError(f"workers: {text!r} given; write START:STOP, such as 1:128, or a list, such as 1,32,128")
        return [int(word) for word in words]
    start, stop, step = int(match[1]), int(match[2]), int(match[3] or 2)
    grows = match[3] is None or match[4] == "x"
    if not 1 <= start <= stop or step < (2 if grows else 1):
        raise InputError(f"workers: {text!r} does not end; START must be from 1 to STOP, and STEP must lead there")
    if not grows:
        return list(range(start, stop + 1, step))
    return [start * step**power for power in range(stop.bit_length() + 1) if start * step**power <= stop]


def checked_workers(workers: Sequence[int], batch: int) -> tuple[int, ...]:
    """Numbers of workers without repeats, in order; refuse what is no number of workers, or more than there are samples."""
    wrong = [count for count in workers if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= batch]
    if wrong or not workers:
        given = ", ".join(map(repr, wrong)) or "none"
        raise InputError(f"workers: {given} given; give whole numbers from 1 to {batch}, the samples of the batch")
    return tuple(dict.fromkeys(workers))


def checked_width(gradient_bits: int) -> int:
    """Refuse widths that no gradient has."""
    if gradient_bits not in (8, 16, 32):
        raise InputError(f"gradient bits: {gradient_bits!r} given; give 8, 16 or 32")
    return gradient_bits


def share_of(analysis: Analysis, gradients: Backward) -> Share:
    """What a worker takes for the samples that were priced; each gradient takes as long as the layer's forward pass."""
    ends = ("latency_s", "latency_low_s", "latency_high_s")
    columns = [analysis.values[end] for end in ends]
    forward = Range(*(sum(column) for column in columns))
    times = [sum(map(mul, column, gradients.gradients)) for column in columns]
    return Share(analysis.batch, forward, Range(*times))


def sent_bytes(elems: int, gradient_bits: int) -> int:
    """Bytes of so many elements of a gradient."""
    return elems * gradient_bits // 8


def exchange_of(algorithm: Algorithm, elems: int, gradient_bits: int, workers: int) -> Exchange:
    """What workers exchange; a single one has nobody to exchange with."""
    if workers == 1:
        return Exchange(0, 0, 0)
    serial, total = algorithm.serial_elems(elems, workers), algorithm.total_elems(elems, workers)
    return Exchange(algorithm.rounds(workers), sent_bytes(serial, gradient_bits), sent_bytes(total, gradient_bits))


def point_of(workers: int, name: str, share: Share, setting: Setting) -> ScalingPoint:
    """One iteration of so many workers under one algorithm."""
    exchange = exchange_of(ALGORITHMS[name], setting.elems, setting.gradient_bits, workers)
    link, hidden = setting.link, float(setting.overlap)

    def times(compute: str, delay: str, speed: str) -> tuple[float, float]:
        """Seconds of the exchange and of the iteration at one end of each range."""
        latency_s, bytes_per_s = getattr(link.latency_s, delay), getattr(link.bandwidth_bytes_per_s, speed)
        exchanged = float(collectives.exchange_s(exchange.rounds, exchange.serial_bytes, latency_s, bytes_per_s))
        forward, back = getattr(share.forward_s, compute), getattr(share.backward_s, compute)
        return exchanged, float(collectives.iteration_s(forward, back, exchanged, hidden))

    def ratio(compute: str, delay: str, speed: str) -> float:
        alone = getattr(setting.alone.forward_s, compute) + getattr(setting.alone.backward_s, compute)
        return float(alone / times(compute, delay, speed)[1])

    exchange_s, iteration_s = times("value", "value", "value")
    corners = [ratio(compute, *ends) for compute in ("low", "high") for ends in (("low", "high"), ("high", "low"))]
    return ScalingPoint(
        workers=workers,
        samples=share.samples,
        algorithm=name,
        forward_s=share.forward_s.value,
        backward_s=share.backward_s.value,
        exchange=exchange,
        exchange_s=exchange_s,
        iteration_s=iteration_s,
        speedup=Range(ratio("value", "value", "value"), min(corners), max(corners)),
    )


def used_constants(analysis: Analysis, link: Link) -> tuple[Constant, ...]:
    """Constants that times depend on: no energies, nor what a device spends on receiving."""
    timed = ("B", "B/s", "Hz", "s", "MAC/cycle")
    found = [constant for constant in analysis.constants() if constant.unit in timed]
    of_link = [replace(c, name=f"{link.name}.{c.name}") for c in (link.bandwidth_bytes_per_s, link.latency_s)]
    return (*found, *of_link)
