"""What is said of a person, and of faces that have a name."""

from datetime import date
from typing import Annotated, Literal

from fastapi import Form, Request
from starlette.responses import Response

from classface_assets.review.api.common import AtDesk
from classface_assets.review.api.person_rows import PersonId, person_row
from classface_assets.review.context import Desk
from classface_assets.review.pages.components.layout import Faces, Text, changed, page_router
from classface_assets.review.pages.photos import marks_with_drawn
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.store.ledger.transaction import Act, one_called
from classface_assets.store.model.purposes import ALL, Purpose

router = page_router()
Consent = Annotated[Literal["given", "withdrawn"], Form()]
For = Annotated[Literal["all", "album", "yearbook", "web"], Form()]


@router.post("/people/{id}/rename")
def rename(request: Request, desk: AtDesk, person_id: PersonId, name: Text = "", back: Text = "/people") -> Response:
    return _done(request, desk, desk.ledger.rename(_id(desk, person_id), name), back)


@router.post("/people/{id}/hide")
def hide(request: Request, desk: AtDesk, person_id: PersonId, back: Text = "/people") -> Response:
    return _done(request, desk, desk.ledger.hide(_id(desk, person_id)), back)


@router.post("/people/{id}/show")
def show(request: Request, desk: AtDesk, person_id: PersonId, back: Text = "/people") -> Response:
    return _done(request, desk, desk.ledger.show(_id(desk, person_id)), back)


@router.post("/people/{id}/kind")
def kind(request: Request, desk: AtDesk, person_id: PersonId, value: Text = "", back: Text = "/people") -> Response:
    return _done(request, desk, desk.ledger.set_kind(_id(desk, person_id), value), back)


@router.post("/people/{id}/consent")
def consent(
    request: Request, desk: AtDesk, person_id: PersonId, value: Consent, purpose: For = "all", back: Text = "/people"
) -> Response:
    """Whether the person may be shown, for one purpose or for all; who withdrew it is left out."""
    purposes = [] if purpose == ALL else [Purpose(purpose)]
    return _done(request, desk, desk.ledger.consent(_id(desk, person_id), value == "given", purposes), back)


@router.post("/people/{id}/birth-date")
def born(request: Request, desk: AtDesk, person_id: PersonId, day: Text = "", back: Text = "/people") -> Response:
    """When the person was born; nothing takes it back."""
    return _done(request, desk, desk.ledger.birth_date(_id(desk, person_id), _day(day)), back)


@router.post("/people/{id}/merge")
def merge(request: Request, desk: AtDesk, person_id: PersonId, into: Text = "", back: Text = "") -> Response:
    """The person is another one, who is named; that one's page comes next."""
    act = desk.ledger.merge(_id(desk, person_id), _called(desk, into))
    path = f"/people/{act.person.id}"
    return changed(request, desk, act.events, back or path, act.notes, go=path)


@router.post("/people/{id}/student")
def student(request: Request, desk: AtDesk, person_id: PersonId, which: Text = "", back: Text = "/people") -> Response:
    """Which student of the school's rosters the person is: by id, or by the name that tells students apart."""
    return _done(request, desk, desk.ledger.link_student(_id(desk, person_id), which), back)


@router.post("/people/{id}/siblings")
def siblings(request: Request, desk: AtDesk, person_id: PersonId, name: Text = "", back: Text = "/people") -> Response:
    """The two look alike for a reason, so telling them apart takes more."""
    return _done(request, desk, desk.ledger.siblings([_id(desk, person_id), _called(desk, name)]), back)


@router.post("/people/{id}/yes")
def yes(request: Request, desk: AtDesk, person_id: PersonId, face: Faces = (), back: Text = "/people") -> Response:
    act = desk.ledger.confirm(_id(desk, person_id), marks_with_drawn(desk.view(), _some(face)))
    return _done(request, desk, act, back)


@router.post("/people/{id}/no")
def no(request: Request, desk: AtDesk, person_id: PersonId, face: Faces = (), back: Text = "/people") -> Response:
    act = desk.ledger.reject(_id(desk, person_id), marks_with_drawn(desk.view(), _some(face)))
    return _done(request, desk, act, back)


@router.post("/faces/name")
def name_faces(
    request: Request,
    desk: AtDesk,
    name: Text = "",
    face: Faces = (),
    back: Text = "/",
) -> Response:
    """The faces are the person of that name, who is created if nobody is called so."""
    act = desk.ledger.label(name, marks_with_drawn(desk.view(), _some(face)))
    return _done(request, desk, act, back)


@router.post("/faces/nobody")
def take_off(request: Request, desk: AtDesk, face: Faces = (), back: Text = "/") -> Response:
    """The faces are nobody's any more."""
    return _done(request, desk, desk.ledger.take_off(marks_with_drawn(desk.view(), _some(face))), back)


@router.post("/faces/none")
def no_faces(request: Request, desk: AtDesk, face: Faces = (), back: Text = "/") -> Response:
    """These are no faces."""
    return _done(request, desk, desk.ledger.not_faces(marks_with_drawn(desk.view(), _some(face))), back)


def _done(request: Request, desk: Desk, act: Act, back: str) -> Response:
    return changed(request, desk, act.events, back, act.notes)


def _id(desk: Desk, person_id: object) -> str:
    return str(person_row(desk.view(), person_id)["id"])


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise ProblemError(422, f"{text.strip()!r} is no day; write it as 2009-05-31.") from None


def _called(desk: Desk, name: str) -> str:
    person = one_called(desk.view().decisions, name)
    if person is None:
        raise NotFoundError("person called", name.strip() or "nothing")
    return desk.view().decisions.became(person.id)


def _some(face: tuple[str, ...]) -> list[str]:
    if not face:
        raise ProblemError(422, "Choose the faces first.")
    return list(dict.fromkeys(face))
