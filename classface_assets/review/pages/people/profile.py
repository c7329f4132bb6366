"""One person: who they are, all faces and photos of them with filters, their consent and history."""

from enum import StrEnum
from typing import Annotated, Any

import polars as pl
from fastapi import Query, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from classface_assets.albums.names import student_slug
from classface_assets.core.layout import ArchiveLayout
from classface_assets.review.api.common import Context
from classface_assets.review.api.persons.person_rows import PersonId, person_row
from classface_assets.review.pages.archive.history import action_history, history_lines
from classface_assets.review.pages.components.album_files import student_page
from classface_assets.review.pages.components.cards import cover_faces, face_tiles, sort_chronologically
from classface_assets.review.pages.components.consent import consent_status
from classface_assets.review.pages.components.layout import page_router, render_page
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.decisions.roster import entries_by_person, student_choices
from classface_assets.store.model.decisions import Person
from classface_assets.store.model.person_kinds import PersonKind
from classface_assets.store.published.tables import prototype_rows

FACES_PER_YEAR, PHOTOS_PER_PAGE, HISTORY_LINES = 30, 48, 30
router = page_router()


class Certainty(StrEnum):
    """Which faces are shown."""

    ALL = "all"
    CONFIRMED = "confirmed"
    AUTOMATIC = "automatic"


class Arrangement(StrEnum):
    """Whether faces by school year are shown, or whole photos."""

    FACES = "faces"
    PHOTOS = "photos"


class ProfileQuery(BaseModel):
    """What of a person is shown, as the page's address says; empty texts filter nothing.

    Attributes:
        year: A school year.
        event: The folders of an event, below the school year's.
        certainty: Only confirmed faces, or only automatic matches.
        arrangement: Faces or whole photos.
        page: Of the photos, from 1.
    """

    year: str = Field("", max_length=255)
    event: str = Field("", max_length=1000)
    certainty: Certainty = Field(Certainty.ALL, alias="show")
    arrangement: Arrangement = Field(Arrangement.FACES, alias="as")
    page: int = Field(1, ge=1, le=100_000)

    @property
    def is_filtered(self) -> bool:
        """Whether anything is left out."""
        return bool(self.year or self.event or self.certainty is not Certainty.ALL)

    def address(self, **changes: str) -> dict[str, str]:
        """The query's parameters with some changed, without those that filter nothing."""
        every = {"year": self.year, "event": self.event, "show": str(self.certainty), "as": str(self.arrangement)}
        return {name: value for name, value in (every | changes).items() if value not in ("", "all", "faces")}


@router.get("/people/{id}")
def one_person(
    request: Request, context: Context, person_id: PersonId, query: Annotated[ProfileQuery, Query()]
) -> Response:
    """A person with their faces by school year, or their photos, and with consent, siblings and history."""
    view = context.view()
    row = person_row(view, person_id)
    if row["merged_into_id"] and not request.query_params.get("stay"):
        return RedirectResponse(f"/people/{view.decisions.canonical_id(row['id'])}", 303)
    every = view.faces.filter(pl.col("person_id") == row["id"]).with_columns(event_of(pl.col("path")).alias("event"))
    shown = sort_chronologically(_filter_faces(every, query))
    prototypes = prototype_rows(every, view.decisions)
    merged_ids = {p for p in view.decisions.persons if view.decisions.canonical_id(p) == row["id"]}
    person = view.decisions.persons[row["id"]]
    siblings = view.decisions.siblings.get(row["id"], frozenset())
    photos = _photo_cards(view, shown) if query.arrangement is Arrangement.PHOTOS else []
    first = (query.page - 1) * PHOTOS_PER_PAGE
    return render_page(
        request,
        context,
        "person.html.j2",
        person=row | {"birth_date": person.birth_date, "student_id": person.student_id},
        known=_enrolment(view, person),
        consent=consent_status(view, person),
        query=query,
        years=[_year_section(group, query.year) for group in shown.partition_by("school_year", maintain_order=True)],
        photos=photos[first : first + PHOTOS_PER_PAGE],
        photo_count=len(photos),
        pages=-(-len(photos) // PHOTOS_PER_PAGE),
        found=shown.height,
        choices=_filter_choices(every),
        stars=set(prototypes["face_instance_id"].drop_nulls()) if prototypes.width else set(),
        cover=cover_faces(view, [row["id"]]).get(row["id"]),
        siblings=sorted((view.decisions.persons[p] for p in siblings), key=lambda sibling: sibling.name),
        students=student_choices(view.decisions, person),
        kinds=[kind.value for kind in PersonKind if kind != PersonKind.NOT_A_FACE],
        lines=history_lines(view, action_history(view, merged_ids)[:HISTORY_LINES]),
        album=album_page(context.layout, row["id"]),
    )


def event_of(path: pl.Expr) -> pl.Expr:
    """The event that a photo's path names: its folders below the school year's; "" for none."""
    return path.str.extract(r"^[^/]+/(.+)/[^/]+$").fill_null("")


def album_page(layout: ArchiveLayout, person_id: str) -> str:
    """The address of the person's page in the albums of today, on this server; "" where they have none."""
    digest = student_slug(f"person_{person_id}", "").rpartition("-")[2]
    page = student_page(layout, digest)
    return f"/albums/students/{page}" if page else ""


def _filter_faces(faces: pl.DataFrame, query: ProfileQuery) -> pl.DataFrame:
    """The faces that a page shows."""
    if query.year:
        faces = faces.filter(pl.col("school_year") == query.year)
    if query.event:
        faces = faces.filter(pl.col("event") == query.event)
    if query.certainty is not Certainty.ALL:
        faces = faces.filter(pl.col("confirmed") == (query.certainty is Certainty.CONFIRMED))
    return faces


def _filter_choices(faces: pl.DataFrame) -> dict[str, list[str]]:
    """The years and events that can be chosen."""
    return {
        "years": faces["school_year"].unique().sort().to_list(),
        "events": faces["event"].filter(faces["event"] != "").unique().sort().to_list(),
    }


def _photo_cards(view: ArchiveView, faces: pl.DataFrame) -> list[dict[str, Any]]:
    """The photos of these faces, oldest first, each with the face that the link marks."""
    photos = faces.unique("asset_id", keep="first", maintain_order=True)
    counts = view.faces.group_by("asset_id").agg(pl.len().alias("others"))
    joined = photos.join(counts, on="asset_id", how="left", maintain_order="left")
    return joined.select("asset_id", "face_id", "path", "school_year", "event", "confirmed", "others").to_dicts()


def _enrolment(view: ArchiveView, person: Person) -> dict[str, Any]:
    """What the rosters say of a person: `student_id`, and `classes` as (school year, class), the latest first."""
    entry = entries_by_person(view.decisions).get(person.id)
    classes = sorted(entry.classes.items(), reverse=True) if entry else []
    return {"student_id": person.student_id, "classes": [(year, name) for year, name in classes if name]}


def _year_section(rows: pl.DataFrame, whole: str) -> dict[str, Any]:
    """A year of the timeline: up to FACES_PER_YEAR faces, confirmed ones first, or all if it is the `whole` year."""
    year, shown = rows["school_year"][0], rows
    if year != whole:
        shown = sort_chronologically(rows.sort("confirmed", descending=True).head(FACES_PER_YEAR))
    return {
        "year": year,
        "tiles": face_tiles(shown),
        "faces": rows.height,
        "confirmed": int(rows["confirmed"].sum()),
        "more": rows.height - shown.height,
    }
