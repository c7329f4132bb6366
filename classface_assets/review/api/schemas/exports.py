"""The bodies of exports and coverage."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from classface_assets.albums.exports.print.document import PageSize
from classface_assets.review.api.common import ApiModel, Id
from classface_assets.services.exports.jobs import JobState
from classface_assets.services.exports.offers import DocumentKind
from classface_assets.store.model.purposes import Purpose

Text = Annotated[str, Field(max_length=255)]


class DocumentRequest(ApiModel):
    """Which document to make, of which photos: those that meet every condition that is given.

    `photos`: paths or folders below the photos folder, or ids. `title`: of the document, or the name of the school.
    """

    kind: DocumentKind
    person_ids: Annotated[list[UUID], Field(max_length=100)] = Field(default_factory=list)
    classes: Annotated[list[Text], Field(max_length=100)] = Field(default_factory=list)
    school_years: Annotated[list[Text], Field(max_length=100)] = Field(default_factory=list)
    photos: Annotated[list[Annotated[str, Field(max_length=2000)]], Field(max_length=1000)] = Field(
        default_factory=list
    )
    purpose: Purpose | None = None
    title: Text = ""
    paper: PageSize = PageSize.A4


class Document(ApiModel):
    """A document that is made, or was: `done` of `total` pictures; `reason` why it failed."""

    id: Id
    name: str
    state: JobState
    done: int
    total: int
    notes: list[str]
    reason: str


class CoverageSummary(ApiModel):
    """The students of a school year, or of a class in it (null: all of the year)."""

    school_year: str
    school_class: str | None
    students: int
    below: int
    missing: int
    mean: float
    candids: float


class StudentCoverage(ApiModel):
    """How often a student appears in a school year; a burst counts once in `appearances`."""

    school_year: str
    school_class: str
    name: str
    student_id: str
    person_id: Id | None
    on_roster: bool
    appearances: int
    photos: int
    candids: int
    portraits: int
    group_photos: int
    below_goal: bool


class Coverage(ApiModel):
    """How often students appear; `notShown`: students of the rosters who are left out, as they may not be shown."""

    goal: int
    summaries: list[CoverageSummary]
    students: list[StudentCoverage]
    not_shown: int
