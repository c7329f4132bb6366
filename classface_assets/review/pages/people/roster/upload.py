"""The roster in the page: choose a file, look at what is understood of it, correct it, take it in; undo; history."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from fastapi import Depends, File, Form, Request, UploadFile
from starlette.responses import RedirectResponse, Response

from classface_assets.core.languages import gettext
from classface_assets.core.school_years.names import first_year
from classface_assets.review.api.common import Context
from classface_assets.review.context import ReviewContext
from classface_assets.review.pages.components.layout import FormText, change_response, page_router, render_page
from classface_assets.review.pages.people.roster.pending import MAX_ROSTER_BYTES, PendingRoster, PendingRosters
from classface_assets.review.pages.people.roster.preview import (
    FIELDS,
    MAX_SHOWN,
    column_previews,
    consent_counts,
    line_reason,
    roster_changes,
    rows_left_out,
    warnings,
)
from classface_assets.review.problems import ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.catalog.school_years import school_year_key
from classface_assets.store.files.duckdb import DatabaseError
from classface_assets.store.model.events import undone_event_ids
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.roster.encoding import RosterError
from classface_assets.store.roster.file import RosterFile, read_roster
from classface_assets.store.roster.reader import RawRows, read_lines
from classface_assets.store.roster.table import CONSENT, RosterOptions

ENCODINGS = ("utf-8", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp932", "gb18030", "cp949", "mac-roman")
MAX_COLUMNS = 200
router = page_router()
_pending = PendingRosters()


@dataclass(frozen=True)
class ReadRoster:
    """A file as it is understood now: `problem` says what is missing where it cannot be taken in."""

    rows: RawRows
    roster: RosterFile | None
    problem: str


@router.get("/roster")
def roster(request: Request, context: Context) -> Response:
    """The students of the rosters in force, by school year, the imports so far, and the form for another file."""
    view = context.view()
    students = Counter(year for entry in view.decisions.roster for year in entry.classes)
    years = {*students, *view.photos["school_year"].unique()}
    return render_page(
        request,
        context,
        "roster.html.j2",
        students=len(view.decisions.roster),
        by_year=sorted(students.items(), reverse=True),
        years=sorted((year for year in years if first_year(year) is not None), reverse=True),
        imports=_imports(view),
        limit=MAX_ROSTER_BYTES >> 20,
    )


@router.post("/roster/preview")
def upload(
    request: Request, context: Context, roster_file: Annotated[UploadFile, File(alias="roster")], year: FormText = ""
) -> Response:
    """Hold a file in memory, and show what is understood of it. Nothing is stored."""
    content = roster_file.file.read(MAX_ROSTER_BYTES + 1)
    name = PurePosixPath((roster_file.filename or "").replace("\\", "/")).name or "roster"
    read_lines(content)  # what is no roster at all is refused at once
    key = _pending.add(name, content, request.state.session.csrf, _school_year(context, year, name))
    return RedirectResponse(f"/roster/preview/{key}", 303)


@router.get("/roster/preview/{key}")
def preview(request: Request, context: Context, key: str) -> Response:
    """What is understood of a file, and what it would change."""
    pending = _pending.get(key, request.state.session.csrf)
    read = _read(pending)
    found = read.roster
    table = found.table if found is not None else None
    entries = found.entries if found is not None else ()
    view = context.view()
    rosters = [event for event in view.events if event.kind in ("roster_imported", "undone")]
    changes = view.reused("roster changes", (rosters, entries), lambda: roster_changes(rosters, entries))
    return render_page(
        request,
        context,
        "roster_preview.html.j2",
        key=key,
        file=pending.name,
        year=pending.school_year,
        encoding=pending.options.encoding,
        encodings=ENCODINGS,
        read_as=read.rows.encoding,
        problem=read.problem,
        columns=column_previews(table, read.rows)[:MAX_COLUMNS],
        fields={name: gettext(text) for name, text in FIELDS.items()},
        entries=len(entries),
        sample=[_student_row(entry) for entry in entries[:5]],
        consent=consent_counts(entries),
        unclear=[(one.line, one.name, one.answer) for one in found.report.refused[:MAX_SHOWN]] if found else [],
        warnings=warnings(found) if found else [],
        left_out=rows_left_out(found) if found else [],
        changes=changes,
        portraits=_portrait_counts(context, found) if found else None,
        shown=MAX_SHOWN,
    )


async def form_texts(request: Request) -> dict[str, str]:
    """The fields of a form with one select for each column."""
    form = await request.form(max_fields=2 * MAX_COLUMNS)
    return {name: value for name, value in form.items() if isinstance(value, str)}


@router.post("/roster/preview/{key}")
def correct(request: Request, key: str, form: Annotated[dict[str, str], Depends(form_texts)]) -> Response:
    """Read the file otherwise: its encoding, its school year, and what each column holds."""
    pending = _pending.get(key, request.state.session.csrf)
    encoding, year = form.get("encoding", ""), form.get("year", "").strip()
    options = RosterOptions(
        encoding=encoding if encoding in ENCODINGS else "", columns=_chosen_columns(pending, _read(pending), form)
    )
    school_year = year if not year or first_year(year) is not None else pending.school_year
    _pending.change(key, request.state.session.csrf, school_year, options)
    return RedirectResponse(f"/roster/preview/{key}", 303)


@router.post("/roster/import")
def import_(request: Request, context: Context, key: Annotated[str, Form(max_length=40)]) -> Response:
    """Take the students of a file in, and name the portraits that it lists; one undo takes all of it back."""
    pending = _pending.get(key, request.state.session.csrf)
    read = _read(pending)
    if read.roster is None or not read.roster.entries:
        raise ProblemError(422, read.problem or gettext("No row of the file is a student."))
    result = context.ledger.import_roster(read.roster.entries, pending.name)
    if any(entry.portraits for entry in read.roster.entries):
        _label_portraits(context, read.roster, pending.name, result.import_event)
    _pending.drop(key, request.state.session.csrf)
    if result.event is None:
        return RedirectResponse("/roster?known=1", 303)
    return change_response(request, context, [result.event], "/roster", result.notes)


@router.post("/roster/drop")
def drop(request: Request, key: Annotated[str, Form(max_length=40)]) -> Response:
    """Drop a file that waits; nothing was stored of it."""
    with suppress(ProblemError):
        _pending.drop(key, request.state.session.csrf)
    return RedirectResponse("/roster", 303)


def _read(pending: PendingRoster) -> ReadRoster:
    """Read a file as it is to be read now."""
    rows = read_lines(pending.content, pending.options.encoding)
    try:
        found = read_roster(pending.content, pending.school_year, pending.options)
    except RosterError as error:
        return ReadRoster(rows, None, str(error))
    return ReadRoster(rows, found, "" if found.entries else gettext("No row of the file is a student."))


def _chosen_columns(pending: PendingRoster, read: ReadRoster, form: Mapping[str, str]) -> dict[int, str]:
    """Column number → what it holds, of the columns that somebody chose otherwise than they were understood."""
    columns = dict(pending.options.columns)
    for column in column_previews(read.roster.table if read.roster is not None else None, read.rows):
        chosen = form.get(f"column-{column.place}", column.meaning)
        if chosen not in ("", *FIELDS) or chosen == column.meaning:
            continue
        if chosen not in ("", CONSENT):  # a field is in one column
            columns |= {place: "" for place, field in columns.items() if field == chosen}
        columns[column.place] = chosen
    return columns


def _school_year(context: ReviewContext, year: str, name: str) -> str:
    """The school year of rows that name none: the chosen one, or that in the name of the file."""
    keys = (school_year_key(each, context.layout.year_pattern) for each in (year.strip(), Path(name).stem) if each)
    return next((key for key in keys if first_year(key) is not None), "")


def _student_row(entry: RosterEntry) -> dict[str, str]:
    classes = ", ".join(f"{year} {name}".strip() for year, name in sorted(entry.classes.items()))
    return {"name": entry.name, "id": entry.student_id, "classes": classes, "born": str(entry.birth_date or "")}


def _imports(view: ArchiveView) -> list[dict[str, Any]]:
    """The imports, newest first."""
    undone = undone_event_ids(view.events)
    return [
        {
            "id": event.id,
            "at": event.at,
            "actor": event.actor,
            "source": event.payload.get("source", ""),
            "students": len(event.payload.get("entries", ())),
            "undone": event.id in undone,
        }
        for event in reversed(view.events)
        if event.kind == "roster_imported"
    ]


def _portrait_counts(context: ReviewContext, roster: RosterFile) -> dict[str, Any] | None:
    """How many portraits the file names, and how many of them are photos with one clear face."""
    from classface_assets.services.photos.roster_portraits import PortraitMatcher
    from classface_assets.store.published.queries import face_boxes, files

    named = sum(bool(entry.portraits) for entry in roster.entries)
    if not named:
        return None
    try:
        database = context.layout.database
        matcher = PortraitMatcher.of(files(database), face_boxes(database), context.ledger.events(), "")
        matches = matcher.match(zip(roster.lines, roster.entries, strict=True))
    except DatabaseError:
        return {"listed": named, "found": 0, "known": 0, "left_out": []}
    left_out = [line_reason(line, reason) for line, reason in matches.rejected[:MAX_SHOWN]]
    return {"listed": named, "found": len(matches.named), "known": matches.known, "left_out": left_out}


def _label_portraits(context: ReviewContext, roster: RosterFile, name: str, event: int | None) -> None:
    from classface_assets.services.photos.roster_portraits import label_portraits

    with suppress(DatabaseError):  # without photos there are no portraits to name yet
        label_portraits(context.archive, roster, Path(name), event)
