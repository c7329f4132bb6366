"""Applying the ledger's decisions to published faces.

Labels, rejections, merges, splits and links have the effect at once that they will have after the next run.
"""

from collections.abc import Iterable, Sequence, Set
from hashlib import blake2b

import polars as pl

from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.core.schemas import noise_id
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event, undone_event_ids

_NOISE_ID = noise_id()
_LABELS_SCHEMA = {"face_id": pl.String, "label": pl.String}
_SPLITS_SCHEMA = {"face_id": pl.String, "event": pl.Int64, "split_cluster": pl.String, "suffix": pl.String}
_REJECTIONS_SCHEMA = {"face_id": pl.String, "person_id": pl.String}


def overlay_decisions(
    faces: pl.DataFrame,
    decisions: Decisions,
    constraints: FaceConstraints,
    confirmed_before: Set[str],
    events: Sequence[Event],
    known_until: int,
) -> pl.DataFrame:
    """Apply the decisions to the published faces.

    A face whose label was removed since the publication becomes unknown.

    Args:
        faces: The published faces.
        decisions: The state of the ledger.
        constraints: The decisions as constraints on these faces.
        confirmed_before: The faces that were confirmed when they were published.
        events: All events of the ledger, oldest first.
        known_until: The id of the last event that the published faces know.

    Returns:
        The faces with person_id, person_name, cluster_id, assignment_score, assignment_reason and `confirmed` as they
        are now; without non-faces and faces of erased people.
    """
    excluded = list(constraints.not_faces | constraints.erased_faces)
    faces = _apply_merges(faces.filter(~pl.col("face_id").is_in(excluded)), decisions)
    faces = _apply_labels(faces, constraints, _unlabelled(decisions, constraints, confirmed_before, known_until))
    faces = _apply_links(_apply_splits(faces, events, known_until), constraints)
    return _add_person_names(faces, decisions).with_columns(pl.col("face_id").set_sorted())


def subcluster_suffix(face_ids: Iterable[str]) -> str:
    """The hexadecimal suffix of the id of a group of a split cluster: the same for the same faces."""
    return blake2b("".join(sorted(face_ids)).encode(), digest_size=4).hexdigest()


def _unlabelled(
    decisions: Decisions, constraints: FaceConstraints, confirmed_before: Set[str], known_until: int
) -> list[str]:
    """The faces that have lost their label since the publication."""
    removed = {face for face, label in decisions.removed_labels.items() if label.event_id > known_until}
    return list(confirmed_before - constraints.confirmed.keys() | removed)


def _apply_labels(faces: pl.DataFrame, constraints: FaceConstraints, unlabelled: list[str]) -> pl.DataFrame:
    """Labelled faces get their person; faces that were rejected or have lost their label become unknown."""
    labels = pl.DataFrame(list(constraints.confirmed.items()), schema=_LABELS_SCHEMA, orient="row")
    rejections = pl.DataFrame(list(constraints.rejected), schema=_REJECTIONS_SCHEMA, orient="row")
    rejections = rejections.with_columns(pl.lit(value=True).alias("rejected"))
    joined = faces.join(labels, on="face_id", how="left", maintain_order="left")
    joined = joined.join(rejections, on=["face_id", "person_id"], how="left", maintain_order="left")
    labelled = pl.col("label").is_not_null()
    rejected_or_removed = pl.col("rejected").is_not_null() | pl.col("face_id").is_in(unlabelled)
    lost = pl.col("person_id").is_not_null() & rejected_or_removed

    def choose(if_labelled: pl.Expr | float, if_lost: pl.Expr | None, otherwise: pl.Expr) -> pl.Expr:
        return pl.when(labelled).then(if_labelled).when(lost).then(if_lost).otherwise(otherwise)

    cluster_id, reason = pl.coalesce("cluster_id", _NOISE_ID), pl.col("assignment_reason")
    return joined.with_columns(
        choose(pl.col("label"), None, pl.col("person_id")).alias("person_id"),
        choose(pl.format("person_{}", pl.col("label")), _NOISE_ID, cluster_id).alias("cluster_id"),
        choose(1.0, None, pl.col("assignment_score")).alias("assignment_score"),
        choose(pl.lit("labelled"), pl.lit("name removed since the last run"), reason).alias("assignment_reason"),
        pl.when(labelled | lost).then(None).otherwise(pl.col("assignment_margin")).alias("assignment_margin"),
        pl.when(labelled | lost).then(None).otherwise(pl.col("assignment_probability")).alias("assignment_probability"),
        labelled.alias("confirmed"),
    ).drop("label", "rejected")


def _apply_merges(faces: pl.DataFrame, decisions: Decisions) -> pl.DataFrame:
    """Faces of merged persons go to the person who remains; faces of persons who no longer exist become unknown."""
    canonical = [(p.id, decisions.canonical_id(p.id)) for p in decisions.persons.values() if not p.erased]
    persons = pl.DataFrame(canonical, schema={"person_id": pl.String, "canonical_id": pl.String}, orient="row")
    joined = faces.join(persons, on="person_id", how="left", maintain_order="left")
    exists = pl.col("canonical_id").is_not_null()
    orphan = pl.col("person_id").is_not_null() & ~exists
    return joined.with_columns(
        pl.col("canonical_id").alias("person_id"),
        pl.when(exists)
        .then(pl.format("person_{}", pl.col("canonical_id")))
        .when(orphan)
        .then(_NOISE_ID)
        .otherwise("cluster_id")
        .alias("cluster_id"),
    ).drop("canonical_id")


def _apply_splits(faces: pl.DataFrame, events: Sequence[Event], known_until: int) -> pl.DataFrame:
    """The groups of a split get ids of their own at once, and keep them until a run has separated the groups."""
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
    splits = pl.DataFrame(rows, schema=_SPLITS_SCHEMA, orient="row")
    splits = splits.unique("face_id", keep="last", maintain_order=True)
    unpublished = pl.col("event") > known_until
    still_together = pl.col("suffix").n_unique().over("event", "cluster_id") > 1
    unknown = faces.filter(pl.col("person_id").is_null()).select("face_id", "cluster_id")
    pending = unknown.join(splits, on="face_id").filter(unpublished | still_together)
    cluster = pl.when(unpublished).then("split_cluster").otherwise("cluster_id")
    groups = pending.select("face_id", pl.format("{}_sub_{}", cluster, "suffix").alias("group_id"))
    return (
        faces.join(groups, on="face_id", how="left", maintain_order="left")
        .with_columns(pl.coalesce("group_id", "cluster_id").alias("cluster_id"))
        .drop("group_id")
    )


def _apply_links(faces: pl.DataFrame, constraints: FaceConstraints) -> pl.DataFrame:
    """Unknown clusters with must-linked faces become one, under the id that sorts first."""
    if not constraints.must_link:
        return faces
    ids = {face for pair in constraints.must_link for face in pair}
    rows = faces.filter(pl.col("face_id").is_in(list(ids)) & pl.col("person_id").is_null())
    cluster = dict(rows.select("face_id", "cluster_id").iter_rows())
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while name in parent:
            name = parent[name]
        return name

    for a, b in constraints.must_link:
        if a in cluster and b in cluster:
            low, high = sorted((root(cluster[a]), root(cluster[b])))
            if low != high:
                parent[high] = low
    renamed = {name: root(name) for name in parent}
    return faces.with_columns(pl.col("cluster_id").replace(renamed)) if renamed else faces


def _add_person_names(faces: pl.DataFrame, decisions: Decisions) -> pl.DataFrame:
    names = pl.DataFrame(
        [(p.id, p.display_name) for p in decisions.persons.values()],
        schema={"person_id": pl.String, "person_name": pl.String},
        orient="row",
    )
    return faces.join(names, on="person_id", how="left", maintain_order="left")
