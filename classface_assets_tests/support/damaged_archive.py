"""The corpus of damages: what can happen to each kind of stored file, and what an archive holds, to compare it with.

An archive is compared byte for byte: rows, chips, vectors, albums and the head; of the rows only the time at which a
face was found may differ.
"""

import io
import os
import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import DUCKDB_TABLES
from classface_assets.store.catalog.school_year import SchoolYearStore, image_parts
from classface_assets.store.files.duckdb import query_database
from classface_assets.vision.models.pack_info import BUILTIN_DETECTOR, BUILTIN_PACK

YEARS = ("2016-2017", "2017-2018", "2018-2019", "2019-2020")
PARQUET_TABLES = ("identities", "cluster_assignments", "knn_graph")
Change = Callable[[Path], None]


@dataclass(frozen=True)
class Damage:
    """One thing that happens to a stored file.

    Attributes:
        name: What happens to what.
        files: Finds the files in an archive.
        change: What happens to each of them.
        shown: Whether `find-orphans` reports it. A run makes it again in any case.
    """

    name: str
    files: Callable[[ArchiveLayout], list[Path]]
    change: Change
    shown: bool = True


def store(layout: ArchiveLayout, year: int) -> SchoolYearStore:
    return SchoolYearStore(layout, BUILTIN_DETECTOR, YEARS[year])


def images(year: int) -> Callable[[ArchiveLayout], list[Path]]:
    return lambda layout: _paths(image_parts(layout, YEARS[year]).files())


def detections(year: int) -> Callable[[ArchiveLayout], list[Path]]:
    return lambda layout: _paths(next(iter(store(layout, year).all_detection_parts())).files())


def vectors(year: int) -> Callable[[ArchiveLayout], list[Path]]:
    return lambda layout: _paths(store(layout, year).embedding_parts(BUILTIN_PACK.key).files())


def table(*names: str) -> Callable[[ArchiveLayout], list[Path]]:
    return lambda layout: [Path(str(layout.table(name))) for name in names]


def found(pattern: str, count: int = 1) -> Callable[[ArchiveLayout], list[Path]]:
    """The first files in the data folder of a pattern."""
    return lambda layout: sorted(Path(str(layout.data)).glob(pattern))[:count]


def _paths(files: Iterable[object]) -> list[Path]:
    return [Path(str(file)) for file in files]


def flip(count: int = 20, start: float = 0.0, end: float = 1.0) -> Change:
    """Flip a bit in each of some bytes of a stretch of the file, whose size and time of change stay."""

    def change(file: Path) -> None:
        status, content, rng = file.stat(), bytearray(file.read_bytes()), random.Random(file.name)
        for _ in range(count):
            content[rng.randrange(int(start * len(content)), int(end * len(content)))] ^= 1 << rng.randrange(8)
        file.write_bytes(content)
        _set_time(file, status.st_mtime_ns)

    return change


def flip_column(column: str) -> Change:
    """Flip bits in the values of a column: the file still parses."""

    def change(file: Path) -> None:
        import pyarrow.parquet as pq

        metadata = pq.read_metadata(file)
        names = [metadata.row_group(0).column(n).path_in_schema.split(".")[0] for n in range(metadata.num_columns)]
        chunk = metadata.row_group(0).column(names.index(column))
        start = min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
        content, end = bytearray(file.read_bytes()), start + chunk.total_compressed_size
        content[end - 40] ^= 4
        file.write_bytes(content)

    return change


def flip_footer(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-40] ^= 1
    file.write_bytes(content)


def cut(share: float) -> Change:
    return lambda file: file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)]) and None


def empty(file: Path) -> None:
    file.write_bytes(b"")


def garbage(file: Path) -> None:
    file.write_bytes(random.Random(1).randbytes(file.stat().st_size))


def delete(file: Path) -> None:
    file.unlink()


def folder_instead(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "something").write_text("else")


def swap_with(other: Callable[[Path], Path]) -> Change:
    def change(file: Path) -> None:
        mine, theirs = file.read_bytes(), other(file).read_bytes()
        file.write_bytes(theirs)
        other(file).write_bytes(mine)

    return change


def nothing(_: Path) -> None:
    """What happened, happened to the archive when its files were looked for."""


def _set_time(file: Path, time_ns: int) -> None:

    os.utime(file, ns=(time_ns, time_ns))


def of_another_year(layout: ArchiveLayout) -> list[Path]:
    """Parts of the first year lie among those of the second one too."""
    copies = []
    for part in (*images(0)(layout), *detections(0)(layout), *vectors(0)(layout)):
        other = Path(str(part).replace(YEARS[0], YEARS[1]))
        shutil.copy2(part, other)
        copies.append(other)
    return copies


def older_part(layout: ArchiveLayout) -> list[Path]:
    """A part that was compacted away is back, as from a backup: rows that are there twice."""
    (part,) = detections(1)(layout)
    rows = pl.read_parquet(part)[:5]
    parts = next(iter(store(layout, 1).all_detection_parts()))
    return _paths([parts.append(rows)])


def older_table(layout: ArchiveLayout) -> list[Path]:
    """The tables of a run before the people were named, with checksums that fit."""
    from classface_assets.store.files.parquet import read_parquet, write_parquet

    file = table("cluster_assignments")(layout)[0]
    rows = read_parquet(file).with_columns(pl.lit(None, pl.String).alias("person_id"))
    write_parquet(rows[: rows.height // 2], file)
    return [file]


def older_database(layout: ArchiveLayout) -> list[Path]:
    """The published database has other names than the tables, and lacks a face."""
    import duckdb

    with duckdb.connect(layout.database) as con:
        con.execute("UPDATE face_instances SET cluster_id = 'unknown_cluster_99', person_id = NULL")
        con.execute("DELETE FROM face_instances WHERE id = (SELECT min(id) FROM face_instances)")
    return [layout.database]


def database_flipped(file: Path) -> None:
    """A block of DuckDB's that holds rows."""
    content = bytearray(file.read_bytes())
    block = 256 << 10
    for at in range(3 * 4096, len(content), block):
        content[min(at + 5000, len(content) - 1)] ^= 8
    file.write_bytes(content)


CORPUS = (
    Damage("bits of a chip flip", detections(0), flip_column("chip")),
    Damage("bits of face ids flip", detections(1), flip_column("face_id")),
    Damage("bits of vectors flip", vectors(0), flip_column("vector")),
    Damage("bits of paths flip", images(0), flip_column("path")),
    Damage("20 bits of detections flip", detections(2), flip()),
    Damage("20 bits of vectors flip", vectors(1), flip()),
    Damage("20 bits of the list of files flip", images(1), flip()),
    Damage("a bit in the footer of detections flips", detections(3), flip_footer),
    Damage("a bit in the footer of vectors flips", vectors(2), flip_footer),
    Damage("a bit in the header of the list of files flips", images(2), flip(1, 0, 0.001)),
    Damage("detections are cut off", detections(0), cut(0.6)),
    Damage("vectors are cut off", vectors(0), cut(0.3)),
    Damage("the list of files is empty", images(0), empty),
    Damage("detections are garbage", detections(1), garbage),
    Damage("vectors are empty", vectors(1), empty),
    Damage("detections are deleted", detections(2), delete),
    Damage("vectors are deleted", vectors(3), delete),
    Damage("the list of files is deleted", images(3), delete),
    Damage("detections and vectors are swapped", detections(3), swap_with(lambda f: _other(f, "detections"))),
    Damage("a folder lies in the place of detections", detections(0), folder_instead),
    Damage("a folder lies in the place of vectors", vectors(2), folder_instead),
    Damage("parts of another year lie in a year", of_another_year, nothing),
    Damage("an older part is back", older_part, nothing),
    Damage("the settings of a search are garbage", found("parts/detections/*/*/current.json"), garbage),
    Damage("the settings of a search name none", found("parts/detections/*/*/current.json", 2), flip(1, 0.6, 0.65)),
    Damage("the settings of a search are empty", found("parts/detections/*/*/current.json", 3), empty),
    Damage("a folder lies in the place of settings", found("parts/detections/*/*/current.json"), folder_instead),
    Damage("bits of the identities flip", table("identities"), flip_column("cluster_id")),
    Damage("the identities are cut off", table("identities"), cut(0.5)),
    Damage(
        "the identities and the clusters are swapped",
        table("identities"),
        swap_with(lambda file: file.with_name("cluster_assignments.parquet")),
    ),
    Damage("older clusters are back", older_table, nothing, shown=False),
    Damage("the clusters are garbage", table("cluster_assignments"), garbage),
    Damage("bits of the graph flip", table("knn_graph"), flip()),
    Damage("a folder lies in the place of the graph", table("knn_graph"), folder_instead),
    Damage("the state of the clusters is damaged", table("face_groups", "face_space", "cluster_numbers"), flip_footer),
    Damage("the records of photos are empty", table("photos_with_decisions", "photos_compared", "lost_labels"), empty),
    Damage("a table is deleted", table("identities"), delete),
    Damage("bits of the database flip", found("classface.duckdb"), database_flipped),
    Damage("the database is cut off", found("classface.duckdb"), cut(0.5)),
    Damage("the database is garbage", found("classface.duckdb"), garbage),
    Damage("the database is deleted", found("classface.duckdb"), delete),
    Damage("a folder lies in the place of the database", found("classface.duckdb"), folder_instead),
    Damage("an older database is back", older_database, nothing),
    Damage("bits of the head flip", found("models/projection_head.pt"), flip(3)),
    Damage("the head's report is garbage", found("models/projection_head.json"), garbage),
    Damage("the head is deleted", found("models/projection_head.pt"), delete),
    Damage("a checkpoint of the training is cut off", found("models/*_epochs/*.pt"), cut(0.5)),
    Damage("bits of fingerprints flip", found("stamps/*.json", 20), flip(2)),
    Damage("fingerprints are empty", found("stamps/*/*.json", 20), empty),
    Damage("a folder lies in the place of a fingerprint", found("stamps/identities.json"), folder_instead),
    Damage("bits of thumbnails flip", found("albums/thumbs/**/*.jpg", 3), flip(1, 0.5, 0.9)),
    Damage("thumbnails are cut off", found("albums/thumbs/**/*.jpg", 3), cut(0.7)),
    Damage("face crops are swapped", found("albums/faces/**/*.jpg"), swap_with(lambda f: _neighbour(f))),
    Damage("a page of a year is cut off", found("albums/years/*/index.html"), cut(0.5)),
    Damage("bits of a student's page flip", found("albums/students/*.html", 2), flip(2)),
    Damage("the index is empty", found("albums/index.html"), empty),
    Damage("the style sheet is deleted", found("albums/style.css"), delete),
)  # fmt: skip
"""Every damage that is mended. Of what cannot be made again see LOST."""
AT_ONCE_BEFORE_A_RUN = (
    "bits of a chip flip",
    "20 bits of vectors flip",
    "a bit in the header of the list of files flips",
    "detections are deleted",
    "detections and vectors are swapped",
    "the settings of a search name none",
    "bits of the identities flip",
    "bits of the graph flip",
    "the state of the clusters is damaged",
    "the records of photos are empty",
    "bits of the head flip",
    "a checkpoint of the training is cut off",
    "bits of thumbnails flip",
    "a page of a year is cut off",
    "the style sheet is deleted",
)
AT_ONCE_BEFORE_THE_COMMAND = (
    "the list of files is empty",
    "detections are garbage",
    "vectors are empty",
    "a folder lies in the place of vectors",
    "a bit in the footer of detections flips",
    "vectors are deleted",
    "the settings of a search are empty",
    "the clusters are garbage",
    "a folder lies in the place of the graph",
    "bits of the database flip",
    "the head's report is garbage",
    "bits of fingerprints flip",
    "thumbnails are cut off",
    "face crops are swapped",
    "bits of a student's page flip",
)
"""Names of damages of different files, none of which hides another."""
LOST = (
    Damage("bits of a portrait flip", found("portraits/*/*.jpg"), flip(1, 0.5, 0.9)),
    Damage("calibrated thresholds are garbage", found("calibration.json"), garbage),
    Damage("the list of erased people is garbage", found("erased.json"), garbage),
)


def _other(file: Path, asset: str) -> Path:
    """The vectors of the year of a part of detections."""
    data = next(parent for parent in file.parents if parent.name == "parts")
    year = file.parent.parent.name if asset == "detections" else file.parent.name
    return next(iter(sorted(data.glob(f"embeddings/*/{year}/part-*.parquet"))))


def _neighbour(file: Path) -> Path:
    faces = next(parent for parent in file.parents if parent.name == "faces")
    return sorted(faces.rglob("*.jpg"))[1]


def content_of(layout: ArchiveLayout) -> dict[str, object]:
    """All that counts in an archive, in an order that does not depend on how it came to be.

    Rows of photos that are in another school year now do not count: a photo that was moved leaves some.
    """
    content: dict[str, object] = {}
    for number, year in enumerate(YEARS):
        files, faces = (_read(find(number)(layout)) for find in (images, detections))
        faces = faces.join(files, on="asset_id", how="semi")
        content[f"files of {year}"] = _bytes_of(files.sort("path"))
        content[f"faces and chips of {year}"] = _bytes_of(faces.sort("asset_id", "face_id", nulls_last=True))
        embedded = _read(vectors(number)(layout)).join(faces, on="face_id", how="semi")
        content[f"vectors of {year}"] = _bytes_of(embedded.sort("face_id"))
    for name in PARQUET_TABLES[:2]:
        content[name] = _bytes_of(_read(table(name)(layout)).sort("face_id"))
    for name in DUCKDB_TABLES:
        rows = query_database(layout.database, f"SELECT * FROM {name}")
        rows = rows.drop("created_at", "updated_at") if name == "face_instances" else rows
        content[f"database: {name}"] = _bytes_of(rows.sort(rows.columns[0], *rows.columns[1:2]))
    data = Path(str(layout.data))
    for folder in ("albums", "portraits"):
        for file in sorted(data.glob(f"{folder}/**/*")):
            if file.is_file():
                content[file.relative_to(data).as_posix()] = sha256(file.read_bytes()).hexdigest()
    content["head"] = sha256(layout.head.read_bytes()).hexdigest()
    return content


def _read(files: list[Path]) -> pl.DataFrame:
    rows = pl.concat([pl.read_parquet(file) for file in files], how="diagonal_relaxed")
    return rows.drop("created_at", strict=False)


def _bytes_of(rows: pl.DataFrame) -> bytes:
    """Two archives have the same rows where these bytes are the same."""
    out = io.BytesIO()
    rows.select(sorted(rows.columns)).write_ipc(out, compat_level=pl.CompatLevel.oldest())
    return out.getvalue()
