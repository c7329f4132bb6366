"""The settings of how unknown faces are grouped.

The settings of how faces are compared with people who are already known.
"""

from typing import Literal

import dagster as dg
from pydantic import Field


class ClusteringConfig(dg.Config):
    """When two unknown faces are one person. Empty: what was measured for the pack."""

    method: Literal["temporal", "hdbscan", "dbscan", "agglomerative"] = Field(
        default="temporal",
        description="How unknown faces are grouped: `temporal` (linkage that knows the school year), or `hdbscan`, "
        "`dbscan`, `agglomerative`, which do not.",
    )
    similarity_threshold: float | None = Field(
        default=None, description="Faces less alike than this are not compared at all. Empty: all of the graph are."
    )
    quality_threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Unknown faces of less quality are not grouped. 0: quality weighs, it does not gate.",
    )
    building_quality: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Two faces that are both of less quality found no cluster; either may join one by way of a better "
        "face. builtin: 0.33, other packs: 0.36.",
    )
    max_faces: int | None = Field(
        default=None, ge=0, description="At most so many unknown faces are grouped anew, the best first. 0: all."
    )
    max_clusters: int | None = Field(default=None, ge=0, description="At most so many clusters, the largest. 0: all.")
    time_bucket: str | None = Field(
        default=None,
        pattern=r"^(\d{4}-(0[1-9]|1[0-2]))?$",
        description="Only unknown faces of photos of this month (YYYY-MM) are grouped anew. Empty: all.",
    )
    scope: Literal["all", "school year", "event"] = Field(
        default="all",
        description="Within what unknown faces are one: `all`, a `school year`, or an `event` folder of it.",
    )
    include_identified: bool = Field(
        default=False, description="Group faces that nobody labelled as unknown, even where a known person fits."
    )
    cluster_threshold: float | None = Field(
        default=None,
        description="Least mean similarity at which two groups of unknown faces are joined. builtin: 0.933 (hdbscan "
        "0.94), other packs: 0.455 (hdbscan 0.44).",
    )
    whitened_gain: float | None = Field(
        default=None,
        description="Spreads of plain cosine that one of the whitened is worth in `temporal`. builtin: 0.6, 1.1.",
    )
    whitened_share: float | None = Field(
        default=None,
        description="Share of whitened similarity in an archive of many people (`temporal`). builtin: 0.5, 1.",
    )
    cluster_fade_years: float | None = Field(
        default=None,
        description="Pairs of faces n years apart weigh exp(-n / cluster_fade_years) in `temporal`. builtin: 2, 1.",
    )
    company: float | None = Field(
        default=None,
        description="What neighbours in common add to likeness at most, in `temporal`. builtin: 0.04, others: 0.",
    )
    company_lift: float | None = Field(
        default=None, description="What of that is taken off again. builtin: 0.017, others: 0."
    )
    attach_threshold: float | None = Field(
        default=None, description="Least similarity for a single face to join a cluster. builtin: 0.934, others: 0.42."
    )
    attach_margin: float | None = Field(
        default=None, description="That cluster's least lead over the next one. builtin: 0.012, others: 0.08."
    )
    fade_years: float | None = Field(
        default=None, description="Labelled faces n years away weigh exp(-n / fade_years). 2."
    )
    drift_per_year: float | None = Field(
        default=None, description="Similarity taken off for each year of gap beyond the first. builtin: 0.0015, 0.01."
    )
    min_cluster_size: int | None = Field(
        default=None, ge=2, description="Smaller groups are single faces. 2, for `hdbscan` 3."
    )
    min_samples: int | None = Field(
        default=None, description="Faces that make a dense place, for `hdbscan` and `dbscan`. Empty: as measured."
    )
    cluster_selection_epsilon: float | None = Field(
        default=None,
        description="Clusters nearer than this cosine distance are one, for `hdbscan`. 0.",
    )
    eps: float | None = Field(
        default=None,
        description="Greatest cosine distance between neighbours (`dbscan`) or groups that join (`agglomerative`).",
    )
    linkage: Literal["average", "single", "complete"] = Field(
        default="average", description="What the distance between two groups is, for `agglomerative`."
    )


class MatchingConfig(dg.Config):
    """When a face, or a group of faces, is a known person. Empty: what was measured for the pack."""

    person_threshold: float | None = Field(
        default=None, description="Least cosine similarity to a known person. builtin: 0.96, other packs: 0.6."
    )
    person_margin: float | None = Field(
        default=None, description="Least lead over the second-best person. builtin: 0.015, other packs: 0.1."
    )
    person_exemplars: int | None = Field(
        default=None, description="Best labelled faces a person and year that stand for the person. 3."
    )
    assign: Literal["prototype", "centroid", "vote", "knn"] = Field(
        default="prototype",
        description="How a face is compared with known people: nearest `prototype`, nearest `centroid` of a year, "
        "`vote` of all prototypes above the threshold, or `knn`, the nearest labelled faces.",
    )
    alike_margin: float | None = Field(
        default=None, description="Least lead over a sibling or look-alike. builtin: 0.02, other packs: 0.15."
    )
    absence: float | None = Field(
        default=None,
        ge=0,
        description="How many such leads a person has less in a school year in which a roster does not have them. 2.",
    )
    look_alike: float | None = Field(
        default=None,
        description="People whose prototypes are on average as similar as this are look-alikes. builtin: 0.945, 0.45.",
    )
    knn_neighbours: int | None = Field(default=None, ge=1, description="Labelled faces that `knn` asks. 5.")
    use_voting: bool | None = Field(default=None, description="Whether these vote, or the nearest one decides. True.")
    follow_years: bool | None = Field(
        default=None,
        description="With `prototype`: whether whole groups of unknown faces go to the person whose faces of near "
        "years they continue. True.",
    )
    follow_threshold: float | None = Field(
        default=None,
        description="Least mean of such a group's worth to the person and its lead over the next: its similarity to "
        "the person's faces, over what strangers have in common with both. builtin: 0.021, other packs: 0.125.",
    )
    follow_far: float | None = Field(
        default=None,
        ge=0,
        description="Taken off that worth by the logarithm of 1 + the years to the person's nearest labelled face. "
        "builtin: 0.008, other packs: 0.03.",
    )
    follow_single: bool | None = Field(
        default=None,
        description="Whether a face left alone may join the person who has its two likest faces, if these are as like "
        "as attach_threshold says and lead half as much again as attach_margin. builtin: False, other packs: True.",
    )
    follow_size: float | None = Field(
        default=None,
        ge=0,
        description="Taken off by the logarithm of the group's number of faces. builtin: 0.0045, other packs: 0.03.",
    )
    follow_margin: float | None = Field(
        default=None,
        description="That person's least lead over the next; half as much again among siblings and look-alikes. "
        "builtin: 0.004, other packs: 0.03.",
    )
    follow_fade_years: float | None = Field(
        default=None,
        description="In that mean faces n years apart weigh exp(-n / follow_fade_years). builtin: 4, others: 2.",
    )
    follow_group_threshold: float | None = Field(
        default=None,
        description="Least mean similarity within such a group. builtin: 0.952, other packs: 0.53.",
    )
