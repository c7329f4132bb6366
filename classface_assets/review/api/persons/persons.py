"""Persons: listing, creating, changing, merging and erasing them; confirming and rejecting their faces."""

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
from classface_assets.review.api.persons.person_rows import (
    PersonId,
    filter_persons,
    person_model,
    person_models,
    person_row,
)
from classface_assets.review.api.schemas.persons import (
    ErasedPerson,
    FaceIds,
    FacesChanged,
    HiddenPerson,
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
from classface_assets.store.model.person_kinds import PersonStatus
from classface_assets.store.published.tables import prototype_rows

router = APIRouter(prefix=f"{API_PREFIX}/persons", tags=["persons"])


@router.get("", response_model=Page[Person], responses=problem_responses())
def list_persons(
    context: Context,
    pagination: PageParams,
    status: Status | None = None,
    q: Annotated[str | None, Query(max_length=255)] = None,
    portrait: bool | None = None,
) -> dict[str, Any]:
    """List persons by name; `q` is a part of the name, ignoring case; `portrait`: enrolled with a portrait, or not."""
    view = context.view()
    rows = filter_persons(view, status, q)
    if portrait is not None:
        enrolled = pl.col("id").is_in(list(view.decisions.portraits))
        rows = rows.filter(enrolled if portrait else ~enrolled)
    return pagination.response(person_models(pagination.slice(rows)), rows.height)


@router.post("", response_model=Person, status_code=201, responses=problem_responses(409))
def create_person(context: Context, body: PersonCreate) -> Person:
    """Create a person without faces."""
    person = context.ledger.create_person(body.name).person
    return person_model(context.view(), person.id)


@router.get("/{id}", response_model=PersonDetail, responses=problem_responses(404))
def get_person(context: Context, person_id: PersonId) -> dict[str, Any]:
    """Get a person with their prototypes and the number of faces of each school year."""
    view = context.view()
    row = person_row(view, person_id)
    faces = view.faces.filter(pl.col("person_id") == str(person_id))
    years = faces.group_by("school_year").agg(pl.len().alias("faces"), pl.col("confirmed").sum()).sort("school_year")
    prototypes = prototype_rows(faces, view.decisions)
    if prototypes.width:
        prototypes = prototypes.sort("school_year", "role", "face_instance_id")
    return {name: row[name] for name in Person.model_fields} | {
        "prototypes": [{n: p[n] for n in Prototype.model_fields} for p in prototypes.iter_rows(named=True)],
        "years": years.to_dicts(),
    }


@router.patch("/{id}", response_model=Person, responses=problem_responses(404, 409))
def change_person(context: Context, person_id: PersonId, body: PersonUpdate) -> Person:
    """Rename, hide or show a person, or link them to a student of the rosters (`student`: an id, or a name)."""
    row = person_row(context.view(), person_id)
    if row["status"] == PersonStatus.MERGED:
        raise ProblemError(
            409, f"{row['name']} was merged into another person; undo the merge first, or change that person."
        )
    if body.name is not None and body.name != row["name"]:
        context.ledger.rename(row["id"], body.name)
    if body.student is not None:
        context.ledger.link_student(row["id"], body.student)
    if body.status is not None and body.status != row["status"]:
        (context.ledger.hide if body.status == PersonStatus.HIDDEN else context.ledger.show)(row["id"])
    return person_model(context.view(), person_id)


@router.post("/{id}/merge", response_model=MergeResponse, responses=problem_responses(404, 409))
def merge_person(context: Context, person_id: PersonId, body: MergeRequest) -> dict[str, Any]:
    """Merge a person into another one. Both records stay; the faces and decisions of the first go to the second."""
    view = context.view()
    source, target = person_row(view, person_id), person_row(view, body.into_person_id)
    result = context.ledger.merge(source["id"], target["id"])
    moved = view.faces.filter(pl.col("person_id") == source["id"]).height
    return {"source_person_id": source["id"], "target_person_id": result.person.id, "faces_moved": moved}


@router.get("/{id}/suggestions", response_model=Suggestions, responses=problem_responses(404, 503))
def suggest(
    context: Context, person_id: PersonId, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> dict[str, list[Suggestion]]:
    """Suggest the faces that are most likely this person and that nobody has confirmed or rejected, best first."""
    face_similarity = context.face_similarity()
    person_row(face_similarity.view, person_id)
    rows = face_similarity.suggestions(str(person_id), limit)
    scored = zip(face_models(rows), rows["similarity"], strict=True)
    return {"items": [Suggestion(**face.model_dump(), similarity=similarity) for face, similarity in scored]}


@router.post("/{id}/confirm", response_model=FacesChanged, responses=problem_responses(404, 409))
def confirm(context: Context, person_id: PersonId, body: FaceIds) -> dict[str, Any]:
    """Confirm that these faces are the person."""
    view = context.view()
    row = person_row(view, person_id)
    faces = face_refs(view, [str(face) for face in dict.fromkeys(body.face_ids)])
    result = context.ledger.confirm(row["id"], faces)
    return {"faces_changed": len(faces), "notes": list(result.notes)}


@router.post("/{id}/reject", response_model=FacesChanged, responses=problem_responses(404, 409))
def reject(context: Context, person_id: PersonId, body: FaceIds) -> dict[str, Any]:
    """Reject these faces: they are not the person, and are not suggested for them again."""
    view = context.view()
    row = person_row(view, person_id)
    faces = face_refs(view, [str(face) for face in dict.fromkeys(body.face_ids)])
    result = context.ledger.reject(row["id"], faces)
    return {"faces_changed": len(faces), "notes": list(result.notes)}


@router.delete("/{id}", response_model=HiddenPerson | ErasedPerson, responses=problem_responses(404, 409))
def delete_person(context: Context, person_id: PersonId, erase: bool = False) -> dict[str, Any]:
    """Hide a person; with `erase`, delete everything derived from their faces for good and return the receipt."""
    row = person_row(context.view(), person_id)
    if erase:
        receipt, run_id = context.erase(row["id"])
        return receipt.to_json() | {"runId": run_id}
    if row["status"] == PersonStatus.MERGED:
        raise ProblemError(
            409, f"{row['name']} was merged into another person; undo the merge first, or hide that person."
        )
    if row["status"] != PersonStatus.HIDDEN:
        context.ledger.hide(row["id"])
    return {"id": row["id"], "status": PersonStatus.HIDDEN}
