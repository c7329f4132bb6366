"""What the two assets that assign faces share: gathering what people said, and the numbers of the last run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.core.layout import Layout
from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.identity.clustering.cluster_ids import highest_number
from classface_assets.identity.clustering.incremental import SCHEMA as STANDING
from classface_assets.identity.clustering.incremental import Standing
from classface_assets.identity.evaluation.summary import torn_labels
from classface_assets.identity.graph.knn_graph import Graph
from classface_assets.identity.inputs_from_frames import measured_of
from classface_assets.identity.pipeline import assign_upon
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.model import SCHEMA, Measured
from classface_assets.store.artifacts.cluster_memory import numbers_before
from classface_assets.store.catalog.faces import Facts
from classface_assets.store.decisions.history import names_of_pieces
from classface_assets.store.decisions.reconciliation import said
from classface_assets.store.decisions.replay import replay
from classface_assets.store.files.parquet import read_or_empty, write_whole
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event

_NUMBERS = pl.Schema({"highest": pl.Int64})


class PublishingRefusedError(UserError):
    """What is to be published would move a face that a person labelled."""


def assigned(
    layout: Layout,
    events: Sequence[Event],
    facts: Facts,
    vectors: np.ndarray,
    graph: Graph,
    settings: AssignmentSettings,
    portraits: Mapping[str, np.ndarray],
    whose: str = "",
    all_anew: bool = False,
) -> pl.DataFrame:
    """ASSIGNMENTS of all faces by these vectors and by what people said in `events`; the greatest cluster number ever
    given is kept. `portraits`: the vectors of those that people were enrolled with.

    So is what was measured to compare faces by, until the archive changes by a fifth (`identity.measured`), and the
    groups of the unknown, which few new faces join until a tenth is new (`identity.standing`) or `all_anew` is asked
    for. Without these tables, which have `whose` in their names, it is done anew.
    """
    if not facts.faces.height:
        return pl.DataFrame(schema=ASSIGNMENTS)
    previous = numbers_before(layout)
    kept = layout.table(f"face_groups{whose}")
    found = assign_upon(
        None if all_anew else Standing.of_frame(read_or_empty(kept, STANDING)),
        _with_photo(facts),
        vectors,
        graph,
        replace(said(replay(events), facts.faces), portraits=portraits),
        previous,
        settings,
        _highest(layout),
        names_of_pieces(events),
        _measured(layout, f"face_space{whose}", facts, vectors, graph, settings),
    )
    if found.standing is not None:
        write_whole(found.standing.to_frame(), kept)
    rows = found.rows
    highest = max(_highest(layout), highest_number(previous["cluster_id"]), highest_number(rows["cluster_id"]))
    write_whole(pl.DataFrame({"highest": [highest]}, schema=_NUMBERS), layout.table("cluster_numbers"))
    return rows


def grouped_whole(layout: Layout) -> bool:
    """Whether no unknown face was placed among groups that stood since all were last grouped."""
    return not read_or_empty(layout.table("face_groups"), STANDING)["added"].any()


def refuse_to_move_labelled(
    layout: Layout, decisions: Decisions, facts: Facts, rows: pl.DataFrame, of_these_facts: bool
) -> None:
    """Raises PublishingRefusedError when a face would not have the name that somebody had given it by `decisions`.

    The next run then assigns all faces anew, rather than to find that the table is of what it should be.
    """
    torn = names_lost(rows, decisions, facts.faces, of_these_facts)
    if torn:
        layout.stamp("cluster_assignments").unlink(missing_ok=True)
        raise PublishingRefusedError(
            f"Nothing was published: {len(torn):,} labelled faces would lose their name (the first is {torn[0]}); "
            "what was published before stays, and so does every name. `classface cluster-dual --all-anew` groups all "
            "faces anew and publishes them."
        )


def names_lost(rows: pl.DataFrame, decisions: Decisions, faces: pl.DataFrame, of_these_faces: bool) -> list[str]:
    """The labelled faces that `rows` does not give to whom somebody named, sorted. Where it was not made of just these
    faces, those that it lacks came since and have no place yet."""
    if not faces.height:
        return []
    confirmed = said(decisions, faces).confirmed
    there = set(rows["face_id"])
    return torn_labels(rows, {f: p for f, p in confirmed.items() if of_these_faces or f in there})


def _with_photo(facts: Facts) -> pl.DataFrame:
    """FACES with the path and the time of their photos."""
    photos = facts.images.filter(pl.col("status") == "ok").unique("asset_id", keep="first", maintain_order=True)
    photos = photos.select("asset_id", "path", "taken_at")
    wanted = facts.faces.select("face_id", "asset_id", "school_year", "year", "quality_score")
    return wanted.join(photos, on="asset_id", how="left", maintain_order="left")


def _measured(
    layout: Layout, space: str, facts: Facts, vectors: np.ndarray, graph: Graph, settings: AssignmentSettings
) -> Measured:
    """How the faces are compared: as before, or as they were measured now, and then that is kept."""
    kept = Measured.of_frame(read_or_empty(layout.table(space), SCHEMA))
    now = measured_of(facts.faces, vectors, graph, settings, kept)
    if now is not kept:
        write_whole(now.to_frame(), layout.table(space))
    return now


def _highest(layout: Layout) -> int:
    kept = read_or_empty(layout.table("cluster_numbers"), _NUMBERS)["highest"].max()
    return kept if isinstance(kept, int) else 0
