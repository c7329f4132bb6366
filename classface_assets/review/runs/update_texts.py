"""An update in words, as the header, the page Update, the stream of its progress and the API show it."""

import time
from datetime import UTC, datetime
from typing import Any

from classface_assets.core.languages import format_fraction, format_number, gettext, marked, ngettext, read_sentence
from classface_assets.orchestration.progress import format_duration
from classface_assets.orchestration.updates.record import UpdateRecord, UpdateState

_STEPS = {
    "reading files": marked("Reading the files of %(year)s"),
    "finding faces": marked("Finding faces in %(year)s"),
    "embedding faces": marked("Measuring the faces of %(year)s"),
    "making the album": marked("Making the album of %(year)s"),
    "files, faces, vectors": marked("Looking at %(year)s"),
    "students": marked("Finding out which faces are the same person"),
    "album": marked("Making the album of %(year)s"),
    "index and reports": marked("Making the index of the albums"),
}
"""What a step or stage is called by its label, after the school year and a colon."""
_ITEMS = {
    "photos": marked("Photo %(done)s of %(total)s"),
    "files": marked("File %(done)s of %(total)s"),
    "faces": marked("Face %(done)s of %(total)s"),
}
_SPEED = {
    "photos": marked("%(speed)s photos a second"),
    "files": marked("%(speed)s files a second"),
    "faces": marked("%(speed)s faces a second"),
}
STATES = {
    UpdateState.STARTING: marked("Starting …"),
    UpdateState.WAITING: marked("Waiting …"),
    UpdateState.RUNNING: marked("Preparing …"),
    UpdateState.DONE: marked("Everything is up to date."),
    UpdateState.FAILED: marked("The update did not finish."),
    UpdateState.KILLED: marked("The update was stopped before its end; the next one goes on where it was."),
}


def describe_update(record: UpdateRecord) -> dict[str, Any]:
    """What pages show of an update; also sent as JSON while it goes on.

    Returns:
        `id`, `state`, `running`, `headline`, `percent` (null where unknown), `facts` (short texts), `problems`,
        `moreProblems`, `began`.
    """
    fraction = record.fraction
    return {
        "id": record.update_id,
        "state": str(record.state),
        "running": record.in_progress,
        "headline": _headline(record),
        "percent": None if fraction is None else round(100 * fraction),
        "facts": _facts(record),
        "problems": record.shown_problems[-20:],
        "moreProblems": max(0, len(record.problems) - 20),
        "began": datetime.fromtimestamp(record.began, UTC).isoformat(timespec="seconds"),
        "folder": record.photos_folder,
        "pack": record.pack,
    }


def _headline(record: UpdateRecord) -> str:
    label = record.step.label if record.step else record.stage
    if record.state == UpdateState.WAITING:
        return read_sentence(record.waits_for) if record.waits_for else record.stage
    year, _, what = label.rpartition(": ")
    if record.state == UpdateState.RUNNING and what in _STEPS:
        return gettext(_STEPS[what], year=year)
    if record.state == UpdateState.FAILED and not record.problems:
        return gettext("The update did not finish, and left no reason; the server's review.log may have it.")
    return gettext(STATES[record.state])


def _facts(record: UpdateRecord) -> list[str]:
    """Short texts: photo n of m, the speed, faces found, the time left; at the end what was done."""
    facts = _step_facts(record)
    if record.faces:
        facts.append(ngettext("%(num)s face found", "%(num)s faces found", record.faces))
    if record.in_progress:
        left = record.seconds_left
        facts += [gettext("about %(time)s left", time=format_duration(left))] if left is not None and left >= 1 else []
        facts += (
            [ngettext("%(num)s file could not be read so far", "%(num)s files could not be read so far", record.errors)]
            if record.errors
            else []
        )
    elif record.ended is not None:
        facts.append(gettext("took %(time)s", time=format_duration(max(0.0, record.ended - record.began))))
    return facts


def _step_facts(record: UpdateRecord) -> list[str]:
    """Which school year, photo n of m, and the speed; without a step the photos so far."""
    facts, step = [], record.step
    if len(record.years) > 1 and record.in_progress and record.years_done < len(record.years):
        facts.append(
            gettext(
                "School year %(number)s of %(all)s",
                number=format_number(record.years_done + 1),
                all=format_number(len(record.years)),
            )
        )
    if step is None:
        waits = (
            [gettext("since %(time)s", time=format_duration(max(0.0, time.time() - record.began)))]
            if record.in_progress
            else []
        )
        return [
            *facts,
            *([ngettext("%(num)s photo", "%(num)s photos", record.photos)] if record.photos else []),
            *waits,
        ]
    done, total = step.done, step.total
    if step.is_search and record.photos_expected and record.photos_expected >= record.photos > 0:
        done, total = record.photos, record.photos_expected
    facts.append(gettext(_ITEMS[step.unit], done=format_number(done), total=format_number(total)))
    return [*facts, *([gettext(_SPEED[step.unit], speed=format_fraction(step.per_second))] if step.done else [])]
