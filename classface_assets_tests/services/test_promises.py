"""What people do in any order breaks no promise: random sequences of decisions and of changes to the files.

After each sequence and a run nobody who was erased or refused is in any album, and every label that was not taken back
is on its face, in each file of its shot.
"""

import os
import pickle
import shutil
from pathlib import Path

import pytest

from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.store.files.duckdb import query_database
from classface_assets_tests.conftest import made_once
from classface_assets_tests.support.promised_archive import Archivist, Prepared, Truth, prepare

pytestmark = pytest.mark.slow

ACTS = 10
SEQUENCES = int(os.environ.get("SEQUENCES", "10"))
"""Forty take some 75 seconds on two cores; another number, such as two hundred before a release, by the variable."""
AT_ONCE = 10


@pytest.fixture(scope="session")
def prepared(sample: SampleArchive, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    def make(folder: Path) -> None:
        (folder / "prepared.pickle").write_bytes(pickle.dumps(prepare(sample, folder)))

    found = pickle.loads((made_once(tmp_path_factory, "prepared", make) / "prepared.pickle").read_bytes())
    assert isinstance(found, Prepared)
    return found


@pytest.mark.parametrize("first", range(0, SEQUENCES, AT_ONCE))
def test_whatever_people_do_no_name_is_lost_and_no_refusal_lifted(
    prepared: Prepared, tmp_path: Path, first: int
) -> None:
    for seed in range(first, first + AT_ONCE):
        somebody = Archivist(prepared, tmp_path / str(seed), seed)
        for _ in range(ACTS):
            somebody.act()
        somebody.run()
        try:
            truth = somebody.truth()
            every_label_is_on_its_face(somebody, truth)
            nobody_erased_is_found(somebody, truth)
            nobody_refused_is_in_an_album(somebody, truth)
        except AssertionError as error:
            raise AssertionError(f"sequence {seed}: {', '.join(somebody.done)}: {error}") from error
        shutil.rmtree(tmp_path / str(seed))  # ten sequences take a gigabyte


def every_label_is_on_its_face(somebody: Archivist, truth: Truth) -> None:
    rows = query_database(somebody.archive.layout.database, "SELECT id, person_id FROM face_instances")
    person_of, seats = dict(rows.iter_rows()), somebody.seats()
    ok = query_database(somebody.archive.layout.database, "SELECT path FROM image_assets WHERE status = 'ok'")[
        "path"
    ].to_list()
    for path, version in somebody.files.items():
        people = {number: person_of[face] for face, number in seats.get(path, {}).items()}
        for number in somebody.prepared.found[version.name] if path in ok else ():
            seat = (version.shot, number)
            if seat in truth.owner:
                assert people.get(number) == truth.now(truth.owner[seat]), f"{path} face {number} has lost its name"
            for person in {p for s, p in truth.rejected if s == seat and seat not in truth.owner}:
                assert people.get(number) != truth.now(person), f"{path} face {number} is who it is not"


def nobody_erased_is_found(somebody: Archivist, truth: Truth) -> None:
    for path, numbers in somebody.seats().items():
        found = {(somebody.files[path].shot, number) for number in numbers.values()} & truth.erased_seats
        assert not found, f"{path} shows erased faces {found}"


def nobody_refused_is_in_an_album(somebody: Archivist, truth: Truth) -> None:
    albums = somebody.archive.layout.albums
    report = albums / "coverage.html"  # which names the files that are in no album
    pages = "\n".join(page.read_text() for page in albums.rglob("*.html") if page != report)
    files = {file.name for file in albums.rglob("*.jpg")}
    living = [p for p in truth.names if p not in truth.erased and p not in truth.merged]
    shown = {truth.names[p] for p in living if not truth.is_refused(p)}
    for person in truth.names:
        hidden = person in truth.erased or truth.is_refused(person)
        if hidden and truth.names[person] not in shown:
            assert truth.names[person] not in pages, f"{truth.names[person]} is in an album"
    for (shot, number), person in truth.owner.items():
        if truth.is_refused(person):
            for path, version in somebody.files.items():
                if version.shot == shot and number in somebody.prepared.found[version.name]:
                    name = path.rsplit("/", 1)[1]
                    assert name not in pages and name not in files, f"{path} shows somebody who refused"
    for path, version in somebody.files.items():
        if {(version.shot, number) for number in somebody.prepared.found[version.name]} & truth.erased_seats:
            name = path.rsplit("/", 1)[1]
            assert name not in pages and name not in files, f"{path} shows somebody who was erased"
