"""What there is to tell of a roster's file beside its students: what was doubted, passed over, or not used."""

from dataclasses import dataclass


@dataclass(frozen=True)
class UnreadableCells:
    """Cells of one column that could not be understood, and cost those cells only. `examples`: as line and reason."""

    title: str
    outcome: str
    cells: int
    examples: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class UnclearRefusal:
    """A student whose answer nobody understood: refused until somebody clears it."""

    line: int
    name: str
    answer: str


@dataclass(frozen=True)
class DroppedId:
    """An id that stands beside different names, or in place of one (`#N/A`), and so is nobody's."""

    student_id: str
    lines: tuple[int, ...]
    is_placeholder: bool = False


@dataclass(frozen=True)
class RosterReport:
    """`consent`: titles of the columns of consent that were used. `asked`: titles that may be about consent, which
    nobody said, and of whose answers all but yes refuse by doubt. `yes_or_no`: unused titles below which stand a yes
    or no of something unknown. `guessed`: the file does not say its encoding; `examples`: names that show whether it
    was guessed right. `replaced`: lines in which bytes could not be read. `skipped`: lines that are no students, as
    (line, reason). `sheets`: those of an Excel file that hold students too and were not read. `garbled`: names that
    were saved in a wrong encoding before."""

    consent: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    yes_or_no: tuple[str, ...] = ()
    encoding: str = ""
    guessed: bool = False
    examples: tuple[str, ...] = ()
    replaced: tuple[int, ...] = ()
    skipped: tuple[tuple[int, str], ...] = ()
    doubts: tuple[UnreadableCells, ...] = ()
    dropped_ids: tuple[DroppedId, ...] = ()
    refused: tuple[UnclearRefusal, ...] = ()
    sheets: tuple[str, ...] = ()
    garbled: tuple[str, ...] = ()

    @property
    def needs_review(self) -> bool:
        """Whether a person has to decide or to correct something."""
        return bool(
            self.uncertain
            or self.yes_or_no
            or self.replaced
            or self.doubts
            or self.sheets
            or self.garbled
            or self.refused
        ) or any(not dropped.is_placeholder for dropped in self.dropped_ids)
