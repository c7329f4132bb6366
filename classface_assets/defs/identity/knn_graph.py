"""The asset `knn_graph`: each face's nearest neighbours over all school years."""

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.core.locations import Location
from classface_assets.defs.asset_factory import INFERENCE_POOL, archive_asset
from classface_assets.defs.automation import when_all_years_are_ready
from classface_assets.defs.identity.config import measured_values
from classface_assets.defs.ingest.embeddings import embeddings
from classface_assets.defs.memoized import Output, archive_state, compute_unless_cached, input_fingerprint
from classface_assets.defs.metadata import markdown_table, materialize_result
from classface_assets.identity.graph.blocks import MAX_EXACT_FACES, BlockMap, SearchOptions
from classface_assets.identity.graph.build import update_graph
from classface_assets.identity.graph.knn_graph import NO_NEIGHBOUR, KnnGraph, from_cached_frame, to_cached_frame
from classface_assets.identity.settings import settings_for
from classface_assets.orchestration.batches.ray.config import RAY_KEYS, RayConfig
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.files.parquet import DamagedFileError, read_parquet, write_parquet


class GraphConfig(RayConfig):
    """Which faces are neighbours."""

    neighbours: int = Field(default=30, ge=1, description="Nearest neighbours of each face.")
    least_similarity: float | None = Field(
        default=None,
        description="Faces that are less similar are no neighbours: far below any threshold at which faces are joined, "
        f"so that strangers do not fill the graph. {measured_values('min_edge_similarity')}",
    )


@archive_asset(
    deps=[embeddings],
    group_name="identity",
    kinds={"faiss", "parquet"},
    pool=INFERENCE_POOL,
    automate=when_all_years_are_ready,
    columns={"face_id": pl.String(), "neighbours": "Array(Int32, k)", "similarities": "Array(Float32, k)"},
    code_version="1",
)
def knn_graph(config: GraphConfig, archive: Archive, models: Models) -> dg.MaterializeResult:
    """The nearest neighbours of each face by cosine similarity, over all school years.

    Only faces that are new since the last run are searched, and those that lost a neighbour; the edges are the same as
    if all were searched.
    """
    catalog_version, _ = archive_state(archive, models)
    return compute_unless_cached(
        input_fingerprint(archive.layout, "knn_graph", catalog_version, config.model_dump(exclude=set(RAY_KEYS))),
        lambda: _build(config, archive, models),
    )


def _build(config: GraphConfig, archive: Archive, models: Models) -> Output:
    table, catalog = archive.layout.table("knn_graph"), archive.sound_catalog(models)
    ids = catalog.faces["face_id"] if catalog.faces.height else pl.Series("face_id", [], pl.String)
    least = config.least_similarity
    if least is None:
        least = settings_for(models.describe(archive.layout).embedder).min_edge_similarity
    previous = from_cached_frame(previous_graph_frame(table), ids, catalog.vectors, config.neighbours, least)
    options = SearchOptions(map_blocks=_block_map(config, archive, models, len(ids)))
    built = update_graph(ids, catalog.vectors, config.neighbours, least, previous, options)
    write_parquet(to_cached_frame(built.graph, catalog.vectors, least), table)
    result = materialize_result(
        len(ids),
        faces=len(ids),
        faces_searched=built.searched,
        search=built.method,
        recall="all" if built.recall is None else built.recall,
        neighbours=int((built.graph.neighbours != NO_NEIGHBOUR).sum()),
        similarity_of_nearest=markdown_table(nearest_similarity_quantiles(built.graph)),
    )
    return Output(result, [table], {"faces_searched": 0})


def _block_map(config: GraphConfig, archive: Archive, models: Models, faces: int) -> BlockMap | None:
    """Who searches the blocks of very many faces: the Ray cluster, where one is set; else this process."""
    if faces <= MAX_EXACT_FACES or config.ray is None:
        return None
    from classface_assets.orchestration.batches.ray.pool import ray_runner

    return ray_runner(config.ray, archive.layout, models.pack).search


def previous_graph_frame(table: Location) -> pl.DataFrame:
    """The graph of the last run; an empty frame where there is none that can be read."""
    try:
        return read_parquet(table)
    except (FileNotFoundError, DamagedFileError):
        return pl.DataFrame()


def nearest_similarity_quantiles(graph: KnnGraph) -> pl.DataFrame:
    """How similar the nearest neighbour of a face is: quantiles over all faces that have one."""
    nearest = pl.Series(graph.similarities[:, 0][graph.neighbours[:, 0] != NO_NEIGHBOUR])
    shares = [0.1, 0.25, 0.5, 0.75, 0.9]
    return pl.DataFrame({"share of faces below": shares, "similarity": [nearest.quantile(s) for s in shares]})
