"""A school's roster as a file: CSV in any usual delimiter and encoding, xlsx, or a photographer's PSPA INDEX.TXT.

Pure: bytes in, students and bad rows out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from classface_assets.store.roster_columns import PSPA, columns_of, is_header, is_pspa
from classface_assets.store.roster_entry import RosterEntry
from classface_assets.store.roster_lines import HEADER_WITHIN, Line, RosterError, is_sheet, lines_of
from classface_assets.store.roster_rows import Rows, read_rows


@dataclass(frozen=True)
class RosterFile:
    """What a file says: its students, the rows that were left out as (line, reason), what else is to be told, and the
    line of each student."""

    entries: tuple[RosterEntry, ...]
    bad: tuple[tuple[int, str], ...]
    notes: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()


def read_roster(content: bytes, school_year: str = "") -> RosterFile:
    """The students of a file. `school_year`: that of rows which name none. Raises RosterError in one sentence."""
    lines, bad = lines_of(content)
    found = read_rows(_titled(lines, is_sheet(content)), school_year)
    return RosterFile(found.entries, tuple(sorted([*bad, *found.bad])), found.notes, found.lines)


def _titled(lines: Sequence[Line], of_sheet: bool) -> Rows:
    """The columns, and the rows below their titles. Raises RosterError when there is no name."""
    for place, (_, row) in enumerate(lines[:HEADER_WITHIN]):
        columns = columns_of(row)
        if is_header(columns):
            return Rows(columns, lines[place + 1 :], 0 if of_sheet else len(row))
    if is_pspa(lines[0][1]):
        return Rows(dict(enumerate(PSPA)), lines)
    titles = ", ".join(" ".join(title.split())[:40] for title in lines[0][1][:12] if title.strip())
    raise RosterError(
        f"No column of names was found (the first line reads: {titles}); "
        "title one Name, or two Last name and First name."
    )
