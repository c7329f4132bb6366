"""The thresholds of assignment, and the values that were measured for each kind of embedder."""

from dataclasses import dataclass, replace
from typing import Literal

Method = Literal["temporal", "hdbscan", "dbscan", "agglomerative"]


@dataclass(frozen=True)
class AssignmentSettings:
    """How faces become persons, clusters or noise. Similarities are cosines, -1 to 1."""

    person_threshold: float = 0.45
    """Least similarity to a known person's prototypes for a face to be given to that person."""
    person_margin: float = 0.1
    """A face's best person must lead the runner-up by this much."""
    person_exemplars: int = 3
    """Best-quality confirmed faces kept as exemplars for each person and school year, beside the centroid."""
    method: Method = "temporal"
    """How unknown faces are grouped: average linkage weighted by closeness in years, or HDBSCAN, DBSCAN, or plain
    linkage on the graph."""
    cluster_threshold: float = 0.44
    """Least average similarity at which two groups are joined (temporal), or that a link needs at all (hdbscan)."""
    attach_threshold: float = 0.42
    """Least similarity to its two likest faces of a cluster for a face that was left alone to join it."""
    attach_margin: float = 0.1
    """That cluster must lead the next one by this much."""
    min_cluster_size: int = 2
    """Smaller groups are noise."""
    min_samples: int = 2
    """How many neighbours (dbscan: faces, itself counted) make a face's surroundings dense (hdbscan, dbscan)."""
    cluster_selection_epsilon: float = 0.0
    """Clusters nearer to each other than this cosine distance are one (hdbscan only)."""
    eps: float = 0.5
    """Greatest cosine distance between neighbours (dbscan) or groups that join (agglomerative)."""
    linkage: Literal["average", "single", "complete"] = "average"
    """What the distance between two groups is (agglomerative only)."""
    least_edge: float = 0.25
    """Faces less alike are no neighbours in the graph. Far below any threshold: measured, of the edges between faces of
    one person one in 500 (dlib: one in 3,000) is weaker, and none that is could join anything by itself."""
    fade_years: float = 2.0
    """Two faces that are g years apart weigh exp(-g / fade_years) against two of one year."""
    drift_per_year: float = 0.01
    """Similarity taken off for each year of gap beyond the first, where strangers would otherwise chain."""


ARCFACE_LIKE = AssignmentSettings()
DLIB = replace(
    ARCFACE_LIKE,
    person_threshold=0.945,
    person_margin=0.015,
    cluster_threshold=0.933,
    attach_threshold=0.935,
    attach_margin=0.012,
    least_edge=0.90,
    drift_per_year=0.0015,
)


def settings_for(pack_or_embedder: str, method: Method = "temporal") -> AssignmentSettings:
    """The settings measured for a model pack or embedder, by name, and a method; ArcFace-like for an unknown name."""
    name = pack_or_embedder.lower()
    dlib = name.startswith("builtin") or "dlib" in name
    settings = DLIB if dlib else ARCFACE_LIKE
    if method == "hdbscan":
        return replace(settings, method=method, cluster_threshold=0.92 if dlib else 0.40)
    return settings
