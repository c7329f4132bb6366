"""Clustering service: embeddings of unknown faces grouped into people, as the asset `cluster_assignments` does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from classface_assets.api.arrays import ArrayError, as_unit_vectors, one_each
from classface_assets.core.errors import UserError

if TYPE_CHECKING:
    from classface_assets.identity.settings import AssignmentSettings

Pairs = Sequence[tuple[int, int]]
Method = Literal["temporal", "hdbscan", "dbscan", "agglomerative"]


@dataclass(frozen=True)
class Clusters:
    """What a clustering found.

    Attributes:
        labels: (n,) int64, the cluster of each face from 0 in the order of their first faces, -1 for noise.
        num_clusters: how many clusters there are.
        cluster_sizes: cluster → number of its faces.
    """

    labels: np.ndarray
    num_clusters: int
    cluster_sizes: Mapping[int, int]

    @property
    def noise_count(self) -> int:
        """How many faces are in no cluster."""
        return int((self.labels < 0).sum())


class ClusteringService:
    """Groups the faces of unknown people, by the methods of the pipeline and the thresholds measured for a pack.

    Args:
        pack: the model pack that the embeddings are of; it decides the thresholds, and is not loaded.
        method: `temporal` (average linkage that knows the school year), `hdbscan`, `dbscan` or `agglomerative`.
        neighbours: nearest neighbours of each face in the graph.
        **settings: other thresholds by their run-config keys, as `cluster_threshold=0.5`.

    Raises:
        UserError: a threshold or method that does not exist.

    Example:
        >>> import numpy as np
        >>> from classface_assets.api import ClusteringService
        >>> rng = np.random.default_rng(0)
        >>> people = rng.normal(size=(3, 128))
        >>> embeddings = np.repeat(people, 4, axis=0) + rng.normal(scale=0.05, size=(12, 128))
        >>> found = ClusteringService(pack="arcface").cluster_embeddings(embeddings)
        >>> found.num_clusters, found.cluster_sizes
        (3, {0: 4, 1: 4, 2: 4})
        >>> found.labels.tolist()
        [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    """

    def __init__(
        self, pack: str = "builtin", method: Method = "temporal", neighbours: int = 30, **settings: Any
    ) -> None:
        self.settings = settings_with(pack, method, settings)
        self.neighbours = neighbours

    def cluster_embeddings(
        self,
        embeddings: np.ndarray | Sequence[np.ndarray],
        *,
        years: Sequence[float | None] | np.ndarray | None = None,
        photos: Sequence[object] | None = None,
        quality: Sequence[float | None] | np.ndarray | None = None,
        constraints: "Constraints | None" = None,
    ) -> Clusters:
        """Group faces into people.

        Args:
            embeddings: (n, d), scaled to unit length here.
            years: the first calendar year of each face's school year, None or NaN where it is unknown.
            photos: anything that tells photos apart, one a face: two faces of one photo are never one person.
            quality: 0 to 1; two faces that are both of less than `min_core_quality` found no cluster. Default 1.
            constraints: pairs of faces that are, or are not, one person.

        Raises:
            ArrayError: arrays that do not belong together.
        """
        from classface_assets.identity.clustering.methods import cluster
        from classface_assets.identity.graph.build import build_graph
        from classface_assets.identity.inputs import ClusteringInput

        vectors = as_unit_vectors(embeddings) if len(embeddings) else np.zeros((0, 1), np.float32)
        count = len(vectors)
        if not count:
            return Clusters(np.zeros(0, np.int64), 0, {})
        ids = [f"{row:09d}" for row in range(count)]
        graph = build_graph(ids, vectors, min(self.neighbours, max(1, count - 1)), self.settings.min_edge_similarity)
        pairs, similarities = graph.pairs()
        must, cannot = (constraints or Constraints()).as_arrays(count)
        labels = cluster(
            ClusteringInput(
                vectors=vectors,
                years=one_each("years", years, count, np.nan),
                photos=_numbered(photos, count),
                quality=one_each("quality values", quality, count, 1.0).astype(np.float32),
                pairs=pairs,
                similarities=similarities,
                must_link=must,
                cannot_link=cannot,
            ),
            self.settings,
        )
        sizes = np.bincount(labels[labels >= 0]).tolist()
        return Clusters(labels, len(sizes), dict(enumerate(sizes)))


@dataclass(frozen=True)
class Constraints:
    """What people decided about pairs of faces, by their row numbers.

    Attributes:
        must_link: the two are one person, whatever else.
        cannot_link: the two are different people.
    """

    must_link: Pairs = ()
    cannot_link: Pairs = ()

    def as_arrays(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Both as (q, 2) int64. Raises ArrayError for a row that is none of `count`."""
        must, cannot = (np.array(list(pairs), np.int64).reshape(-1, 2) for pairs in (self.must_link, self.cannot_link))
        for pairs in (must, cannot):
            if len(pairs) and (pairs.min() < 0 or pairs.max() >= count):
                raise ArrayError(f"A constraint names a face outside of the {count} that there are.")
        return must, cannot


def settings_with(pack: str, method: Method, given: Mapping[str, Any]) -> "AssignmentSettings":
    """The settings measured for a pack and method, with those that are given in place of them. Raises UserError."""
    from classface_assets.identity.settings import AssignmentSettings, settings_for

    if method not in get_args(Method):
        raise UserError(f"There is no method {method!r}: choose {', '.join(get_args(Method))}.")
    unknown = sorted(given.keys() - AssignmentSettings.__dataclass_fields__.keys())
    if unknown:
        raise UserError(f"There is no setting {unknown[0]!r}: the settings are those of the run config.")
    return replace(settings_for(pack, method), **given)


def _numbered(photos: Sequence[object] | None, count: int) -> np.ndarray:
    """A number a photo, (n,) int64; without photos each face has one of its own."""
    if photos is None:
        return np.arange(count)
    if len(photos) != count:
        raise ArrayError(f"There are {count} embeddings but {len(photos)} photos: give one per face.")
    number: dict[object, int] = {}
    return np.array([number.setdefault(photo, len(number)) for photo in photos], np.int64)
