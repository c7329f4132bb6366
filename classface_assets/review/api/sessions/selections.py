"""Selections of photos: clustering and matching their faces alone, and the assignments in them."""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

import polars as pl
from fastapi import APIRouter, Query

from classface_assets.review.api.common import API_PREFIX, Context, PageParams, face_models, problem_responses
from classface_assets.review.api.schemas import assignments as schemas
from classface_assets.review.api.schemas.assignments import (
    Assignments,
    AssignSelectionResponse,
    ClusterSelectionResponse,
    DeleteAssignmentsRequest,
    DeleteAssignmentsResponse,
    OptionalAssignSelectionRequest,
    OptionalClusterSelectionRequest,
    PeopleStatistics,
)
from classface_assets.review.api.sessions.sessions import require_session
from classface_assets.review.problems import ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.identity.face_matching import knn_settings
from classface_assets.services.photo_sessions.membership import Selection, selected_faces
from classface_assets.services.photo_sessions.statistics import assigned_faces, person_statistics

router = APIRouter(prefix=API_PREFIX, tags=["assignments"])
SessionQuery = Annotated[UUID | None, Query(alias="sessionId")]
EventQuery = Annotated[str, Query(max_length=1000)]
YearQuery = Annotated[str, Query(alias="schoolYear", max_length=255)]
ClassQuery = Annotated[str, Query(alias="className", max_length=255)]


@router.post("/selection/cluster", response_model=ClusterSelectionResponse, responses=problem_responses(404, 409))
def cluster_selected(context: Context, body: OptionalClusterSelectionRequest) -> dict[str, Any]:
    """Cluster the unknown faces of a session, a class, an event or a school year by themselves.

    It is a dry run unless `createStudents` is set: then each group becomes a person, called by a title and a number.
    """
    from classface_assets.services.photo_sessions.recognition import cluster_selection, create_students, unknown_faces

    similar = context.face_similarity()
    selection = _selection(similar.view, body)
    changed = {
        "max_clusters": body.max_clusters,
        "similarity_threshold": body.similarity_threshold,
        "min_cluster_size": body.min_cluster_size,
        "method": body.method,
    }
    given: dict[str, Any] = {name: value for name, value in changed.items() if value is not None}
    settings = replace(context.settings(body.preset, body.method), **given)
    faces = unknown_faces(selected_faces(similar.view, selection), body.include_identified)
    found = cluster_selection(similar.view, similar.known, faces, settings)
    events: tuple[int, ...] = ()
    if body.create_students and found.groups:
        title = body.title or (selection.session.title if selection.session else selection.class_name or "Student")
        events = create_students(context.ledger, similar.view, title, found)
    return {
        "faces": faces.height,
        "groups": [{"face_ids": group} for group in found.groups],
        "noise_count": faces.height - sum(map(len, found.groups)),
        "dry_run": not events,
        "event_ids": list(events),
    }


@router.post("/selection/assign", response_model=AssignSelectionResponse, responses=problem_responses(404, 409))
def assign_selected(context: Context, body: OptionalAssignSelectionRequest) -> dict[str, Any]:
    """Match the faces of a session, a class, an event, or some faces, with the named people, without a run.

    It is a dry run unless the request says `commit`: then the faces are labelled, by `match`.
    """
    from classface_assets.services.photo_sessions.recognition import match_selection, store_matches

    similar = context.face_similarity()
    view, selection = similar.view, _selection(similar.view, body)
    settings = knn_settings(context.settings(body.preset), body.k, body.similarity_threshold, body.use_voting)
    faces = selected_faces(view, selection)
    matches = match_selection(view, similar.known, similar.portraits(), faces, settings)
    events = store_matches(context.ledger, view, matches) if body.commit else ()
    persons = view.decisions.persons
    assigned = sum(match.person_id is not None for match in matches)
    return {
        "processed": len(matches),
        "assigned": assigned,
        "unassigned": len(matches) - assigned,
        "threshold": settings.person_threshold,
        "matches": [
            {
                "face_id": one.face_id,
                "person_id": one.person_id,
                "person_name": persons[one.person_id].display_name if one.person_id in persons else None,
                "similarity": one.similarity,
                "votes": one.votes,
            }
            for one in matches
        ],
        "dry_run": not events,
        "event_ids": list(events),
    }


@router.get("/assignments", response_model=Assignments, responses=problem_responses(404, 409))
def list_assignments(
    context: Context,
    pagination: PageParams,
    session_id: SessionQuery = None,
    event: EventQuery = "",
    school_year: YearQuery = "",
    class_name: ClassQuery = "",
) -> dict[str, Any]:
    """The faces of a session, folder, school year or class that have a person, by photo; hidden people are left out."""
    view = context.view()
    selection = _named_selection(view, session_id, event, school_year, class_name)
    rows = assigned_faces(view, selected_faces(view, selection)).sort("path", "bbox_x", "face_id")
    return pagination.response(face_models(pagination.slice(rows)), rows.height)


@router.get("/assignments/people", response_model=PeopleStatistics, responses=problem_responses(404, 409))
def people_of_assignments(
    context: Context,
    session_id: SessionQuery = None,
    event: EventQuery = "",
    school_year: YearQuery = "",
    class_name: ClassQuery = "",
) -> dict[str, Any]:
    """What a session, folder, school year or class shows of each person: photos, years, sessions, confidence."""
    view = context.view()
    selection = _named_selection(view, session_id, event, school_year, class_name)
    return {"items": person_statistics(view, selected_faces(view, selection)).to_dicts()}


@router.post("/assignments/delete", response_model=DeleteAssignmentsResponse, responses=problem_responses(404, 409))
def delete_assignments(context: Context, body: DeleteAssignmentsRequest) -> dict[str, Any]:
    """Remove the assignments of a selection: labels are taken off, and automatic matches are rejected for good.

    It is a dry run unless the request says `commit`. Undo the events that are returned to bring all of them back.
    """
    view = context.view()
    faces = assigned_faces(view, selected_faces(view, _selection(view, body)))
    if body.person_id is not None:
        faces = faces.filter(pl.col("person_id") == str(body.person_id))
    labels = faces.filter("confirmed") if body.which != "matches" else faces.clear()
    matches = faces.filter(~pl.col("confirmed")) if body.which != "labels" else faces.clear()
    events: tuple[int, ...] = ()
    if body.commit and (labels.height or matches.height):
        rejected = [
            (str(person[0]), view.face_refs(rows["face_id"].to_list()))
            for person, rows in matches.group_by("person_id", maintain_order=True)
        ]
        events = context.ledger.remove_assignments(view.face_refs(labels["face_id"].to_list()), rejected).events
    return {
        "labels": labels.height,
        "matches": matches.height,
        "dry_run": not events,
        "event_ids": list(events),
    }


def _selection(view: ArchiveView, body: schemas.Selection) -> Selection:
    found = _named_selection(view, body.session_id, body.event or "", body.school_year or "", body.class_name or "")
    return replace(found, face_ids=tuple(map(str, body.face_ids or ())))


def _named_selection(
    view: ArchiveView, session_id: UUID | None, event: str, school_year: str, class_name: str
) -> Selection:
    session = require_session(view, session_id) if session_id is not None else None
    if class_name and not view.decisions.roster:
        raise ProblemError(409, "No roster lists any class; import one first, with `classface roster import`.")
    return Selection(session, event.strip("/"), school_year, class_name)
