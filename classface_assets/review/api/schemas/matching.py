"""Schemas of calls that match faces to people, or detect them again."""

from typing import Annotated

from fastapi import Body
from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from classface_assets.identity.settings import MatchingStrategy
from classface_assets.review.api.common import NO_TEXT, ApiModel, Flag, Id
from classface_assets.services.identity.presets import Preset

Neighbours = Annotated[int, Field(ge=1, le=1000), NO_TEXT]
Threshold = Annotated[float, Field(ge=-1, le=1), NO_TEXT]


_BOTH_SCOPES: JsonDict = {
    "required": ["schoolYear", "event"],
    "properties": {"schoolYear": {"type": "string"}, "event": {"type": "string"}},
}


class AssignRequest(ApiModel):
    """How one face is matched: by its `k` nearest labelled faces."""

    k: Neighbours = 5
    similarity_threshold: Threshold | None = None
    """If left out, the value calibrated for the archive, or measured for its model pack."""
    use_voting: Flag = True
    preset: Preset | None = None
    commit: Flag = False
    """Label the face with the person that was found; otherwise nothing is stored."""


OptionalAssignRequest = Annotated[AssignRequest, Body(default_factory=AssignRequest)]


class AssignResponse(ApiModel):
    """The most similar person, null where none reaches the threshold, and how many neighbours support it."""

    person_id: Id | None
    person_name: str | None
    similarity: float
    votes: int
    threshold: float
    """The least similarity of a person that counted."""
    dry_run: bool
    """Whether nothing was stored: true unless the request says `commit` and somebody was found."""
    event_ids: list[int]
    """The events of the ledger that were stored, by which the label is undone."""


class AssignAllRequest(ApiModel):
    """Which faces are matched: of a school year, of an event (a folder such as `2019-2020/sports day`), or all."""

    model_config = ConfigDict(json_schema_extra={"not": _BOTH_SCOPES})
    school_year: Annotated[str, Field(max_length=255)] | None = None
    event: Annotated[str, Field(max_length=1000)] | None = None
    k: Neighbours = 5
    similarity_threshold: Threshold | None = None
    """If left out, the value calibrated for the model pack."""
    use_voting: Flag = True
    strategy: MatchingStrategy | None = None
    """If left out, that of the preset, or `prototype`."""
    preset: Preset | None = None
    queue: Flag = False

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
    run_id: Id


class DetectRequest(ApiModel):
    """The thresholds of the detector, by default those of the school year; the size is in pixels of the photo."""

    min_confidence: Annotated[float, Field(ge=0, le=1), NO_TEXT] | None = None
    min_face_size: Annotated[int, Field(ge=1, le=100_000), NO_TEXT] | None = None
    commit: Flag = False
    """Add the new faces to the archive, as if somebody had drawn them; otherwise nothing is stored."""


OptionalDetectRequest = Annotated[DetectRequest, Body(default_factory=DetectRequest)]


class DetectResponse(ApiModel):
    """The faces that were detected; `newFaceIds` are those that the archive does not have."""

    asset_id: Id
    faces_detected: int
    face_ids: list[Id]
    new_face_ids: list[Id]
    dry_run: bool
    """Whether nothing was stored: true unless the request says `commit` and there are new faces."""
    event_ids: list[int]
    """The events of the ledger that were stored, by which the faces are removed again."""
