"""An archive that the code of an earlier commit made, named and published: what it left is to open with today's code.

That code is taken out of this clone's history and runs in a process of its own, with nothing of today's in reach.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from classface_assets_tests.conftest import World, made_once

ROOT = Path(__file__).parents[2]
BEFORE_PICTURE_IDS = "521fba6"
"""The last commit that called a photo by all bytes of its file."""
BEFORE_PRESENT_LAYOUT = "b571667"
"""The last commit before the package had its present folders and names."""
YEARS = ("2017-2018", "2018-2019")

# Of the old code, by the names that it had.
MAKE = """
import csv, json, shutil, sys, uuid
from pathlib import Path

import dagster as dg
from rich.console import Console

import classface_assets
from classface_assets.forgetting import forget
from classface_assets.partitions import sync_school_years
from classface_assets.resources import Archive, Models
from classface_assets.running import Chain, chosen_years
from classface_assets.sample.compose import compose_sample
from classface_assets.store.database import query
from classface_assets.store.ledger import LabelledFace

folder, code, years = Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(",")
assert Path(classface_assets.__file__).parents[1] == Path(code), "it is the old code that runs"
compose_sample(folder)
photos = folder / "photos"
for year in photos.iterdir():
    if year.name not in years:
        shutil.rmtree(year)
truth = [row for row in csv.DictReader((folder / "truth.csv").open()) if row["school_year"] in years]
portraits = {}
for row in truth:
    if row["kind"] == "portrait":
        portraits.setdefault(row["person"], []).append(row["path"])
ana, ben, cem, dora, eva = sorted(name for name, paths in portraits.items() if len(paths) == 2)[:5]
# The same picture with other metadata: to the old code another photo.
for number, path in enumerate(portraits[eva]):
    content = (photos / path).read_bytes()
    rated = content[:2] + b"\\xff\\xfe\\x00\\x06rate" + content[2:]
    (photos / years[number] / "portraits" / "rated copy.jpg").write_bytes(rated)
archive = Archive(photos=str(photos), data=str(folder / "data"))
with dg.DagsterInstance.local_temp(str(folder / "records"), overrides=json.loads(sys.argv[4])) as instance:
    sync_school_years(instance, archive.layout)
    chain = Chain(instance, archive, Models(pack="builtin"), Console(quiet=True))

    def run():
        stopped = chain.run(chosen_years(archive.layout, None), lambda _: None)
        assert not stopped, stopped

    run()
    sql = ("SELECT f.id, f.asset_id, f.bbox_x, f.bbox_y, f.bbox_w, f.bbox_h, a.path FROM face_instances f "
           "JOIN image_assets a ON a.asset_id = f.asset_id AND a.status = 'ok' ORDER BY a.path, f.bbox_x")
    faces = {}
    for face, photo, x, y, w, h, path in query(archive.layout.database, sql).iter_rows():
        faces.setdefault(path, []).append(LabelledFace(face, photo, (x, y, w, h)))
    of = {person: [faces[path][0] for path in paths] for person, paths in portraits.items()}
    together = [path for path in faces if "/class/" in path]
    candid = next(path for path in faces if "/candids/" in path)
    ledger = archive.open_ledger()
    for person in (ana, ben, dora):
        ledger.label(person, of[person])
    ledger.reject(ben, of[cem])
    ledger.must_link(of[cem])
    ledger.not_faces(faces[together[0]][:1])
    ledger.mark_photo(faces[candid][0].asset_id, "collage")
    photo, box = faces[together[1]][0].asset_id, (4, 4, 44, 44)
    drawn = LabelledFace(str(uuid.uuid5(uuid.UUID(photo), ",".join(map(str, box)))), photo, box)
    ledger.draw(drawn)
    ledger.consent(ben, False)
    run()
    erased = ledger.decisions().record(dora).id
    forget(archive, instance, dora)
    if sys.argv[5] == "run again":
        run()
told = {
    "labelled": {person: [face.face_id for face in of[person]] for person in (ana, ben)},
    "withdrawn": ben,
    "rejected": [ben, [face.face_id for face in of[cem]]],
    "linked": [face.face_id for face in of[cem]],
    "not_a_face": faces[together[0]][0].face_id,
    "collage": candid,
    "drawn": [together[1], drawn.face_id],
    "erased": {"name": dora, "person_id": erased, "faces": [face.face_id for face in of[dora]],
               "paths": portraits[dora], "boxes": [list(face.box) for face in of[dora]]},
}
(folder / "told.json").write_text(json.dumps(told))
"""


@dataclass(frozen=True)
class OldArchive:
    """The archive, and what was said in it, by what its faces and files were called: see MAKE."""

    world: World
    recorded: dict[str, Any]


def take_out(commit: str, folder: Path) -> None:
    """Put the package as it was at a commit into a folder. Skips the test where this clone has not got it."""
    git = ["git", "-C", str(ROOT), "archive", commit, "classface_assets"]
    packed = subprocess.run(git, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip(f"the commit {commit} is not in this clone: {packed.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as files:
        files.extractall(folder, filter="data")


def make_old_archive(folder: Path, commit: str, last_run: bool = False) -> None:
    """Make the archive with the code of a commit, and Dagster's records of it in `records`.

    An erasure removes the records of all runs, and is the last that is done there but for one more run if asked for.
    """
    from classface_assets_tests.conftest import NO_OUTPUT_OF_STEPS

    code = folder / "code"
    take_out(commit, code)
    (folder / "archive" / "records").mkdir(parents=True)
    arguments = [str(folder / "archive"), str(code), ",".join(YEARS), json.dumps(NO_OUTPUT_OF_STEPS)]
    arguments.append("run again" if last_run else "")
    environment = {**os.environ, "PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", MAKE, *arguments]
    made = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[-3000:]
    (folder / "archive" / "records").rename(folder / "records")


def open_world(folder: Path, pack: str = "dlib") -> World:
    """An archive with Dagster's records beside it; by default with the network that it was made with."""
    from classface_assets_tests.conftest import NO_OUTPUT_OF_STEPS

    instance = dg.DagsterInstance.local_temp(str(folder / "records"), overrides=NO_OUTPUT_OF_STEPS)
    return World(folder / "archive", instance, pack)


@pytest.fixture(scope="session")
def made_by_old_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the old archive. Tests only read it."""

    def make(folder: Path) -> None:
        make_old_archive(folder, BEFORE_PICTURE_IDS)

    return made_once(tmp_path_factory, "old archive", make) / "archive"


@pytest.fixture(scope="session")
def made_before_present_layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `archive` that the version before the present layout made, and its `records`."""

    def make(folder: Path) -> None:
        make_old_archive(folder, BEFORE_PRESENT_LAYOUT, last_run=True)

    return made_once(tmp_path_factory, "archive before the present layout", make)


@pytest.fixture(scope="session")
def run_again(made_before_present_layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OldArchive]:
    """The same after one more run of the whole chain, by today's code on the same Dagster records. Only to be read."""

    def make(folder: Path) -> None:
        for name in ("archive", "records"):
            shutil.copytree(made_before_present_layout / name, folder / name)
        made = open_world(folder)
        with made.instance:
            assert made.run() == []

    read = open_world(made_once(tmp_path_factory, "archive of the present layout", make))
    with read.instance:
        yield OldArchive(read, json.loads((read.folder / "told.json").read_text()))


@pytest.fixture(scope="session")
def run_with_builtin(
    made_before_present_layout: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OldArchive]:
    """As `run_again`, by the pack `builtin`, which had dlib's network when the archive was made. Only to be read."""

    def make(folder: Path) -> None:
        for name in ("archive", "records"):
            shutil.copytree(made_before_present_layout / name, folder / name)
        made = open_world(folder, "builtin")
        with made.instance:
            assert made.run() == []

    read = open_world(made_once(tmp_path_factory, "archive with another network", make), "builtin")
    with read.instance:
        yield OldArchive(read, json.loads((read.folder / "told.json").read_text()))


@pytest.fixture
def old_archive(made_by_old_code: Path, tmp_path: Path) -> Iterator[OldArchive]:
    """A copy of the old archive, not yet run by today's code."""
    shutil.copytree(made_by_old_code, tmp_path / "archive")
    with dg.DagsterInstance.ephemeral() as instance:
        recorded = json.loads((tmp_path / "archive" / "told.json").read_text())
        yield OldArchive(World(tmp_path / "archive", instance, "dlib"), recorded)


@pytest.fixture(scope="session")
def upgraded(made_by_old_code: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OldArchive]:
    """The same after one run of the whole chain by today's code. Tests only read it: of names, refusals, erasure."""

    def make(folder: Path) -> None:
        (folder / "records").mkdir()
        shutil.copytree(made_by_old_code, folder / "archive")
        made = open_world(folder)
        with made.instance:
            assert made.run() == []

    read = open_world(made_once(tmp_path_factory, "upgraded archive", make))
    with read.instance:
        yield OldArchive(read, json.loads((read.folder / "told.json").read_text()))
