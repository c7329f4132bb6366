"""What `classface roster import` tells of a file that it read: lines for a person, the urgent ones first."""

from collections.abc import Iterable, Sequence

from classface_assets.store.roster_file import RosterFile
from classface_assets.store.roster_report import RosterReport
from classface_assets.store.writing import counted

SHOWN = 50
"""Lines of a list that are shown, but of lists that hold a refusal, which are shown whole."""


def of_use(report: RosterReport) -> list[str]:
    """How the file was read: its encoding, its columns, the lines that are no students."""
    told = []
    if report.guessed:
        names = f", in which names are {', '.join(report.examples)}" if report.examples else ""
        told.append(
            f"The file does not say its encoding; it was read as {report.encoding}{names}. "
            "Where that is wrong, import it again with --encoding NAME."
        )
    if report.consent:
        told.append(f"Consent was read from: {', '.join(report.consent)}.")
    elif not report.asked:
        told.append("The file says nothing of consent to be shown.")
    if report.unused:
        told.append(f"Columns that were not used: {', '.join(report.unused)}.")
    for dropped in (one for one in report.dropped_ids if one.is_placeholder):
        told.append(f"{dropped.student_id!r} is no student id: {_lines(dropped.lines)}.")
    if report.skipped:
        reasons: dict[str, list[int]] = {}
        for line, reason in report.skipped:
            reasons.setdefault(reason, []).append(line)
        parts = (f"{reason}: {_lines(lines)}" for reason, lines in reasons.items())
        told.append(
            f"{counted(len(report.skipped), 'line is no student', 'lines are no students')} ({'; '.join(parts)})."
        )
    return told


def to_look_at(found: RosterFile, event: int | None) -> list[str]:
    """What a person has to decide or to correct. `event`: of the import, by whose number it is undone."""
    report = found.report
    told = []
    if report.refused:
        are = counted(len(report.refused), "student is", "students are")
        told.append(
            f"{are} refused by doubt, because the answer was not understood, until `classface consent NAME given` (or "
            "withdrawn) says what holds:"
        )
        told += [f"  line {one.line}: {one.name}: {one.answer}" for one in report.refused]
    back = f"take it back (`classface undo {event}`) and import again" if event is not None else "import again"
    for title in report.asked:
        told.append(
            f"Is the column '{title}' about consent? Its answers look like yes and no, and until that is said "
            f"every one that may refuse does: {back} with --consent-column '{title}' "
            f"(or --no-consent-column '{title}')."
        )
    for title in report.yes_or_no:
        told.append(
            f"The column '{title}' was not used, and its answers look like yes and no. If it is about consent to be "
            f"shown, import again with --consent-column '{title}'; --no-consent-column '{title}' ends the question."
        )
    for dropped in (one for one in report.dropped_ids if not one.is_placeholder):
        told.append(
            f"The student id {dropped.student_id} stands beside different names and was not used: "
            f"{_lines(dropped.lines)}."
        )
    for doubt in report.doubts:
        told.append(
            f"Column '{doubt.title}': {counted(doubt.cells, 'cell was', 'cells were')} not understood, and "
            f"{doubt.outcome}:"
        )
        told += cut([f"  line {line}: {reason}" for line, reason in doubt.examples], doubt.cells)
    if report.garbled:
        told.append(
            f"Names look as if the file had been saved in a wrong encoding before; export it anew: "
            f"{', '.join(report.garbled[:5])}."
        )
    if report.sheets:
        told.append(
            f"Only the first sheet with a column of names was read; save each of these as a file of its own and import "
            f"it: {', '.join(report.sheets)}."
        )
    if report.replaced:
        told.append(
            f"Bytes that are no {report.encoding} were replaced by a mark; correct the names in "
            f"{_lines(report.replaced)}."
        )
    return told + left_out(found)


def left_out(found: RosterFile) -> list[str]:
    """The rows that were left out: all of them where the file has answers about consent."""
    if not found.bad:
        return []
    told = [f"  line {number}: {reason}" for number, reason in found.bad]
    has_answers = bool(found.report.consent or found.report.asked)
    heading = f"{counted(len(told), 'row was', 'rows were')} left out:"
    return [heading, *(told if has_answers else cut(told[:SHOWN], len(told)))]


def cut(lines: Sequence[str], count: int) -> list[str]:
    """A list, and how many of `count` are not in it."""
    return [*lines, f"  … and {count - len(lines):,} more"] if count > len(lines) else list(lines)


def _lines(numbers: Iterable[int]) -> str:
    shown = [f"{number:,}" for number in numbers]
    more = f" and {len(shown) - SHOWN:,} more" if len(shown) > SHOWN else ""
    return f"{'line' if len(shown) == 1 else 'lines'} {', '.join(shown[:SHOWN])}{more}"
