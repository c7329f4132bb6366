"""What is said of a person, and of faces that have a name."""

from datetime import date
from typing import Annotated, Literal

from fastapi import Form, Request
from starlette.responses import Response

from classface_assets.review.api.common import Context
from classface_assets.review.api.person_rows import PersonId, person_row
from classface_assets.review.context import ReviewContext
from classface_assets.review.pages.components.layout import FormFaces, FormText, change_response, page_router
from classface_assets.review.pages.photos import face_refs_with_manual
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.store.ledger.transaction import CommandResult, find_person_by_name
from classface_assets.store.model.purposes import ALL_PURPOSES, Purpose

router = page_router()
ConsentField = Annotated[Literal["given", "withdrawn"], Form()]
PurposeField = Annotated[Literal["all", "album", "yearbook", "web"], Form()]


@router.post("/people/{id}/rename")
def rename(
    request: Request, desk: Context, person_id: PersonId, name: FormText = "", back: FormText = "/people"
) -> Response:
    return _command_response(request, desk, desk.ledger.rename(_require_person_id(desk, person_id), name), back)


@router.post("/people/{id}/hide")
def hide(request: Request, desk: Context, person_id: PersonId, back: FormText = "/people") -> Response:
    return _command_response(request, desk, desk.ledger.hide(_require_person_id(desk, person_id)), back)


@router.post("/people/{id}/show")
def show(request: Request, desk: Context, person_id: PersonId, back: FormText = "/people") -> Response:
    return _command_response(request, desk, desk.ledger.show(_require_person_id(desk, person_id)), back)


@router.post("/people/{id}/kind")
def kind(
    request: Request, desk: Context, person_id: PersonId, value: FormText = "", back: FormText = "/people"
) -> Response:
    return _command_response(request, desk, desk.ledger.set_kind(_require_person_id(desk, person_id), value), back)


@router.post("/people/{id}/consent")
def consent(
    request: Request,
    desk: Context,
    person_id: PersonId,
    value: ConsentField,
    purpose: PurposeField = "all",
    back: FormText = "/people",
) -> Response:
    """Whether the person may be shown, for one purpose or for all; who withdrew it is left out."""
    purposes = [] if purpose == ALL_PURPOSES else [Purpose(purpose)]
    return _command_response(
        request, desk, desk.ledger.set_consent(_require_person_id(desk, person_id), value == "given", purposes), back
    )


@router.post("/people/{id}/birth-date")
def set_birth_date(
    request: Request, desk: Context, person_id: PersonId, day: FormText = "", back: FormText = "/people"
) -> Response:
    """When the person was born; nothing takes it back."""
    return _command_response(
        request, desk, desk.ledger.set_birth_date(_require_person_id(desk, person_id), _parse_date(day)), back
    )


@router.post("/people/{id}/merge")
def merge(request: Request, desk: Context, person_id: PersonId, into: FormText = "", back: FormText = "") -> Response:
    """The person is another one, who is named; that one's page comes next."""
    act = desk.ledger.merge(_require_person_id(desk, person_id), _require_person_named(desk, into))
    path = f"/people/{act.person.id}"
    return change_response(request, desk, act.events, back or path, act.notes, go=path)


@router.post("/people/{id}/student")
def student(
    request: Request, desk: Context, person_id: PersonId, which: FormText = "", back: FormText = "/people"
) -> Response:
    """Which student of the school's rosters the person is: by id, or by the name that tells students apart."""
    return _command_response(request, desk, desk.ledger.link_student(_require_person_id(desk, person_id), which), back)


@router.post("/people/{id}/siblings")
def siblings(
    request: Request, desk: Context, person_id: PersonId, name: FormText = "", back: FormText = "/people"
) -> Response:
    """The two look alike for a reason, so telling them apart takes more."""
    return _command_response(
        request,
        desk,
        desk.ledger.declare_siblings([_require_person_id(desk, person_id), _require_person_named(desk, name)]),
        back,
    )


@router.post("/people/{id}/yes")
def yes(
    request: Request, desk: Context, person_id: PersonId, face: FormFaces = (), back: FormText = "/people"
) -> Response:
    act = desk.ledger.confirm(
        _require_person_id(desk, person_id), face_refs_with_manual(desk.view(), _require_faces(face))
    )
    return _command_response(request, desk, act, back)


@router.post("/people/{id}/no")
def no(
    request: Request, desk: Context, person_id: PersonId, face: FormFaces = (), back: FormText = "/people"
) -> Response:
    act = desk.ledger.reject(
        _require_person_id(desk, person_id), face_refs_with_manual(desk.view(), _require_faces(face))
    )
    return _command_response(request, desk, act, back)


@router.post("/faces/name")
def name_faces(
    request: Request,
    desk: Context,
    name: FormText = "",
    face: FormFaces = (),
    back: FormText = "/",
) -> Response:
    """The faces are the person of that name, who is created if nobody is called so."""
    act = desk.ledger.label(name, face_refs_with_manual(desk.view(), _require_faces(face)))
    return _command_response(request, desk, act, back)


@router.post("/faces/nobody")
def remove_name(request: Request, desk: Context, face: FormFaces = (), back: FormText = "/") -> Response:
    """The faces are nobody's any more."""
    return _command_response(
        request, desk, desk.ledger.remove_labels(face_refs_with_manual(desk.view(), _require_faces(face))), back
    )


@router.post("/faces/none")
def mark_not_faces(request: Request, desk: Context, face: FormFaces = (), back: FormText = "/") -> Response:
    """These are no faces."""
    return _command_response(
        request, desk, desk.ledger.mark_not_faces(face_refs_with_manual(desk.view(), _require_faces(face))), back
    )


def _command_response(request: Request, desk: ReviewContext, act: CommandResult, back: str) -> Response:
    return change_response(request, desk, act.events, back, act.notes)


def _require_person_id(desk: ReviewContext, person_id: object) -> str:
    return str(person_row(desk.view(), person_id)["id"])


def _parse_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise ProblemError(422, f"{text.strip()!r} is no day; write it as 2009-05-31.") from None


def _require_person_named(desk: ReviewContext, name: str) -> str:
    person = find_person_by_name(desk.view().decisions, name)
    if person is None:
        raise NotFoundError("person called", name.strip() or "nothing")
    return desk.view().decisions.canonical_id(person.id)


def _require_faces(face: tuple[str, ...]) -> list[str]:
    if not face:
        raise ProblemError(422, "Choose the faces first.")
    return list(dict.fromkeys(face))
