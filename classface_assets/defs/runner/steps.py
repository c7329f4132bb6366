"""What the steps of a run are told, and what is kept of those that fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from classface_assets.orchestration.failures import failed_years, failure_reason, may_be_of_damage


@dataclass(frozen=True)
class IngestOptions:
    """What a run is to do with photos.

    Attributes:
        photos_are_gone: Whether most photos may be missing.
        detection: Run config of the search for faces, by key; with any, no school year is skipped as unchanged.
    """

    photos_are_gone: bool = False
    detection: Mapping[str, float] = field(default_factory=dict)

    def ops(self) -> dict[str, Any]:
        """The run config of the steps that it is about."""
        images = {"images": {"config": {"photos_are_gone": True}}} if self.photos_are_gone else {}
        return {**images, **({"detections": {"config": dict(self.detection)}} if self.detection else {})}


NO_OPTIONS = IngestOptions()


@dataclass(frozen=True)
class StepFailure:
    """A step that failed.

    Attributes:
        job: Name of the job.
        year: The school year, or `all years`.
        reason: A sentence that says why.
        may_be_damage: Whether a damaged file may be why.
    """

    job: str
    year: str
    reason: str
    may_be_damage: bool = True


def step_failures(job: str, where: str, data: object) -> list[StepFailure]:
    """What failed in a step: school years of a range, or all of it."""
    years = [StepFailure(job, one.year, one.shown_reason, one.may_be_of_damage) for one in failed_years(data)]
    return years or [StepFailure(job, where, failure_reason(data), may_be_of_damage(data))]
