"""Erasing a person whose data lie in a bucket: what an attacker would search is searched, object by object."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from s3fs import S3FileSystem
from upath import UPath

from classface_assets.core.locations import list_files_recursive
from classface_assets.core.schemas import DUCKDB_TABLES
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.instance import open_instance
from classface_assets.services.erasure import ErasureUnfinishedError, erase_person
from classface_assets.services.queries import find_faces
from classface_assets.store.catalog.portraits import save_portrait
from classface_assets.store.erasure.tombstones import tombstones_file
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.support.remote import Remote, ask_for_credentials, copy_sample

NAME = "Zoë-Ångström Unforgettable"
YEARS = ["2016-2017", "2018-2019"]


@dataclass(frozen=True)
class Known:
    """What is to be found nowhere: as text, as bytes, and as vectors (n, d)."""

    words: frozenset[str]
    pieces: frozenset[bytes]
    vectors: np.ndarray

    def in_bytes(self, content: bytes) -> set[str]:
        forms = {
            form
            for word in self.words
            for form in (word.encode(), word.encode("unicode_escape"), json.dumps(word)[1:-1].encode())
        }
        return {repr(piece[:40]) for piece in forms | self.pieces if piece in content}

    def in_rows(self, rows: pl.DataFrame) -> set[str]:
        """What a compressed file holds is seen only by reading it."""
        found = set()
        for column in rows.get_columns():
            if column.dtype == pl.Binary:
                found |= {"a chip" for value in column.drop_nulls() if self.in_bytes(value)}
            elif column.dtype == pl.Array(pl.Float32, self.vectors.shape[1]) and len(column):
                near = column.to_numpy() @ self.vectors.T
                found |= {"a vector"} if near.max() > 0.9999 else set()
            else:
                found |= self.in_bytes(" ".join(map(str, column.to_list())).encode())
        return found


def traces(known: Known, name: str, content: bytes) -> set[str]:
    found = known.in_bytes(name.encode()) | known.in_bytes(content)
    if name.endswith(".parquet"):
        found |= known.in_rows(pl.read_parquet(io.BytesIO(content)))
    return {f"{name}: {one}" for one in found}


def everywhere(known: Known, world: Remote, data: UPath) -> set[str]:
    """What is left in any object of the data and in any local file; of the ledger, its backups and the list of erased
    faces only the names count."""
    nameless = Known(frozenset({NAME}), known.pieces, known.vectors)
    found = set()
    for entry in list_files_recursive(data):
        here = nameless if entry.path == tombstones_file(world.layout) else known
        found |= traces(here, str(entry.path)[len(str(data)) :], entry.path.read_bytes())
    for file in (f for f in (world.folder / "local").rglob("*") if f.is_file()):
        here = nameless if file.name == "ledger.sqlite" or file.parent == world.layout.ledger_backups else known
        found |= traces(here, str(file.relative_to(world.folder)), file.read_bytes())
    for table in DUCKDB_TABLES:
        found |= {f"DuckDB {table}: {one}" for one in known.in_rows(world.query(f"SELECT * FROM {table}"))}
    return found


def old_versions(data: UPath) -> list[str]:
    """What a bucket keeps of what was deleted or written over."""
    name, _, prefix = data.path.partition("/")
    page = S3FileSystem().call_s3("list_object_versions", Bucket=name, Prefix=prefix)
    assert not page["IsTruncated"]
    old = [v["Key"] for v in page.get("Versions", ()) if not v["IsLatest"]]
    return old + [mark["Key"] for mark in page.get("DeleteMarkers", ())]


def also_under_other_names(data: UPath) -> None:
    """Copies of what was made, as by other thresholds, another detector and another pack, and a file half written."""
    for entry in list_files_recursive(data / "parts"):
        key = str(entry.path)[len(str(data / "parts")) + 1 :].split("/")
        if key[0] == "detections" and len(key) == 5:
            for other in (["detections", key[1], key[2], "other thresholds"], ["detections", "other 1", *key[2:4]]):
                data.joinpath("parts", *other, "part-copy.parquet").write_bytes(entry.path.read_bytes())
        if key[0] == "embeddings":
            data.joinpath("parts", "embeddings", "other pack", *key[2:]).write_bytes(entry.path.read_bytes())


def known_of(world: Remote, ids: set[str], person_id: str) -> Known:
    """The chips and vectors of the faces, their crops in albums, and all words for them."""
    chips, vectors = [], []
    for entry in list_files_recursive(world.layout.data / "parts"):
        if entry.path.suffix == ".parquet":
            rows = pl.read_parquet(io.BytesIO(entry.path.read_bytes()))
            mine = rows.filter(pl.col("face_id").is_in(list(ids))) if "face_id" in rows.columns else rows.clear()
            chips += mine["chip"].drop_nulls().to_list() if "chip" in mine.columns else []
            vectors += [mine["vector"].to_numpy()] if mine.height and "vector" in mine.columns else []
    crops = [f.read_bytes() for f in world.layout.albums.rglob("faces/*/*.jpg") if f.stem in ids]
    assert chips and vectors and crops
    together = np.unique(np.concatenate(vectors), axis=0)
    pieces = {bytes(one) for one in (*chips, *crops)} | {vector.tobytes() for vector in together}
    return Known(frozenset({NAME, *ids}), frozenset(pieces), together)


def test_nothing_is_left_in_a_bucket_nor_here_though_erasing_stopped_halfway(
    bucket: UPath,
    s3_server: str,
    sample: SampleArchive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")  # put back after the test
    S3FileSystem().call_s3(
        "put_bucket_versioning", Bucket=bucket.path.rstrip("/"), VersioningConfiguration={"Status": "Enabled"}
    )
    photos, data = bucket / "photos", bucket / "data #1"
    copy_sample(sample, photos, YEARS)
    archive = resolve_archive(str(photos), str(data), tmp_path / "local")
    with open_instance(archive.layout) as instance:
        world = Remote(tmp_path, instance, photos_at=str(photos), data_at=str(data))
        assert world.run() == []
        largest = world.query("SELECT cluster_id FROM clusters ORDER BY size DESC, cluster_id LIMIT 1").item()
        faces = find_faces(world.layout.database, largest)
        ledger, ids = archive.open_ledger(), {face.face_id for face in faces}
        person = ledger.label(NAME, faces).person
        ledger.import_roster([RosterEntry(NAME, "77"), RosterEntry("Somebody else", "78")], "roster.csv")
        vector = np.full(128, 128**-0.5, np.float32)
        save_portrait(world.layout, "some pack", (person.id, "portrait"), vector, b"the portrait's chip")
        assert world.run() == []
        (world.layout.dagster_home / "review.log").write_text(NAME)
        also_under_other_names(data)
        known = known_of(world, ids, person.id)
        known = Known(known.words, known.pieces | {b"the portrait's chip"}, np.vstack([known.vectors, vector]))
        before = everywhere(known, world, data)
        for place in (
            "parts/detections",
            "parts/embeddings",
            "parts/portraits",
            "/portraits/",
            "tables",
            "albums",
            "dagster_home",
            "ledger_backups",
        ):
            assert any(place in trace for trace in before), f"there is something to find in {place}"

        for calls in ("3", "40", "90"):
            ask_for_credentials(s3_server, calls)
            try:
                with pytest.raises(ErasureUnfinishedError, match=r"refuses access .*`classface forget` finishes it\.$"):
                    erase_person(archive, instance, NAME)
            finally:
                ask_for_credentials(s3_server, "inf")
        assert world.run() == [], "a run between is no way back"
        receipt = erase_person(archive, instance, NAME)
        assert receipt.face_count == len(ids) and receipt.photos and not receipt.notes
        assert everywhere(known, world, data) == set()
        assert not any(old_versions(data / name) for name in ("parts", "portraits", "tables", "albums"))
        assert world.run() == []
        assert everywhere(known, world, data) == set(), "nor does it come back"
        assert erase_person(archive, instance, person.id).removed == ()
