"""The YAML form of a link: pydantic models at the edge, which check what `link` then holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import Field, StrictStr

from costmodel.hardware import constants as fields
from costmodel.hardware.schema import (
    ConstantSpec,
    EnergyPerByte,
    Overhead,
    Power,
    SourceSpec,
    Strict,
    checks,
)

Rate: TypeAlias = Annotated[ConstantSpec, checks(fields.BANDWIDTH)]


class ReceiverSpec(Strict):
    """What receiving costs a device, above idle."""

    active_power: Power = Field(description="while it receives, such as '0.5 W'")
    energy: EnergyPerByte = Field(description="per byte received, such as '12 nJ/bit'")
    tail_time: Overhead = Field(description="how long it stays awake after the last byte, such as '10 s'")
    tail_power: Power = Field(description="while it stays awake, such as '0.5 W'")


class LinkSpec(Strict):
    """A link of costmodel."""

    name: StrictStr = Field(min_length=1)
    title: StrictStr = Field(min_length=3, description="what the link is")
    description: StrictStr = Field("", description="what the file describes, and what it leaves out")
    bandwidth: Rate = Field(description="payload in one direction, such as '13 Mbit/s'")
    latency: Overhead = Field(description="before the first byte of a message arrives, such as '70 ms'")
    receiver: ReceiverSpec | None = Field(None, description="what receiving costs; leave it out where nobody published it")
    sources: dict[StrictStr, SourceSpec] = Field(
        default_factory=dict, description="further entries of the bibliography"
    )


def allowed_fields(path: tuple[str | int, ...]) -> Mapping[str, Any]:
    """Return the fields of the mapping at a path, for messages about missing and unknown ones."""
    match path:
        case ():
            return LinkSpec.model_fields
        case ("receiver",):
            return ReceiverSpec.model_fields
        case ("sources", _):
            return SourceSpec.model_fields
        case _:
            return ConstantSpec.model_fields
