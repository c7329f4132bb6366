"""Runs as they are seen and repeated: progress while they last, and nothing computed twice."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from classface_assets.albums.pages.links import find_broken_links
from classface_assets.core.errors import StorageError
from classface_assets.core.languages import sentence, use_language
from classface_assets.defs.albums.albums import SiteConfig, album_site
from classface_assets.defs.identity.cluster_assignments import AssignmentConfig, cluster_assignments
from classface_assets.defs.identity.identities import identities
from classface_assets.defs.identity.knn_graph import GraphConfig, knn_graph
from classface_assets.defs.identity.projection_head import HeadConfig, projection_head
from classface_assets.orchestration.progress import Progress, TaskProgress, asset_event_listener, log_listener
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.updates.record import latest_update
from classface_assets.orchestration.updates.recorder import recorded_update
from classface_assets.review.runs.update_texts import describe_update
from classface_assets.services.queries import find_faces
from classface_assets.store.artifacts.memoization import (
    PACKAGE_FOLDER,
    InputFingerprint,
    catalog_fingerprint,
    content_digest,
    program_digest,
)
from classface_assets.vision.models.pack_info import BUILTIN_DETECTOR, BUILTIN_PACK
from classface_assets_tests.conftest import World


def test_progress_is_reported_in_photos_a_second_faces_errors_and_time_left() -> None:
    lines: list[str] = []
    with Progress((log_listener(lines.append, every_s=0),)).task("2019-2020: finding faces", 1200) as advance:
        time.sleep(0.2)
        advance(300, faces=700, errors=1)
        advance(900, faces=900)
    label, first = lines[0].split(": ", 1)[0], lines[0]
    assert label == "2019-2020" and "300 of 1,200" in first and "700 faces, 1 error" in first
    assert " photos a second" in first and first.endswith(" s left")
    assert re.search(r"1,200 photos in \d+ s", lines[-1]) and "1,600 faces" in lines[-1]


def test_what_went_wrong_in_an_update_is_shown_in_the_language_in_use_and_of_old_ones_in_english(
    tmp_path: Path,
) -> None:
    archive = Archive(photos=str(tmp_path / "photos"), data=str(tmp_path))
    layout = archive.layout
    with pytest.raises(StorageError), recorded_update(archive, Models(pack="builtin"), "classface run") as update:
        update.wait(sentence("%(who)s; waiting until it is done.", who=sentence("Another run of this archive goes on")))
        waiting = latest_update(layout)
        update.add_problems([sentence("%(what)s: %(reason)s", what="a.jpg", reason=sentence("the file is empty"))])
        update.add_problems(["a text of an extension"])
        raise StorageError(sentence("There is no bucket for %(where)s; check its name, or create it.", where="s3://a"))
    record = latest_update(layout)
    assert record is not None and waiting is not None
    old = replace(record, sentences=())
    assert record.shown_problems == old.shown_problems == list(record.problems)
    with use_language("de"):
        assert record.shown_problems == [
            "a.jpg: die Datei ist leer",
            "a text of an extension",
            "Für s3://a gibt es keinen Bucket; prüfen Sie den Namen, oder legen Sie ihn an.",
        ]
        assert old.shown_problems == list(record.problems)
        assert describe_update(waiting)["headline"].startswith("Ein anderer Lauf dieses Archivs ist im Gange; ")
    assert describe_update(waiting)["headline"] == "Another run of this archive goes on; waiting until it is done."


def test_durations_are_rounded_to_the_unit_that_fits() -> None:
    meter = TaskProgress("x", total=10_000, done=100, started=time.monotonic() - 100)
    assert meter.sentence.endswith("1.0 photos a second, 0 errors, 2 h 45 min left")
    assert TaskProgress("x", 600, done=300, started=time.monotonic() - 300).sentence.endswith(" 5 min left")


def test_what_a_short_task_did_is_on_its_materialization_alone(finished: World) -> None:
    for year, photos in (("2016-2017", 10), ("2019-2020", 10)):
        asset = dg.AssetRecordsFilter(asset_key=dg.AssetKey("detections"), asset_partitions=[year])
        assert not finished.instance.fetch_observations(asset, limit=10).records, "each would be an event more"
        (made,) = finished.instance.fetch_materializations(asset, limit=10).records
        assert made.asset_materialization is not None
        final = {name: value.value for name, value in made.asset_materialization.metadata.items()}
        assert final["photos_done"] == photos and final["faces_found"] == final["dagster/row_count"]
        assert final["photos_a_second"] == pytest.approx(photos / final["seconds"], rel=0.2)


def test_a_long_task_is_observed_every_half_minute_and_at_its_end_not_for_every_photo() -> None:
    took: list[float] = []

    @dg.asset
    def photos_of_a_year() -> None:
        began = time.monotonic()
        with Progress((asset_event_listener(every_s=0.3),)).task("2019-2020: finding faces", 40) as advance:
            for _ in range(40):
                time.sleep(0.02)
                advance(1)
        took.append(time.monotonic() - began)

    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([photos_of_a_year], instance=instance).success
        key = dg.AssetKey("photos_of_a_year")
        records = instance.fetch_observations(key, limit=50).records
        (made,) = instance.fetch_materializations(key, limit=10).records
    assert 2 <= len(records) <= 2 + took[0] / 0.3, "a busy machine takes longer over the same photos"
    last = records[0]
    assert last.storage_id < made.storage_id and last.asset_observation is not None
    assert "finding faces: 40 photos in" in str(last.asset_observation.metadata["progress"].value)


YEARS = ("2016-2017", "2017-2018", "2018-2019", "2019-2020")
GLOBAL = (
    "face_tables",
    "knn_graph",
    "cluster_assignments",
    "projection_head",
    "identities",
    "evaluation",
    "student_coverage",
)
ALL_GLOBAL = {*GLOBAL, "album_site"}


def computed_again(world: World) -> set[str]:
    """Run everything; the assets (`albums 2016-2017` for a year's) that were made and not passed over."""
    before = last_made(world)
    assert world.run() == []
    return {
        name
        for name, (number, metadata) in last_made(world).items()
        if before.get(name, (0, {}))[0] < number and "unchanged" not in metadata
    }


def last_made(world: World) -> dict[str, tuple[int, Mapping[str, dg.MetadataValue]]]:
    """Number and metadata of the last materialization of each asset that is one for all, and of each album."""
    made = {}
    for asset, year in [*((asset, None) for asset in ALL_GLOBAL), *(("albums", year) for year in YEARS)]:
        records = world.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[year] if year else None), limit=1
        ).records
        for record in records:
            assert record.asset_materialization is not None
            made[f"albums {year}" if year else asset] = (record.storage_id, record.asset_materialization.metadata)
    return made


@pytest.fixture
def settled(world: World) -> World:
    """A copy of the finished archive that was run where it lies now."""
    assert world.run() == []
    return world


def test_a_second_run_computes_nothing_again_and_reports_the_same(settled: World) -> None:
    written = {p: p.stat().st_mtime_ns for p in settled.layout.data.rglob("*") if is_output(p)}
    faces = settled.number("identities", "dagster/row_count")
    assert computed_again(settled) == set()
    assert {p: p.stat().st_mtime_ns for p in settled.layout.data.rglob("*") if is_output(p)} == written
    assert settled.number("identities", "dagster/row_count") == faces == settled.number("knn_graph", "faces")


def is_output(path: Path) -> bool:
    records = ("ledger.sqlite", "read_today.json")
    return path.is_file() and not {"dagster_home", "stamps"} & set(path.parts) and path.name not in records


def test_a_label_changes_the_identities_and_only_the_albums_it_touches(settled: World) -> None:
    rows = settled.query(
        "SELECT f.cluster_id, list(DISTINCT a.school_year) AS years FROM face_instances f JOIN image_assets a "
        "USING (asset_id) WHERE f.cluster_id LIKE 'unknown_cluster_%' GROUP BY 1 ORDER BY len(years), 1"
    )
    cluster, years = rows.row(0)
    assert len(years) < len(YEARS)
    ledger = settled.archive.open_ledger()
    ledger.label("Kim", find_faces(settled.layout.database, cluster))
    touched = {f"albums {year}" for year in years}
    again = computed_again(settled)
    assert again == (ALL_GLOBAL - {"knn_graph"}) | touched
    assert computed_again(settled) == set()
    ledger.rename("Kim", "Kim Ray")
    assert computed_again(settled) == again - {"student_coverage"}, "its table has no names"
    assert "Kim Ray" in (settled.layout.albums / "index.html").read_text()
    ledger.undo()
    assert computed_again(settled) == again - {"student_coverage"}
    assert "Kim Ray" not in (settled.layout.albums / "index.html").read_text()


def test_who_is_hidden_or_did_not_consent_has_no_album(settled: World) -> None:
    clusters = settled.query("SELECT cluster_id FROM clusters ORDER BY size DESC, cluster_id LIMIT 3")["cluster_id"]
    ledger = settled.archive.open_ledger()
    for name, cluster in zip(("Kim Hidden", "Kim Withdrawn", "Kim Shown"), clusters, strict=True):
        ledger.label(name, find_faces(settled.layout.database, cluster))
    assert settled.run() == []
    assert [name for name in ("Kim Hidden", "Kim Withdrawn", "Kim Shown") if in_albums(settled, name)] == [
        *("Kim Hidden", "Kim Withdrawn", "Kim Shown")
    ]
    ledger.hide("Kim Hidden")
    ledger.set_consent("Kim Withdrawn", False)
    assert settled.run() == []
    assert not in_albums(settled, "Kim Hidden") and not in_albums(settled, "Kim Withdrawn")
    assert in_albums(settled, "Kim Shown") and find_broken_links(settled.layout.albums) == []
    ledger.show("Kim Hidden")
    assert settled.run() == []
    assert in_albums(settled, "Kim Hidden")


def in_albums(world: World, name: str) -> bool:
    """Whether a page contains the name, or a folder or page has it."""
    albums = world.layout.albums
    pages = any(name in page.read_text() for page in albums.rglob("*.html"))
    return pages or any(name in path.name for path in albums.rglob("*"))


def test_a_deleted_and_a_renamed_photo_change_all_that_shows_them(settled: World) -> None:
    photos = settled.query("SELECT path FROM image_assets WHERE path LIKE '2016%' AND status = 'ok' ORDER BY path")
    first, second = (settled.layout.photos / path for path in photos["path"][:2])
    first.rename(first.with_name("another name.jpg"))
    again = computed_again(settled)
    students = ALL_GLOBAL - {"evaluation", "student_coverage"}
    assert again == students | {"albums 2016-2017"}
    assert "another name.jpg" in {p.name for p in (settled.layout.albums / "years" / "2016-2017").rglob("*.jpg")}
    second.unlink()
    assert {"albums 2016-2017", *students} <= computed_again(settled)
    assert second.name not in {p.name for p in (settled.layout.albums / "years" / "2016-2017").rglob("*.jpg")}
    assert computed_again(settled) == set()


# In each round: files that are deleted or emptied, and who makes them again; nothing else in it would have them made.
ROUNDS = (
    {
        "tables/knn_graph.parquet": "knn_graph",
        "albums/years/2016-2017/index.html": "albums 2016-2017",
        "albums/years/2017-2018/*/*.jpg": "albums 2017-2018",
        "albums/students/*.html": "album_site",
    },
    {"tables/cluster_assignments.parquet": "cluster_assignments", "albums/coverage.html": "album_site"},
    {"tables/identities.parquet": "identities", "models/projection_head.json": "projection_head"},
    {"classface.duckdb": "face_tables", "albums/thumbs/*/*.jpg": "", "albums/faces/*/*.jpg": ""},
)


def test_an_output_that_was_deleted_or_emptied_comes_back(settled: World) -> None:
    for deleted in ROUNDS:
        victims = [next(iter(sorted(settled.layout.data.glob(pattern)))) for pattern in deleted]
        for victim in victims:
            victim.write_text("") if victim.suffix == ".html" else victim.unlink()
        assert set(deleted.values()) - {""} <= computed_again(settled)
        assert [victim for victim in victims if not victim.exists() or not victim.stat().st_size] == []
    assert find_broken_links(settled.layout.albums) == []
    assert computed_again(settled) == set()


def test_assets_run_again_after_a_change_of_thresholds_or_of_the_schools_name(settled: World) -> None:
    given = {"archive": settled.archive, "models": Models(pack="builtin")}

    def passed_over(asset: dg.AssetsDefinition, config: dg.Config) -> bool:
        made: dg.MaterializeResult = asset(
            config=config, **{n: given[n] for n in given if n in asset.required_resource_keys}
        )
        return "unchanged" in (made.metadata or {})

    for asset, usual, other in (
        (knn_graph, GraphConfig(), GraphConfig(neighbours=7)),
        (cluster_assignments, AssignmentConfig(), AssignmentConfig(cluster_threshold=0.99)),
        (projection_head, HeadConfig(), HeadConfig(epochs=3)),
        (identities, AssignmentConfig(), AssignmentConfig(cluster_threshold=0.99)),
        (album_site, SiteConfig(), SiteConfig(school="St. Mary's <b>")),
    ):
        assert [passed_over(asset, config) for config in (other, other, usual, usual)] == [False, True, False, True]


def test_the_fingerprint_of_the_catalog_depends_on_pack_and_face_sizes(settled: World) -> None:
    before = catalog_fingerprint(settled.layout, BUILTIN_DETECTOR, BUILTIN_PACK.key)
    assert catalog_fingerprint(settled.layout, BUILTIN_DETECTOR, "other@1") != before
    (pointer,) = (settled.layout.parts("detections", BUILTIN_DETECTOR, YEARS[0])).glob("current.json")
    pointer.write_text('{"settings": "confidence-0.5 size-120"}')
    assert catalog_fingerprint(settled.layout, BUILTIN_DETECTOR, BUILTIN_PACK.key) != before


def test_another_version_of_the_program_computes_everything_again(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE_FOLDER / "albums", tmp_path / "one")
    shutil.copytree(PACKAGE_FOLDER / "albums", tmp_path / "two")
    assert program_digest(tmp_path / "one") == program_digest(tmp_path / "two")
    shutil.copytree(PACKAGE_FOLDER / "albums", tmp_path / "three")
    template = tmp_path / "three" / "templates" / "year.html.j2"
    template.write_text(template.read_text().replace("School year", "Year"))
    assert program_digest(tmp_path / "three") != program_digest(tmp_path / "one")
    shutil.copytree(PACKAGE_FOLDER / "albums", tmp_path / "four")
    with (tmp_path / "four" / "templates" / "lightbox.js").open("a") as script:
        script.write("\n")
    assert program_digest(tmp_path / "four") != program_digest(tmp_path / "one"), "every page has a copy of it"
    stamp = InputFingerprint(tmp_path / "stamp.json", content_digest("one version"), (tmp_path,))
    stamp.record({"rows": 3}, [template])
    assert stamp.cached_metadata() == {"rows": 3}
    assert InputFingerprint(stamp.file, content_digest("another version"), (tmp_path,)).cached_metadata() is None
    assert stamp.cached_metadata() is None, "a stamp that does not hold is gone, should its output be half written now"


def test_a_copied_archive_looks_at_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "table").write_text("rows")
    stamp = InputFingerprint(tmp_path / "here" / "stamp.json", content_digest("a"), (tmp_path / "here",))
    stamp.record({}, [tmp_path / "here" / "table"])
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    copy = InputFingerprint(tmp_path / "there" / "stamp.json", content_digest("a"), (tmp_path / "there",))
    assert copy.cached_metadata() == {}
    (tmp_path / "there" / "table").unlink()
    assert copy.cached_metadata() is None and stamp.cached_metadata() == {}


def test_the_digest_of_a_frame_depends_on_its_rows_and_columns() -> None:
    rows = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    assert (
        content_digest(rows)
        == content_digest(rows.clone())
        == content_digest(pl.concat([rows[:1], rows[1:]], rechunk=False))
    )
    others = [rows.reverse(), rows[:1], rows.rename({"a": "c"}), rows.with_columns(b=pl.lit("x")), rows.fill_null("")]
    assert len({content_digest(other) for other in [rows, *others]}) == 6
    with pytest.raises(TypeError):
        content_digest(object())


def test_a_run_with_nothing_to_do_loads_no_model_and_no_library_for_it(settled: World) -> None:
    heavy = "torch faiss sklearn scipy cv2 onnxruntime skimage insightface hdbscan onnx"
    code = (
        "import sys, dagster\n"
        "from pathlib import Path\n"
        "from classface_assets_tests.conftest import World\n"
        "with dagster.DagsterInstance.ephemeral() as instance:\n"
        "    assert World(Path(sys.argv[1]), instance).run() == []\n"
        f"print(sorted(set('{heavy}'.split()) & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(settled.folder)], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


OPEN = """
import os, sys
from classface_assets.orchestration.instance import prepare_instance
from classface_assets.orchestration.configured_resources import resolve_archive
begin, end = os.pipe()
children = []
for _ in range(4):
    children.append(os.fork())
    if not children[-1]:
        os.close(end)
        os.read(begin, 1)  # until the parent closes the other end
        instance, new = prepare_instance(resolve_archive(sys.argv[1] + "/photos", sys.argv[1] + "/data").layout)
        with instance:
            print(*instance.get_dynamic_partitions("school_year"), flush=True)
        os._exit(0)
os.close(end)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


@pytest.mark.slow
def test_the_first_runs_of_an_archive_may_begin_in_one_moment(tmp_path: Path) -> None:
    """Of four processes, which fork from one that has imported all there is to import."""
    (tmp_path / "photos" / "2019-2020").mkdir(parents=True)
    (tmp_path / "photos" / "2019-2020" / "a.jpg").write_bytes(b"")
    opened = subprocess.run([sys.executable, "-c", OPEN, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (opened.returncode, opened.stdout) == (0, "2019-2020\n" * 4), opened.stderr
