"""Two machines with data at one URL and one ledger in PostgreSQL, each with a local folder and Dagster of its own."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from upath import UPath

from classface_assets.core.locations import list_files_recursive
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.review.context import ReviewContext
from classface_assets.services.erasure import erase_person, unfinished_erasures
from classface_assets.services.queries import find_faces
from classface_assets.store.ledger.identity import LostLedgerError
from classface_assets.store.published.ledger_record import publish_with_record
from classface_assets.store.published.shared_pointer import blob_place, read_pointer
from classface_assets_tests.support.remote import YEARS, Remote, broken_links, copy_sample, stored

pytestmark = pytest.mark.slow

ROWS = """
    SELECT a.path, a.status, round(f.bbox_x) AS x, round(f.bbox_y) AS y, coalesce(p.name, f.cluster_id) AS who
    FROM image_assets a LEFT JOIN face_instances f ON f.asset_id = a.asset_id AND a.status = 'ok'
    LEFT JOIN persons p ON p.id = f.person_id ORDER BY ALL"""
LARGEST = "SELECT cluster_id FROM clusters WHERE cluster_id LIKE 'unknown%' ORDER BY size DESC, cluster_id LIMIT 1"


@pytest.fixture
def machines(
    bucket: UPath, sample: SampleArchive, tmp_path: Path, postgres_ledger: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Remote, Remote]]:
    """Machine A has run the archive; machine B has nothing."""
    monkeypatch.setenv("CLASSFACE_LEDGER", postgres_ledger)
    copy_sample(sample, bucket / "photos", YEARS[:1])
    with ExitStack() as stack:
        a, b = (
            Remote(
                tmp_path / name,
                stack.enter_context(dg.DagsterInstance.ephemeral()),
                photos_at=str(bucket / "photos"),
                data_at=str(bucket / "data"),
            )
            for name in "ab"
        )
        assert a.run() == []
        yield a, b


def lasting(data: str) -> dict[str, str]:
    """Every object that is of no single moment, by the digest of its content."""
    found = stored(UPath(data, use_listings_cache=False))
    return {name: digest for name, digest in found.items() if "/shared/" not in name}


def name_largest(machine: Remote, name: str) -> None:
    database = machine.layout.database
    machine.archive.open_ledger().label(name, find_faces(database, machine.query(LARGEST).item()))


def test_another_machine_goes_on_where_the_first_one_was(machines: tuple[Remote, Remote], tmp_path: Path) -> None:
    a, b = machines
    before = lasting(a.data_at)
    assert b.run() == []
    assert b.query(ROWS).equals(a.query(ROWS)) and lasting(a.data_at) == before
    year = YEARS[0]
    assert b.number("images", "new_files", year) == b.number("detections", "photos_searched_now", year) == 0
    for asset in ("face_tables", "identities", "projection_head", "albums", "album_site"):
        assert b.number(asset, "unchanged", year if asset == "albums" else None), asset
    assert not (b.layout.albums / "years").exists(), "no picture was fetched or made"

    name_largest(b, "Ada Quill")
    assert b.run() == []
    published = lasting(b.data_at)
    assert any("Ada" in name for name in published), "B has published her folder"
    assert broken_links(UPath(b.data_at) / "albums", tmp_path / "fetched") == []
    assert b.number("albums", "thumbnails_made", year) == 0, "those that A has published are enough"

    assert a.run() == []
    assert lasting(a.data_at) == published, "A's albums are older, and stay where they are"
    assert a.query(ROWS).equals(b.query(ROWS))

    shutil.rmtree(a.folder / "local")
    runs = a.instance.get_runs_count()
    assert a.run() == [] and a.instance.get_runs_count() == runs
    assert lasting(a.data_at) == published and a.query(ROWS).equals(b.query(ROWS))


def test_who_is_forgotten_on_one_machine_is_gone_on_the_other_before_it_serves(machines: tuple[Remote, Remote]) -> None:
    a, b = machines
    name_largest(a, "Ada Quill")
    assert a.run() == []
    server = ReviewContext(a.archive, Models(pack="builtin"))
    (person,) = [p for p in server.view().decisions.persons.values() if p.name == "Ada Quill"]
    theirs = {face for face, who in server.view().faces.select("face_id", "person_id").iter_rows() if who == person.id}
    assert theirs and any("Ada" in str(file) for file in a.layout.albums.rglob("*"))
    old = read_pointer(a.layout)[0].blobs

    receipt = erase_person(b.archive, b.instance, "Ada Quill")
    assert any("share" in item.what for item in receipt.removed)
    assert not theirs & set(server.view().faces["face_id"])
    assert a.query("SELECT id FROM persons").is_empty() and not a.layout.albums.exists()
    left = {entry.path.name for entry in list_files_recursive(blob_place(a.layout))}
    assert left == read_pointer(a.layout)[0].blobs and not left & old
    assert not list((a.folder / "local").rglob("stamps/*.json"))
    assert not any("Ada" in name for name in stored(UPath(a.data_at)))

    assert unfinished_erasures(b.archive) == set() and unfinished_erasures(a.archive) == {person.id}
    assert b.run() == []
    published = lasting(b.data_at)
    with dg.DagsterInstance.ephemeral() as instance:
        erase_person(replace(a, instance=instance).archive, instance, person.id)
    assert unfinished_erasures(a.archive) == set() and lasting(a.data_at) == published, "nothing is removed twice"
    assert a.run() == [] and lasting(a.data_at) == published


def test_a_second_machine_with_a_sqlite_ledger_of_its_own_is_refused(bucket: UPath, tmp_path: Path) -> None:
    def machine(name: str) -> Archive:
        return resolve_archive(str(bucket / "photos"), str(bucket / "data"), tmp_path / name)

    first = machine("a")
    publish_with_record(first.layout, {}, first.open_ledger().record())
    first.share()
    second = machine("b")
    assert second.layout.database.exists(), "what the first has published is here"
    for use in (second.open_ledger().require_known, lambda: second.open_ledger().create_person("Ada")):
        with pytest.raises(LostLedgerError, match=r"is missing; .* CLASSFACE_LEDGER to the same PostgreSQL database"):
            use()
    assert not (second.layout.local / "ledger.sqlite").exists()
    second.open_unchecked_ledger().create_person("Ada")
    with pytest.raises(
        LostLedgerError, match=r"of another ledger; .* CLASSFACE_LEDGER to the same PostgreSQL database"
    ):
        machine("b").open_ledger().require_known()
    first.open_ledger().create_person("Ben")
