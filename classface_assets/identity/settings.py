"""The thresholds of matching and clustering, and the values that were measured for each kind of embedder.

`AssignmentSettings` is the one place that names them: the run config is made from its fields. Fields that were renamed
go by their old names (`OLD_NAMES`) wherever a run config or a stored file names them; `with_values` takes both.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from classface_assets.core.faces.embedders import EmbedderKind, embedder_kind

ClusteringMethod = Literal["temporal", "hdbscan", "dbscan", "agglomerative"]
MatchingStrategy = Literal["prototype", "centroid", "vote", "knn"]
ClusteringScope = Literal["all", "school year", "event"]
# Bounds far beyond what makes sense: what is larger still would overflow where it is computed with.
Similarity = Annotated[float, Field(ge=-10, le=10)]
Margin = Annotated[float, Field(ge=-10, le=10)]
Distance = Annotated[float, Field(ge=-10, le=10)]
Share = Annotated[float, Field(ge=0, le=1)]
Penalty = Annotated[float, Field(ge=0, le=100)]
Spreads = Annotated[float, Field(ge=0, le=100)]
Years = Annotated[float, Field(ge=0.01, le=1_000)]
_NO_VALUE = object()


@dataclass(frozen=True, config=ConfigDict(use_attribute_docstrings=True))
class AssignmentSettings:
    """How faces become persons, clusters or noise. Similarities are cosines, from -1 to 1."""

    person_threshold: Similarity = 0.6
    """Least similarity to a known person's prototypes for a face to be given to that person."""
    person_margin: Margin = 0.1
    """A face's best person must lead the runner-up by this much."""
    person_exemplars: int = 3
    """Best-quality confirmed faces that are exemplars of each person and school year, beside their centroid."""
    assign: MatchingStrategy = "prototype"
    """How a face is compared with people: its nearest prototype, the nearest mean of a year, votes of all prototypes
    above the threshold, or its nearest labelled faces."""
    lookalike_margin: Margin = 0.15
    """The lead that is needed over a runner-up who is a declared sibling or a look-alike."""
    lookalike_threshold: Similarity = 0.45
    """Two people whose mean prototypes are at least this similar are look-alikes."""
    knn_neighbours: Annotated[int, Field(ge=1)] = 5
    """Number of nearest labelled faces that are compared (knn only)."""
    use_voting: bool = True
    """Whether these vote, or the nearest one decides (knn only)."""
    roster_absence_penalty: Penalty = 2.0
    """Number of required leads that are taken off a person's similarity in a school year in which a roster does not
    list them; 0: rosters are ignored. Measured on five archives with both packs: of 11 wrong names 7 remain where
    lists are two years too long at either end, 1 where they are exact, and 1 of 3,500 right ones is lost."""
    propagation: bool = True
    """Whether names propagate through the years: whole groups of unknown faces go to the person they continue."""
    propagation_threshold: Similarity = 0.125
    """Least mean of a group's score for the person and its lead over the next. The score is the mean similarity to the
    person's faces, less the similarity that strangers have to both, less the two penalties that follow."""
    propagation_gap_penalty: Penalty = 0.03
    """Times the logarithm of 1 + the years to the person's nearest labelled face."""
    propagation_size_penalty: Penalty = 0.03
    """Times the logarithm of the group's number of faces: a large group in doubt is rather a stranger's."""
    propagation_single: bool = True
    """Whether a single face may join the person of its two most similar faces. Measured: dlib's gain nothing by it."""
    propagation_margin: Margin = 0.03
    """The least lead of that person over the next; half as much again between siblings and look-alikes."""
    propagation_year_decay: Years = 2.0
    """In that mean two faces that are g years apart weigh exp(-g / propagation_year_decay) against two of one year."""
    propagation_group_threshold: Similarity = 0.53
    """Least mean similarity within the groups that are given to people whole."""
    method: ClusteringMethod = "temporal"
    """How unknown faces are clustered: average linkage weighted by closeness in years, or HDBSCAN, DBSCAN, or plain
    linkage on the graph."""
    cluster_threshold: Similarity = 0.455
    """Least mean similarity at which two groups are joined (temporal), or that a link needs at all (hdbscan)."""
    cluster_reference: Similarity = 0.455
    """The cosine that `cluster_spreads` belongs to: with this threshold an archive of few people, which is compared by
    the plain cosine, is clustered as one of many (temporal only)."""
    cluster_spreads: Spreads = 3.44
    """At `cluster_reference` faces are this many spreads (standard deviations) of strangers' similarities more similar
    than strangers are. One value for every embedder (temporal only)."""
    cluster_size_penalty: Penalty = 0.10
    """Spreads added to the threshold by the logarithm of the smaller group's number of faces (temporal only)."""
    cluster_overlap_penalty: Penalty = 0.6
    """Spreads added to the threshold by the logarithm of the number of school years in which both groups are seen
    (temporal only)."""
    whitened_gain: Spreads = 1.0
    """Number of spreads of the plain cosine that one spread of the normalised one counts for (temporal only)."""
    whitened_share: Share = 1.0
    """Share of the normalised similarity against the plain one in an archive of many people (temporal only)."""
    cluster_year_decay: Years = 1.0
    """Two faces that are g years apart weigh exp(-g / cluster_year_decay) in that mean (temporal only)."""
    shared_neighbour_weight: Similarity = 0.0
    """What having all their nearest neighbours in common adds to the similarity of two faces (temporal only)."""
    shared_neighbour_offset: Similarity = 0.0
    """What is taken off again, so that the threshold stays on the scale of similarity alone."""
    attach_threshold: Similarity = 0.42
    """Least similarity to its two most similar faces of a cluster for a single face to join it."""
    attach_margin: Margin = 0.08
    """That cluster must lead the next one by this much."""
    min_cluster_size: Annotated[int, Field(ge=1)] = 2
    """Smaller groups are noise."""
    min_samples: Annotated[int, Field(ge=1)] = 2
    """Number of neighbours (dbscan: of faces, itself included) that make a face's surroundings dense (hdbscan,
    dbscan)."""
    cluster_selection_epsilon: Distance = 0.0
    """Clusters nearer to each other than this cosine distance are one (hdbscan only)."""
    eps: Distance = 0.5
    """Greatest cosine distance between neighbours (dbscan) or groups that join (agglomerative)."""
    linkage: Literal["average", "single", "complete"] = "average"
    """What the distance between two groups is (agglomerative only)."""
    min_edge_similarity: Similarity = 0.25
    """Less similar faces are no neighbours in the graph. Far below any threshold: measured, of the edges between faces
    of one person one in 500 (dlib: one in 3,000) is weaker, and none that is could join anything by itself."""
    fade_years: Years = 2.0
    """Labelled faces that are g years away weigh exp(-g / fade_years) against those of the same year."""
    year_penalty: Penalty = 0.01
    """Similarity taken off for each year of gap beyond the first, where strangers would otherwise chain."""
    similarity_threshold: Similarity = -1.0
    """Faces that are less similar than this are not compared: neither edges of the graph nor neighbours in knn."""
    min_core_quality: Share = 0.36
    """Two faces that are both of less quality found no cluster; either may join one by way of a better face."""
    quality_threshold: Share = 0.0
    """Unknown faces of less quality are not clustered. 0 by default: quality is a weight, not a filter."""
    max_faces: Annotated[int, Field(ge=0)] = 0
    """Greatest number of unknown faces that are clustered, the best first; 0: all."""
    max_clusters: Annotated[int, Field(ge=0)] = 0
    """Greatest number of clusters, the largest first; 0: all."""
    time_bucket: Annotated[str, Field(pattern=r"^(\d{4}-(0[1-9]|1[0-2]))?$")] = ""
    """Only unknown faces of photos taken in this month (YYYY-MM) are clustered again; empty: all."""
    scope: ClusteringScope = "all"
    """Within what unknown faces are clustered: everywhere, in a school year, or in an event (a folder of a year)."""
    include_identified: bool = False
    """Whether faces without a label are clustered as unknown even where they match a known person."""


class SettingGroup(StrEnum):
    """What a setting is about. Descriptions in Dagster begin with it, for its UI sorts settings by their names."""

    KNOWN_PEOPLE = "known people"
    THROUGH_THE_YEARS = "through the years"
    UNKNOWN_FACES = "unknown faces"
    OTHER_METHODS = "other methods"
    WHICH_FACES = "which faces"
    WHOLE_RUN = "whole run"

    def describe(self, text: str) -> str:
        """The description of a setting of this group.

        >>> SettingGroup.WHICH_FACES.describe("Only faces of this school year change.")
        '[which faces] Only faces of this school year change.'
        """
        return f"[{self}] {text}"


SETTINGS_OF_GROUP: Mapping[SettingGroup, tuple[str, ...]] = {
    SettingGroup.KNOWN_PEOPLE: (
        *("person_threshold", "person_margin", "person_exemplars", "assign", "lookalike_margin", "lookalike_threshold"),
        *("knn_neighbours", "use_voting", "roster_absence_penalty", "fade_years", "year_penalty"),
    ),
    SettingGroup.THROUGH_THE_YEARS: (
        *("propagation", "propagation_threshold", "propagation_gap_penalty", "propagation_size_penalty"),
        *("propagation_single", "propagation_margin", "propagation_year_decay", "propagation_group_threshold"),
    ),
    SettingGroup.UNKNOWN_FACES: (
        *("method", "cluster_threshold", "cluster_reference", "cluster_spreads", "cluster_size_penalty"),
        *("cluster_overlap_penalty", "whitened_gain", "whitened_share", "cluster_year_decay"),
        *("shared_neighbour_weight", "shared_neighbour_offset", "attach_threshold", "attach_margin"),
        *("min_cluster_size", "max_clusters", "min_core_quality", "min_edge_similarity", "similarity_threshold"),
    ),
    SettingGroup.OTHER_METHODS: ("min_samples", "cluster_selection_epsilon", "eps", "linkage"),
    SettingGroup.WHICH_FACES: ("quality_threshold", "max_faces", "time_bucket", "scope", "include_identified"),
}
"""Each field of `AssignmentSettings` is in one group."""

OLD_NAMES: Mapping[str, str] = {
    "alike_margin": "lookalike_margin",
    "look_alike": "lookalike_threshold",
    "absence": "roster_absence_penalty",
    "follow_years": "propagation",
    "follow_threshold": "propagation_threshold",
    "follow_far": "propagation_gap_penalty",
    "follow_size": "propagation_size_penalty",
    "follow_single": "propagation_single",
    "follow_margin": "propagation_margin",
    "follow_fade_years": "propagation_year_decay",
    "follow_group_threshold": "propagation_group_threshold",
    "cluster_fade_years": "cluster_year_decay",
    "company": "shared_neighbour_weight",
    "company_lift": "shared_neighbour_offset",
    "least_edge": "min_edge_similarity",
    "drift_per_year": "year_penalty",
    "building_quality": "min_core_quality",
}
"""Old name -> field. Run configs and stored files have the old names, and keep them."""
STORED_NAMES: Mapping[str, str] = {new: old for old, new in OLD_NAMES.items()}
NEUTRAL_VALUES: Mapping[str, Any] = {}
"""Field that is younger than stored cache keys -> the value under which all results are as they were without it."""


def with_values(settings: AssignmentSettings, values: Mapping[str, Any]) -> AssignmentSettings:
    """The settings with these values, by the names of fields or by their old names."""
    return replace(settings, **{OLD_NAMES.get(name, name): value for name, value in values.items()})


def stored_values(settings: AssignmentSettings) -> dict[str, Any]:
    """All values by the names that run configs and stored files have, in the order of the fields."""
    return {STORED_NAMES.get(field.name, field.name): getattr(settings, field.name) for field in fields(settings)}


def settings_key(settings: AssignmentSettings) -> str:
    """The settings as a part of cache keys that are stored with results.

    Stable: `AssignmentSettings(name=value, ...)` with stored names, in the order of the fields, and without fields of
    `NEUTRAL_VALUES` that have such a value. So neither a renamed field nor a new one that changes nothing makes stored
    results invalid; a new default does.
    """
    values = stored_values(settings).items()
    shown = (f"{name}={value!r}" for name, value in values if NEUTRAL_VALUES.get(name, _NO_VALUE) != value)
    return f"AssignmentSettings({', '.join(shown)})"


ARCFACE_SETTINGS = AssignmentSettings()
DLIB_SETTINGS = replace(
    ARCFACE_SETTINGS,
    min_core_quality=0.33,
    person_threshold=0.96,
    person_margin=0.015,
    lookalike_margin=0.02,
    lookalike_threshold=0.945,
    propagation_threshold=0.03,
    propagation_gap_penalty=0.008,
    propagation_size_penalty=0.008,
    propagation_single=False,
    propagation_year_decay=4.0,
    propagation_margin=0.0105,
    propagation_group_threshold=0.959,
    cluster_threshold=0.933,
    cluster_reference=0.933,
    cluster_year_decay=2.0,
    shared_neighbour_weight=0.04,
    shared_neighbour_offset=0.017,
    attach_threshold=0.934,
    attach_margin=0.012,
    min_edge_similarity=0.90,
    year_penalty=0.0015,
)
SFACE_SETTINGS = replace(
    ARCFACE_SETTINGS,
    cluster_threshold=0.40,
    cluster_reference=0.40,
    propagation_group_threshold=0.475,
    propagation_threshold=0.09,
    propagation_size_penalty=0.05,
)
ARCFACE_METHOD_SETTINGS: dict[str, dict[str, Any]] = {
    "hdbscan": {"cluster_threshold": 0.44, "min_cluster_size": 3, "min_samples": 1},
    "dbscan": {"eps": 0.52, "min_samples": 2},
    "agglomerative": {"eps": 0.64},
}
"""What the other methods have in place of what `temporal` was measured with, chosen as the accuracy benchmark does."""
DLIB_METHOD_SETTINGS: dict[str, dict[str, Any]] = {
    "hdbscan": {"cluster_threshold": 0.94, "min_cluster_size": 3, "min_samples": 1},
    "dbscan": {"eps": 0.052, "min_samples": 2},
    "agglomerative": {"eps": 0.072},
}

SFACE_METHOD_SETTINGS: dict[str, dict[str, Any]] = {
    "hdbscan": {
        "cluster_threshold": 0.48,
        "min_cluster_size": 3,
        "min_samples": 1,
        "cluster_selection_epsilon": 0.4,
    },
    "dbscan": {"eps": 0.48, "min_samples": 2},
    "agglomerative": {"eps": 0.62},
}

SETTINGS_OF_KIND: Mapping[EmbedderKind, tuple[AssignmentSettings, Mapping[str, dict[str, Any]]]] = {
    EmbedderKind.SFACE: (SFACE_SETTINGS, SFACE_METHOD_SETTINGS),
    EmbedderKind.DLIB: (DLIB_SETTINGS, DLIB_METHOD_SETTINGS),
    EmbedderKind.ARCFACE: (ARCFACE_SETTINGS, ARCFACE_METHOD_SETTINGS),
}
"""Kind of embedder -> what was measured for `temporal`, and what the other methods have in its place."""


def settings_for(pack_or_embedder: str, method: ClusteringMethod = "temporal") -> AssignmentSettings:
    """The settings measured for a kind of embedder.

    Args:
        pack_or_embedder: An `EmbedderKind`, or the name of a pack as `embedder_kind` takes it.
        method: How unknown faces are clustered.

    Returns:
        The settings of the embedder, with the values measured for the method.
    """
    usual, by_method = SETTINGS_OF_KIND[embedder_kind(pack_or_embedder)]
    return replace(usual, method=method, **by_method.get(method, {}))
