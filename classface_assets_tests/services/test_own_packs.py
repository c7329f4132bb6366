"""Without --pack, prune leaves what the archive itself was made with, and removes nothing where that is not known."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.instance import open_instance
from classface_assets.services.archive_view.own_packs import UnknownPackError, own_packs
from classface_assets.store.catalog.school_year import embedding_version
from classface_assets.store.maintenance.pruning import ActivePack
from classface_assets.vision.models.pack_info import BUILTIN_DETECTOR, BUILTIN_PACK, DLIB_PACK
from classface_assets_tests.cli.test_cli import classface
from classface_assets_tests.conftest import World

BUILTIN = ActivePack(BUILTIN_DETECTOR, BUILTIN_PACK.key)
YEARS = ("2016-2017", "2017-2018", "2018-2019", "2019-2020")


@pytest.fixture
def recorded(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A finished archive of which Dagster has no record."""
    monkeypatch.setenv("DAGSTER_HOME", str(world.layout.dagster_home))
    with open_instance(world.layout) as instance:
        yield World(world.folder, instance)


def move_to_pack(layout: ArchiveLayout, pack: ActivePack) -> None:
    """The archive as it is when it was made with another pack, whose folder of models is no longer there."""
    detected = layout.parts("detections", BUILTIN_DETECTOR)
    detected.rename(detected.with_name(pack.detector))
    vectors = layout.parts("embeddings", embedding_version(BUILTIN.detector, BUILTIN.vectors))
    vectors.rename(vectors.with_name(embedding_version(pack.detector, pack.vectors)))


def copy_vectors(layout: ArchiveLayout, pack: ActivePack) -> Path:
    """Vectors of a further pack with the same detector."""
    vectors = layout.parts("embeddings", embedding_version(BUILTIN.detector, BUILTIN.vectors))
    assert isinstance(vectors, Path)
    return shutil.copytree(vectors, vectors.with_name(embedding_version(pack.detector, pack.vectors)))


def embedded(instance: dg.DagsterInstance, pack: ActivePack, *years: str, detector: bool = True) -> None:
    """Dagster's page shows that these school years were embedded last with that pack."""
    for year in years:
        metadata = {"model_pack": pack.vectors, **({"detector": pack.detector} if detector else {})}
        instance.report_runless_asset_event(dg.AssetMaterialization("embeddings", partition=year, metadata=metadata))


def parts(layout: ArchiveLayout) -> set[Path]:
    return set((Path(str(layout.data)) / "parts").rglob("part-*.parquet"))


def test_prune_leaves_the_only_pack_though_it_is_not_the_default_and_its_models_are_gone(recorded: World) -> None:
    layout, other = recorded.layout, ActivePack("det 10g-abc-4", "our pack@1f")
    move_to_pack(layout, other)
    before = parts(layout)
    assert own_packs(layout, recorded.instance) == [other]
    assert classface(layout, "prune", "--yes").stdout == "There is nothing that is not used.\n"
    assert parts(layout) == before
    assert "faces of detectors that are not in use" in classface(layout, "prune", "--pack", "builtin", "--yes").stdout
    assert parts(layout) < before, "whoever names a pack means it"


def test_prune_takes_the_vectors_of_a_pack_that_the_published_tables_were_not_made_with(recorded: World) -> None:
    layout, dlib = recorded.layout, ActivePack(DLIB_PACK.detector_version, DLIB_PACK.key)
    copied = copy_vectors(layout, dlib)
    assert own_packs(layout, recorded.instance) == [BUILTIN]
    embedded(recorded.instance, dlib, *YEARS[:2])
    assert set(map(str, own_packs(layout, recorded.instance))) == {str(BUILTIN), str(dlib)}, "a change that goes on"
    embedded(recorded.instance, BUILTIN, *YEARS[:2])
    assert own_packs(layout, recorded.instance) == [BUILTIN]
    before = parts(layout)
    pruned = classface(layout, "prune", "--yes")
    assert pruned.returncode == 0 and "vectors of packs not in use" in pruned.stdout
    assert not copied.exists() and parts(layout) == {part for part in before if copied not in part.parents}


def test_of_several_packs_the_records_tell_the_one_in_use_and_else_nothing_is_removed(recorded: World) -> None:
    layout, other = recorded.layout, ActivePack(BUILTIN_DETECTOR, "ours@2")
    copy_vectors(layout, other)
    for table in ("identities", "cluster_assignments"):
        file = layout.table(table)
        assert isinstance(file, Path)
        file.unlink()
    before = parts(layout)
    with pytest.raises(UnknownPackError, match=r"holds data of several model packs .* nothing was removed"):
        own_packs(layout, recorded.instance)
    refused = classface(layout, "prune", "--yes")
    assert refused.returncode == 1 and "Name the one in use with --pack" in refused.stderr
    assert parts(layout) == before
    embedded(recorded.instance, other, *YEARS, detector=False)
    assert own_packs(layout, recorded.instance) == [other], "as an older version recorded it"


def test_faces_without_any_vector_yet_stay(recorded: World) -> None:
    layout = recorded.layout
    shutil.rmtree(layout.parts("embeddings"))
    shutil.rmtree(layout.table("identities").parent)
    detected = layout.parts("detections", BUILTIN_DETECTOR)
    detected.rename(detected.with_name("another-1"))
    assert own_packs(layout, recorded.instance) == [ActivePack("another-1", "")]
    before = parts(layout)
    assert classface(layout, "prune", "--yes").returncode == 0 and parts(layout) == before


def test_a_data_folder_without_parts_has_no_pack_of_its_own(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert own_packs(ArchiveLayout(tmp_path / "photos", tmp_path / "data"), instance) == []
