"""Reports on names in photo files as sentences for people, and as JSON for scripts."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from classface_assets.core.names import pluralize
from classface_assets.services.archive_view.cache import read_snapshot
from classface_assets.services.archive_view.model import ArchiveView, build_archive_view
from classface_assets.services.face_regions.files import FileStatus, WriteReport
from classface_assets.services.face_regions.matching import FoundName, Outcome
from classface_assets.services.face_regions.reading import ReadReport
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.ledger.ledger import Ledger

SHOWN_LINES = 20
"""Files or names listed one by one; of more only the number."""


def current_view(database: Any, ledger: Ledger) -> ArchiveView:
    """The archive as it is now, for one command.

    Raises:
        DatabaseError: Nothing is published yet.
    """
    query_database(database, "SELECT count(*) FROM image_assets")
    events = ledger.events()
    return build_archive_view(read_snapshot(database, events), events)


def write_lines(report: WriteReport) -> Iterator[str]:
    """What was written or taken back, or would be, as lines of text."""
    will = "" if report.applied else "would be "
    names = sum(len(file.names) for file in report.files if file.status == FileStatus.WRITTEN)
    sentences = {
        FileStatus.WRITTEN: f"{will}written, with {pluralize(names, 'name')}",
        FileStatus.REMOVED: f"{will}without names again",
        FileStatus.UNCHANGED: "have the right names already",
        FileStatus.LEFT_OUT: "left out",
    }
    for status, sentence in sentences.items():
        if count := report.count(status):
            yield f"{count:>9,}  {sentence}"
    if report.unnamed_photos:
        yield f"{report.unnamed_photos:>9,}  photos without anybody to name"
    left_out = [file for file in report.files if file.status == FileStatus.LEFT_OUT]
    yield from _listed([f"{file.path}: {file.reason}" for file in left_out], "Left out:")
    conflicts = [f"{path}: {ours} here, {theirs} there" for path, ours, theirs in report.conflicts]
    yield from _listed(conflicts, "Faces that another program has named differently, and that stay as they are there:")
    if report.withheld:
        yield f"{pluralize(report.withheld, 'person', 'people')} not named, as albums do not show them either."
    if not report.files:
        yield "There is nothing to do."


def read_lines(report: ReadReport) -> Iterator[str]:
    """What was taken over, or would be, as lines of text."""
    will = "" if report.applied else "would "
    sentences = {
        Outcome.LABEL: "faces got a name" if report.applied else "faces would get a name",
        Outcome.NEW_FACE: f"places without a face {'became' if report.applied else 'would become'} faces with a name",
        Outcome.KNOWN: "names are known here already",
        Outcome.CONTRADICTION: "names contradict a decision here, or each other, and are not taken over",
        Outcome.LEFT_OUT: "names left out",
    }
    yield f"{report.photos:>9,}  photos read, {report.with_names:,} of them with names"
    for outcome, sentence in sentences.items():
        if count := report.count(outcome):
            yield f"{count:>9,}  {sentence}"
    if report.own:
        yield f"{report.own:>9,}  names that this archive had written itself"
    if report.names:
        yield "From: " + ", ".join(f"{program} ({count:,})" for program, count in report.programs().items())
    if report.new_people:
        yield f"New people{'' if report.applied else ' that this would make'}: {', '.join(report.new_people[:50])}"
    for outcome, title in ((Outcome.CONTRADICTION, "Contradictions:"), (Outcome.LEFT_OUT, "Left out:")):
        yield from _listed([_name_line(one) for one in report.names if one.outcome == outcome], title)
    turned = Counter(one.reason for one in report.names if one.outcome == Outcome.LABEL and one.reason)
    yield from (f"{count:,} {'name was' if count == 1 else 'names were'} {reason}." for reason, count in turned.items())
    untied = [f"{path}: {name}" for path, name in report.untied]
    yield from _listed(untied, "Named without a place in the photo, so not taken over:")
    yield from _listed(list(report.problems), "Could not be read:")
    if report.events:
        first, last = report.events[0], report.events[-1]
        yield f"Events {first:,} to {last:,} of the history; `classface undo` takes them back one by one."
    elif not report.applied and will and not report.names:
        yield "No program has named anybody in these photos."


def write_json(report: WriteReport) -> dict[str, Any]:
    """The report with every file."""
    return {
        "applied": report.applied,
        "files": [
            {"path": one.path, "status": one.status.value, "names": list(one.names), "reason": one.reason}
            for one in report.files
        ],
        "conflicts": [{"path": path, "name": ours, "other": theirs} for path, ours, theirs in report.conflicts],
        "withheldPeople": report.withheld,
        "photosWithoutNames": report.unnamed_photos,
    }


def read_json(report: ReadReport) -> dict[str, Any]:
    """The report with every name."""
    return {
        "applied": report.applied,
        "photos": report.photos,
        "photosWithNames": report.with_names,
        "ownNames": report.own,
        "names": [
            {
                "path": one.path,
                "name": one.name,
                "program": one.program,
                "file": one.file,
                "faceId": one.face.face_id if one.face else None,
                "assetId": one.face.asset_id if one.face else None,
                "outcome": one.outcome.value,
                "reason": one.reason,
            }
            for one in report.names
        ],
        "untied": [{"path": path, "name": name} for path, name in report.untied],
        "problems": list(report.problems),
        "newPeople": list(report.new_people),
        "events": list(report.events),
    }


def _name_line(found: FoundName) -> str:
    return f"{found.path}: {found.name} ({found.program}): {found.reason}"


def _listed(lines: list[str], title: str) -> Iterator[str]:
    if not lines:
        return
    yield title
    yield from (f"  {line}" for line in lines[:SHOWN_LINES])
    if len(lines) > SHOWN_LINES:
        yield f"  … and {len(lines) - SHOWN_LINES:,} more; `--json` lists all of them."
