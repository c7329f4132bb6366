"""The thresholds of assignment, and the values that were measured for each kind of embedder."""

from dataclasses import dataclass, replace
from typing import Any, Literal

ClusteringMethod = Literal["temporal", "hdbscan", "dbscan", "agglomerative"]
MatchingStrategy = Literal["prototype", "centroid", "vote", "knn"]
ClusteringScope = Literal["all", "school year", "event"]


@dataclass(frozen=True)
class AssignmentSettings:
    """How faces become persons, clusters or noise. Similarities are cosines, -1 to 1."""

    person_threshold: float = 0.6
    """Least similarity to a known person's prototypes for a face to be given to that person."""
    person_margin: float = 0.1
    """A face's best person must lead the runner-up by this much."""
    person_exemplars: int = 3
    """Best-quality confirmed faces kept as exemplars for each person and school year, beside the centroid."""
    assign: MatchingStrategy = "prototype"
    """How a face is compared with people: its nearest prototype, the nearest mean of a year, votes of all prototypes
    above the threshold, or its nearest labelled faces."""
    alike_margin: float = 0.15
    """The lead that is needed over a runner-up who is a declared sibling or a look-alike."""
    look_alike: float = 0.45
    """Two people whose prototypes are on average as similar as this are look-alikes."""
    knn_neighbours: int = 5
    """How many of the nearest labelled faces are asked (knn only)."""
    use_voting: bool = True
    """Whether they vote, or the nearest one decides (knn only)."""
    absence: float = 2.0
    """How many of the leads that are needed a person has less in a school year in which a roster does not have them;
    0: rosters are not asked. Measured on five archives with both packs: of 11 wrong names 7 stay where lists are two
    years too long at either end, 1 where they are exact, and 1 of 3,500 right ones goes."""
    follow_years: bool = True
    """Whether people are followed through the years: whole groups of unknown faces go to whom they continue."""
    follow_threshold: float = 0.125
    """Least mean of what such a group is worth to the person and its lead over the next. It is worth the mean
    similarity to the person's faces, over what strangers have in common with both, less the two that follow."""
    follow_far: float = 0.03
    """Times the logarithm of 1 + the years to the person's nearest labelled face."""
    follow_size: float = 0.03
    """Times the logarithm of the group's number of faces: many that are all in doubt are rather a stranger's."""
    follow_single: bool = True
    """Whether a face left alone may join the person of its two likest faces. Measured: dlib's gain nothing by it."""
    follow_margin: float = 0.03
    """The least lead of that person over the next; half as much again between siblings and look-alikes."""
    follow_fade_years: float = 2.0
    """In that mean two faces that are g years apart weigh exp(-g / follow_fade_years) against two of one year."""
    follow_group_threshold: float = 0.53
    """Least average similarity within the groups that are given to people whole."""
    method: ClusteringMethod = "temporal"
    """How unknown faces are grouped: average linkage weighted by closeness in years, or HDBSCAN, DBSCAN, or plain
    linkage on the graph."""
    cluster_threshold: float = 0.455
    """Least average likeness at which two groups are joined (temporal), or that a link needs at all (hdbscan)."""
    whitened_gain: float = 1.1
    """How many spreads of the plain cosine one spread of the whitened one is worth (temporal only)."""
    whitened_share: float = 1.0
    """Share of the whitened similarity against the plain one in an archive of many people (temporal only)."""
    cluster_fade_years: float = 1.0
    """Two faces that are g years apart weigh exp(-g / cluster_fade_years) in that average (temporal only)."""
    company: float = 0.0
    """What having all their nearest neighbours in common adds to the likeness of two faces (temporal only)."""
    company_lift: float = 0.0
    """What is taken off again, so that the threshold stays on the scale of likeness alone."""
    attach_threshold: float = 0.42
    """Least similarity to its two likest faces of a cluster for a face that was left alone to join it."""
    attach_margin: float = 0.08
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
    """Labelled faces that are g years away weigh exp(-g / fade_years) against those of the same year."""
    drift_per_year: float = 0.01
    """Similarity taken off for each year of gap beyond the first, where strangers would otherwise chain."""
    similarity_threshold: float = -1.0
    """Faces that are less alike than this are not compared: neither edges of the graph nor neighbours in knn."""
    building_quality: float = 0.36
    """Two faces that are both of less quality found no cluster; either may join one by way of a better face."""
    quality_threshold: float = 0.0
    """Unknown faces of less quality are not grouped. Nothing by default: quality weighs, it does not gate."""
    max_faces: int = 0
    """At most so many unknown faces are grouped, the best first; 0: all."""
    max_clusters: int = 0
    """At most so many clusters, the largest; 0: all."""
    time_bucket: str = ""
    """Only unknown faces of photos taken in this month (YYYY-MM) are grouped anew; empty: all."""
    scope: ClusteringScope = "all"
    """Within what unknown faces are one: everywhere, in a school year, or in an event (a folder of a school year)."""
    include_identified: bool = False
    """Whether faces that nobody labelled are grouped as unknown even where a known person fits."""


ARCFACE_SETTINGS = AssignmentSettings()
DLIB_SETTINGS = replace(
    ARCFACE_SETTINGS,
    building_quality=0.33,
    person_threshold=0.96,
    person_margin=0.015,
    alike_margin=0.02,
    look_alike=0.945,
    follow_threshold=0.021,
    follow_far=0.008,
    follow_size=0.0045,
    follow_single=False,
    follow_fade_years=4.0,
    follow_margin=0.004,
    follow_group_threshold=0.952,
    cluster_threshold=0.933,
    whitened_gain=0.6,
    whitened_share=0.5,
    cluster_fade_years=2.0,
    company=0.04,
    company_lift=0.017,
    attach_threshold=0.934,
    attach_margin=0.012,
    least_edge=0.90,
    drift_per_year=0.0015,
)
ARCFACE_METHOD_SETTINGS: dict[str, dict[str, Any]] = {
    "hdbscan": {"cluster_threshold": 0.44, "min_cluster_size": 3, "min_samples": 1},
    "dbscan": {"eps": 0.52, "min_samples": 2},
    "agglomerative": {"eps": 0.64},
}
"""What the other methods have in place of what `temporal` was measured with, chosen as benchmark.tuning does."""
DLIB_METHOD_SETTINGS: dict[str, dict[str, Any]] = {
    "hdbscan": {"cluster_threshold": 0.94, "min_cluster_size": 3, "min_samples": 1},
    "dbscan": {"eps": 0.052, "min_samples": 2},
    "agglomerative": {"eps": 0.072},
}


def settings_for(pack_or_embedder: str, method: ClusteringMethod = "temporal") -> AssignmentSettings:
    """The settings measured for a model pack or embedder, by name, and a method; ArcFace-like for an unknown name."""
    name = pack_or_embedder.lower()
    dlib = name.startswith("builtin") or "dlib" in name
    return replace(
        DLIB_SETTINGS if dlib else ARCFACE_SETTINGS,
        method=method,
        **(DLIB_METHOD_SETTINGS if dlib else ARCFACE_METHOD_SETTINGS).get(method, {}),
    )
