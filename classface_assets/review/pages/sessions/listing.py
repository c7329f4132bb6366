"""Sessions: the list with the form for a new one, the register over time, and one student's sessions."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any

import polars as pl
from fastapi import Form, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from classface_assets.core.languages import gettext
from classface_assets.review.api.common import Context
from classface_assets.review.api.sessions.sessions import csv_response
from classface_assets.review.pages.components.layout import change_response, page_router, render_page
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.identity.presets import Preset
from classface_assets.services.photo_sessions.attendance import Attendance, Attendee, Presence, attendances
from classface_assets.services.photo_sessions.membership import session_photos, session_years
from classface_assets.services.photo_sessions.register import of_person, register, register_csv, sessions_by_day
from classface_assets.store.ledger.commands.sessions import sessions_of_events
from classface_assets.store.model.photo_session import PhotoSession

PAGE_SIZE, ROWS_OF_PAGE = 24, 100
MAX_SUGGESTED_FOLDERS = 500
MAX_FACES_SHOWN = 4
router = page_router()
Search = Annotated[str, Query(max_length=255)]


class SessionForm(BaseModel):
    """The fields of a session; empty ones do not restrict it."""

    title: str = Field(default="", max_length=255)
    event: str = Field(default="", max_length=1000)
    year: str = Field(default="", max_length=255)
    classes: str = Field(default="", max_length=1000)
    day: str = Field(default="", max_length=40)
    last_day: str = Field(default="", max_length=40)
    back: str = Field(default="/sessions", max_length=2000)

    def session(self, before: PhotoSession) -> PhotoSession:
        """The session that the form describes; photos that were selected one by one stay.

        Raises:
            ProblemError: A day is none.
        """
        return PhotoSession(
            id=before.id,
            title=self.title,
            event=self.event.strip(),
            school_year=self.year.strip(),
            classes=tuple(name.strip() for name in self.classes.split(",") if name.strip()),
            from_day=_day(self.day),
            to_day=_day(self.last_day) or _day(self.day),
            photos=before.photos,
        )


@router.get("/sessions")
def sessions(
    request: Request, context: Context, number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1
) -> Response:
    """List the sessions, newest first, with the form for a new one."""
    view = context.view()
    columns = sessions_by_day(view)[::-1]
    shown = columns[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    found = attendances(view, [one.session for one in shown])
    return render_page(
        request,
        context,
        "sessions.html.j2",
        sessions=[_card(view, one.day, who) for one, who in zip(shown, found, strict=True)],
        number=number,
        pages=-(-len(columns) // PAGE_SIZE),
        folders=event_folders(view),
        years=school_years(view),
        classes=class_names(view),
    )


@router.post("/sessions/add")
def add(
    request: Request,
    context: Context,
    form: Annotated[SessionForm, Form()],
) -> Response:
    """Add a session, and go to its page."""
    made = form.session(PhotoSession("", ""))
    events = context.ledger.create_session(made).events
    path = f"/sessions/{sessions_of_events(context.view().decisions, events)[0].id}"
    return change_response(request, context, events, path, go=path)


@router.get("/sessions/register")
def show_register(
    request: Request,
    context: Context,
    year: Annotated[str | None, Query(max_length=255)] = None,
    name: Search = "",
    preset: Preset | None = None,
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """Show who was at which session of a year, the latest by default; `name` is a class."""
    view = context.view()
    year = latest_year(view) if year is None else year
    table = register(view, year, name, preset)
    return render_page(
        request,
        context,
        "register.html.j2",
        table=table,
        rows=table.rows[(number - 1) * ROWS_OF_PAGE : number * ROWS_OF_PAGE],
        number=number,
        pages=-(-len(table.rows) // ROWS_OF_PAGE),
        years=school_years(view),
        classes=class_names(view),
        year=year,
        chosen=name,
        preset=preset or Preset.BALANCED,
        presets=list(Preset),
        states=Presence,
    )


@router.get("/sessions/register.csv")
def save_register(context: Context, year: Search = "", name: Search = "", preset: Preset | None = None) -> Response:
    """The same as CSV."""
    return csv_response(register_csv(register(context.view(), year, name, preset)), "register.csv")


def latest_year(view: ArchiveView) -> str:
    """The latest school year that has a session; empty where there is none."""
    return max((year for one in view.decisions.sessions.values() for year in session_years(view, one)), default="")


@router.get("/sessions/students/{who:path}")
def one_student(request: Request, context: Context, who: str) -> Response:
    """Show the sessions of one student: the id of a person, or the roster's key of a student."""
    view = context.view()
    found = of_person(view, view.decisions.canonical_id(who))
    if not found:
        raise NotFoundError("student at any session", who)
    return render_page(
        request,
        context,
        "student_sessions.html.j2",
        name=found[0][1].name,
        person_id=found[0][1].person_id,
        rows=found,
        photo_of=photos_of_faces(view, [one for _, one in found]),
        numbers={state: sum(one.presence == state for _, one in found) for state in Presence},
    )


def photos_of_faces(view: ArchiveView, attendees: Iterable[Attendee]) -> dict[str, str]:
    """Face id -> photo of the faces that a page shows of each of them."""
    faces = [face for one in attendees for face in one.faces[:MAX_FACES_SHOWN]]
    return dict(view.pick(faces).select("face_id", "asset_id").iter_rows())


def event_folders(view: ArchiveView) -> list[str]:
    """The folders that have photos, for completion."""
    folder = pl.col("path").str.replace(r"/?[^/]*$", "")
    folders = view.photos.select(folder.unique().sort())["path"].to_list()
    return [name for name in folders if name][:MAX_SUGGESTED_FOLDERS]


def school_years(view: ArchiveView) -> list[str]:
    """The school years that have photos, newest first."""
    return sorted(view.photos["school_year"].unique(), reverse=True)


def class_names(view: ArchiveView) -> list[str]:
    """The classes of the rosters."""
    return sorted({name for entry in view.decisions.roster for name in entry.classes.values() if name})


def _card(view: ArchiveView, day: date | None, found: Attendance) -> dict[str, Any]:
    session = found.session
    return {
        "session": session,
        "day": day,
        "photos": session_photos(view, session).height,
        "present": found.count(Presence.PRESENT),
        "absent": found.count(Presence.ABSENT),
        "unknown": len(found.unknown_faces),
    }


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise ProblemError(
            422, gettext("%(text)s is no day; write it as 2019-05-31.", text=repr(text.strip()))
        ) from None
