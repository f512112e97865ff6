"""What an update sends, and what it costs a device and a fleet to receive it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, Literal

from costmodel.analysis import SCHEMA_VERSION, Range
from costmodel.errors import InputError
from costmodel.formulas.download import download_j, download_s
from costmodel.results import Recorded
from costmodel.updates.changes import Holding, TensorUpdate, layer_updates, weight_updates

if TYPE_CHECKING:
    from costmodel.hardware import Constant, Source
    from costmodel.hardware.link import Link

MOST_DEVICES: Final = 10**12
DTYPE: Final = "fp32"
"""Stored format where no weights say it: that of training."""


@dataclass(frozen=True)
class Delivery:
    """One way to send an update over one link; ``device_j`` is None where receiving has no published cost."""

    link: str
    sent: str
    sent_bytes: int
    device_s: Range
    device_j: Range | None
    fleet_bytes: int
    fleet_j: Range | None


SENT: Final[Mapping[str, tuple[str, str]]] = {
    "full": ("full_bytes", "everything, as stored"),
    "full coded": ("coded_bytes", "everything, coded"),
    "changed": ("delta_bytes", "changed tensors, as stored"),
    "changed coded": ("delta_coded_bytes", "changed tensors, coded"),
}
"""Column of a tensor and meaning, by what is sent."""


@dataclass(frozen=True, repr=False)
class UpdateCost(Recorded):
    """What it takes to bring one network to devices that have another; ``deliveries`` by link, then by what is sent.

    ``basis`` says what a change was told by: ``weights`` or ``layers``.
    """

    old: str
    old_bytes: int
    new: str
    basis: Literal["weights", "layers"]
    dtype: str
    fleet: int
    links: tuple[Link, ...]
    tensors: tuple[TensorUpdate, ...]
    removed: tuple[str, ...]
    retrained: tuple[str, ...]
    deliveries: tuple[Delivery, ...]

    def sizes(self) -> dict[str, int]:
        """Bytes by what is sent."""
        return sizes_of(self.tensors)

    def constants(self) -> tuple[Constant, ...]:
        """Constants of the links, each under the name of its link."""
        return tuple(replace(c, name=f"{link.name}.{c.name}") for link in self.links for c in link.constants())

    def assumptions(self) -> tuple[Constant, ...]:
        """Constants used that no source gives."""
        return tuple(constant for constant in self.constants() if constant.tier == "assumed")

    def sources(self) -> tuple[Source, ...]:
        """Bibliography of the constants used."""
        return tuple({source.key: source for link in self.links for source in link.sources()}.values())

    def records(self) -> list[dict[str, Any]]:
        """One flat record per delivery."""
        return [delivery_record(self, delivery) for delivery in self.deliveries]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        plain = ("old", "old_bytes", "new", "basis", "dtype", "fleet", "removed", "retrained")
        return {
            "schema_version": SCHEMA_VERSION,
            **{name: getattr(self, name) for name in plain},
            "sizes": self.sizes(),
            "deliveries": self.records(),
            "tensors": [asdict(tensor) for tensor in self.tensors],
            "constants": [asdict(constant) for constant in self.constants()],
            "sources": [asdict(source) for source in self.sources()],
        }


def delivery_record(found: UpdateCost, delivery: Delivery) -> dict[str, Any]:
    """One delivery, after what it brings; without figures of energy where nobody published them."""
    ends = ("value", "low", "high")
    ranges = {"device_s": delivery.device_s, "device_j": delivery.device_j, "fleet_j": delivery.fleet_j}
    return {
        "old": found.old,
        "new": found.new,
        "link": delivery.link,
        "sent": delivery.sent,
        "sent_bytes": delivery.sent_bytes,
        "fleet": found.fleet,
        "fleet_bytes": delivery.fleet_bytes,
        **{
            name if end == "value" else name.replace("_", f"_{end}_"): getattr(figures, end) if figures else None
            for name, figures in ranges.items()
            for end in ends
        },
    }


def sizes_of(tensors: Sequence[TensorUpdate]) -> dict[str, int]:
    """Bytes by what is sent; codes only where weights were given."""
    columns = {sent: [getattr(tensor, column) for tensor in tensors] for sent, (column, _) in SENT.items()}
    return {sent: sum(sizes) for sent, sizes in columns.items() if None not in sizes}


def delivery_of(link: Link, sent: str, sent_bytes: int, fleet: int) -> Delivery:
    """What one way to send an update costs over one link, over the ranges of its constants."""
    ends = (("value", "value"), ("low", "high"), ("high", "low"))
    seconds = [
        float(download_s(sent_bytes, getattr(link.latency_s, delay), getattr(link.bandwidth_bytes_per_s, speed)))
        for delay, speed in ends
    ]
    device_j = None
    if link.receiver:
        figures = (link.receiver.active_w, link.receiver.pj_per_byte, link.receiver.tail_s, link.receiver.tail_w)
        joules = [
            float(download_j(sent_bytes, active_s, *(getattr(figure, end) for figure in figures)))
            for active_s, (end, _) in zip(seconds, ends, strict=True)
        ]
        device_j = Range(*joules)
    fleet_j = device_j and Range(*(joule * fleet for joule in vars(device_j).values()))
    return Delivery(link.name, sent, sent_bytes, Range(*seconds), device_j, sent_bytes * fleet, fleet_j)


def update_of(
    old: Holding,
    new: Holding | None,
    links: Sequence[Link],
    fleet: int = 1,
    dtype: str | None = None,
    retrained: Sequence[str] = (),
) -> UpdateCost:
    """Cost of an update; without a new network, that of the old one with other weights in the retrained layers, or in all.

    Raises
    ------
    InputError
        Weights on one side only, patterns that fit no layer, or options that the weights already answer.
    """
    weighed = old.weighed
    if new and new.weighed != weighed:
        names = " and ".join(holding.name for holding in (old, new) if holding)
        raise InputError(f"{names}: one has weights and the other has not; give both with weights, or both without")
    checked_options(old, new, dtype, retrained, weighed=weighed)
    nothing = replace(old, tensors=())
    patterns = tuple(retrained)
    if weighed:
        tensors = weight_updates(old if new else nothing, new or old)
    else:
        tensors = layer_updates(old if new or patterns else nothing, new or old, dtype or DTYPE, patterns)
    target = new or old
    kept = {tensor.name for tensor in target.tensors}
    sizes = sizes_of(tensors)
    return UpdateCost(
        old=old.name if new or patterns else "nothing",
        old_bytes=old.stored_bytes(dtype or DTYPE) if new or patterns else 0,
        new=target.name,
        basis="weights" if weighed else "layers",
        dtype="as stored" if weighed else dtype or DTYPE,
        fleet=checked_fleet(fleet),
        links=checked_links(links),
        tensors=tensors,
        removed=tuple(tensor.name for tensor in old.tensors if tensor.name not in kept),
        retrained=patterns,
        deliveries=tuple(delivery_of(link, sent, size, fleet) for link in links for sent, size in sizes.items()),
    )


def checked_options(old: Holding, new: Holding | None, dtype: str | None, retrained: Sequence[str], *, weighed: bool) -> None:
    """Refuse options that weights answer, and patterns that fit no layer."""
    if weighed and (dtype or retrained):
        given = "a number format" if dtype else "retrained layers"
        raise InputError(f"{(new or old).name}: has weights, which say it themselves; leave out {given}")
    names = [tensor.name for tensor in (new or old).tensors]
    idle = [pattern for pattern in retrained if not any(fnmatchcase(name, pattern) for name in names)]
    if idle:
        raise InputError(f"retrained: {', '.join(map(repr, idle))} fits no layer with parameters of {(new or old).name}")


def checked_links(links: Sequence[Link]) -> tuple[Link, ...]:
    """Refuse no link at all, and two of one name."""
    names = [link.name for link in links]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice or not names:
        problem = f"{', '.join(twice)} is given twice; give each once" if twice else "none given; give one, such as lte"
        raise InputError(f"link: {problem}")
    return tuple(links)


def checked_fleet(fleet: int) -> int:
    """Refuse fleets that are no positive whole numbers."""
    if isinstance(fleet, bool) or not isinstance(fleet, int) or not 1 <= fleet <= MOST_DEVICES:
        raise InputError(f"fleet: {fleet!r} given; give a whole number of devices from 1 to {MOST_DEVICES}")
    return fleet
