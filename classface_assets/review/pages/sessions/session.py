"""One session: who was there, the unknown faces, corrections, and naming its faces without a run."""

from typing import Annotated, Literal

import polars as pl
from fastapi import Form, Query, Request
from starlette.responses import Response

from classface_assets.core.languages import gettext
from classface_assets.review.api.common import Context
from classface_assets.review.api.sessions.sessions import SessionId, csv_response, require_session
from classface_assets.review.pages.components.cards import face_tiles
from classface_assets.review.pages.components.layout import FormText, change_response, page_router, render_page
from classface_assets.review.pages.sessions.listing import (
    SessionForm,
    class_names,
    event_folders,
    photos_of_faces,
    school_years,
)
from classface_assets.services.identity.face_matching import knn_settings
from classface_assets.services.identity.presets import Preset
from classface_assets.services.photo_sessions.attendance import Evidence, Presence, attendance
from classface_assets.services.photo_sessions.membership import session_day, session_faces, session_photos
from classface_assets.services.photo_sessions.register import attendance_csv

MAX_UNKNOWN, MAX_PHOTOS = 60, 48
router = page_router()
PresetField = Annotated[Preset, Form()]


@router.get("/sessions/{sessionId}")
def one_session(
    request: Request, context: Context, session_id: SessionId, preset: Annotated[Preset, Query()] = Preset.BALANCED
) -> Response:
    """Show who was there, and the faces of a session that have no name."""
    view = context.view()
    session = require_session(view, session_id)
    found = attendance(view, session, preset)
    photos = session_photos(view, session)
    unknown = view.pick(found.unknown_faces[:MAX_UNKNOWN])
    return render_page(
        request,
        context,
        "session.html.j2",
        session=session,
        day=session_day(view, session),
        found=found,
        numbers={state: found.count(state) for state in Presence},
        tiles=face_tiles(unknown),
        more=len(found.unknown_faces) - unknown.height,
        photo_of=photos_of_faces(view, found.attendees),
        photos=photos.head(MAX_PHOTOS).to_dicts(),
        photo_count=photos.height,
        preset=preset,
        presets=list(Preset),
        states=Presence,
        evidences=Evidence,
        folders=event_folders(view),
        years=school_years(view),
        classes=class_names(view),
    )


@router.get("/sessions/{sessionId}/attendance.csv")
def save_attendance(
    context: Context, session_id: SessionId, preset: Annotated[Preset, Query()] = Preset.BALANCED
) -> Response:
    """Who was there, as CSV."""
    view = context.view()
    return csv_response(attendance_csv(attendance(view, require_session(view, session_id), preset)), "attendance.csv")


@router.post("/sessions/{sessionId}/change")
def change(request: Request, context: Context, session_id: SessionId, form: Annotated[SessionForm, Form()]) -> Response:
    """Change the title or the photos of a session."""
    made = form.session(require_session(context.view(), session_id))
    return change_response(request, context, context.ledger.change_session(made).events, form.back)


@router.post("/sessions/{sessionId}/delete")
def delete(request: Request, context: Context, session_id: SessionId) -> Response:
    """Delete a session, and go to the list."""
    session = require_session(context.view(), session_id)
    return change_response(
        request, context, context.ledger.delete_session(session.id).events, "/sessions", go="/sessions"
    )


@router.post("/sessions/{sessionId}/correct")
def correct(
    request: Request,
    context: Context,
    session_id: SessionId,
    value: Annotated[Literal["present", "absent", "photos"], Form()],
    who: FormText = "",
    back: FormText = "/sessions",
) -> Response:
    """Record that somebody was there or not, or let the photos count again."""
    session = require_session(context.view(), session_id)
    present = {"present": True, "absent": False, "photos": None}[value]
    result = context.ledger.correct_attendance(session.id, who, present)
    return change_response(request, context, result.events, back, result.notes)


@router.post("/sessions/{sessionId}/assign")
def assign(
    request: Request,
    context: Context,
    session_id: SessionId,
    preset: PresetField = Preset.BALANCED,
    back: FormText = "/sessions",
) -> Response:
    """Name the faces of the session that look like somebody named, at once and without a run."""
    from classface_assets.services.photo_sessions.recognition import match_selection, store_matches

    similar = context.face_similarity()
    view = similar.view
    faces = session_faces(view, require_session(view, session_id)).filter(pl.col("person_id").is_null())
    settings = knn_settings(context.settings(preset), 5, None, use_voting=True)
    matches = match_selection(view, similar.known, similar.portraits(), faces, settings)
    events = store_matches(context.ledger, view, matches)
    notes = () if events else (gettext("No face is similar enough to somebody named; name some faces by hand first."),)
    return change_response(request, context, events, back, notes)


@router.post("/sessions/{sessionId}/cluster")
def cluster(
    request: Request,
    context: Context,
    session_id: SessionId,
    preset: PresetField = Preset.BALANCED,
    back: FormText = "/sessions",
) -> Response:
    """Make a person, with a provisional name, of each group of unknown faces of the session."""
    from classface_assets.services.photo_sessions.recognition import cluster_selection, create_students, unknown_faces

    similar = context.face_similarity()
    session = require_session(similar.view, session_id)
    faces = unknown_faces(session_faces(similar.view, session))
    found = cluster_selection(similar.view, similar.known, faces, context.settings(preset))
    events = create_students(context.ledger, similar.view, session.title, found)
    notes = () if events else (gettext("No two of the unknown faces are similar enough to be one person."),)
    return change_response(request, context, events, back, notes)
