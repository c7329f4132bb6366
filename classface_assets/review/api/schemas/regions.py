"""Bodies of the calls about names in photo files."""

from typing import Annotated, Literal

from fastapi import Body
from pydantic import Field

from classface_assets.review.api.common import ApiModel, Flag, Id, Name

Year = Annotated[str, Field(min_length=1, max_length=255)]


class RegionSelection(ApiModel):
    """Which photos and people; without any, all. `apply`: whether to do it; else it is a preview, the default."""

    school_years: list[Year] = Field(default_factory=list, max_length=200)
    persons: list[Name] = Field(default_factory=list, max_length=1000, description="Ids or names.")
    apply: Flag = False


class WriteRegionsRequest(RegionSelection):
    """What to write, and where."""

    in_files: Flag = Field(False, description="Into the JPEG files themselves, not into sidecars beside them.")
    keywords: Flag = Field(False, description="Names become keywords and tags below People, too.")
    confirmed_only: Flag = Field(False, description="Leave out people whom nobody has confirmed.")


class ReadRegionsRequest(RegionSelection):
    """What to read."""

    new_faces: Flag = Field(True, description="Whether named places without a face become faces.")


class RegionFile(ApiModel):
    """What became of one photo's file or sidecar."""

    path: str
    status: Literal["written", "unchanged", "removed", "left out"]
    names: list[str]
    reason: str


class RegionConflict(ApiModel):
    """A face that another program names differently."""

    path: str
    name: str
    other: str


class WriteRegionsResponse(ApiModel):
    """What was written or removed, or would be: every photo that has, had or should have names."""

    applied: bool
    files: list[RegionFile]
    conflicts: list[RegionConflict]
    withheld_people: int
    photos_without_names: int


class ReadName(ApiModel):
    """A name at a place in a photo, and what became of it."""

    path: str
    name: str
    program: str
    file: str
    face_id: Id | None
    asset_id: Id | None
    outcome: Literal["label", "new face", "known", "contradiction", "left out"]
    reason: str


class UntiedName(ApiModel):
    """A name that a program states without a place in the photo."""

    path: str
    name: str


class ReadRegionsResponse(ApiModel):
    """What was taken over, or would be."""

    applied: bool
    photos: int
    photos_with_names: int
    own_names: int
    names: list[ReadName]
    untied: list[UntiedName]
    problems: list[str]
    new_people: list[str]
    events: list[int]


OptionalWriteRegionsRequest = Annotated[WriteRegionsRequest, Body(default_factory=WriteRegionsRequest)]
OptionalReadRegionsRequest = Annotated[ReadRegionsRequest, Body(default_factory=ReadRegionsRequest)]
OptionalRegionSelection = Annotated[RegionSelection, Body(default_factory=RegionSelection)]
