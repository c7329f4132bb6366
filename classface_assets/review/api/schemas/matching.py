"""The shapes of what matching is asked and answers."""

from typing import Annotated, Literal

from fastapi import Body
from pydantic import Field, model_validator

from classface_assets.review.api.common import ApiModel

Neighbours = Annotated[int, Field(ge=1, le=1000)]
Threshold = Annotated[float, Field(ge=-1, le=1)]


class AssignRequest(ApiModel):
    k: Neighbours = 5
    similarity_threshold: Threshold = 0.6
    use_voting: bool = True


OptionalAssignRequest = Annotated[AssignRequest, Body(default_factory=AssignRequest)]


class AssignResponse(ApiModel):
    person_id: str | None
    person_name: str | None
    similarity: float
    votes: int


class AssignAllRequest(ApiModel):
    """Of a school year, or of an event: a folder of a school year, as `2019-2020/sports day`; or of everything."""

    school_year: Annotated[str | None, Field(max_length=255)] = None
    event: Annotated[str | None, Field(max_length=1000)] = None
    k: Neighbours = 5
    similarity_threshold: Threshold | None = None
    """Empty: as was measured for the model pack."""
    use_voting: bool = True
    strategy: Literal["prototype", "centroid", "vote", "knn"] = "prototype"
    queue: bool = False

    @model_validator(mode="after")
    def one_scope(self) -> "AssignAllRequest":
        if self.school_year is not None and self.event is not None:
            raise ValueError("give a schoolYear or an event, not both")
        return self


OptionalAssignAllRequest = Annotated[AssignAllRequest, Body(default_factory=AssignAllRequest)]


class AssignAllResponse(ApiModel):
    processed: int
    assigned: int
    unassigned: int
    run_id: str


class DetectRequest(ApiModel):
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.5
    min_face_size: Annotated[int, Field(ge=1, le=100_000)] = 20


OptionalDetectRequest = Annotated[DetectRequest, Body(default_factory=DetectRequest)]


class DetectResponse(ApiModel):
    """`newFaceIds`: those of the faces that the archive does not hold."""

    asset_id: str
    faces_detected: int
    face_ids: list[str]
    new_face_ids: list[str]
