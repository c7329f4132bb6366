"""What is understood of a roster before anything of it is taken in, and what it would change. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from classface_assets.core.languages import gettext, marked, ngettext
from classface_assets.core.names import normalized_name
from classface_assets.store.decisions.people.students import merge_imports
from classface_assets.store.model.events import Event, undone_event_ids
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.roster.file import RosterFile
from classface_assets.store.roster.reader import HEADER_SEARCH_ROWS, RawRows
from classface_assets.store.roster.report import RosterReport
from classface_assets.store.roster.table import CONSENT, RosterTable, column_title

FIELDS = {
    "name": marked("Name"),
    "last": marked("Last name"),
    "first": marked("First name"),
    "student_id": marked("Student id"),
    "class": marked("Class"),
    "grade": marked("Grade"),
    "years": marked("School years"),
    "birth_date": marked("Date of birth"),
    CONSENT: marked("Consent to be shown"),
    "siblings": marked("Siblings"),
    "folder": marked("Folder of the portrait"),
    "file": marked("Portrait file"),
}
"""What a column can hold, as people read it."""
MAX_SAMPLES, MAX_SHOWN = 3, 20


@dataclass(frozen=True)
class ColumnPreview:
    """A column: its title, what it was taken for (empty where it is not used), and its first cells."""

    place: int
    title: str
    meaning: str
    meaning_text: str
    samples: tuple[str, ...]
    uncertain: bool = False


@dataclass(frozen=True)
class RosterChanges:
    """What an import would change against the rosters that are in force.

    Attributes:
        new: Names of students whom no roster has.
        changed: Names of students of whom it says something new.
        same: Number of students who stay as they are.
        gone: Names of students of the file's school years who are not in it; an import removes nobody.
        joined: Names of students of the newest year of the file who are in no earlier one.
        newest: That school year.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    same: int
    gone: tuple[str, ...]
    joined: tuple[str, ...]
    newest: str


def column_previews(table: RosterTable | None, rows: RawRows) -> list[ColumnPreview]:
    """All columns of a file; without a table those of its first line, none of them with a meaning."""
    header = table.header if table is not None else tuple(rows.lines[0][1])
    lines = table.lines if table is not None else rows.lines[1:]
    shown = lines[: 10 * HEADER_SEARCH_ROWS]
    consents = {column.place: column for column in table.consents} if table is not None else {}
    columns = table.columns if table is not None else {}
    previews = []
    for place in range(max([len(header), *(len(row) for _, row in shown)], default=0)):
        cells = [row[place].strip() for _, row in shown if place < len(row) and row[place].strip()]
        title = column_title(header, place)
        meaning = CONSENT if place in consents else columns.get(place, "")
        if not cells and not meaning and place >= len(header):
            continue
        uncertain = place in consents and consents[place].uncertain
        previews.append(
            ColumnPreview(place, title, meaning, _meaning_text(meaning), tuple(cells[:MAX_SAMPLES]), uncertain)
        )
    return previews


def _meaning_text(meaning: str) -> str:
    """What a column holds, as people read it: a field, or the classes of the school year that titles it."""
    if meaning in FIELDS:
        return gettext(FIELDS[meaning])
    return gettext("Class in %(year)s", year=meaning.removeprefix("in ")) if meaning else ""


def roster_changes(events: Sequence[Event], entries: Sequence[RosterEntry]) -> RosterChanges:
    """What these rows would change; the events are read and none is added."""
    undone = undone_event_ids(events)
    imports = [event for event in events if event.kind == "roster_imported" and event.id not in undone]
    before = list(merge_imports(imports).entries)
    rows = [entry.payload() for entry in entries]
    merged = merge_imports([*imports, Event(0, datetime.now(UTC), "", "roster_imported", {"entries": rows})])
    after, places = merged.entries, set(merged.imports[-1].places)
    changed = [new.name for old, new in zip(before, after, strict=False) if old.payload() != new.payload()]
    years = {year for entry in entries for year in entry.classes}
    gone = [e.name for place, e in enumerate(before) if place not in places and years & e.classes.keys()]
    newest = max(years, default="")
    joined = [
        entry.name
        for place, entry in enumerate(after)
        if newest and place in places and newest in entry.classes and min(entry.classes) == newest
    ]
    new = [entry.name for entry in after[len(before) :]]
    same = len(places) - len(new) - sum(place in places for place in _changed_places(before, after))
    return RosterChanges(
        *(tuple(sorted(new, key=normalized_name)), tuple(sorted(changed, key=normalized_name)), same),
        *(tuple(sorted(gone, key=normalized_name)), tuple(sorted(joined, key=normalized_name)), newest),
    )


def consent_counts(entries: Sequence[RosterEntry]) -> dict[str, int]:
    """How many students agree, refuse all or some of it, are refused since the answer is unclear, did not answer."""
    counts = dict.fromkeys(("yes", "no", "doubt", "none"), 0)
    for entry in entries:
        refuses = entry.consent is False or False in entry.consents.values()
        agrees = entry.consent is True or True in entry.consents.values()
        counts["doubt" if entry.consent_in_doubt else "no" if refuses else "yes" if agrees else "none"] += 1
    return counts


def warnings(roster: RosterFile) -> list[str]:
    """What somebody should look at before the file is taken in."""
    report = roster.report
    return [
        *_column_warnings(report),
        *(
            ngettext(
                "“%(title)s”: %(num)s cell was not understood; %(outcome)s.",
                "“%(title)s”: %(num)s cells were not understood; %(outcome)s.",
                one.cells,
                title=one.title,
                outcome=gettext(one.outcome),
            )
            for one in report.unreadable
        ),
        *(
            gettext("The id %(id)s is used for different names, and is left out.", id=one.student_id)
            for one in report.dropped_ids
        ),
        *_file_warnings(report),
    ]


def rows_left_out(roster: RosterFile) -> list[str]:
    """The lines that are no students or cannot be read, each with its reason."""
    lines = [line_reason(number, reason) for number, reason in (*roster.bad, *roster.report.skipped)]
    more = len(lines) - MAX_SHOWN
    return [*lines[:MAX_SHOWN], *([ngettext("and %(num)s more", "and %(num)s more", more)] if more > 0 else [])]


def line_reason(line: int, reason: str) -> str:
    """A line of the file, and what is wrong with it."""
    return gettext("Line %(line)s: %(reason)s", line=line, reason=reason)


def _changed_places(before: Sequence[RosterEntry], after: Sequence[RosterEntry]) -> list[int]:
    pairs = enumerate(zip(before, after, strict=False))
    return [place for place, (old, new) in pairs if old.payload() != new.payload()]


def _column_warnings(report: RosterReport) -> list[str]:
    unsure = [
        gettext(
            "“%(title)s” may be about consent. Until you choose what it is, every answer in it but a clear yes is a "
            "refusal.",
            title=title,
        )
        for title in report.uncertain
    ]
    unused = [
        gettext(
            "“%(title)s” holds yes and no, and is not used. If it is about consent, choose that below.", title=title
        )
        for title in report.yes_or_no
    ]
    return [*unsure, *unused]


def _file_warnings(report: RosterReport) -> list[str]:
    found = []
    if report.guessed and report.examples:
        names = ", ".join(report.examples)
        found.append(
            gettext("The file does not say its encoding. Look whether these names are right: %(names)s.", names=names)
        )
    if report.replaced:
        found.append(
            ngettext(
                "Letters in %(num)s line was not readable; try another encoding.",
                "Letters in %(num)s lines were not readable; try another encoding.",
                len(report.replaced),
            )
        )
    if report.garbled:
        found.append(
            gettext("Names look damaged by an earlier program: %(names)s.", names=", ".join(report.garbled[:5]))
        )
    if report.sheets:
        found.append(gettext("Other sheets with students are not read: %(sheets)s.", sheets=", ".join(report.sheets)))
    return found
