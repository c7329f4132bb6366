"""A school's roster as a file: CSV in any usual delimiter and encoding, xlsx, or a photographer's PSPA INDEX.TXT.

Pure: bytes in, students and a report out.
"""

from dataclasses import dataclass, field

from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.roster.encoding import find_mojibake, non_ascii_examples
from classface_assets.store.roster.reader import is_sheet, read_lines
from classface_assets.store.roster.report import RosterReport
from classface_assets.store.roster.rows import parse_rows
from classface_assets.store.roster.table import RosterOptions, find_table


@dataclass(frozen=True)
class RosterFile:
    """What a file says: its students, the rows that were left out as (line, reason), what else is to be told, the line
    of each student, and the report on columns, encoding and doubts."""

    entries: tuple[RosterEntry, ...]
    bad: tuple[tuple[int, str], ...]
    notes: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()
    report: RosterReport = field(default_factory=RosterReport)

    @property
    def needs_review(self) -> bool:
        """Whether something was left out, doubted, or has to be decided by a person."""
        return bool(self.bad) or self.report.needs_review


def read_roster(content: bytes, school_year: str = "", wanted: RosterOptions | None = None) -> RosterFile:
    """The students of a file. `school_year`: that of rows which name none; `wanted`: what somebody says of the file.

    Raises RosterError in one sentence.
    """
    wanted = wanted or RosterOptions()
    read = read_lines(content, wanted.encoding)
    table = find_table(read.lines, is_sheet(content), wanted)
    found = parse_rows(table, school_year)
    names = [entry.name for entry in found.entries]
    report = RosterReport(
        consent=tuple(column.title for column in table.consents if not column.uncertain),
        uncertain=tuple(column.title for column in table.consents if column.uncertain),
        unused=table.unused,
        yes_or_no=table.yes_or_no,
        encoding=read.encoding,
        guessed=read.guessed,
        examples=non_ascii_examples(names),
        replaced=read.replaced,
        skipped=found.skipped,
        doubts=found.doubts,
        dropped_ids=found.dropped_ids,
        refused=found.refused,
        sheets=read.sheets,
        garbled=find_mojibake(names),
    )
    return RosterFile(found.entries, tuple(sorted([*read.bad, *found.bad])), found.notes, found.lines, report)
