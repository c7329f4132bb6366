"""The word on every face: a known person, a numbered cluster of an unknown one, or noise.

The order of things is here; how prototypes match is in `known`, how groups grow in `linkage`, `density` and
`leftovers`, how numbers stay in `numbering`, the thresholds in `settings`.
"""

from collections.abc import Mapping, Set

import numpy as np
import polars as pl

from classface_assets.identity.density import hdbscan_groups, part_photo_mates
from classface_assets.identity.graph import Graph
from classface_assets.identity.known import build_prototypes, match_known
from classface_assets.identity.leftovers import attach_single_faces
from classface_assets.identity.linkage import Gaps, temporal_linkage
from classface_assets.identity.numbering import PREFIX, number_clusters, previous_numbers
from classface_assets.identity.settings import AssignmentSettings, settings_for

__all__ = ["ASSIGNMENTS_SCHEMA", "AssignmentError", "AssignmentSettings", "assign_faces", "settings_for"]

ASSIGNMENTS_SCHEMA = {
    "face_id": pl.String,
    "cluster_id": pl.String,
    "person_id": pl.String,
    "assignment_score": pl.Float32,
    "assignment_reason": pl.String,
}


Row = tuple[str, str | None, float | None, str]
"""cluster_id, person_id, score and reason of one face."""


class AssignmentError(ValueError):
    """Faces and vectors that do not belong together."""


def assign_faces(
    faces: pl.DataFrame,
    vectors: np.ndarray,
    graph: Graph,
    confirmed: Mapping[str, str],
    rejected: Set[tuple[str, str]],
    previous: pl.DataFrame,
    settings: AssignmentSettings,
) -> pl.DataFrame:
    """ASSIGNMENTS, one row for each row of `faces`, in its order.

    faces: FACES; vectors (n, d) unit float32, row by row with faces; graph: of these faces (others in it are left out);
    confirmed: face id -> person id, as people said; rejected: (face id, person id) that may never be;
    previous: ASSIGNMENTS of the run before, for its cluster numbers, possibly empty.
    Nothing depends on the order of the rows. Raises AssignmentError when faces and vectors differ in number.
    """
    if len(faces) != len(vectors):
        raise AssignmentError(f"There are {len(faces)} faces but {len(vectors)} vectors: give one vector a face.")
    if not len(faces):
        return pl.DataFrame(schema=ASSIGNMENTS_SCHEMA)
    order = faces["face_id"].arg_sort().to_numpy()
    table = faces[order]
    found = _assign_sorted(
        table, np.asarray(vectors, np.float32)[order], graph, confirmed, rejected, previous, settings
    )
    return faces.select("face_id").join(found, on="face_id", how="left", maintain_order="left")


def _assign_sorted(
    table: pl.DataFrame,
    vectors: np.ndarray,
    graph: Graph,
    confirmed: Mapping[str, str],
    rejected: Set[tuple[str, str]],
    previous: pl.DataFrame,
    settings: AssignmentSettings,
) -> pl.DataFrame:
    ids = table["face_id"].to_list()
    row_of = {face: i for i, face in enumerate(ids)}
    years = table["year"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    photos = table["asset_id"].rank("dense").to_numpy().astype(np.int64)
    quality = table["quality_score"].fill_null(0.0).to_numpy()
    pairs, similarities = graph.of(table["face_id"]).pairs()

    said = {row_of[face]: person for face, person in confirmed.items() if face in row_of}
    rows: dict[int, Row] = {i: (f"person_{person}", person, 1.0, "labelled") for i, person in said.items()}
    mates: dict[int, list[int]] = {}
    for i, photo in enumerate(photos.tolist()):
        mates.setdefault(photo, []).append(i)
    forbidden = {(row_of[face], person) for face, person in rejected if face in row_of}
    forbidden |= {(mate, person) for i, person in said.items() for mate in mates[int(photos[i])]}
    rest = np.array([i for i in range(len(ids)) if i not in said], np.int64)
    prototypes = build_prototypes(vectors, years, quality, said, settings.person_exemplars)
    for match in match_known(rest, vectors, years, photos, prototypes, forbidden, settings):
        rows[match.face] = (f"person_{match.person_id}", match.person_id, match.score, match.reason)

    unknown = np.array([i for i in range(len(ids)) if i not in rows], np.int64)
    rows.update(_group_unknown(unknown, ids, vectors, years, photos, pairs, similarities, previous, settings))
    return pl.DataFrame([(face, *rows[i]) for i, face in enumerate(ids)], schema=ASSIGNMENTS_SCHEMA, orient="row")


def _group_unknown(
    unknown: np.ndarray,
    ids: list[str],
    vectors: np.ndarray,
    years: np.ndarray,
    photos: np.ndarray,
    pairs: np.ndarray,
    similarities: np.ndarray,
    previous: pl.DataFrame,
    settings: AssignmentSettings,
) -> dict[int, Row]:
    """Cluster, no person, score and reason of each face that nobody claims."""
    local = np.full(len(ids), -1, np.int64)
    local[unknown] = np.arange(len(unknown))
    inside = (local[pairs] >= 0).all(axis=1) if len(pairs) else np.zeros(0, bool)
    pairs, similarities = local[pairs[inside]], similarities[inside]
    part, when, where = vectors[unknown], years[unknown], photos[unknown]
    gaps = Gaps(settings.fade_years, settings.drift_per_year)
    if settings.method == "hdbscan":
        found = hdbscan_groups(
            len(unknown),
            pairs,
            similarities,
            settings.min_cluster_size,
            settings.min_samples,
            settings.cluster_threshold,
        )
        labels = part_photo_mates(found, where, part)
    else:
        labels = temporal_linkage(part, when, where, pairs, settings.cluster_threshold, gaps)
    labels = attach_single_faces(
        labels, part, when, where, pairs, settings.attach_threshold, settings.attach_margin, gaps
    )
    groups = [np.flatnonzero(labels == g) for g in np.unique(labels[labels >= 0])]
    groups = [g for g in groups if len(g) >= max(2, settings.min_cluster_size)]
    before = previous_numbers(dict(previous.select("face_id", "cluster_id").iter_rows()) if len(previous) else {})
    numbers = number_clusters([[ids[unknown[i]] for i in g] for g in groups], before)

    rows: dict[int, Row] = {}
    for number, group in zip(numbers, groups, strict=True):
        likeness = (part[group] @ part[group].sum(axis=0) - 1.0) / (len(group) - 1)
        for i, score in zip(group, likeness.tolist(), strict=True):
            reason = f"{score:.2f} on average to the {len(group) - 1} other faces of the cluster"
            rows[int(unknown[i])] = (f"{PREFIX}{number}", None, score, reason)
    for i in unknown.tolist():
        rows.setdefault(i, (f"unknown_noise_{ids[i]}", None, None, "no other face is near enough"))
    return rows
