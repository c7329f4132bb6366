"""The ledger laid over published faces: labels, rejections, merges, splits and links as they will be after a run."""

from collections.abc import Iterable, Sequence, Set
from hashlib import blake2b

import polars as pl

from classface_assets.core.face_constraints import FaceConstraints
from classface_assets.core.schemas import noise_id
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event, undone_event_ids

_NOISE_ID = noise_id()
_LABELS_SCHEMA = {"face_id": pl.String, "said": pl.String}
_SPLITS_SCHEMA = {"face_id": pl.String, "event": pl.Int64, "of": pl.String, "part": pl.String}
_REJECTIONS_SCHEMA = {"face_id": pl.String, "person_id": pl.String}


def overlay_decisions(
    faces: pl.DataFrame,
    decisions: Decisions,
    now: FaceConstraints,
    before: Set[str],
    events: Sequence[Event],
    known_until: int,
) -> pl.DataFrame:
    """The published faces with person_id, person_name, cluster_id, score, reason and `confirmed` as they stand now.

    `before`: the faces that were confirmed when they were published, by the events up to `known_until`. A label that is
    no longer said leaves its face unknown, and so does the word since then that a face is nobody's.
    """
    gone = list(now.not_faces | now.erased_faces)
    faces = _apply_merges(faces.filter(~pl.col("face_id").is_in(gone)), decisions)
    confirmed = pl.DataFrame(list(now.confirmed.items()), schema=_LABELS_SCHEMA, orient="row")
    taken_off = {face for face, mark in decisions.removed_labels.items() if mark.event_id > known_until}
    taken_back = list(before - now.confirmed.keys() | taken_off)
    rejected = pl.DataFrame(list(now.rejected), schema=_REJECTIONS_SCHEMA, orient="row").with_columns(
        pl.lit(value=True).alias("no")
    )
    joined = faces.join(confirmed, on="face_id", how="left", maintain_order="left")
    joined = joined.join(rejected, on=["face_id", "person_id"], how="left", maintain_order="left")
    labelled = pl.col("said").is_not_null()
    lost = pl.col("person_id").is_not_null() & (pl.col("no").is_not_null() | pl.col("face_id").is_in(taken_back))

    def either(if_labelled: pl.Expr | float, if_lost: pl.Expr | None, else_: pl.Expr) -> pl.Expr:
        return pl.when(labelled).then(if_labelled).when(lost).then(if_lost).otherwise(else_)

    own = pl.coalesce("cluster_id", _NOISE_ID)
    reason = pl.col("assignment_reason")
    faces = joined.with_columns(
        either(pl.col("said"), None, pl.col("person_id")).alias("person_id"),
        either(pl.format("person_{}", pl.col("said")), _NOISE_ID, own).alias("cluster_id"),
        either(1.0, None, pl.col("assignment_score")).alias("assignment_score"),
        either(pl.lit("labelled"), pl.lit("taken back since the last run"), reason).alias("assignment_reason"),
        labelled.alias("confirmed"),
    ).drop("said", "no")
    faces = _apply_links(_apply_splits(faces, events, known_until), now)
    return _add_person_names(faces, decisions).with_columns(pl.col("face_id").set_sorted())


def _apply_merges(faces: pl.DataFrame, decisions: Decisions) -> pl.DataFrame:
    """Merged persons are those they became; people who are no longer there leave their faces unknown."""
    known = [(p.id, decisions.canonical_id(p.id)) for p in decisions.persons.values() if not p.erased]
    whose = pl.DataFrame(known, schema={"person_id": pl.String, "became": pl.String}, orient="row")
    joined = faces.join(whose, on="person_id", how="left", maintain_order="left")
    theirs = pl.col("became").is_not_null()
    orphan = pl.col("person_id").is_not_null() & ~theirs
    return joined.with_columns(
        pl.col("became").alias("person_id"),
        pl.when(theirs)
        .then(pl.format("person_{}", pl.col("became")))
        .when(orphan)
        .then(_NOISE_ID)
        .otherwise("cluster_id")
        .alias("cluster_id"),
    ).drop("became")


def _apply_splits(faces: pl.DataFrame, events: Sequence[Event], known_until: int) -> pl.DataFrame:
    """The groups of a split get ids of their own at once, and keep them until a run has parted the groups."""
    undone = undone_event_ids(events)
    rows = [
        (face["face_id"], event.id, event.payload["cluster_id"], subcluster_suffix(face["face_id"] for face in group))
        for event in events
        if event.kind == "cluster_split" and event.id not in undone
        for group in event.payload["groups"]
        for face in group
    ]
    if not rows:
        return faces
    parts = pl.DataFrame(rows, schema=_SPLITS_SCHEMA, orient="row").unique("face_id", keep="last", maintain_order=True)
    since, together = pl.col("event") > known_until, pl.col("part").n_unique().over("event", "cluster_id") > 1
    here = faces.filter(pl.col("person_id").is_null()).select("face_id", "cluster_id")
    still = here.join(parts, on="face_id").filter(since | together)
    cluster = pl.when(since).then("of").otherwise("cluster_id")
    named = still.select("face_id", pl.format("{}_sub_{}", cluster, "part").alias("part_id"))
    return (
        faces.join(named, on="face_id", how="left", maintain_order="left")
        .with_columns(pl.coalesce("part_id", "cluster_id").alias("cluster_id"))
        .drop("part_id")
    )


def subcluster_suffix(face_ids: Iterable[str]) -> str:
    """The hexadecimal name of a part of a split cluster: the same for the same faces."""
    return blake2b("".join(sorted(face_ids)).encode(), digest_size=4).hexdigest()


def _apply_links(faces: pl.DataFrame, now: FaceConstraints) -> pl.DataFrame:
    """Unknown clusters with faces that were said to be one person's are one, under the id that sorts first."""
    if not now.must_link:
        return faces
    ids = {face for pair in now.must_link for face in pair}
    rows = faces.filter(pl.col("face_id").is_in(list(ids)) & pl.col("person_id").is_null())
    cluster = dict(rows.select("face_id", "cluster_id").iter_rows())
    first: dict[str, str] = {}

    def root(name: str) -> str:
        while name in first:
            name = first[name]
        return name

    for a, b in now.must_link:
        if a in cluster and b in cluster:
            low, high = sorted((root(cluster[a]), root(cluster[b])))
            if low != high:
                first[high] = low
    moved = {name: root(name) for name in first}
    return faces.with_columns(pl.col("cluster_id").replace(moved)) if moved else faces


def _add_person_names(faces: pl.DataFrame, decisions: Decisions) -> pl.DataFrame:
    names = pl.DataFrame(
        [(p.id, p.display_name) for p in decisions.persons.values()],
        schema={"person_id": pl.String, "person_name": pl.String},
        orient="row",
    )
    return faces.join(names, on="person_id", how="left", maintain_order="left")
