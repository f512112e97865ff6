"""The models of `schema` asked about data: the same data in full, or every problem with its place.

pydantic takes longer to load than a network to price, so that this module is imported only where data are not regular.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from costmodel.errors import HardwareError
from costmodel.hardware.documents import Document
from costmodel.hardware.problems import sentences
from costmodel.hardware.profile import Tier
from costmodel.hardware.regular import Data
from costmodel.hardware.schema import BibliographySpec, ProfileSpec, SourceSpec


def checked_profile(data: Data, tiers: Mapping[str, Tier], documents: tuple[Document, ...]) -> Data:
    """Return the data of a profile, its constants in their long form and its defaults filled in.

    Parameters
    ----------
    data
        The merged data of a chain of files.
    tiers
        Default tiers of the shipped bibliography, by key.
    documents
        The file that was asked for and those it inherits from.

    Raises
    ------
    HardwareError
        Every problem at once, each with file, line and column.
    """
    known = {**tiers, **own_tiers(data.get("sources"))}
    try:
        return ProfileSpec.model_validate(data, context={"tiers": known}).model_dump()
    except ValidationError as error:
        raise HardwareError(*sentences(error, documents)) from None


def checked_bibliography(document: Document) -> Data:
    """Return the data of a bibliography, its defaults filled in.

    Raises
    ------
    HardwareError
        Every problem at once, each with file, line and column.
    """
    try:
        return BibliographySpec.model_validate(document.data).model_dump()
    except ValidationError as error:
        raise HardwareError(*sentences(error, (document,))) from None


def own_tiers(data: object) -> dict[str, Tier]:
    """Return the tiers of the entries under a profile's ``sources:``.

    One that is not valid still is an entry; its problems are reported with those of the profile.
    """
    return {str(key): _own_tier(entry) for key, entry in data.items()} if isinstance(data, dict) else {}


def _own_tier(entry: Any) -> Tier:  # noqa: ANN401 - YAML data
    try:
        return SourceSpec.model_validate(entry).tier
    except ValidationError:
        return "literature"
