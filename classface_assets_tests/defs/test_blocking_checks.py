"""A blocking check that fails in a whole run: nothing is made of what is wrong, and what was published stays."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from classface_assets.cli.__main__ import cli
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.instance import open_instance
from classface_assets.store.files.parquet import read_parquet, write_parquet
from classface_assets_tests.conftest import World

PUBLISHED = ("cluster_assignments", "identities", "changes", "publications")
"""Tables that come after the graph of neighbours."""


def spoil_a_similarity(layout: ArchiveLayout) -> None:
    """A similarity that no two faces can have, in the graph that the next run goes on from."""
    table = layout.table("knn_graph")
    rows = read_parquet(table)
    similarities = rows["similarities"].to_numpy().copy()
    similarities[0, 0] = 1.9
    write_parquet(
        rows.with_columns(pl.Series("similarities", similarities.astype(np.float32))).cast(rows.schema), table
    )


def digests(layout: ArchiveLayout) -> Mapping[str, str]:
    """Path → digest of the tables after the graph, and of all albums."""
    files = [Path(str(layout.table(name))) for name in PUBLISHED]
    files += [file for file in Path(str(layout.albums)).rglob("*") if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_check_that_blocks_stops_identities_and_albums_and_leaves_the_former_publication(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    layout = world.layout
    spoil_a_similarity(layout)
    before, served = digests(layout), "SELECT id, cluster_id, person_id FROM face_instances ORDER BY id"
    faces = world.query(served)
    assert len(before) > len(PUBLISHED) and faces.height
    options = ("--photos", str(layout.photos), "--data", str(layout.data), "--years", "2016-2017")
    result = CliRunner().invoke(cli, ["run", *options])
    assert result.exit_code == 1
    assert "The check neighbours_are_sound of knn_graph failed, so nothing is made of it" in result.stderr
    assert "Traceback" not in result.output and "2016-2017: album" not in result.output
    assert digests(layout) == before and world.query(served).equals(faces)
    with open_instance(layout) as instance:
        made = {
            name: instance.get_latest_materialization_event(dg.AssetKey(name)) is not None
            for name in ("embeddings", "knn_graph", "cluster_assignments", "identities", "album_site")
        }
    assert [name for name, is_made in made.items() if is_made] == ["embeddings", "knn_graph"]
