"""What a report says of mappings through all memories: for what, how far they are proved, and where they are not made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from costmodel.report.names import visible
from costmodel.report.numbers import at_most, counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from costmodel.analysis import Analysis
    from costmodel.explore.space import DesignSpace
    from costmodel.hardware.profile import Objective
    from costmodel.joint.costs import JointCosts

LEAST: Final[dict[Objective, str]] = {
    "energy": "least energy",
    "latency": "least time",
    "edp": "least product of energy and time",
    "dram_bytes": "fewest off-chip bytes",
}


def mapped_for(objective: Objective) -> str:
    """What layers are mapped for, in words.

    >>> mapped_for("edp")
    'mapped for the least product of energy and time'
    """
    return f"mapped for the {LEAST[objective]}"


def mapping_sentences(analyses: Sequence[Analysis]) -> Iterator[str]:
    """What holds of analyses on one profile whose layers are mapped for an objective, or would be but for a reason."""
    joint = [analysis.estimate.joint for analysis in analyses if analysis.estimate.joint is not None]
    for objective in dict.fromkeys(one.objective for one in joint):
        same = [one for one in joint if one.objective == objective]
        yield (
            f"Every layer by itself is {mapped_for(objective)}, through {listed([visible(x) for x in memories(same[0])])} and "
            f"over the array at once; {proved(same)}."
        )
    yield from pinned(analyses)
    declared = analyses[0].hardware.objective
    for reason in dict.fromkeys(analysis.fallback for analysis in analyses if analysis.fallback):
        yield f"The profile's objective, {declared}, is not used: {reason}. Each boundary is priced by itself."


def space_sentences(space: DesignSpace) -> Iterator[str]:
    """What holds of the points of a design space that says, or whose profiles say, what layers are mapped for."""
    if "objective" in space.names or not space.resolved.maps_jointly:
        return
    every = [machine.profile for machine in space.resolved.machines]
    for objective in dict.fromkeys(cast("Objective | None", space.objective) or profile.objective for profile in every):
        if objective is not None:
            own = [visible(profile.name) for profile in every if profile.objective == objective]
            where = "" if space.objective or len(own) == len(every) else f" on {listed(own)}"
            yield f"Every layer by itself is {mapped_for(objective)}{where}, through all memories and over the array at once."


def pinned(analyses: Sequence[Analysis]) -> Iterator[str]:
    """What was fixed of the mappings, by the user or by the machine."""
    words = dict.fromkeys(word for analysis in analyses for word in analysis.estimate.pins.words)
    if words:
        yield f"Pinned, and the rest searched: {', '.join(map(visible, words))}."
    if any(analysis.objective for analysis in analyses):
        for level in analyses[0].hardware.levels:
            if level.stationary:
                yield f"The {level.stationary} stays in place around every tile of {visible(level.name)}, as the profile says."


def memories(joint: JointCosts) -> list[str]:
    """Names of the memories."""
    return [level.name for level in joint.hardware.levels]


def proved(found: Sequence[JointCosts]) -> str:
    """How far it is proved that no mapping is better."""
    count = sum(len(one.nests) for one in found)
    optimal = sum(one.proved for one in found)
    gap = max(one.gap_ratio for one in found)
    if optimal == count:
        return f"{counted(count, 'mapping')} proved to be the best there is"
    rest = f"in the others at most {at_most(gap)} might be saved"
    return f"{optimal} of {counted(count, 'mapping')} proved to be the best there is, {rest}"
