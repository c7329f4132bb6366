"""Persons: who there is, what they are called, who is the same, whose a face is or is not."""

from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Query

from classface_assets.review.api.common import (
    API_PREFIX,
    Context,
    Page,
    PageParams,
    Status,
    face_models,
    problem_responses,
)
from classface_assets.review.api.person_rows import PersonId, filter_persons, person_model, person_models, person_row
from classface_assets.review.api.schemas.persons import (
    FaceIds,
    FacesChanged,
    MergeRequest,
    MergeResponse,
    Person,
    PersonCreate,
    PersonDetail,
    PersonUpdate,
    Prototype,
    Suggestion,
    Suggestions,
)
from classface_assets.review.context import face_refs
from classface_assets.review.problems import ProblemError
from classface_assets.store.published.tables import prototype_rows

router = APIRouter(prefix=f"{API_PREFIX}/persons", tags=["persons"])


@router.get("", response_model=Page[Person], responses=problem_responses())
def list_persons(
    desk: Context,
    asked: PageParams,
    status: Status | None = None,
    q: Annotated[str | None, Query(max_length=255)] = None,
) -> dict[str, Any]:
    """Everybody, by name; `q` is a part of the name, whatever the case."""
    rows = filter_persons(desk.view(), status, q)
    return asked.answer(person_models(asked.of(rows)), rows.height)


@router.post("", response_model=Person, status_code=201, responses=problem_responses(409))
def create_person(desk: Context, body: PersonCreate) -> Person:
    """A person without a face yet."""
    person = desk.ledger.create_person(body.name).person
    return person_model(desk.view(), person.id)


@router.get("/{id}", response_model=PersonDetail, responses=problem_responses(404))
def get_person(desk: Context, person_id: PersonId) -> dict[str, Any]:
    """A person with the faces that stand for them, and how many there are of each school year."""
    view = desk.view()
    row = person_row(view, person_id)
    mine = view.faces.filter(pl.col("person_id") == str(person_id))
    years = mine.group_by("school_year").agg(pl.len().alias("faces"), pl.col("confirmed").sum()).sort("school_year")
    found = prototype_rows(mine, view.decisions)
    found = found.sort("school_year", "role", "face_instance_id") if found.width else found
    return {name: row[name] for name in Person.model_fields} | {
        "prototypes": [{n: p[n] for n in Prototype.model_fields} for p in found.iter_rows(named=True)],
        "years": years.to_dicts(),
    }


@router.patch("/{id}", response_model=Person, responses=problem_responses(404, 409))
def change_person(desk: Context, person_id: PersonId, body: PersonUpdate) -> Person:
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
    return person_model(desk.view(), person_id)


@router.post("/{id}/merge", response_model=MergeResponse, responses=problem_responses(404, 409))
def merge_person(desk: Context, person_id: PersonId, body: MergeRequest) -> dict[str, Any]:
    """These two are one. Both records stay; what was said of the first is said of the second."""
    view = desk.view()
    source, target = person_row(view, person_id), person_row(view, body.into_person_id)
    act = desk.ledger.merge(source["id"], target["id"])
    moved = view.faces.filter(pl.col("person_id") == source["id"]).height
    return {"source_person_id": source["id"], "target_person_id": act.person.id, "faces_moved": moved}


@router.get("/{id}/suggestions", response_model=Suggestions, responses=problem_responses(404, 503))
def suggest(
    desk: Context, person_id: PersonId, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> dict[str, list[Suggestion]]:
    """The faces that are most likely this person and that nobody has confirmed or rejected, likest first."""
    likeness = desk.likeness()
    person_row(likeness.view, person_id)
    found = likeness.suggestions(str(person_id), limit)
    similar = zip(face_models(found), found["similarity"], strict=True)
    return {"items": [Suggestion(**face.model_dump(), similarity=similarity) for face, similarity in similar]}


@router.post("/{id}/confirm", response_model=FacesChanged, responses=problem_responses(404, 409))
def confirm(desk: Context, person_id: PersonId, body: FaceIds) -> dict[str, Any]:
    """Yes, these are that person."""
    view = desk.view()
    row = person_row(view, person_id)
    faces = face_refs(view, [str(face) for face in dict.fromkeys(body.face_ids)])
    act = desk.ledger.confirm(row["id"], faces)
    return {"faces_changed": len(faces), "notes": list(act.notes)}


@router.post("/{id}/reject", response_model=FacesChanged, responses=problem_responses(404, 409))
def reject(desk: Context, person_id: PersonId, body: FaceIds) -> dict[str, Any]:
    """No, these are not that person, and are never offered as them again."""
    view = desk.view()
    row = person_row(view, person_id)
    faces = face_refs(view, [str(face) for face in dict.fromkeys(body.face_ids)])
    act = desk.ledger.reject(row["id"], faces)
    return {"faces_changed": len(faces), "notes": list(act.notes)}


@router.delete("/{id}", status_code=200, responses=problem_responses(404, 409))
def delete_person(desk: Context, person_id: PersonId, erase: bool = False) -> dict[str, Any]:
    """Hide a person. With `erase` all that was made of their faces goes for good, and the answer is the receipt."""
    row = person_row(desk.view(), person_id)
    if erase:
        return desk.erase(row["id"])
    if row["status"] == "merged":
        raise ProblemError(409, f"{row['name']} was merged into somebody else; undo that first, or hide that person.")
    if row["status"] != "hidden":
        desk.ledger.hide(row["id"])
    return {"id": row["id"], "status": "hidden"}
