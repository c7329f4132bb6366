"""The asset `cluster_assignments`: each face's person, unknown cluster, or neither."""

from dataclasses import fields, replace
from typing import Literal

import dagster as dg
from pydantic import Field

from classface_assets.assets.assigning import assigned, grouped_whole
from classface_assets.assets.common import OWNERS, PUBLISH_POOL, result
from classface_assets.assets.face_tables import current_facts, face_tables
from classface_assets.assets.knn_graph import knn_graph
from classface_assets.assets.portraits import known_portraits
from classface_assets.assets.previews import cluster_picture, summary
from classface_assets.assets.stamped import archive_state, stamp_of, stamped, unchanged
from classface_assets.automation.conditions import WHEN_ALL_YEARS_ARE_READY
from classface_assets.failures import says_it_in_a_sentence
from classface_assets.identity.graph import Graph
from classface_assets.identity.settings import AssignmentSettings, settings_for
from classface_assets.resources import Archive, Models
from classface_assets.store.calibration import calibration_file, fitted
from classface_assets.store.layout import Layout
from classface_assets.store.stamps import seen
from classface_assets.store.tables import read_table, write_whole
from classface_assets.vision.pack_info import PackInfo


class AssignmentConfig(dg.Config):
    """When a face is a known person, and when two unknown faces are one. Empty: what was measured for the pack."""

    method: Literal["temporal", "hdbscan", "dbscan", "agglomerative"] = Field(
        default="temporal",
        description="How unknown faces are grouped: `temporal` (linkage that knows the school year), or `hdbscan`, "
        "`dbscan`, `agglomerative`, which do not.",
    )
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
        "the person's faces, over what strangers have in common with both. builtin: 0.021, other packs: 0.13.",
    )
    follow_far: float | None = Field(
        default=None,
        ge=0,
        description="Taken off that worth by the logarithm of 1 + the years to the person's nearest labelled face. "
        "builtin: 0.008, other packs: 0.03.",
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

    all_anew: bool = Field(
        default=False,
        description="Group all unknown faces anew (`temporal`). Otherwise new faces join the groups that stand, and "
        "these are not split, until a tenth of the faces is new.",
    )

    def made_of(self) -> dict[str, object]:
        """What a run's outcome depends on."""
        return self.model_dump(exclude={"all_anew"})

    def settings(self, pack: PackInfo, layout: Layout) -> AssignmentSettings:
        """The pack's measured settings; before them those fitted to the archive, before all what is given here."""
        known = {field.name for field in fields(AssignmentSettings)}
        given = {name: value for name, value in self.model_dump(include=known).items() if value is not None}
        return replace(settings_for(pack.name, self.method), **{**fitted(layout, pack.key, self.method), **given})


@dg.asset(
    deps=[knn_graph, face_tables],
    group_name="identity",
    kinds={"hdbscan", "scipy", "parquet"},
    owners=OWNERS,
    pool=PUBLISH_POOL,
    automation_condition=WHEN_ALL_YEARS_ARE_READY,
)
@says_it_in_a_sentence
def cluster_assignments(config: AssignmentConfig, archive: Archive, models: Models) -> dg.MaterializeResult:
    """Who each face is: first the people that were named, by their labelled faces, then clusters of the unknown.

    Two faces of one photo are never together, a labelled face never moves, and an unknown cluster keeps its number from
    run to run. Every row says how sure it is and why.
    """
    layout, pack = archive.layout, models.describe(archive.layout)
    output, graph = layout.table("cluster_assignments"), layout.table("knn_graph")
    # Not of the last run's numbers, which it only hands on: with all else the same they come out the same.
    made_of = archive_state(archive, models), seen(graph), config.made_of(), seen(calibration_file(layout))
    stamp = stamp_of(layout, "cluster_assignments", made_of)
    if (same := unchanged(stamp)) and (grouped_whole(layout) or not config.all_anew):
        return same
    facts = current_facts(archive, models)
    portraits, lost = known_portraits(archive, models)
    edges, settings = Graph.of_frame(read_table(graph)), config.settings(pack, layout)
    rows = assigned(archive, facts, facts.vectors, edges, settings, portraits, all_anew=config.all_anew)
    write_whole(rows, output)
    told = result(
        rows.height,
        **summary(rows),
        people_known_by_a_portrait=len(portraits),
        portraits_lost=lost,
        **cluster_picture(layout, pack, facts.faces, rows),
    )
    return stamped(stamp, told, [output])
