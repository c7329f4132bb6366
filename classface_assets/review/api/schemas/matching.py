"""Schemas of calls that match faces to people, or detect them again."""

from typing import Annotated

from fastapi import Body
from pydantic import Field, model_validator

from classface_assets.identity.settings import MatchingStrategy
from classface_assets.review.api.common import ApiModel

Neighbours = Annotated[int, Field(ge=1, le=1000)]
Threshold = Annotated[float, Field(ge=-1, le=1)]


class AssignRequest(ApiModel):
    """How one face is matched: by its `k` nearest labelled faces."""

    k: Neighbours = 5
    similarity_threshold: Threshold = 0.6
    use_voting: bool = True


OptionalAssignRequest = Annotated[AssignRequest, Body(default_factory=AssignRequest)]


class AssignResponse(ApiModel):
    """The most similar person, null where none reaches the threshold, and how many neighbours support it."""

    person_id: str | None
    person_name: str | None
    similarity: float
    votes: int


class AssignAllRequest(ApiModel):
    """Which faces are counted: of a school year, of an event (a folder such as `2019-2020/sports day`), or all."""

    school_year: Annotated[str | None, Field(max_length=255)] = None
    event: Annotated[str | None, Field(max_length=1000)] = None
    k: Neighbours = 5
    similarity_threshold: Threshold | None = None
    """If left out, the value calibrated for the model pack."""
    use_voting: bool = True
    strategy: MatchingStrategy = "prototype"
    queue: bool = False

    @model_validator(mode="after")
    def one_scope(self) -> "AssignAllRequest":
        """Refuse a request with a school year and an event."""
        if self.school_year is not None and self.event is not None:
            raise ValueError("give a schoolYear or an event, not both")
        return self


OptionalAssignAllRequest = Annotated[AssignAllRequest, Body(default_factory=AssignAllRequest)]


class AssignAllResponse(ApiModel):
    """How many faces without a label the run has matched."""

    processed: int
    assigned: int
    unassigned: int
    run_id: str


class DetectRequest(ApiModel):
    """The thresholds of the detector; the size is in pixels of the photo."""

    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.5
    min_face_size: Annotated[int, Field(ge=1, le=100_000)] = 20


OptionalDetectRequest = Annotated[DetectRequest, Body(default_factory=DetectRequest)]


class DetectResponse(ApiModel):
    """The faces that were detected; `newFaceIds` are those that the archive does not have."""

    asset_id: str
    faces_detected: int
    face_ids: list[str]
    new_face_ids: list[str]
