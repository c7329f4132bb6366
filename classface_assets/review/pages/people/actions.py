"""Changes of a person, and of single faces that have or get a name."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Form, Request
from starlette.responses import JSONResponse, Response

from classface_assets.core.languages import gettext
from classface_assets.review.api.common import Context
from classface_assets.review.api.persons.person_rows import PersonId, person_row
from classface_assets.review.context import ReviewContext
from classface_assets.review.pages.components.cards import cover_faces, similar_name_cards
from classface_assets.review.pages.components.layout import (
    FormFaces,
    FormText,
    change_response,
    local_path,
    page_router,
    render_page,
    wants_json,
)
from classface_assets.review.pages.components.manual_faces import face_refs_with_manual
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.ledger.transaction import CommandResult, ConflictError, find_person_by_name
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.purposes import ALL_PURPOSES, Purpose

router = page_router()
ConsentField = Annotated[Literal["given", "withdrawn"], Form()]
PurposeField = Annotated[Literal["all", "album", "yearbook", "web"], Form()]


@router.post("/people/{id}/rename")
def rename(
    request: Request, context: Context, person_id: PersonId, name: FormText = "", back: FormText = "/people"
) -> Response:
    """Give a person another name; where somebody has it already, offer to merge the two instead."""
    person = _require_person(context, person_id)
    other = _person_who_has(context.view(), name, person)
    try:
        return _respond(request, context, context.ledger.rename(person, name), back)
    except ConflictError:
        if other is None:
            raise
    namesake = {"name": other["name"], "faces": other["face_count"], "id": other["id"]} | {
        "face": cover_faces(context.view(), [other["id"]]).get(other["id"])
    }
    if wants_json(request):
        return JSONResponse({"namesake": namesake, "merge": f"/people/{person}/merge"})
    row = person_row(context.view(), person)
    return render_page(request, context, "namesake.html.j2", person=row, namesake=namesake, back=local_path(back))


@router.post("/people/{id}/cover")
def choose_cover(
    request: Request, context: Context, person_id: PersonId, face: FormFaces = (), back: FormText = "/people"
) -> Response:
    """Show the person by this face in lists and albums."""
    person = _require_person(context, person_id)
    if len(face) != 1:
        raise ProblemError(422, gettext("Select exactly one face as the cover."))
    row = context.view().face(face[0])
    if row is None or row["person_id"] != person:
        raise ProblemError(409, gettext("This face is not that person any more; reload the page."))
    return _respond(request, context, context.ledger.choose_cover(person, context.view().face_refs(face)[0]), back)


@router.post("/people/{id}/hide")
def hide(request: Request, context: Context, person_id: PersonId, back: FormText = "/people") -> Response:
    """Leave a person out of lists and albums."""
    return _respond(request, context, context.ledger.hide(_require_person(context, person_id)), back)


@router.post("/people/{id}/show")
def show(request: Request, context: Context, person_id: PersonId, back: FormText = "/people") -> Response:
    """Show a hidden person again."""
    return _respond(request, context, context.ledger.show(_require_person(context, person_id)), back)


@router.post("/people/{id}/kind")
def kind(
    request: Request, context: Context, person_id: PersonId, value: FormText = "", back: FormText = "/people"
) -> Response:
    """Set whether a person is a student, staff or neither."""
    return _respond(request, context, context.ledger.set_kind(_require_person(context, person_id), value), back)


@router.post("/people/{id}/consent")
def consent(
    request: Request,
    context: Context,
    person_id: PersonId,
    value: ConsentField,
    purpose: PurposeField = "all",
    back: FormText = "/people",
) -> Response:
    """Record whether a person may be shown, for one purpose or for all."""
    purposes = [] if purpose == ALL_PURPOSES else [Purpose(purpose)]
    result = context.ledger.set_consent(_require_person(context, person_id), value == "given", purposes)
    return _respond(request, context, result, back)


@router.post("/people/{id}/birth-date")
def set_birth_date(
    request: Request, context: Context, person_id: PersonId, day: FormText = "", back: FormText = "/people"
) -> Response:
    """Set the date of birth of a person; an empty one removes it."""
    result = context.ledger.set_birth_date(_require_person(context, person_id), _parse_date(day))
    return _respond(request, context, result, back)


@router.post("/people/{id}/merge")
def merge(
    request: Request, context: Context, person_id: PersonId, into: FormText = "", back: FormText = ""
) -> Response:
    """Merge a person into the person of a name, and go to that one's page."""
    result = context.ledger.merge(_require_person(context, person_id), _require_person_named(context, into))
    path = f"/people/{result.person.id}"
    return change_response(request, context, result.events, back or path, result.notes, go=path)


@router.post("/people/{id}/student")
def student(
    request: Request, context: Context, person_id: PersonId, which: FormText = "", back: FormText = "/people"
) -> Response:
    """Link a person to a student of the rosters: by id, or by the name that distinguishes the student."""
    return _respond(request, context, context.ledger.link_student(_require_person(context, person_id), which), back)


@router.post("/people/{id}/siblings")
def siblings(
    request: Request, context: Context, person_id: PersonId, name: FormText = "", back: FormText = "/people"
) -> Response:
    """Record that two persons are siblings: they look similar, so that matching requires a larger margin."""
    people = [_require_person(context, person_id), _require_person_named(context, name)]
    return _respond(request, context, context.ledger.declare_siblings(people), back)


@router.post("/people/{id}/yes")
def yes(
    request: Request, context: Context, person_id: PersonId, face: FormFaces = (), back: FormText = "/people"
) -> Response:
    """Confirm that the faces are the person."""
    result = context.ledger.confirm(_require_person(context, person_id), _require_faces(context, face))
    return _respond(request, context, result, back)


@router.post("/people/{id}/no")
def no(
    request: Request, context: Context, person_id: PersonId, face: FormFaces = (), back: FormText = "/people"
) -> Response:
    """Reject the faces: they are not the person."""
    result = context.ledger.reject(_require_person(context, person_id), _require_faces(context, face))
    return _respond(request, context, result, back)


@router.post("/faces/name")
def name_faces(
    request: Request,
    context: Context,
    name: FormText = "",
    face: FormFaces = (),
    sure: FormText = "",
    back: FormText = "/",
) -> Response:
    """Label the faces with the person of a name, who is created if there is none.

    A script is first asked whether somebody of a similar name is meant, unless the user is `sure`.
    """
    if wants_json(request) and not sure and (near := similar_name_cards(context.view(), name)):
        return JSONResponse({"near": near, "name": name.strip()})
    return _respond(request, context, context.ledger.label(name, _require_faces(context, face)), back)


@router.post("/faces/nobody")
def remove_name(request: Request, context: Context, face: FormFaces = (), back: FormText = "/") -> Response:
    """Remove the name of the faces; the next run may match them again."""
    return _respond(request, context, context.ledger.remove_labels(_require_faces(context, face)), back)


@router.post("/faces/none")
def mark_not_faces(request: Request, context: Context, face: FormFaces = (), back: FormText = "/") -> Response:
    """Mark the faces as false detections."""
    return _respond(request, context, context.ledger.mark_not_faces(_require_faces(context, face)), back)


def _respond(request: Request, context: ReviewContext, result: CommandResult, back: str) -> Response:
    return change_response(request, context, result.events, back, result.notes)


def _person_who_has(view: ArchiveView, name: str, person_id: str) -> dict[str, Any] | None:
    """The row of the one other person of that name; None where there is none, or more than one."""
    found = {view.decisions.canonical_id(person.id) for person in view.decisions.people_named(name)} - {person_id}
    return person_row(view, found.pop()) if len(found) == 1 else None


def _require_person(context: ReviewContext, person_id: object) -> str:
    """The id of an existing person."""
    return str(person_row(context.view(), person_id)["id"])


def _require_person_named(context: ReviewContext, name: str) -> str:
    """The id of the person of a name, after merges."""
    if not name.strip():
        raise ProblemError(422, gettext("Type the name of the other person."))
    person = find_person_by_name(context.view().decisions, name)
    if person is None:
        raise NotFoundError("person called", name.strip())
    return context.view().decisions.canonical_id(person.id)


def _require_faces(context: ReviewContext, face_ids: tuple[str, ...]) -> list[FaceRef]:
    """The selected faces, each once."""
    if not face_ids:
        raise ProblemError(422, gettext("Select the faces first."))
    return face_refs_with_manual(context.view(), list(dict.fromkeys(face_ids)))


def _parse_date(text: str) -> date | None:
    """A date as 2009-05-31; None for an empty text."""
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise ProblemError(
            422, gettext("%(text)s is no date; write it as 2009-05-31.", text=repr(text.strip()))
        ) from None
