"""The YAML form of a profile: pydantic models at the edge, which check what `profile` then holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from costmodel.errors import CostModelError, HardwareError
from costmodel.hardware import constants as fields
from costmodel.hardware.profile import (
    LEVEL_NAME,
    LOOP_DIMS,
    OPERANDS,
    RESERVED_LEVELS,
    Format,
    LevelKind,
    Objective,
    Residency,
    Tier,
    room_problems,
)

Finding = tuple[tuple[str, ...], str]
"""Path below the value that is checked, and a sentence about what stands there."""


def problem(*findings: Finding) -> PydanticCustomError:
    """Return an error of ours inside pydantic; its sentences are reported as they are."""
    return PydanticCustomError("costmodel", "{first}", {"first": findings[0][1], "findings": findings})


class Strict(BaseModel):
    """Known fields only, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ConstantSpec(Strict):
    """A constant: one line ``VALUE | SOURCE | WHERE [| TIER]``, or these fields."""

    value: StrictStr | float = Field(description="quantity with its unit, such as '160 pJ/B'")
    low: StrictStr | float | None = Field(None, description="lower end of the range; default from the tier")
    high: StrictStr | float | None = Field(None, description="upper end of the range; default from the tier")
    source: StrictStr = Field(description="key of the bibliography, or 'assumed'")
    where: StrictStr = Field(min_length=3, description="place in the source, or the reason")
    tier: Tier | None = Field(None, description="how far to trust it; default from the source")

    @model_validator(mode="before")
    @classmethod
    def _expanded(cls, data: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        if isinstance(data, bool | int | float):
            data = str(data)
        if not isinstance(data, str):
            return data
        try:
            return fields.split_shorthand(data)
        except HardwareError as error:
            raise problem(*(((), text) for text in error.problems)) from None

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:  # noqa: ANN401
        long_form = handler.resolve_ref_schema(handler(core_schema))
        line = {"type": "string", "pattern": r"^[^|]+\|[^|]+\|[^|]+(\|[^|]+)?$"}
        return {"anyOf": [line | {"description": "VALUE | SOURCE | WHERE [| TIER]"}, dict(long_form)]}


def given(spec: ConstantSpec) -> fields.Given:
    """Return what a profile gives for a constant."""
    return fields.Given(spec.value, spec.low, spec.high, spec.source, spec.where, spec.tier)


def _checked(kind: fields.Field, spec: ConstantSpec | None, info: ValidationInfo) -> ConstantSpec | None:
    if spec is not None:
        try:
            fields.constant("", given(spec), kind, info.context["tiers"] if info.context else {})
        except CostModelError as error:
            raise problem(*map(_below, error.problems)) from None
    return spec


def _below(text: str) -> Finding:
    """Split "low: ..." into the field it speaks of and the sentence."""
    field, _, sentence = text.partition(": ")
    return (field,), sentence


def _none_if_unlimited(value: Any) -> Any:  # noqa: ANN401 - whatever the file holds
    return None if value == fields.UNLIMITED else value


def checks(kind: fields.Field) -> AfterValidator:
    """Return the check that a constant is one of a field."""
    return AfterValidator(partial(_checked, kind))


_Unlimited = BeforeValidator(_none_if_unlimited)
Capacity: TypeAlias = Annotated[ConstantSpec | None, checks(fields.CAPACITY), _Unlimited]
Bandwidth: TypeAlias = Annotated[ConstantSpec | None, checks(fields.BANDWIDTH), _Unlimited]
EnergyPerByte: TypeAlias = Annotated[ConstantSpec, checks(fields.ENERGY_PER_BYTE)]
Clock: TypeAlias = Annotated[ConstantSpec, checks(fields.CLOCK)]
Rate: TypeAlias = Annotated[ConstantSpec, checks(fields.MACS_PER_CYCLE)]
MacEnergy: TypeAlias = Annotated[ConstantSpec, checks(fields.MAC_ENERGY)]
Reuse: TypeAlias = Annotated[ConstantSpec, checks(fields.MACS_PER_ACCESS)]
Power: TypeAlias = Annotated[ConstantSpec, checks(fields.STATIC_POWER)]
Overhead: TypeAlias = Annotated[ConstantSpec, checks(fields.LAYER_OVERHEAD)]


Operand: TypeAlias = Literal["weight", "ifmap", "ofmap"]


def _every_operand() -> list[Operand]:
    return ["weight", "ifmap", "ofmap"]


class LevelSpec(Strict):
    """A memory."""

    kind: LevelKind = Field(description="'backing' for the outermost store, then 'scratchpad' or 'cache'")
    capacity: Capacity = Field(description="such as '8 MiB', or 'unlimited' for the backing store")
    read_energy: EnergyPerByte = Field(description="such as '160 pJ/B' or '20 pJ/bit'")
    write_energy: EnergyPerByte = Field(description="such as '160 pJ/B' or '20 pJ/bit'")
    bandwidth: Bandwidth = Field(
        description="such as '67.2 GB/s', or 'unlimited' where it is never the limit"
    )
    double_buffered: StrictBool = Field(
        False, description="whether half of the capacity is filled while the other is used"
    )
    macs_per_access: dict[Operand, Reuse] = Field(
        default_factory=dict,
        description="innermost level only: MACs that one element accessed feeds; default 1",
    )
    parts: dict[Operand, Capacity] = Field(
        default_factory=dict,
        description="size of the part that an operand has for itself, such as '448 B'; the rest is for the others",
    )
    holds: list[Operand] = Field(
        default_factory=_every_operand, description="operands that the level may hold; default all three"
    )
    bypass: list[Operand] = Field(
        default_factory=list,
        description="operands that may pass the level by where that is cheaper; not on the innermost level",
    )
    per_element: StrictBool = Field(
        False,
        description="innermost level only: whether every processing element has one; capacity and parts are those of one",
    )
    stationary: Operand | None = Field(
        None,
        description="operand that stays in place while the innermost loop around the level's tile runs, as in a "
        "weight-stationary array; without it the mapping chooses; only where layers are mapped for an objective",
    )


class AxisSpec(Strict):
    """An axis of the array of multipliers."""

    size: StrictInt = Field(gt=0, description="number of units along the axis")
    dims: list[Literal["n", "g", "k", "c", "p", "q", "r", "s"]] = Field(
        json_schema_extra={"minItems": 1}, description=f"loop dimensions unrolled along it, of {' '.join(LOOP_DIMS)}"
    )
    multicast: StrictBool = Field(
        True, description="whether a value that several units along it want is read once, or by each"
    )
    reduction: StrictBool = Field(
        True, description="whether partial sums of units along it are added on their way out, or each leaves by itself"
    )

    @field_validator("dims")
    @classmethod
    def _unrolling(cls, dims: list[str], info: ValidationInfo) -> list[str]:
        if not dims:
            units = info.data.get("size", "the")
            text = f"[] given, so that {units} units unroll nothing: name loop dimensions, such as [k]"
            raise problem(((), text))
        twice = [dim for dim in dict.fromkeys(dims) if dims.count(dim) > 1]
        if twice:
            raise problem(((), f"{' and '.join(twice)} given more than once: each loop dimension once is enough"))
        return dims


class ComputeSpec(Strict):
    """The multipliers."""

    clock: Clock = Field(description="such as '787 MHz'")
    macs_per_cycle: dict[Format, Rate] = Field(min_length=1, description="by number format")
    mac_energy: dict[Format, MacEnergy] = Field(
        min_length=1, description="by number format, such as '0.23 pJ'"
    )
    array: dict[StrictStr, AxisSpec] | None = Field(None, description="axes of the array, by name")

    @field_validator("mac_energy")
    @classmethod
    def _same_formats(
        cls, energies: dict[str, ConstantSpec], info: ValidationInfo
    ) -> dict[str, ConstantSpec]:
        rates = info.data.get("macs_per_cycle")
        if rates is not None and set(rates) != set(energies):
            formats = ", ".join(sorted(set(rates) ^ set(energies)))
            raise problem(((), f"{formats} in only one of macs_per_cycle and mac_energy: give both"))
        return energies


class SourceSpec(Strict):
    """An entry of the bibliography."""

    title: StrictStr = Field(min_length=3)
    authors: StrictStr = ""
    venue: StrictStr = ""
    year: StrictInt | None = Field(None, ge=1900, le=2100)
    doi: StrictStr = ""
    url: StrictStr = ""
    read: StrictStr = Field("", description="how the figures were seen, when not in the source itself")
    tier: Tier = Field(
        "literature", description="tier of the constants that cite it, unless they say otherwise"
    )


class BibliographySpec(Strict):
    """The file ``sources.yaml``."""

    sources: dict[StrictStr, SourceSpec]


class ProfileSpec(Strict):
    """A hardware profile of costmodel."""

    name: StrictStr = Field(min_length=1)
    title: StrictStr = Field(min_length=3, description="what the hardware is")
    description: StrictStr = Field("", description="what the profile describes, and what it leaves out")
    inherits: StrictStr | None = Field(
        None, description="shipped profile, or file relative to this one, to start from"
    )
    default_dtype: Format = Field(description="number format used when none is asked for")
    psum_bits: StrictInt = Field(32, ge=1, le=64, description="width of partial sums of integer formats")
    overlap: StrictBool = Field(
        description="whether transfers overlap with compute (maximum of both, else the sum)"
    )
    residency: Residency = Field(
        "none",
        description="what may stay in the first memory on chip: 'none' beyond a layer, 'activations' between layers, "
        "or 'all', weights for ever included",
    )
    fusion: StrictBool = Field(
        False, description="whether layers are cascaded stripe by stripe; needs residency of activations or all"
    )
    objective: Objective | None = Field(
        None,
        description="what layers are mapped for through all memories at once: 'energy', 'latency', 'edp' or 'dram_bytes'; "
        "without it, each boundary between memories is priced by itself",
    )
    memory: dict[StrictStr, LevelSpec] = Field(
        min_length=2, description="levels from the backing store inwards, by name"
    )
    compute: ComputeSpec
    static_power: Power = Field(description="such as '0.1 W'")
    layer_overhead: Overhead = Field(description="time spent on every layer, such as '10 us'")
    sources: dict[StrictStr, SourceSpec] = Field(
        default_factory=dict, description="further entries of the bibliography"
    )

    @field_validator("fusion")
    @classmethod
    def _fused_on_chip(cls, fusion: bool, info: ValidationInfo) -> bool:
        if fusion and info.data.get("residency") == "none":
            text = "true, but residency is 'none': what a cascade hands on stays on chip, write residency: activations or all"
            raise problem(((), text))
        return fusion

    @field_validator("memory")
    @classmethod
    def _nested(cls, levels: dict[str, LevelSpec]) -> dict[str, LevelSpec]:
        found = [finding for name in levels for finding in _bad_level_name(name)]
        for position, (name, level) in enumerate(levels.items()):
            found += _misplaced(name, level, position, innermost=position == len(levels) - 1)
            found += _operand_findings(name, level, position, innermost=position == len(levels) - 1)
        if found:
            raise problem(*found)
        return levels

    @field_validator("compute")
    @classmethod
    def _default_dtype_is_computed(cls, compute: ComputeSpec, info: ValidationInfo) -> ComputeSpec:
        default = info.data.get("default_dtype")
        if default is not None and default not in compute.macs_per_cycle:
            known = ", ".join(compute.macs_per_cycle)
            text = f"no {default}, which is the default_dtype: give it, or choose one of {known}"
            raise problem((("macs_per_cycle",), text))
        return compute

    @model_validator(mode="after")
    def _elements_exist(self) -> ProfileSpec:
        name, level = list(self.memory.items())[-1]
        if level.per_element and not self.compute.array:
            text = "true, but compute has no array, so that there are no elements: add one, or write per_element: false"
            raise problem((("memory", name, "per_element"), text))
        return self


def _bad_level_name(name: str) -> list[Finding]:
    if name in RESERVED_LEVELS or not LEVEL_NAME.fullmatch(name):
        taken = ", ".join(RESERVED_LEVELS)
        text = f"{name!r} cannot name a memory level: use small letters, digits and _, but not {taken}"
        return [((name,), text)]
    return []


def _misplaced(name: str, level: LevelSpec, position: int, *, innermost: bool) -> list[Finding]:
    """Return the problems of a level's kind, capacity and reuse, which depend on its position."""
    found: list[Finding] = []
    if (level.kind == "backing") != (position == 0):
        text = f"{level.kind!r} at position {position + 1}: the first level, and only it, is 'backing'"
        found.append(((name, "kind"), text))
    if position > 0 and level.capacity is None:
        found.append(((name, "capacity"), "'unlimited' given: only the backing store may be, write its size"))
    if level.macs_per_access and not innermost:
        found.append(((name, "macs_per_access"), "only the innermost level has it: move it there"))
    return found


OPERAND_FIELDS: Final = ("parts", "holds", "bypass", "per_element", "stationary")
"""What a level says of operands, which the backing store does not."""


def _operand_findings(name: str, level: LevelSpec, position: int, *, innermost: bool) -> list[Finding]:
    """Return what is wrong with the operands that a level holds, passes by and has parts for."""
    if position == 0:
        given = [field for field in OPERAND_FIELDS if not _as_default(level, field)]
        return [((name, field), "the backing store holds everything: leave it out") for field in given]
    found: list[Finding] = [((name, *at), text) for at, text in _bad_operand_lists(level)]
    if level.per_element and not innermost:
        found.append(((name, "per_element"), "only the innermost level can be one per processing element: move it there"))
    if level.bypass and innermost:
        passing = " and ".join(level.bypass)
        text = f"{passing} cannot pass by the innermost level, where the multipliers read: leave it out of holds instead"
        found.append(((name, "bypass"), text))
    if innermost and not level.per_element and level.holds:
        homeless = [operand for operand in OPERANDS if operand not in level.holds]
        if homeless:
            text = f"no home for {' and '.join(homeless)}, which multipliers read here: add it, or write per_element: true"
            found.append(((name, "holds"), text))
    if level.capacity is not None and level.holds:
        sizes: dict[str, float] = {operand: _bytes(part) for operand, part in level.parts.items() if part is not None}
        problems = room_problems(_bytes(level.capacity), sizes, tuple(level.holds))
        found += [((name, *at), text) for at, text in problems]
    return found


def _as_default(level: LevelSpec, field: str) -> bool:
    """Whether a level says of a field what would hold anyway."""
    return bool(getattr(level, field) == LevelSpec.model_fields[field].get_default(call_default_factory=True))


def _bad_operand_lists(level: LevelSpec) -> Iterator[Finding]:
    """Yield what is wrong with the lists of operands of a level by themselves."""
    if not level.holds:
        yield ("holds",), "[] given, which makes the level hold nothing: name operands, or take the level away"
    for field in ("holds", "bypass"):
        given = getattr(level, field)
        twice = [operand for operand in dict.fromkeys(given) if given.count(operand) > 1]
        if twice:
            yield (field,), f"{' and '.join(twice)} given more than once: once is enough"
    strange = [operand for operand in level.bypass if operand not in level.holds]
    if strange and level.holds:
        text = f"{' and '.join(strange)} never enters the level: add it to holds, or leave it out of bypass"
        yield ("bypass",), text
    unlimited = [operand for operand, part in level.parts.items() if part is None]
    if unlimited:
        yield ("parts", unlimited[0]), "'unlimited' given: write its size"


def _bytes(spec: ConstantSpec) -> float:
    """Return the size that was checked already."""
    return fields.number(spec.value, fields.CAPACITY)


def allowed_fields(path: tuple[str | int, ...]) -> Mapping[str, Any]:
    """Return the fields of the mapping at a path, for messages about missing and unknown ones."""
    match path:
        case ():
            return ProfileSpec.model_fields
        case ("memory", _):
            return LevelSpec.model_fields
        case ("compute",):
            return ComputeSpec.model_fields
        case ("compute", "array", _):
            return AxisSpec.model_fields
        case ("sources", _):
            return SourceSpec.model_fields
        case _:
            return ConstantSpec.model_fields
