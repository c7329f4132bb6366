"""Whatever happens to a stored file is seen, and mended by a run or by the command that the message names.

Afterwards the archive holds what it held before, to the last byte of each chip and vector, and every decision.
"""

import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.runner.partial_runs import repair_and_rerun
from classface_assets.defs.runner.pipeline import PipelineRunner
from classface_assets.defs.runner.school_years import select_years
from classface_assets.orchestration.resources import Models
from classface_assets.orchestration.school_year_runs.partitions import register_school_years
from classface_assets.services.maintenance import checksum_note, find_inconsistencies, inconsistency_lines
from classface_assets.services.queries import find_faces
from classface_assets.store.catalog.portraits import save_portrait
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.store.maintenance.integrity import InconsistencyKind, repair
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.vision.detection.records import face_id_for
from classface_assets.vision.models.pack_info import BUILTIN_DETECTOR, BUILTIN_PACK
from classface_assets_tests.conftest import World, made_once
from classface_assets_tests.support.damaged_archive import (
    AT_ONCE_BEFORE_A_RUN,
    AT_ONCE_BEFORE_THE_COMMAND,
    CORPUS,
    LOST,
    YEARS,
    Damage,
    content_of,
    detections,
    flip_column,
    vectors,
)

pytestmark = pytest.mark.slow

EACH_ALONE = bool(os.environ.get("CLASSFACE_EACH_DAMAGE"))
"""Whether each damage happens alone, once before a run and once before the command, which takes some ten minutes."""


@pytest.fixture(scope="session")
def prepared(finished: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The finished archive with seven people named, a drawn face, a portrait and a trained head. Tests only read it."""

    def make(folder: Path) -> None:
        shutil.copytree(finished.folder, folder / "archive")
        with dg.DagsterInstance.ephemeral() as instance:
            world = World(folder / "archive", instance)
            decide(world)
            assert world.run() == []
            assert world.run() == []

    return World(made_once(tmp_path_factory, "archive to damage", make) / "archive", finished.instance)


def decide(world: World) -> None:
    ledger, layout = world.archive.open_ledger(), world.layout
    clusters = world.query("SELECT cluster_id FROM clusters WHERE size > 3 ORDER BY size DESC, cluster_id LIMIT 7")[
        "cluster_id"
    ]
    for number, cluster in enumerate(clusters):
        ledger.label(f"Person {number}", find_faces(layout.database, cluster)[:-1])
    photo, width, height = world.query(
        "SELECT asset_id, width, height FROM image_assets WHERE status = 'ok' AND school_year = '2018-2019' LIMIT 1"
    ).row(0)
    box = (0, 0, round(width / 8), round(height / 8))
    ledger.draw_face(FaceRef(face_id_for(photo, np.array(box)), photo, box))
    store = SchoolYearStore(layout, BUILTIN_DETECTOR, YEARS[0])
    face = find_faces(layout.database, clusters[0])[0].face_id
    chip = next(
        chip for year in YEARS for chip in SchoolYearStore(layout, BUILTIN_DETECTOR, year).chips([face]).values()
    )
    vector = store.embedding_parts(BUILTIN_PACK.key).read()["vector"].to_numpy()[0]
    save_portrait(layout, BUILTIN_PACK.key, (ledger.decisions().labels[face].person_id, "portrait"), vector, chip)


@pytest.fixture
def damaged(prepared: World, tmp_path: Path) -> Iterator[World]:
    shutil.copytree(prepared.folder, tmp_path / "archive")
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(tmp_path / "archive", instance)


@pytest.fixture(scope="session")
def whole(prepared: World) -> dict[str, object]:
    return content_of(prepared.layout)


def do(damages: Sequence[Damage], layout: ArchiveLayout) -> None:
    for damage in damages:
        files = damage.files(layout)
        assert files, f"there is nothing for: {damage.name}"
        for file in files:
            damage.change(file)


def run(world: World) -> list[str]:
    """A run as `classface run` does it; what it reports."""
    register_school_years(world.instance, world.layout)
    lines: list[str] = []
    assert world.chain.run(select_years(world.layout, None), lines.append) == []
    return lines


def fix(world: World) -> list[str]:
    """As `classface find-orphans --fix` does it; what it reports."""
    models = Models(pack=world.pack)
    found = find_inconsistencies(world.archive, models).found
    register_school_years(world.instance, world.layout)
    runner = PipelineRunner(world.instance, world.archive, models, Console(quiet=True))
    lines = list(inconsistency_lines(found)) if found else []
    assert repair_and_rerun(runner, found, lines.append) == []
    return lines


def differences(world: World, whole: dict[str, object]) -> list[str]:
    now = content_of(world.layout)
    return sorted(name for name in whole.keys() | now.keys() if whole.get(name) != now.get(name))


def named(names: Sequence[str]) -> list[Damage]:
    chosen = [damage for damage in CORPUS if damage.name in names]
    assert len(chosen) == len(names)
    return chosen


CASES: list[tuple[list[Damage], Callable[[World], list[str]]]] = (
    [([damage], method) for damage in CORPUS for method in ((run, fix) if damage.shown else (run,))]
    if EACH_ALONE
    else [(named(AT_ONCE_BEFORE_A_RUN), run), (named(AT_ONCE_BEFORE_THE_COMMAND), fix)]
)


@pytest.mark.parametrize(
    ("damages", "method"),
    CASES,
    ids=[f"{damages[0].name if EACH_ALONE else len(damages)}-{method.__name__}" for damages, method in CASES],
)
def test_after_any_damage_the_archive_is_what_it_was(
    damaged: World, whole: dict[str, object], damages: list[Damage], method: Callable[[World], list[str]]
) -> None:
    layout, events = damaged.layout, damaged.archive.open_ledger().events()
    do(damages, layout)
    if any(damage.shown for damage in damages):
        assert find_inconsistencies(damaged.archive, Models(pack=damaged.pack)).found, "it is seen"
    lines = method(damaged)
    assert differences(damaged, whole) == [], "\n".join(lines)
    assert find_inconsistencies(damaged.archive, Models(pack=damaged.pack)).found == ()
    assert damaged.archive.open_ledger().events() == events


def test_what_cannot_be_made_again_is_named_and_left_where_it_lies(damaged: World) -> None:
    layout, models = damaged.layout, Models(pack=damaged.pack)
    (Path(str(layout.data)) / "calibration.json").write_text("{}")
    (Path(str(layout.data)) / "erased.json").write_text("{}")
    assert find_inconsistencies(damaged.archive, models).found == ()
    do(LOST, layout)
    found = find_inconsistencies(damaged.archive, models).found
    assert {one.kind for one in found} == {InconsistencyKind.NOT_REPAIRABLE}
    names = [name for one in found for name in one.names]
    assert len(names) == 3 and any(name.startswith("portraits/") for name in names)
    assert "put it back from a backup" in list(inconsistency_lines(found))[-1]
    before = {name: (Path(str(layout.data)) / name).read_bytes() for name in names}
    assert repair(layout, found) == []
    assert {name: (Path(str(layout.data)) / name).read_bytes() for name in names} == before


def test_the_step_of_a_run_mends_its_own_parts_and_logs_a_sentence(damaged: World) -> None:
    (part,) = detections(0)(damaged.layout)
    chips = part.read_bytes()
    flip_column("chip")(part)
    register_school_years(damaged.instance, damaged.layout)
    assert damaged.chain.run_job("ingest_year", YEARS[0]) == []
    (after,) = detections(0)(damaged.layout)
    before = pl.read_parquet(io.BytesIO(chips)).sort("asset_id", "face_id").drop("created_at")
    assert pl.read_parquet(after).sort("asset_id", "face_id").drop("created_at").equals(before)
    run_id = damaged.instance.get_runs()[0].run_id
    logged = [entry.user_message for entry in damaged.instance.all_logs(run_id)]
    assert [line for line in logged if f"{part.name} is damaged (the checksum of chip does not match)" in line], logged


def test_a_part_without_checksums_that_cannot_be_read_is_made_again_when_a_step_failed_for_it(
    damaged: World, whole: dict[str, object]
) -> None:
    (part,) = vectors(0)(damaged.layout)
    pl.read_parquet(part).write_parquet(part)
    report = find_inconsistencies(damaged.archive, Models(pack=damaged.pack))
    assert report.found == () and "1 file of an older version has no checksum yet" in checksum_note(report)
    chunk = pq.read_metadata(part).row_group(0).column(1)
    content = bytearray(part.read_bytes())
    content[chunk.data_page_offset : chunk.data_page_offset + 40] = b"\xff" * 40
    part.write_bytes(content)
    lines = run(damaged)
    assert [line for line in lines if f"{part.name} is damaged (it cannot be read): it is made again." in line]
    assert differences(damaged, whole) == []
    assert checksum_note(find_inconsistencies(damaged.archive, Models(pack=damaged.pack))) == ""
