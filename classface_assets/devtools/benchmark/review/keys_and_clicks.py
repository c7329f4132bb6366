"""`make bench-keys`: how many keys and clicks the usual tasks take, counted in the page of a real browser.

The sample archive is composed, run and served, and each task is done in a window. A key that is pressed with Ctrl or
Shift is one key. What is typed counts too, so the table says how long the names are. BROWSER is the browser's program.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.devtools.benchmark.accuracy.accuracy import ensure_data_folder
from classface_assets.devtools.benchmark.accuracy.ground_truth import markdown_table
from classface_assets.devtools.benchmark.review.input_counter import InputCount, count_inputs, inputs_so_far
from classface_assets.devtools.benchmark.review.server_thread import running_server
from classface_assets.devtools.benchmark.review.usual_tasks import UsualTasks
from classface_assets.devtools.sample.compose import compose_sample
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.photo_session import PhotoSession
from classface_assets.store.model.roster_entry import RosterEntry

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CLASS, NAMES = "3b", ("Ada Quill", "Ben Roth", "Cem Sahin", "Dora Tal", "Emil Urban", "Finn Vogel", "Gina Weber")
KNOWN, RENAMED, MISSING = "Hugo Young", "Hugo Jung", "Ida Zander"
SESSION, LABELLED_FACES = "Sports day", 2
_FACES_SQL = (
    "SELECT f.id, f.asset_id, f.cluster_id, f.bbox_x, f.bbox_y, f.bbox_w, f.bbox_h, a.school_year "
    "FROM face_instances f JOIN image_assets a USING (asset_id) ORDER BY f.id"
)


@dataclass(frozen=True)
class TaskCount:
    """A task, and what it took.

    Attributes:
        task: What was done, and from where.
        count: Keys, clicks and loaded pages.
    """

    task: str
    count: InputCount


@dataclass(frozen=True)
class PreparedSchool:
    """An archive in which the tasks can be done.

    Attributes:
        photo: The id of a photo with many faces.
        names: Of the people in it, in reading order, who are on the roster of its class and have no face yet.
    """

    photo: str
    names: Sequence[str]


def prepare_school(archive: Archive) -> PreparedSchool:
    """Import a roster, name two faces of the largest group, and create a session of its school year."""
    ledger, faces = archive.open_ledger(), query_database(archive.layout.database, _FACES_SQL)
    group = faces.filter(pl.col("cluster_id").str.starts_with("unknown_cluster"))
    largest = group["cluster_id"].value_counts().sort("count", "cluster_id", descending=[True, False])["cluster_id"][0]
    _label(ledger, KNOWN, group.filter(pl.col("cluster_id") == largest).head(LABELLED_FACES))
    named = group.filter(pl.col("cluster_id") == largest)["id"].implode()
    left = faces.filter(~pl.col("id").is_in(named))["asset_id"].value_counts()
    counts = faces["asset_id"].value_counts().join(left, on="asset_id", suffix="_left")
    whole = counts.filter(pl.col("count") == pl.col("count_left")).sort("count", "asset_id", descending=[True, False])
    photo = str(whole["asset_id"][0])
    shown = faces.filter(pl.col("asset_id") == photo)
    year = str(shown["school_year"][0])
    names = NAMES[: shown.height]
    ledger.import_roster([RosterEntry(name, str(n), {year: CLASS}) for n, name in enumerate(NAMES, 100)], "3b.csv")
    ledger.import_roster([RosterEntry(MISSING, "99", {year: "4a"})], "4a.csv")
    ledger.create_session(PhotoSession("", SESSION, school_year=year))
    return PreparedSchool(photo, names)


def count_tasks(page: "Page", url: str, school: PreparedSchool) -> Iterator[TaskCount]:
    """Do one task after the other in a window that counts (`count_inputs`), and yield what each took."""
    tasks = UsualTasks(page, url)
    photo, people = f"/photos/{school.photo}", len(school.names)
    steps: list[tuple[str, str | None, Callable[[], object]]] = [
        ("confirm the name that is suggested for a group", "/", tasks.confirm_suggestion),
        ("merge two groups", "/", tasks.merge_groups),
        ("undo that", None, tasks.undo),
        (f"name a class photo of {people} faces", photo, lambda: tasks.name_class_photo(school.names)),
        (f"rename a person ({len(RENAMED)} letters)", "/", lambda: tasks.rename(KNOWN, RENAMED)),
        ("upload a roster", "/", tasks.upload_roster),
        ("export the photos of a student as ZIP", "/", lambda: tasks.export_zip(RENAMED)),
        ("correct who was at a session", "/", lambda: tasks.correct_attendance(SESSION, MISSING)),
    ]
    for task, start, act in steps:
        if start is not None:
            tasks.open(start)
        before = inputs_so_far(page)
        act()
        yield TaskCount(task, inputs_so_far(page).since(before))


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        compose_sample(work)
        data, _ = ensure_data_folder(str(work), "builtin", work / "data")
        archive = Archive(photos=str(work / "photos"), data=str(data))
        rows = _measure(archive)
    columns = ["task", "keys", "clicks", "pages loaded"]
    numbers = [[row.task, *map(str, (row.count.keys, row.count.clicks, row.count.loads))] for row in rows]
    print(markdown_table(columns, numbers))


def _measure(archive: Archive) -> list[TaskCount]:
    from classface_assets.review.app import create_app

    school = prepare_school(archive)
    app = create_app(archive, Models(pack="builtin"))
    with running_server(app) as url, _browser() as browser, browser.new_context() as context:
        count_inputs(context)
        return list(count_tasks(context.new_page(), url, school))


@contextmanager
def _browser() -> "Iterator[Browser]":
    from playwright.sync_api import sync_playwright

    program = os.environ.get("BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise UserError(f"There is none of {', '.join(BROWSERS)}; install Chromium, or name a browser by BROWSER=file.")
    flags = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


def _label(ledger: Ledger, name: str, faces: pl.DataFrame) -> None:
    rows = faces.select("id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h").iter_rows()
    ledger.label(name, [FaceRef(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in rows])


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None
