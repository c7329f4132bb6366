"""A school's roster as a file: CSV in any usual delimiter and encoding, xlsx, ods, or a PSPA INDEX.TXT.

Pure: bytes in, students and a report out.
"""

from dataclasses import dataclass, field

from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.roster.encoding import find_mojibake, non_ascii_examples
from classface_assets.store.roster.reader import is_sheet, read_lines
from classface_assets.store.roster.report import RosterReport
from classface_assets.store.roster.rows import parse_rows
from classface_assets.store.roster.table import RosterOptions, RosterTable, find_table


@dataclass(frozen=True)
class RosterFile:
    """What a file holds.

    Attributes:
        entries: Its students.
        bad: (line, reason) of rows that were left out.
        notes: Sentences on the file.
        lines: The line of each student.
        report: What is to be reported of columns, encoding and unclear answers.
        table: The titles, and what each column was taken for.
    """

    entries: tuple[RosterEntry, ...]
    bad: tuple[tuple[int, str], ...]
    notes: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()
    report: RosterReport = field(default_factory=RosterReport)
    table: RosterTable | None = None

    @property
    def needs_review(self) -> bool:
        """Whether something was left out, is unclear, or has to be decided by a person."""
        return bool(self.bad) or self.report.needs_review


def read_roster(content: bytes, school_year: str = "", options: RosterOptions | None = None) -> RosterFile:
    """Read the students of a file.

    Args:
        content: The bytes of the file.
        school_year: The school year of rows that name none.
        options: What somebody knows of the file.

    Raises:
        RosterError: The file is no roster.
    """
    options = options or RosterOptions()
    rows = read_lines(content, options.encoding)
    table = find_table(rows.lines, is_sheet(content), options)
    parsed = parse_rows(table, school_year)
    names = [entry.name for entry in parsed.entries]
    report = RosterReport(
        consent=tuple(column.title for column in table.consents if not column.uncertain),
        uncertain=tuple(column.title for column in table.consents if column.uncertain),
        unused=table.unused,
        yes_or_no=table.yes_or_no,
        encoding=rows.encoding,
        guessed=rows.guessed,
        examples=non_ascii_examples(names),
        replaced=rows.replaced,
        skipped=parsed.skipped,
        unreadable=parsed.unreadable,
        dropped_ids=parsed.dropped_ids,
        refused=parsed.refused,
        sheets=rows.sheets,
        garbled=find_mojibake(names),
    )
    return RosterFile(
        parsed.entries, tuple(sorted([*rows.bad, *parsed.bad])), parsed.notes, parsed.lines, report, table
    )
