"""The register: who was at which session, over time, as a table, as CSV, and for one student."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from classface_assets.core.names import normalized_name
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.identity.presets import Preset
from classface_assets.services.photo_sessions.attendance import Attendance, Attendee, Presence, attendances
from classface_assets.services.photo_sessions.membership import session_day, session_photos, session_years
from classface_assets.store.model.photo_session import PhotoSession

_CSV_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""With these a spreadsheet takes a cell for a formula."""


@dataclass(frozen=True)
class RegisterColumn:
    """A session of the register, with its day."""

    session: PhotoSession
    day: date | None


@dataclass(frozen=True)
class RegisterRow:
    """A person or student of the register.

    Attributes:
        who: The person's id, else the student's key.
        name: The display name.
        class_name: The class in the latest session that lists them.
        entries: What is known of each session, None where it is not about them.
    """

    who: str
    name: str
    class_name: str
    entries: tuple[Attendee | None, ...]

    def count(self, presence: Presence) -> int:
        """At how many sessions they were in that state."""
        return sum(one is not None and one.presence == presence for one in self.entries)


@dataclass(frozen=True)
class Register:
    """The sessions by day, and a row for everybody who is in one of them, by class and name."""

    columns: tuple[RegisterColumn, ...]
    rows: tuple[RegisterRow, ...]


def sessions_by_day(view: ArchiveView, school_year: str = "", class_name: str = "") -> list[RegisterColumn]:
    """All sessions, oldest first; of one school year or with one class only, if these are given."""
    names = normalized_name(class_name) if class_name else ""
    columns = [
        RegisterColumn(one, session_day(view, one))
        for one in view.decisions.sessions.values()
        if (not school_year or school_year in session_years(view, one))
        and (not names or not one.classes or names in {normalized_name(name) for name in one.classes})
    ]
    return sorted(columns, key=lambda one: (one.day or date.max, normalized_name(one.session.title)))


def register(view: ArchiveView, school_year: str = "", class_name: str = "", preset: Preset | None = None) -> Register:
    """The register of all sessions.

    Args:
        view: The archive.
        school_year: Only sessions of it; empty: all.
        class_name: Only students of it, and sessions that are not of other classes; empty: all.
        preset: How sure an automatic match must be to count.
    """
    key = "register", school_year, normalized_name(class_name), preset
    return view.derived(key, lambda: _find_register(view, school_year, class_name, preset))


def _find_register(view: ArchiveView, school_year: str, class_name: str, preset: Preset | None) -> Register:
    columns = sessions_by_day(view, school_year, class_name)
    found = attendances(view, [column.session for column in columns], preset)
    rows = _rows(found)
    if class_name:
        names = normalized_name(class_name)
        rows = [row for row in rows if row.class_name and normalized_name(row.class_name) == names]
    return Register(tuple(columns), tuple(rows))


def of_person(view: ArchiveView, who: str, preset: Preset | None = None) -> list[tuple[RegisterColumn, Attendee]]:
    """At which sessions a person was expected or seen, oldest first."""
    columns = _sessions_about(view, who)
    found = attendances(view, [column.session for column in columns], preset)
    return [
        (column, one)
        for column, of_session in zip(columns, found, strict=True)
        for one in of_session.attendees
        if who in (one.person_id, one.student_key)
    ]


def _sessions_about(view: ArchiveView, who: str) -> list[RegisterColumn]:
    """The sessions that may list a person: by a year of the roster, by a face in the photos, or by a correction."""
    decisions = view.decisions
    rows = (row for row in decisions.roster if who in (row.key, decisions.students.get(row.key)))
    years = {year for row in rows for year in row.classes}
    photos = view.faces.filter(pl.col("person_id") == who).select("asset_id").unique()

    def is_about(session: PhotoSession) -> bool:
        if (session.id, who) in decisions.attendance or not years.isdisjoint(session_years(view, session)):
            return True
        return session_photos(view, session).join(photos, on="asset_id", how="semi").height > 0

    return [column for column in sessions_by_day(view) if is_about(column.session)]


def register_csv(table: Register) -> bytes:
    """The register as CSV in UTF-8 with a byte order mark, as spreadsheets read it."""
    out = io.StringIO()
    writer = csv.writer(out)
    titles = [
        f"{column.session.title} ({column.day})" if column.day else column.session.title for column in table.columns
    ]
    writer.writerow(map(_cell, ["Name", "Class", *titles, "Present", "Absent"]))
    for row in table.rows:
        states = ["" if one is None else one.presence.value for one in row.entries]
        counts = [states.count(presence.value) for presence in (Presence.PRESENT, Presence.ABSENT)]
        writer.writerow([_cell(row.name), _cell(row.class_name), *states, *counts])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def attendance_csv(found: Attendance) -> bytes:
    """Who was at one session, as CSV like `register_csv`."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["Name", "Class", "Presence", "By", "Faces", "Probability"])
    for one in found.attendees:
        probability = "" if one.probability is None else f"{one.probability:.3f}"
        cells = (one.name, one.class_name, one.presence.value, one.evidence.value, len(one.faces), probability)
        writer.writerow(map(_cell, cells))
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _rows(found: Sequence[Attendance]) -> list[RegisterRow]:
    names: dict[str, str] = {}
    classes: dict[str, str] = {}
    entries: dict[str, list[Attendee | None]] = {}
    for place, of_session in enumerate(found):
        for one in of_session.attendees:
            who = one.who
            if who not in entries:
                names[who], classes[who], entries[who] = one.name, "", [None] * len(found)
            classes[who] = one.class_name or classes[who]
            entries[who][place] = one
    rows = [RegisterRow(who, names[who], classes[who], tuple(entries[who])) for who in entries]
    return sorted(rows, key=lambda row: (not row.class_name, row.class_name, normalized_name(row.name)))


def _cell(value: object) -> str:
    text = str(value)
    return f"'{text}" if text.startswith(_CSV_STARTS) else text
