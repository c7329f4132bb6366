"""What is known of an update, the chain of runs from new photos to albums, while it goes on and after it has ended.

Each update has a small JSON file in the local folder, which its process writes and every other process may read: so a
page shows the progress of an update that a terminal started, also after the review server was restarted.
"""

import itertools
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

from classface_assets.core.atomic_files import write_file
from classface_assets.core.languages import read_sentence
from classface_assets.core.layout import ArchiveLayout

UPDATE_TAG = "classface/update"
"""The tag of Dagster's runs that holds the id of the update that they belong to."""
RETAINED_UPDATES = 200
SEARCHED_UPDATES = 5
_UPDATE_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


class UpdateState(StrEnum):
    """Where an update is."""

    STARTING = "starting"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    KILLED = "killed"


IN_PROGRESS = frozenset({UpdateState.STARTING, UpdateState.WAITING, UpdateState.RUNNING})


@dataclass(frozen=True)
class StepProgress:
    """How far the step is that goes on now.

    Attributes:
        label: What it does, such as `2018-2019: finding faces`.
        unit: What an item is: photos, files, faces.
        done: Items done.
        total: Items in all.
        per_second: Items a second since the step began.
        is_search: Whether new photos are searched for faces, which takes most of the time.
    """

    label: str
    unit: str
    done: int
    total: int
    per_second: float
    is_search: bool = False


@dataclass(frozen=True)
class UpdateRecord:
    """One update.

    Attributes:
        update_id: Its id, which begins with the time at which it was started.
        command: What started it: `classface run` or `classface review`.
        process: The number of its process.
        process_began: When that process was started, in seconds since 1970: numbers are used again.
        began: Seconds since 1970.
        ended: The same; None while it goes on.
        state: Where it is.
        pack: The model pack.
        photos_folder: The photos folder.
        data_folder: The data folder.
        job: The only job of it, as that which updates matches alone; "" for the whole chain.
        stage: A sentence that says what goes on, or what is waited for.
        waits_for: What is waited for as it is stored for other languages.
        years: The school years that have something new, in their order.
        years_done: Number of these that are through.
        step: How far the present step is; None between steps.
        photos_expected: New photos when it began; None where they were not counted.
        photos: Photos searched so far.
        faces: Faces found in them.
        errors: Files and photos so far that could not be read.
        problems: What went wrong, a sentence each.
        sentences: The same as they are stored for other languages, None for one that is in English for good; fewer
            where an older version wrote the record.
    """

    update_id: str
    command: str
    process: int
    process_began: float
    began: float
    pack: str
    photos_folder: str
    data_folder: str
    job: str = ""
    ended: float | None = None
    state: UpdateState = UpdateState.STARTING
    stage: str = ""
    years: tuple[str, ...] = ()
    years_done: int = 0
    step: StepProgress | None = None
    photos_expected: int | None = None
    photos: int = 0
    faces: int = 0
    errors: int = 0
    problems: tuple[str, ...] = ()
    sentences: tuple[Mapping[str, Any] | None, ...] = ()
    waits_for: Mapping[str, Any] | None = None

    @property
    def shown_problems(self) -> list[str]:
        """What went wrong, in the language in use as far as it can be."""
        pairs = itertools.zip_longest(self.problems, self.sentences[: len(self.problems)])
        return [read_sentence(stored) if stored else problem for problem, stored in pairs]

    @property
    def in_progress(self) -> bool:
        """Whether it goes on."""
        return self.state in IN_PROGRESS

    @property
    def seconds_left(self) -> float | None:
        """A guess by the speed of the present step; None where there is no speed yet."""
        step = self.step
        if step is None or not step.done or step.per_second <= 0:
            return None
        left = step.total - step.done
        if step.is_search and self.photos_expected is not None:
            left = max(left, self.photos_expected - self.photos)
        return left / step.per_second

    @property
    def fraction(self) -> float | None:
        """The share of the present step that is done, of all new photos where these are searched; None without."""
        step = self.step
        if step is None:
            return None
        if step.is_search and self.photos_expected and self.photos_expected >= self.photos:
            return self.photos / self.photos_expected
        return min(1.0, step.done / step.total) if step.total else None


def new_update_id() -> str:
    """An id that sorts by time."""
    return f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def updates_folder(layout: ArchiveLayout) -> Path:
    """Where the files of the updates lie."""
    return layout.local / "updates"


def write_record(layout: ArchiveLayout, record: UpdateRecord) -> None:
    """Write the file of an update; the first time the oldest ones make room.

    Raises:
        StorageError: The disk is full or fails.
    """
    file = updates_folder(layout) / f"{record.update_id}.json"
    is_new = not file.exists()
    write_file(file, lambda out: out.write(json.dumps(asdict(record)).encode()))
    if is_new:
        for old in _files(layout)[RETAINED_UPDATES:]:
            old.unlink(missing_ok=True)


def read_record(layout: ArchiveLayout, update_id: str) -> UpdateRecord | None:
    """An update, as killed where its process is gone; None where it is not known or cannot be read."""
    if not _UPDATE_ID.fullmatch(update_id):
        return None
    try:
        return _parse((updates_folder(layout) / f"{update_id}.json").read_bytes())
    except (OSError, ValueError, TypeError, KeyError):
        return None


def latest_update(layout: ArchiveLayout) -> UpdateRecord | None:
    """The update that was started last; one that goes on comes first."""
    newest = list(itertools.islice(updates(layout), SEARCHED_UPDATES))
    running = (record for record in newest if record.state == UpdateState.RUNNING)
    return next(running, newest[0] if newest else None)


def updates(layout: ArchiveLayout) -> Iterator[UpdateRecord]:
    """The updates, newest first."""
    for file in _files(layout):
        record = read_record(layout, file.stem)
        if record is not None:
            yield record


def own_process() -> tuple[int, float]:
    """The number of this process, and when it was started."""
    return os.getpid(), psutil.Process().create_time()


def _files(layout: ArchiveLayout) -> list[Path]:
    """The files of the updates, newest first."""
    try:
        names = os.listdir(updates_folder(layout))  # noqa: PTH208 - each page does this
    except OSError:
        return []
    found = sorted((name for name in names if _UPDATE_ID.fullmatch(name.removesuffix(".json"))), reverse=True)
    return [updates_folder(layout) / name for name in found]


def _parse(content: bytes) -> UpdateRecord:
    values = json.loads(content)
    step = values.pop("step")
    record = UpdateRecord(
        **{
            **values,
            "state": UpdateState(values["state"]),
            "years": tuple(values["years"]),
            "problems": tuple(values["problems"]),
            "sentences": tuple(values.get("sentences", ())),
            "step": StepProgress(**step) if step else None,
        }
    )
    if record.in_progress and not _is_alive(record):
        return replace(record, state=UpdateState.KILLED, step=None, ended=record.ended)
    return record


def _is_alive(record: UpdateRecord) -> bool:
    """Whether its process exists; a process of that number that was started later is another one."""
    try:
        process = psutil.Process(record.process)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - record.process_began) < 2
    except psutil.NoSuchProcess:
        return False


def is_recent(record: UpdateRecord, seconds: float) -> bool:
    """Whether it goes on, or ended less than so many seconds ago."""
    return record.in_progress or (record.ended is not None and time.time() - record.ended < seconds)
