"""The asset `knn_graph`: each face's nearest neighbours over all school years."""

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.core.locations import Location
from classface_assets.defs.automation import WHEN_ALL_YEARS_ARE_READY
from classface_assets.defs.ingest.embeddings import embeddings
from classface_assets.defs.memoized import archive_state, cached_result, input_fingerprint, record_result
from classface_assets.defs.metadata import INFERENCE_POOL, OWNERS, markdown_table, materialize_result
from classface_assets.identity.graph.build import update_graph
from classface_assets.identity.graph.knn_graph import NO_NEIGHBOUR, KnnGraph, from_cached_frame, to_cached_frame
from classface_assets.identity.settings import settings_for
from classface_assets.orchestration.failures import report_user_errors
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.working_set import current_catalog
from classface_assets.store.files.parquet import DamagedFileError, read_parquet, write_parquet


class GraphConfig(dg.Config):
    neighbours: int = Field(default=30, ge=1, description="Nearest neighbours kept for each face.")
    least_similarity: float | None = Field(
        default=None,
        description="Faces less alike than this are no neighbours: far below what anything is joined at, so that "
        "strangers do not fill the graph. builtin: 0.9, other packs: 0.25.",
    )


@dg.asset(
    deps=[embeddings],
    group_name="identity",
    kinds={"faiss", "parquet"},
    owners=OWNERS,
    pool=INFERENCE_POOL,
    automation_condition=WHEN_ALL_YEARS_ARE_READY,
)
@report_user_errors
def knn_graph(config: GraphConfig, archive: Archive, models: Models) -> dg.MaterializeResult:
    """Who looks like whom: each face's nearest neighbours by cosine similarity, over all school years.

    Only faces that came since the last run are searched, and those that lost a neighbour; the edges are the same as
    from nothing.
    """
    output = archive.layout.table("knn_graph")
    faces, _ = archive_state(archive, models)
    stamp = input_fingerprint(archive.layout, "knn_graph", faces, config.model_dump())
    if same := cached_result(stamp):
        return same
    facts = current_catalog(archive, models)
    ids = facts.faces["face_id"] if facts.faces.height else pl.Series("face_id", [], pl.String)
    least = settings_for(models.describe(archive.layout).name).min_edge_similarity
    least = least if config.least_similarity is None else config.least_similarity
    before = from_cached_frame(previous_graph_frame(output), ids, facts.vectors, config.neighbours, least)
    made = update_graph(ids, facts.vectors, config.neighbours, least, before)
    write_parquet(to_cached_frame(made.graph, facts.vectors, least), output)
    told = materialize_result(
        len(ids),
        faces=len(ids),
        faces_searched=made.searched,
        search=made.method,
        recall="all" if made.recall is None else made.recall,
        neighbours=int((made.graph.neighbours != NO_NEIGHBOUR).sum()),
        similarity_of_nearest=markdown_table(nearest_similarity_quantiles(made.graph)),
    )
    return record_result(stamp, told, [output], faces_searched=0)


def previous_graph_frame(output: Location) -> pl.DataFrame:
    """The graph of the last run; an empty frame when there is none that can be read."""
    try:
        return read_parquet(output)
    except (FileNotFoundError, DamagedFileError):
        return pl.DataFrame()


def nearest_similarity_quantiles(graph: KnnGraph) -> pl.DataFrame:
    """How similar the nearest neighbour of a face is: the deciles over all faces that have one."""
    nearest = pl.Series(graph.similarities[:, 0][graph.neighbours[:, 0] != NO_NEIGHBOUR])
    shares = [0.1, 0.25, 0.5, 0.75, 0.9]
    return pl.DataFrame({"share of faces below": shares, "similarity": [nearest.quantile(s) for s in shares]})
