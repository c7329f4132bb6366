"""The settings of how unknown faces are grouped."""

from typing import Literal

import dagster as dg
from pydantic import Field


class GroupsConfig(dg.Config):
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
