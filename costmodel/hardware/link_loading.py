"""From a name or a path to a `Link`: find, read, check, and only then build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from costmodel.data import data_dir
from costmodel.errors import HardwareError
from costmodel.hardware import constants as fields
from costmodel.hardware.bibliography import Bibliography, shipped_bibliography
from costmodel.hardware.documents import Document, read_document
from costmodel.hardware.link import Link, Receiver
from costmodel.hardware.loading import SUFFIXES
from costmodel.hardware.profile import Constant, Source, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from costmodel.hardware.link_schema import LinkSpec, ReceiverSpec
    from costmodel.hardware.schema import ConstantSpec

    Maker = Callable[[str, ConstantSpec, fields.Field], Constant]

DIRECTORY: Final = "link_profiles"


def link_names() -> tuple[str, ...]:
    """Names of the shipped links, sorted."""
    return tuple(sorted(file.stem for file in data_dir(DIRECTORY).glob("*.yaml")))


def load_link(name_or_path: str | Path) -> Link:
    """Load a link.

    Parameters
    ----------
    name_or_path
        Name of a shipped link (see `link_names`), or a YAML file.

    Raises
    ------
    HardwareError
        Every problem at once, each with file, line and column.

    Examples
    --------
    >>> load_link("lte").bandwidth_bytes_per_s.text
    '1.625 MB/s'
    """
    file = link_file(name_or_path) if isinstance(name_or_path, str) else name_or_path
    return _link(read_document(file), shipped_bibliography())


def link_file(name: str) -> Path:
    """Return the file of a shipped link by its bare name, else of a path."""
    known = link_names()
    if name in known:
        return data_dir(DIRECTORY) / f"{name}.yaml"
    if "/" in name or "\\" in name or name.endswith(SUFFIXES):
        return Path(name)
    raise HardwareError(f"no link {name!r}{did_you_mean(name, known)}: shipped are {', '.join(known)}; or give a .yaml file")


def _link(document: Document, shipped: Bibliography) -> Link:
    """Return the link that a document describes."""
    spec, sources = _checked(document, shipped)

    def constant(name: str, given: ConstantSpec, kind: fields.Field) -> Constant:
        from costmodel.hardware.schema import given as as_given

        return fields.constant(name, as_given(given), kind, sources.tiers)

    link = Link(
        name=spec.name,
        title=spec.title,
        bandwidth_bytes_per_s=constant("bandwidth", spec.bandwidth, fields.BANDWIDTH),
        latency_s=constant("latency", spec.latency, fields.LAYER_OVERHEAD),
        receiver=_receiver(spec.receiver, constant),
        file=document.file,
        description=spec.description,
    )
    cited = {found.source for found in link.constants()}
    return Link(**{**vars(link), "bibliography": sources.only(cited)})


def _receiver(spec: ReceiverSpec | None, constant: Maker) -> Receiver | None:
    """Return what receiving costs, if a link says so."""
    if spec is None:
        return None
    return Receiver(
        active_w=constant("receiver.active_power", spec.active_power, fields.STATIC_POWER),
        pj_per_byte=constant("receiver.energy", spec.energy, fields.ENERGY_PER_BYTE),
        tail_s=constant("receiver.tail_time", spec.tail_time, fields.LAYER_OVERHEAD),
        tail_w=constant("receiver.tail_power", spec.tail_power, fields.STATIC_POWER),
    )


def _checked(document: Document, shipped: Bibliography) -> tuple[LinkSpec, Bibliography]:
    """Return a document in its checked form, and the bibliography with its own entries."""
    from pydantic import ValidationError

    from costmodel.hardware.checking import own_tiers
    from costmodel.hardware.link_schema import LinkSpec, allowed_fields
    from costmodel.hardware.problems import sentences

    tiers = {**shipped.tiers, **own_tiers(document.data.get("sources"))}
    try:
        spec = LinkSpec.model_validate(document.data, context={"tiers": tiers})
    except ValidationError as error:
        raise HardwareError(*sentences(error, (document,), allowed_fields)) from None
    own = {key: Source(key=key, **entry.model_dump()) for key, entry in spec.sources.items()}
    return spec, shipped.extended(own)
