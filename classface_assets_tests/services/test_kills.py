"""Killed at any point, readers see the old or the new, and the next call ends with what a call without kills ends with.

Every failpoint that the code declares is tested in the step of its first word, in a process that dies there. With
ALL_KILLS each is tested from the start, as a kill and as an error, and the steps are killed before their
changes to files as well.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from classface_assets.albums.pages.links import find_broken_links
from classface_assets.core.failpoints import Failpoint
from classface_assets.core.locations import list_files_recursive
from classface_assets.core.schemas import DUCKDB_TABLES
from classface_assets.services.archive_view.cache import read_snapshot
from classface_assets.services.archive_view.model import build_archive_view
from classface_assets.services.queries import find_faces
from classface_assets.store.files.deletion import list_tree
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.files.parquet import read_parquet
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.face_ref import FaceRef
from classface_assets_tests.conftest import World, made_once
from classface_assets_tests.support.kill_driver import KillDriver, Outcome, kill_driver
from classface_assets_tests.support.killed_steps import ROWS, archive_of, dataset_of, rows_of

pytestmark = pytest.mark.slow

ALL_KILLS = int(os.environ.get("ALL_KILLS", "0"))
"""Of the changes that a step makes to files, about so many are those before which it is killed; 0: only its points."""
NAME = "Ada Quill"
EARLY = [f"{year}-{year + 1}/portraits/portrait_{year}_{n:02}.jpg" for year in (2016, 2017) for n in (5, 7, 9)]
"""The photos of the first run: few people, so that the second finds new ones."""
STEPS = sorted({point.step for point in Failpoint})


@dataclass(frozen=True)
class Prepared:
    """One archive in four states, as they are without kills.

    Attributes:
        old: Of two school years some photos were published and one cluster named; the others are searched since.
        published: The same with all photos published; the albums are the old ones.
        shown: The same with its albums.
        forgotten: The same without the person who was named.
    """

    old: Path
    published: Path
    shown: Path
    forgotten: Path


@pytest.fixture(scope="module")
def driver() -> Iterator[KillDriver]:
    with kill_driver() as running:
        yield running


@pytest.fixture(scope="module")
def prepared(finished: World, driver: KillDriver, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = made_once(tmp_path_factory, "killed steps", lambda folder: _prepare(finished, driver, folder))
    return Prepared(*(folder / state for state in ("old", "published", "shown", "forgotten")))


def _prepare(finished: World, driver: KillDriver, folder: Path) -> None:
    """Nothing is searched: the faces of the finished archive are all there."""
    old, late = folder / "old", folder / "late"
    for year in ("2016-2017", "2017-2018"):
        shutil.copytree(finished.layout.photos / year, late / year)
    for path in EARLY:
        (old / "photos" / path).parent.mkdir(parents=True, exist_ok=True)
        (late / path).rename(old / "photos" / path)
    done = finished.folder / "data"
    shutil.copytree(done / "parts", old / "data" / "parts", ignore=lambda *_: ["images", "2018-2019", "2019-2020"])
    assert driver.run("run", old).code == 0
    archive = archive_of(old)
    archive.open_ledger().label(NAME, find_faces(archive.layout.database, "unknown_cluster_1"))
    shutil.copytree(late, old / "photos", dirs_exist_ok=True)
    assert driver.run("ingest", old).code == 0
    before = old
    for state, step, arguments in (
        ("published", "publish", {}),
        ("shown", "album", {}),
        ("forgotten", "forget", {"who": NAME}),
    ):
        shutil.copytree(before, folder / state, symlinks=True)
        before = folder / state
        assert driver.run(step, before, **arguments).code == 0


def database(folder: Path) -> dict[str, pl.DataFrame]:
    """Every table of the published database, by its rows; for the time of a change, whether a face changed."""
    file = archive_of(folder).layout.database
    tables = {table: query_database(file, f"SELECT * FROM {table} ORDER BY ALL") for table in DUCKDB_TABLES}
    faces = tables["face_instances"].with_columns(pl.col("updated_at") > pl.col("created_at"))
    return {**tables, "face_instances": faces}


def groups_and_numbers(folder: Path) -> dict[str, str]:
    rows = query_database(archive_of(folder).layout.database, "SELECT id, cluster_id FROM face_instances")
    return dict(rows.iter_rows())


def album_files(folder: Path) -> dict[str, bytes]:
    """Path below the albums folder → content; the pictures of equal size count as equal."""
    albums = folder / "data" / "albums"
    files = [entry.path for entry in list_tree(albums) if not entry.path.name.startswith(".")]
    return {
        file.relative_to(albums).as_posix(): file.read_bytes() if file.suffix == ".html" else b""
        for file in files
        if not any(part.startswith(".") for part in file.relative_to(albums).parts)
    }


def temporary_files(folder: Path) -> list[Path]:
    return [path for path in (folder / "data").rglob(".*") if "tmp" in path.name or "retired" in path.name]


@dataclass(frozen=True)
class Trial:
    """A step that is to be killed.

    Attributes:
        step: Its name.
        start: The archive on which it begins.
        check: What readers see after each kill.
        compare: What it comes to in the end.
        arguments: Of the step.
        begin: What is made ready outside the archive.
        env: Further environment variables.
    """

    step: str
    start: Path
    check: Callable[[Path], None]
    compare: Callable[[Path], None]
    arguments: dict[str, str] = field(default_factory=dict)
    begin: Callable[[], None] = lambda: None
    env: dict[str, str] = field(default_factory=dict)

    @property
    def points(self) -> list[str]:
        return [point.value for point in Failpoint if point.step == self.step]


class Killed:
    """An archive whose step is killed, again and again."""

    def __init__(self, trial: Trial, folder: Path, driver: KillDriver) -> None:
        self.trial, self.folder, self.driver, self.kills = trial, folder, driver, 0
        shutil.copytree(trial.start, folder, symlinks=True)
        trial.begin()

    def die(self, at: str | int) -> None:
        """Be killed, or fail, at a failpoint, or be killed before the change to a file of that number."""
        where = {"kill_at": at} if isinstance(at, int) else {"failpoint": at}
        outcome = self._call(**where)
        if isinstance(at, str) and at.endswith("=raise"):
            assert outcome.code == 3 and outcome.error == f"The failpoint {at} was reached.", outcome
        else:
            assert outcome.killed, f"{self.trial.step} is never at {at}: {outcome}"
        self.kills += 1
        self.trial.check(self.folder)

    def finish(self) -> Outcome:
        """The same command once more; of somebody who is erased for good it only says that nobody has that name."""
        outcome = self._call()
        is_done = self.trial.step == "forget" and outcome.error.startswith(f"Nobody is called {NAME!r};")
        assert outcome.code == 0 or is_done, outcome
        self.trial.compare(self.folder)
        return outcome

    def _call(self, **where: Any) -> Outcome:
        trial = self.trial
        return self.driver.run(trial.step, self.folder, env=trial.env, **where, **trial.arguments)


def survive(trial: Trial, tmp_path: Path, driver: KillDriver) -> None:
    """Kill a step at each of its points in turn, and finish it.

    With ALL_KILLS it is also begun from the start for each of its points, which kills it or raises an error,
    and for changes that it makes to files, evenly chosen.
    """
    chain = Killed(trial, tmp_path / "chain", driver)
    for point in trial.points:
        chain.die(point)
    chain.finish()
    kills = chain.kills
    if ALL_KILLS:
        moments: list[str | int] = [*trial.points, *(f"{point}=raise" for point in trial.points)]
        undisturbed = Killed(trial, tmp_path / "undisturbed", driver)
        changes = undisturbed.finish().mutations
        moments += range(1, changes + 1, max(1, changes // ALL_KILLS))
        for moment in moments:
            one = Killed(trial, tmp_path / "one", driver)
            try:
                one.die(moment)
                one.finish()
            except AssertionError as error:
                raise AssertionError(f"{trial.step}, killed at {moment}: {error}") from error
            shutil.rmtree(one.folder)
            kills += one.kills
    print(f"{trial.step}: {kills} kills survived")


def test_every_failpoint_has_a_step_that_is_tested() -> None:
    tested = {name.removeprefix("test_killed_in_") for name in globals() if name.startswith("test_killed_in_")}
    assert set(STEPS) == tested


def test_killed_in_publish(prepared: Prepared, driver: KillDriver, tmp_path: Path) -> None:
    """Groups and numbers too, after a first run whose numbers people know: none is given out in vain."""
    old, new = groups_and_numbers(prepared.old), groups_and_numbers(prepared.published)
    known, numbered = ({c for c in state.values() if c and c.startswith("unknown_cluster_")} for state in (old, new))
    assert known - numbered == {"unknown_cluster_1"}, "it has a name now"
    assert len(numbered - known) >= 2, "the second run finds people whom the first did not"
    whole = database(prepared.published)

    def check(folder: Path) -> None:
        seen = groups_and_numbers(folder)
        assert seen in (old, new)
        archive = archive_of(folder)
        events = archive.open_ledger().events()
        view = build_archive_view(read_snapshot(archive.layout.database, events), events)
        assert view.faces.height == len(seen)

    def compare(folder: Path) -> None:
        found = database(folder)
        for table, rows in whole.items():
            assert_frame_equal(found[table], rows)
        for table in ("identities", "cluster_assignments", "changes", "cluster_numbers", "face_groups"):
            expected = read_parquet(archive_of(prepared.published).layout.table(table))
            assert_frame_equal(read_parquet(archive_of(folder).layout.table(table)), expected)
        assert temporary_files(folder) == []

    survive(Trial("publish", prepared.old, check, compare), tmp_path, driver)


def albums_see_old_or_new(old: dict[str, bytes], new: dict[str, bytes]) -> Callable[[Path], None]:
    """Each page is the old or the new one, and all pages that are exchanged together are of one state."""

    def check(folder: Path) -> None:
        now = album_files(folder)
        pages = {path: content for path, content in now.items() if path.endswith(".html")}
        for path, content in pages.items():
            assert content in (old.get(path), new.get(path)), f"{path} is neither the old page nor the new one"
        for place in {"students", *(path.rsplit("/", 1)[0] for path in pages if path.startswith("years/"))}:
            inside = {path for path in now if path.startswith(f"{place}/")}
            states = [{path for path in state if path.startswith(f"{place}/")} for state in (old, new)]
            assert inside in states, f"{place} is a mixture: {inside ^ states[0]}, {inside ^ states[1]}"

    return check


def test_killed_in_album(prepared: Prepared, driver: KillDriver, tmp_path: Path) -> None:
    old, new = album_files(prepared.published), album_files(prepared.shown)
    assert old != new and find_broken_links(prepared.shown / "data" / "albums") == []

    def compare(folder: Path) -> None:
        assert album_files(folder) == new
        assert temporary_files(folder) == []

    survive(Trial("album", prepared.published, albums_see_old_or_new(old, new), compare), tmp_path, driver)


def test_killed_in_exchange(prepared: Prepared, driver: KillDriver, tmp_path: Path) -> None:
    """Where folders cannot be exchanged in one step, one is away for a moment; the next run puts it back."""
    new = album_files(prepared.shown)

    def compare(folder: Path) -> None:
        assert album_files(folder) == new
        assert temporary_files(folder) == []

    survive(Trial("exchange", prepared.published, lambda _: None, compare), tmp_path, driver)


def test_killed_in_upload(prepared: Prepared, driver: KillDriver, tmp_path: Path, bucket: UPath) -> None:
    """No page at a URL ever links to what is not there, and each is the old or the new one."""
    old, new = album_files(prepared.published), album_files(prepared.shown)
    target, environment = str(bucket / "albums"), {name: os.environ[name] for name in os.environ if "AWS" in name}
    shutil.copytree(prepared.published / "data" / "albums", tmp_path / "before" / "data" / "albums")

    def check(folder: Path) -> None:
        copy = folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        for entry in list_files_recursive(bucket / "albums"):
            file = copy / str(entry.path).removeprefix(f"{target}/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(entry.path.read_bytes() if file.suffix == ".html" else b"")
            name = file.relative_to(copy).as_posix()
            assert file.suffix != ".html" or file.read_bytes() in (old.get(name), new.get(name))
        assert find_broken_links(copy) == []

    def compare(folder: Path) -> None:
        check(folder)
        assert {str(e.path).removeprefix(f"{target}/") for e in list_files_recursive(bucket / "albums")} == new.keys()

    def begin() -> None:
        (tmp_path / "before" / "data" / "albums.copied.json").unlink(missing_ok=True)
        assert driver.run("upload", tmp_path / "before", env=environment, target=target).code == 0

    trial = Trial("upload", prepared.shown, check, compare, {"target": target}, begin, environment)
    survive(trial, tmp_path, driver)


def is_visible(folder: Path, name: str, faces: set[str]) -> list[str]:
    """Where a person can be seen by those who read the pages of the archive or its albums."""
    archive = archive_of(folder)
    found = []
    for path, content in album_files(folder).items():
        if name in path or name.encode() in content or path.rsplit("/", 1)[-1].removesuffix(".jpg") in faces:
            found.append(path)
    events = archive.open_ledger().events()
    view = build_archive_view(read_snapshot(archive.layout.database, events), events)
    found += view.faces.filter(pl.col("face_id").is_in(list(faces)))["face_id"].to_list()
    return found


def traces(folder: Path, name: str, faces: set[str]) -> list[str]:
    """Every file that still holds a person's name, or ids of faces, which only the lists of the erased may."""
    found = []
    for entry in list_tree(folder / "data"):
        content = entry.path.read_bytes()
        is_list = entry.path.name == "erased.json" or entry.path.name.startswith("ledger.sqlite")
        is_list |= entry.path.parent.name == "ledger_backups"
        if name.encode() in content or (not is_list and any(face.encode() in content for face in faces)):
            found.append(str(entry.path))
        elif entry.path.suffix == ".parquet":
            rows = read_parquet(entry.path)
            if "face_id" in rows.columns and rows["face_id"].is_in(list(faces)).any():
                found.append(str(entry.path))
    return found


def test_killed_in_forget(prepared: Prepared, driver: KillDriver, tmp_path: Path) -> None:
    """Once the ledger has the erasure nobody sees the person again, and the same command leaves no byte of them."""
    rows = database(prepared.shown)["face_instances"]
    person = archive_of(prepared.shown).open_ledger().decisions().find_current_person(NAME)
    assert person is not None
    faces = set(rows.filter(pl.col("person_id") == person.id)["id"])
    assert len(faces) > 3 and is_visible(prepared.shown, NAME, faces) and traces(prepared.shown, NAME, faces)
    assert is_visible(prepared.forgotten, NAME, faces) == traces(prepared.forgotten, NAME, faces) == []
    whole = database(prepared.forgotten)

    def check(folder: Path) -> None:
        if archive_of(folder).open_ledger().decisions().persons[person.id].erased:
            assert is_visible(folder, NAME, faces) == []

    def compare(folder: Path) -> None:
        check(folder)
        assert traces(folder, NAME, faces) == []
        found = database(folder)
        for table in ("face_instances", "persons", "person_prototypes", "clusters", "image_assets", "photo_consent"):
            assert_frame_equal(found[table], whole[table])
        assert parts_of(folder).equals(parts_of(prepared.forgotten))

    survive(Trial("forget", prepared.shown, check, compare, {"who": NAME}), tmp_path, driver)


def test_the_next_run_finishes_an_erasure_that_was_killed(
    prepared: Prepared, driver: KillDriver, tmp_path: Path
) -> None:
    rows = {state: database(state)["face_instances"]["id"] for state in (prepared.shown, prepared.forgotten)}
    gone = set(rows[prepared.shown]) - set(rows[prepared.forgotten])
    killed = tmp_path / "killed"
    shutil.copytree(prepared.shown, killed)
    assert driver.run("forget", killed, failpoint=Failpoint.ERASURE_PROMISED.value, who=NAME).killed
    assert traces(killed, NAME, gone)
    (sentence,) = driver.run("resume", killed).result
    assert sentence.startswith("The erasure of one person was interrupted and is finished now; removed: ")
    assert traces(killed, NAME, gone) == []
    assert driver.run("resume", killed).result == []


def parts_of(folder: Path) -> pl.DataFrame:
    """The ids of the faces and vectors in all parts."""
    files = [entry.path for entry in list_tree(folder / "data" / "parts") if entry.path.suffix == ".parquet"]
    rows = [read_parquet(file, ["face_id"]) for file in files]
    return pl.concat([ids for ids in rows if ids.width]).sort("face_id")


def test_killed_in_parts(driver: KillDriver, tmp_path: Path) -> None:
    """A reader sees every row once, with its old or its new value."""
    start = tmp_path / "start"
    for row in ROWS:
        dataset_of(start).append(rows_of([row], "old"))

    def check(folder: Path) -> None:
        seen = dict(dataset_of(folder).read().iter_rows())
        assert seen.keys() == set(ROWS) and all(seen[row] == "old" for row in ROWS[3:])
        replaced = {seen[row] for row in ROWS[:3]}
        assert replaced in ({"old"}, {"new"}), f"a mixture: {seen}"

    def compare(folder: Path) -> None:
        assert dict(dataset_of(folder).read().iter_rows()) == dict.fromkeys(ROWS[:3], "new") | dict.fromkeys(
            ROWS[3:], "old"
        )
        assert len(dataset_of(folder).files()) == 1
        assert temporary_files(folder) == []

    survive(Trial("parts", start, check, compare), tmp_path, driver)


def test_killed_in_ledger(driver: KillDriver, tmp_path: Path) -> None:
    """A label that makes a person is two events and the photos they are about: all or nothing."""
    (start := tmp_path / "start" / "data").mkdir(parents=True)
    Ledger(f"sqlite:///{start}/ledger.sqlite").label("Somebody Else", [FaceRef("another", "a photo", (0, 0, 9, 9))])

    def check(folder: Path) -> None:
        kinds = [event.kind for event in archive_of(folder).open_ledger().events()[2:]]
        assert kinds in (
            [],
            ["person_created", "faces_labelled"],
            ["person_created", "faces_labelled", "faces_labelled"],
        )

    def compare(folder: Path) -> None:
        decisions = archive_of(folder).open_ledger().decisions()
        assert [person.name for person in decisions.persons.values()] == ["Somebody Else", "Ben Roth"]
        assert decisions.persons[decisions.labels["a face"].person_id].name == "Ben Roth"

    survive(Trial("ledger", start.parent, check, compare), tmp_path, driver)
