"""A data folder, ledger and Dagster records of the version before the package's present layout: they open and work."""

import shutil
import sqlite3
from pathlib import Path

import dagster as dg
import pytest

from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.store.files.parquet import read_parquet
from classface_assets_tests.support.old_archive import YEARS, OldArchive, open_world

pytestmark = pytest.mark.slow


def events_of(data: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(data / "ledger.sqlite") as ledger:
        return ledger.execute("SELECT * FROM events ORDER BY id").fetchall()


def parts_of(data: Path) -> set[str]:
    return {file.relative_to(data).as_posix() for file in (data / "parts").rglob("*.parquet")}


def test_an_upgrade_searches_no_photo_and_embeds_no_face_again(run_again: OldArchive) -> None:
    for year in YEARS:
        assert run_again.world.number("detections", "photos_searched_now", year) == 0
        assert run_again.world.number("embeddings", "embedded_now", year) == 0


def test_an_upgrade_leaves_every_parquet_part_unchanged(
    run_again: OldArchive, made_before_present_layout: Path
) -> None:
    before, after = made_before_present_layout / "archive" / "data", run_again.world.folder / "data"
    assert parts_of(after) == parts_of(before) != set()
    for part in parts_of(before):
        assert (after / part).read_bytes() == (before / part).read_bytes()


def test_an_upgrade_leaves_the_ledger_unchanged(run_again: OldArchive, made_before_present_layout: Path) -> None:
    before = events_of(made_before_present_layout / "archive" / "data")
    assert events_of(run_again.world.folder / "data") == before and len(before) > 8


def test_an_upgrade_leaves_every_face_with_its_person_or_cluster(
    run_again: OldArchive, made_before_present_layout: Path
) -> None:
    table = Path("tables") / "identities.parquet"
    before = read_parquet(made_before_present_layout / "archive" / "data" / table).sort("face_id")
    after = read_parquet(run_again.world.folder / "data" / table).sort("face_id")
    columns = [name for name in before.columns if name in ASSIGNMENTS and name != "assignment_reason"]
    assert {"face_id", "cluster_id", "person_id"} <= set(columns)
    assert after.select(columns).equals(before.select(columns)) and before.height > 20


def test_names_refusals_and_erasure_hold_in_the_albums(run_again: OldArchive) -> None:
    recorded = run_again.recorded
    pages = "\n".join(page.read_text() for page in run_again.world.layout.albums.rglob("*.html"))
    assert recorded["withdrawn"] not in pages and recorded["erased"]["name"] not in pages
    assert any(name in pages for name in recorded["labelled"])


def test_what_dagster_recorded_before_the_upgrade_is_listed_beside_the_new_runs(
    run_again: OldArchive, made_before_present_layout: Path, tmp_path: Path
) -> None:
    for name in ("archive", "records"):  # an instance writes files there, which other workers may be copying
        shutil.copytree(made_before_present_layout / name, tmp_path / name)
    before = open_world(tmp_path)
    with before.instance:
        old_runs = {run.run_id for run in before.instance.get_runs()}
        recorded = {key.to_user_string() for key in before.instance.all_asset_keys()}
    assert old_runs and {"images", "detections", "embeddings", "identities", "albums"} <= recorded
    instance = run_again.world.instance
    runs = instance.get_runs()
    assert old_runs < {run.run_id for run in runs} and {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert {key.to_user_string() for key in instance.all_asset_keys()} >= recorded
    assert run_again.world.run() == []
