"""What there is to report of a roster's file beside its students: what was unclear, skipped, or not used."""

from dataclasses import dataclass


@dataclass(frozen=True)
class UnreadableCells:
    """Cells of one column that could not be understood, and were left out without their rows.

    Attributes:
        title: Title of the column.
        outcome: What became of them, as the end of a sentence.
        cells: How many there are.
        examples: (line, reason) of the first ones.
    """

    title: str
    outcome: str
    cells: int
    examples: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class UnclearRefusal:
    """A student whose answer could not be understood: refused until somebody clears it."""

    line: int
    name: str
    answer: str


@dataclass(frozen=True)
class DroppedId:
    """A student id of different names, or in place of one (`#N/A`), which therefore identifies nobody."""

    student_id: str
    lines: tuple[int, ...]
    is_placeholder: bool = False


@dataclass(frozen=True)
class RosterReport:
    """What a person should know of a file that was read.

    Attributes:
        consent: Titles of the columns of consent that were used.
        uncertain: Titles that may be about consent, which nobody confirmed; all their answers but yes count as a
            refusal in doubt.
        unused: Titles of columns that were not used.
        yes_or_no: Unused titles of columns that hold a yes or a no of something unknown.
        encoding: The encoding of a text file.
        guessed: The file does not say its encoding.
        examples: Names that show whether the encoding was guessed right.
        replaced: Lines in which bytes could not be read.
        skipped: (line, reason) of lines that are no students.
        unreadable: Cells that could not be understood, by column.
        dropped_ids: Student ids that stand for nobody.
        refused: Students whose answer could not be understood.
        sheets: Sheets of an Excel file that hold students, too, and were not read.
        garbled: Names that were saved in a wrong encoding before.
    """

    consent: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    yes_or_no: tuple[str, ...] = ()
    encoding: str = ""
    guessed: bool = False
    examples: tuple[str, ...] = ()
    replaced: tuple[int, ...] = ()
    skipped: tuple[tuple[int, str], ...] = ()
    unreadable: tuple[UnreadableCells, ...] = ()
    dropped_ids: tuple[DroppedId, ...] = ()
    refused: tuple[UnclearRefusal, ...] = ()
    sheets: tuple[str, ...] = ()
    garbled: tuple[str, ...] = ()

    @property
    def needs_review(self) -> bool:
        """Whether somebody has to decide or to correct something."""
        return bool(
            self.uncertain
            or self.yes_or_no
            or self.replaced
            or self.unreadable
            or self.sheets
            or self.garbled
            or self.refused
        ) or any(not dropped.is_placeholder for dropped in self.dropped_ids)
