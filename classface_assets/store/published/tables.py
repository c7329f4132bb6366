"""The rows of the DuckDB file: catalog, assignments and decisions joined into the tables that others rely on."""

import hashlib
import json
import uuid
from datetime import UTC, datetime

import polars as pl

from classface_assets.core.schemas import PERSONS, PhotoStatus
from classface_assets.store.artifacts.assignment_tables import events_until
from classface_assets.store.catalog.faces import FaceCatalog
from classface_assets.store.consent.photos import collect_refusals, photo_verdicts
from classface_assets.store.decisions.exclusions import drop_faces_from_payload
from classface_assets.store.decisions.reconciliation import confirmed_faces
from classface_assets.store.decisions.replay import replay
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event, undone_event_ids
from classface_assets.store.model.purposes import Purpose
from classface_assets.store.published.newer_refusals import apply_newer_refusals, drop_erased_faces

EXEMPLARS_PER_YEAR = 3
SAMPLE_FACES = 5
_PROTOTYPES = pl.Schema(dict.fromkeys(["person_id", "school_year", "face_instance_id", "role"], pl.String()))
PROTOTYPE_IDS = uuid.UUID("7d0f5f4e-2f0a-5e0b-9c1a-3f1f0a6f7c11")


def build_tables(
    facts: FaceCatalog, assignments: pl.DataFrame, events: list[Event], last: int | None = None, model: str = ""
) -> dict[str, pl.DataFrame]:
    """Build every table of the DuckDB file.

    Args:
        facts: The catalog of all files, faces and vectors.
        assignments: ASSIGNMENTS; faces that it lacks have no cluster yet.
        events: The events of the whole ledger.
        last: The number of the last event by which faces were assigned: newer ones are not published, except refusals
            and erasures. None when all events count.
        model: The key of the model pack that made the vectors.

    Returns:
        The name of each table of DUCKDB_TABLES → its rows.
    """
    decisions, known = replay(events), facts.faces
    if last is not None and events and events[-1].id > last:
        decisions = apply_newer_refusals(replay(events, last), decisions)
        events = events_until(events, last)
        known = drop_erased_faces(known, assignments, decisions)
    faces = _face_instances(known, assignments) if known.height else pl.DataFrame()
    if faces.width:
        size = pl.lit(facts.vectors.shape[1], pl.Int32).alias("embedding_size")
        faces = faces.with_columns(pl.lit(model).alias("model"), size)
    columns = [
        *("asset_id", "school_year", "path", "width", "height", "taken_at", "status", "reason"),
        *("taken_at_source", "utc_offset", "rotation", "near_group", "file_digest", "taken_at_doubt"),
        *("orientation", "page"),
    ]
    return {
        "image_assets": facts.images.select(c for c in columns if c in facts.images.columns),
        "face_instances": faces.drop("school_year", "year") if faces.width else faces,
        "persons": person_rows(decisions),
        "person_prototypes": prototype_rows(known, decisions),
        "face_assignment_events": _event_rows(events, decisions),
        "clusters": cluster_rows(faces) if faces.width else faces,
        "photo_consent": _photo_consent(facts.images, faces, decisions),
    }


def person_rows(decisions: Decisions) -> pl.DataFrame:
    """PERSONS, one row per person, with a face or without; erased people have none."""
    rows = [
        (
            *(p.id, p.display_name, p.status, p.merged_into_id, _naive_utc(p.created_at), _naive_utc(p.updated_at)),
            *(p.kind, p.consent, *(p.consents.get(purpose) for purpose in Purpose)),
        )
        for p in decisions.persons.values()
        if not p.erased
    ]
    return pl.DataFrame(rows, schema=PERSONS, orient="row")


def cluster_rows(faces: pl.DataFrame) -> pl.DataFrame:
    """A row a cluster: size, mean quality, its five best faces, and its school years."""
    best_first = faces.drop_nulls("cluster_id").sort("quality_score", "id", descending=[True, False])
    return best_first.group_by("cluster_id", maintain_order=True).agg(
        pl.len().cast(pl.Int32).alias("size"),
        pl.col("quality_score").mean().alias("mean_quality"),
        pl.col("id").head(SAMPLE_FACES).alias("sample_faces"),
        pl.col("school_year").unique().sort().alias("school_years"),
    )


def prototype_rows(faces: pl.DataFrame, decisions: Decisions) -> pl.DataFrame:
    """The prototypes of each person.

    For each school year the three labelled faces of best quality, and a centroid of all labelled faces where there are
    several; and the portrait that a person was enrolled with, an exemplar of no year and no face of the archive.
    """
    rows = pl.concat([_face_prototypes(faces, confirmed_faces(decisions, faces)), _portrait_prototypes(decisions)])
    if rows.is_empty():
        return pl.DataFrame()
    names = rows.select(pl.concat_str(pl.all().fill_null(""), separator="/"))
    ids = [name_based_id(name) for name in names.to_series()]
    created = {p.id: _naive_utc(p.created_at) for p in decisions.persons.values()}
    return rows.with_columns(
        pl.Series("id", ids),
        pl.col("person_id").replace_strict(created, return_dtype=pl.Datetime("us")).alias("created_at"),
    )


def name_based_id(name: str) -> str:
    """What `uuid.uuid5` makes of a name, in a third of the time."""
    digest = hashlib.sha1(PROTOTYPE_IDS.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def _face_prototypes(faces: pl.DataFrame, confirmed: dict[str, str]) -> pl.DataFrame:
    if not confirmed:
        return pl.DataFrame(schema=_PROTOTYPES)
    mine = pl.DataFrame({"face_id": list(confirmed), "person_id": list(confirmed.values())})
    labelled = faces.join(mine, on="face_id").sort("quality_score", "face_id", descending=[True, False])
    groups = labelled.group_by("person_id", "school_year", maintain_order=True)
    exemplars = groups.head(EXEMPLARS_PER_YEAR).select(
        "person_id", "school_year", pl.col("face_id").alias("face_instance_id"), pl.lit("exemplar").alias("role")
    )
    centroids = (
        groups.len()
        .filter(pl.col("len") > 1)
        .select(
            "person_id",
            "school_year",
            pl.lit(None, pl.String).alias("face_instance_id"),
            pl.lit("centroid").alias("role"),
        )
    )
    return pl.concat([exemplars, centroids])


def _portrait_prototypes(decisions: Decisions) -> pl.DataFrame:
    rows = [(person_id, None, None, "exemplar") for person_id in decisions.portraits]
    return pl.DataFrame(rows, schema=_PROTOTYPES, orient="row")


def _photo_consent(images: pl.DataFrame, faces: pl.DataFrame, decisions: Decisions) -> pl.DataFrame:
    columns = ("face_id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h", "person_id")
    placed = faces.rename({"id": "face_id"}).select(columns) if faces.width else pl.DataFrame()
    photos = images.filter(pl.col("status") == PhotoStatus.OK)["asset_id"]
    return photo_verdicts(photos, placed, collect_refusals(decisions))


def _face_instances(faces: pl.DataFrame, assignments: pl.DataFrame) -> pl.DataFrame:
    joined = faces.join(assignments, on="face_id", how="left", maintain_order="left")
    return joined.drop("status", "reason").rename({"face_id": "id"})


def _event_rows(events: list[Event], decisions: Decisions) -> pl.DataFrame:
    """Every event; without the faces of erased people, and of the events of an erased person only the person's id."""
    undone = undone_event_ids(events)
    erased = {p.id for p in decisions.persons.values() if p.erased}
    rows = []
    for e in events:
        payload = drop_faces_from_payload(e.payload, decisions.erased_faces)
        if payload.get("person_id") in erased:
            payload = {"person_id": payload["person_id"]}
        if "entries" in payload:  # the ledger keeps the roster: birth dates of children are needed nowhere else
            payload["entries"] = len(payload["entries"])
        rows.append((e.id, _naive_utc(e.at), e.actor, e.kind, json.dumps(payload), e.id in undone))
    schema = {
        "id": pl.Int64(),
        "created_at": pl.Datetime("us"),
        "actor": pl.String(),
        "kind": pl.String(),
        "payload": pl.String(),
        "undone": pl.Boolean(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _naive_utc(at: datetime) -> datetime:
    """The same moment in UTC, without a time zone, as the database stores it."""
    return at.astimezone(UTC).replace(tzinfo=None)
