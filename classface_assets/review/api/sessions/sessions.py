"""Sessions: sets of photos of one occasion, who was there, corrections, and the register."""

from dataclasses import asdict, replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from classface_assets.review.api.common import API_PREFIX, Context, Page, PageParams, problem_responses
from classface_assets.review.api.persons.person_rows import PersonId, person_row
from classface_assets.review.api.schemas.sessions import (
    AttendanceModel,
    Correction,
    CorrectionResponse,
    PersonSessions,
    RegisterModel,
    Session,
    SessionDeleted,
    SessionFields,
    SessionUpdate,
)
from classface_assets.review.problems import NotFoundError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.identity.presets import Preset
from classface_assets.services.photo_sessions.attendance import Attendance, Attendee, Presence, attendance
from classface_assets.services.photo_sessions.membership import session_day, session_faces, session_photos
from classface_assets.services.photo_sessions.register import (
    Register,
    of_person,
    register,
    register_csv,
    sessions_by_day,
)
from classface_assets.store.ledger.commands.sessions import sessions_of_events
from classface_assets.store.model.photo_session import PhotoSession

MAX_LISTED_FACES = 100
router = APIRouter(prefix=API_PREFIX, tags=["sessions"])
SessionId = Annotated[UUID, Path(alias="sessionId")]
YearQuery = Annotated[str, Query(alias="schoolYear", max_length=255)]
ClassQuery = Annotated[str, Query(alias="className", max_length=255)]
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("/sessions", response_model=Page[Session], responses=problem_responses())
def list_sessions(
    context: Context, pagination: PageParams, school_year: YearQuery = "", class_name: ClassQuery = ""
) -> dict[str, Any]:
    """List the sessions by day, oldest first."""
    view = context.view()
    found = [column.session for column in sessions_by_day(view, school_year, class_name)]
    start = (pagination.page - 1) * pagination.page_size
    on_page = found[start : start + pagination.page_size]
    return pagination.response([session_model(view, one) for one in on_page], len(found))


@router.post("/sessions", response_model=Session, status_code=201, responses=problem_responses(409))
def create_session(context: Context, body: SessionFields) -> dict[str, Any]:
    """Create a session: an event folder, days and classes, or selected photos."""
    made = PhotoSession(
        id="",
        title=body.title,
        event=body.event or "",
        school_year=body.school_year or "",
        classes=tuple(body.classes),
        from_day=body.from_day,
        to_day=body.to_day,
        photos=tuple(map(str, body.photos)),
    )
    events = context.ledger.create_session(made).events
    view = context.view()
    return session_model(view, sessions_of_events(view.decisions, events)[0])


@router.get("/register", response_model=RegisterModel, responses=problem_responses())
def get_register(
    context: Context, school_year: YearQuery = "", class_name: ClassQuery = "", preset: Preset | None = None
) -> dict[str, Any]:
    """Who was at which session, over time."""
    return _register_model(register(context.view(), school_year, class_name, preset))


@router.get("/register.csv", response_class=Response, responses=_CSV | problem_responses())
def get_register_csv(
    context: Context, school_year: YearQuery = "", class_name: ClassQuery = "", preset: Preset | None = None
) -> Response:
    """The same as CSV, for spreadsheets."""
    table = register(context.view(), school_year, class_name, preset)
    return csv_response(register_csv(table), "register.csv")


@router.get("/sessions/{sessionId}", response_model=Session, responses=problem_responses(404))
def get_session(context: Context, session_id: SessionId) -> dict[str, Any]:
    """Get one session."""
    view = context.view()
    return session_model(view, require_session(view, session_id))


@router.patch("/sessions/{sessionId}", response_model=Session, responses=problem_responses(404, 409))
def change_session(context: Context, session_id: SessionId, body: SessionUpdate) -> dict[str, Any]:
    """Change the title or the photos of a session; corrections stay."""
    session = require_session(context.view(), session_id)
    given: dict[str, Any] = {
        name: value for name, value in body.model_dump(exclude_unset=True).items() if value is not None
    }
    given |= {name: tuple(map(str, given[name])) for name in ("classes", "photos") if name in given}
    context.ledger.change_session(replace(session, **given))
    view = context.view()
    return session_model(view, require_session(view, session_id))


@router.delete("/sessions/{sessionId}", response_model=SessionDeleted, responses=problem_responses(404))
def delete_session(context: Context, session_id: SessionId) -> dict[str, Any]:
    """Delete a session with its corrections; photos, faces and names stay."""
    session = require_session(context.view(), session_id)
    return {"id": session.id, "event_ids": list(context.ledger.delete_session(session.id).events)}


@router.get("/sessions/{sessionId}/attendance", response_model=AttendanceModel, responses=problem_responses(404))
def get_attendance(context: Context, session_id: SessionId, preset: Preset | None = None) -> dict[str, Any]:
    """Who was there: present, absent by the roster, not known yet, or not judged because consent was refused."""
    view = context.view()
    return _attendance_model(attendance(view, require_session(view, session_id), preset))


@router.post(
    "/sessions/{sessionId}/attendance", response_model=CorrectionResponse, responses=problem_responses(404, 409)
)
def correct_attendance(context: Context, session_id: SessionId, body: Correction) -> dict[str, Any]:
    """Record that somebody was there without a face in a photo, or was not although a face was matched."""
    session = require_session(context.view(), session_id)
    result = context.ledger.correct_attendance(session.id, body.who, body.present)
    person = result.person
    return {
        "person_id": person.id,
        "person_name": person.display_name,
        "present": body.present,
        "event_ids": list(result.events),
    }


@router.get("/persons/{id}/sessions", response_model=PersonSessions, responses=problem_responses(404))
def list_sessions_of_person(context: Context, person_id: PersonId, preset: Preset | None = None) -> dict[str, Any]:
    """At which sessions a person was expected or seen, oldest first."""
    view = context.view()
    found = of_person(view, person_row(view, person_id)["id"], preset)
    return {
        "items": [
            {
                "session_id": column.session.id,
                "title": column.session.title,
                "day": column.day,
                "presence": one.presence,
                "evidence": one.evidence,
            }
            for column, one in found
        ]
    }


def require_session(view: ArchiveView, session_id: object) -> PhotoSession:
    """The session of that id.

    Raises:
        NotFoundError: There is none.
    """
    session = view.decisions.sessions.get(str(session_id))
    if session is None:
        raise NotFoundError("session", session_id)
    return session


def csv_response(content: bytes, name: str) -> Response:
    """A CSV file to be saved, which no cache may store."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


def session_model(view: ArchiveView, session: PhotoSession) -> dict[str, Any]:
    """A session as the API returns it."""
    return asdict(session) | {
        "day": session_day(view, session),
        "photo_count": session_photos(view, session).height,
        "face_count": session_faces(view, session).height,
    }


def _attendance_model(found: Attendance) -> dict[str, Any]:
    return {
        "session_id": found.session.id,
        "title": found.session.title,
        "photos": found.photos,
        "present": found.count(Presence.PRESENT),
        "unsure": found.count(Presence.UNSURE),
        "absent": found.count(Presence.ABSENT),
        "not_known": found.count(Presence.NOT_KNOWN),
        "not_judged": found.count(Presence.NOT_JUDGED),
        "attendees": [_attendee_model(one) for one in found.attendees],
        "unknown_faces": len(found.unknown_faces),
        "unknown_face_ids": found.unknown_faces[:MAX_LISTED_FACES],
    }


def _attendee_model(one: Attendee) -> dict[str, Any]:
    rest = asdict(one)
    faces = rest.pop("faces")
    return rest | {"faces_seen": len(faces), "face_ids": faces[:MAX_LISTED_FACES]}


def _register_model(table: Register) -> dict[str, Any]:
    return {
        "sessions": [
            {"id": column.session.id, "title": column.session.title, "day": column.day} for column in table.columns
        ],
        "rows": [
            {
                "person_id": next((one.person_id for one in row.entries if one and one.person_id), None),
                "name": row.name,
                "class_name": row.class_name,
                "presences": [None if one is None else one.presence for one in row.entries],
                "present": row.count(Presence.PRESENT),
                "absent": row.count(Presence.ABSENT),
            }
            for row in table.rows
        ],
    }
