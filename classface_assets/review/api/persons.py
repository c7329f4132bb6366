"""Persons: who there is, what they are called, who is the same, whose a face is or is not."""

from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Query

from classface_assets.review.api.common import BASE, AtDesk, Page, Paging, Status, faces_of, told
from classface_assets.review.api.person_rows import PersonId, person_row, person_told, persons_listed, persons_of
from classface_assets.review.api.schemas.persons import (
    Changes,
    FaceIds,
    FacesChanged,
    Merge,
    Merged,
    NewPerson,
    Person,
    Prototype,
    Suggestion,
    Suggestions,
    WholePerson,
)
from classface_assets.review.context import marks
from classface_assets.review.problems import ProblemError
from classface_assets.store.published.tables import prototypes

router = APIRouter(prefix=f"{BASE}/persons", tags=["persons"])


@router.get("", response_model=Page[Person], responses=told())
def list_persons(
    desk: AtDesk,
    asked: Paging,
    status: Status | None = None,
    q: Annotated[str | None, Query(max_length=255)] = None,
) -> dict[str, Any]:
    """Everybody, by name; `q` is a part of the name, whatever the case."""
    rows = persons_listed(desk.view(), status, q)
    return asked.answer(persons_of(asked.of(rows)), rows.height)


@router.post("", response_model=Person, status_code=201, responses=told(409))
def create_person(desk: AtDesk, body: NewPerson) -> Person:
    """A person without a face yet."""
    person = desk.ledger.create(body.name).person
    return person_told(desk.view(), person.id)


@router.get("/{id}", response_model=WholePerson, responses=told(404))
def get_person(desk: AtDesk, person_id: PersonId) -> dict[str, Any]:
    """A person with the faces that stand for them, and how many there are of each school year."""
    view = desk.view()
    row = person_row(view, person_id)
    mine = view.faces.filter(pl.col("person_id") == str(person_id))
    years = mine.group_by("school_year").agg(pl.len().alias("faces"), pl.col("confirmed").sum()).sort("school_year")
    found = prototypes(mine, view.decisions)
    found = found.sort("school_year", "role", "face_instance_id") if found.width else found
    return {name: row[name] for name in Person.model_fields} | {
        "prototypes": [{n: p[n] for n in Prototype.model_fields} for p in found.iter_rows(named=True)],
        "years": years.to_dicts(),
    }


@router.patch("/{id}", response_model=Person, responses=told(404, 409))
def change_person(desk: AtDesk, person_id: PersonId, body: Changes) -> Person:
    """Another name, hide, or show again; or which student of the rosters it is (`student`: an id, or a name)."""
    row = person_row(desk.view(), person_id)
    if row["status"] == "merged":
        raise ProblemError(409, f"{row['name']} was merged into somebody else; undo that first, or change that person.")
    if body.name is not None and body.name != row["name"]:
        desk.ledger.rename(row["id"], body.name)
    if body.student is not None:
        desk.ledger.link_student(row["id"], body.student)
    if body.status is not None and body.status != row["status"]:
        (desk.ledger.hide if body.status == "hidden" else desk.ledger.show)(row["id"])
    return person_told(desk.view(), person_id)


@router.post("/{id}/merge", response_model=Merged, responses=told(404, 409))
def merge_person(desk: AtDesk, person_id: PersonId, body: Merge) -> dict[str, Any]:
    """These two are one. Both records stay; what was said of the first is said of the second."""
    view = desk.view()
    source, target = person_row(view, person_id), person_row(view, body.into_person_id)
    act = desk.ledger.merge(source["id"], target["id"])
    moved = view.faces.filter(pl.col("person_id") == source["id"]).height
    return {"source_person_id": source["id"], "target_person_id": act.person.id, "faces_moved": moved}


@router.get("/{id}/suggestions", response_model=Suggestions, responses=told(404, 503))
def suggest(
    desk: AtDesk, person_id: PersonId, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> dict[str, list[Suggestion]]:
    """The faces that are most likely this person and that nobody has confirmed or rejected, likest first."""
    likeness = desk.likeness()
    person_row(likeness.view, person_id)
    found = likeness.suggestions(str(person_id), limit)
    similar = zip(faces_of(found), found["similarity"], strict=True)
    return {"items": [Suggestion(**face.model_dump(), similarity=similarity) for face, similarity in similar]}


@router.post("/{id}/confirm", response_model=FacesChanged, responses=told(404, 409))
def confirm(desk: AtDesk, person_id: PersonId, body: FaceIds) -> dict[str, Any]:
    """Yes, these are that person."""
    view = desk.view()
    row = person_row(view, person_id)
    faces = marks(view, [str(face) for face in dict.fromkeys(body.face_ids)])
    act = desk.ledger.confirm(row["id"], faces)
    return {"faces_changed": len(faces), "notes": list(act.notes)}


@router.post("/{id}/reject", response_model=FacesChanged, responses=told(404, 409))
def reject(desk: AtDesk, person_id: PersonId, body: FaceIds) -> dict[str, Any]:
    """No, these are not that person, and are never offered as them again."""
    view = desk.view()
    row = person_row(view, person_id)
    faces = marks(view, [str(face) for face in dict.fromkeys(body.face_ids)])
    act = desk.ledger.reject(row["id"], faces)
    return {"faces_changed": len(faces), "notes": list(act.notes)}


@router.delete("/{id}", status_code=200, responses=told(404, 409))
def delete_person(desk: AtDesk, person_id: PersonId, erase: bool = False) -> dict[str, Any]:
    """Hide a person. With `erase` all that was made of their faces goes for good, and the answer is the receipt."""
    row = person_row(desk.view(), person_id)
    if erase:
        return desk.erase(row["id"])
    if row["status"] == "merged":
        raise ProblemError(409, f"{row['name']} was merged into somebody else; undo that first, or hide that person.")
    if row["status"] != "hidden":
        desk.ledger.hide(row["id"])
    return {"id": row["id"], "status": "hidden"}
