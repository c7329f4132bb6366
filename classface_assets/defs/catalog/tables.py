"""Which tables and files each asset writes: every table of the data folder belongs to one asset, its only writer.

The DuckDB file is the one that two assets write, one after the other: `face_tables` the photos and faces as soon as
they are known, with the names of the last publication, and `identities` the same tables again with the new names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import dagster as dg
import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import ASSIGNMENTS, DETECTIONS, IMAGES
from classface_assets.defs.albums.student_coverage import COVERAGE_TABLE
from classface_assets.defs.catalog.columns import database_schema, parquet_schema
from classface_assets.defs.identity.assignment import CLUSTER_NUMBERS
from classface_assets.identity.clustering.incremental import CLUSTER_STATE_SCHEMA
from classface_assets.identity.evaluation.drift import ACCURACY, PUBLICATIONS
from classface_assets.identity.evaluation.progress import PROGRESS_COLUMNS
from classface_assets.identity.evaluation.summary import CHANGES_SCHEMA
from classface_assets.identity.matching.pair_scores import PAIR_SCORES_SCHEMA
from classface_assets.identity.similarity.known_terms import FACE_TERMS_SCHEMA
from classface_assets.identity.similarity.model import FITTED_SIMILARITY_SCHEMA
from classface_assets.store.artifacts.cluster_memory import CLUSTER_MEMORY
from classface_assets.store.artifacts.evaluated_assignments import EVALUATED_ASSIGNMENTS
from classface_assets.store.catalog.photo_records import COMPARED_PHOTOS, LOST_LABELS, PHOTO_RECORDS

DATABASE_SCHEMA = "classface.main"
"""Catalog and schema of the DuckDB file's tables."""


class StorageKind(StrEnum):
    """How a table is stored, and where."""

    PARTS = "parts"
    """Immutable Parquet parts, a folder a school year."""
    TABLE = "tables"
    """One Parquet file."""
    DATABASE = "database"
    """A table of the DuckDB file."""
    FOLDER = "folder"
    """No table."""


@dataclass(frozen=True)
class StoredTable:
    """A table or a folder that an asset writes.

    Attributes:
        name: Of the table.
        storage: How it is stored.
        description: What it is.
        columns: Name → type, of a Parquet table.
    """

    name: str
    storage: StorageKind
    description: str
    columns: Mapping[str, pl.DataType | str] | None = None

    @cached_property
    def schema(self) -> dg.TableSchema | None:
        """Its columns with their descriptions; None of a folder."""
        if self.storage is StorageKind.DATABASE:
            return database_schema(self.name)
        return None if self.columns is None else parquet_schema(self.name, self.columns)

    @property
    def qualified_name(self) -> str | None:
        """Its name with that of the store it is in; None of a folder."""
        if self.storage is StorageKind.FOLDER:
            return None
        return f"{DATABASE_SCHEMA if self.storage is StorageKind.DATABASE else self.storage.value}.{self.name}"

    def uri(self, layout: ArchiveLayout) -> str:
        """Where it lies: a URI, of a local file with the scheme `file`."""
        place = {
            StorageKind.PARTS: layout.parts(self.name),
            StorageKind.TABLE: layout.table(self.name),
            StorageKind.DATABASE: layout.database,
            StorageKind.FOLDER: layout.albums if self.name == "albums" else layout.head,
        }[self.storage]
        return place.absolute().as_uri()


def _table(name: str, description: str, columns: Mapping[str, pl.DataType | str]) -> StoredTable:
    return StoredTable(name, StorageKind.TABLE, description, columns)


def _parts(name: str, description: str, columns: Mapping[str, pl.DataType | str]) -> StoredTable:
    return StoredTable(name, StorageKind.PARTS, description, columns)


def _of_database(name: str, description: str) -> StoredTable:
    return StoredTable(name, StorageKind.DATABASE, description)


GRAPH_COLUMNS: Mapping[str, pl.DataType | str] = {
    "face_id": pl.String(),
    "neighbours": "Array(Int32, k)",
    "similarities": "Array(Float32, k)",
    "made_of": pl.UInt64(),
}

CANDIDATE_COLUMNS: Mapping[str, pl.DataType | str] = {
    "face_id": pl.String(),
    "made_of": pl.UInt64(),
    "persons": "Array(Int32, k)",
    "rank": "Array(Float32, k)",
    "scores": "Array(Float32, k)",
    "support": "Array(Int32, k)",
    "people": "Array(UInt64, k)",
}

TABLES: Mapping[str, tuple[StoredTable, ...]] = {
    "images": (_parts("images", "Every file of the photos folder.", IMAGES),),
    "detections": (
        _parts("detections", "Every face, or one row for a photo without any.", {**DETECTIONS, "chip": pl.Binary()}),
    ),
    "embeddings": (
        _parts("embeddings", "One vector a face.", {"face_id": pl.String(), "vector": "Array(Float32, d)"}),
    ),
    "face_tables": (
        _of_database("image_assets", "Every file of the photos folder, of all school years."),
        _table("photos_with_decisions", "The photos that decisions are about, to find them again.", PHOTO_RECORDS),
        _table(
            "photos_compared", "Photos that were compared with those, so that none is compared twice.", COMPARED_PHOTOS
        ),
        _table("lost_labels", "Labelled faces whose photo is not there at the moment.", LOST_LABELS),
    ),
    "knn_graph": (_table("knn_graph", "The nearest neighbours of each face.", GRAPH_COLUMNS),),
    "cluster_assignments": (
        _table("cluster_assignments", "Each face's person or group, as clustered.", ASSIGNMENTS),
        _table("face_groups", "The groups of unknown faces, which new faces join.", CLUSTER_STATE_SCHEMA),
        _table("face_candidates", "The people whom each face was found to be most similar to.", CANDIDATE_COLUMNS),
        _table("pair_scores", "How well groups of unknown faces match people who were named.", PAIR_SCORES_SCHEMA),
        _table("face_terms", "How similar faces are to strangers and to their groups.", FACE_TERMS_SCHEMA),
        _table("face_space", "How the faces of this archive are compared: one row.", FITTED_SIMILARITY_SCHEMA),
    ),
    "projection_head": (StoredTable("projection_head", StorageKind.FOLDER, "The trained network."),),
    "identities": (
        _table("identities", "Each face's person or group, as published.", ASSIGNMENTS),
        _of_database("face_instances", "Every face with its person or group."),
        _of_database("persons", "Everybody who was named."),
        _of_database("person_prototypes", "The faces that stand for a person."),
        _of_database("clusters", "Every person and every group of unknown faces, with its size."),
        _of_database("photo_consent", "Which photos may be shown for what."),
        _of_database("face_assignment_events", "All decisions, to read: the ledger itself is the original."),
        _of_database("ledger", "Which ledger the archive was published with."),
        _table("changes", "What moved at the last publication, and why.", CHANGES_SCHEMA),
        _table("publications", "Each publication in a few numbers, the last thousand.", PUBLICATIONS),
        _table("cluster_memory", "The groups of faces whose photos are away, for when they come back.", CLUSTER_MEMORY),
        _table("cluster_numbers", "The greatest number of a group: one row.", CLUSTER_NUMBERS),
        _table("knn_graph_of_head", "The nearest neighbours by the vectors of the head in use.", GRAPH_COLUMNS),
        _table("face_groups_of_head", "The groups of unknown faces by these vectors.", CLUSTER_STATE_SCHEMA),
        _table("face_candidates_of_head", "The most similar people by these vectors.", CANDIDATE_COLUMNS),
        _table("pair_scores_of_head", "How well such groups match people by these vectors.", PAIR_SCORES_SCHEMA),
        _table("face_terms_of_head", "How similar faces are to others by these vectors.", FACE_TERMS_SCHEMA),
        _table("face_space_of_head", "How faces are compared by these vectors.", FITTED_SIMILARITY_SCHEMA),
        _table(
            "thresholds_of_head",
            "The thresholds for these vectors: one row, with a column for each that differs.",
            {"made_of": pl.String()},
        ),
    ),
    "evaluation": (
        _table("labelling_progress", "How naming got better as labels were added.", PROGRESS_COLUMNS),
        _table("accuracy", "Each evaluation, in a few numbers.", ACCURACY),
        _table("evaluated_assignments", "Hashes of the assignments that were evaluated last.", EVALUATED_ASSIGNMENTS),
    ),
    "student_coverage": (
        _table("student_coverage", "How often students appear, by school year and class.", COVERAGE_TABLE),
    ),
    "albums": (StoredTable("albums", StorageKind.FOLDER, "The pages and folders of each school year."),),
    "album_site": (StoredTable("albums", StorageKind.FOLDER, "index.html and the students' pages."),),
}
"""Asset → what it writes, the table that it is named for first."""
