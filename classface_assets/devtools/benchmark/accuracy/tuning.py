"""Tuning the methods that temporal clustering is compared with, on the people of `ground_truth.is_dev`.

Each method gets one setting for all archives: the one with the greatest mean BCubed F over the faces of those people,
in archives that hold no faces of the others. The grids run from far too strict to far too loose.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, cast

import numpy as np

from classface_assets.devtools.benchmark.accuracy.ground_truth import LabelledArchive, is_dev, mean_score
from classface_assets.devtools.benchmark.accuracy.immich_rule import cluster_by_immich_rule
from classface_assets.identity.clustering.methods import cluster
from classface_assets.identity.settings import ClusteringMethod, settings_for

IMMICH_RULE = "Immich's rule"
TUNED_IMMICH = {"narrow": {"max_distance": 0.06, "min_faces": 4}, "wide": {"max_distance": 0.58, "min_faces": 3}}
"""Found by `choose_settings` on seeds 0 to 4 of make_archive.py; those of the other methods are in `settings`."""
GroupingMethod = Callable[[LabelledArchive], np.ndarray]
"""Clusters the faces of an archive: (n,) labels, negative for none."""
DISTANCES = {"wide": np.arange(0.24, 0.80, 0.02), "narrow": np.arange(0.02, 0.122, 0.004)}
"""Cosine distances to try; narrow for embedders to which strangers are similar (dlib's)."""


def distance_scale(pack: str) -> str:
    """Which DISTANCES suit the pack's embedder: narrow where strangers are similar to it."""
    return "narrow" if settings_for(pack).cluster_threshold > 0.8 else "wide"


def settings_grid(pack: str, name: str) -> Iterator[dict[str, Any]]:
    """The settings of a method that are tried."""
    distances = DISTANCES[distance_scale(pack)].round(3).tolist()
    if name == "hdbscan":
        selection = (0.0, round(distances[-1] / 4, 3), round(distances[-1] / 2, 3))
        for d, size, samples, epsilon in product(distances[::2], (2, 3), (1, 2, 3), selection):
            yield {
                "cluster_threshold": round(1 - d, 3),
                "min_cluster_size": size,
                "min_samples": samples,
                "cluster_selection_epsilon": epsilon,
            }
    elif name == "dbscan":
        yield from ({"eps": d, "min_samples": samples} for d, samples in product(distances, (2, 3, 4, 5)))
    elif name == "agglomerative":
        linkages = ("average", "single", "complete")
        yield from ({"eps": d, "linkage": linkage} for d, linkage in product(distances, linkages))
    elif name == IMMICH_RULE:
        yield from ({"max_distance": d, "min_faces": faces} for d, faces in product(distances, (2, 3, 4)))


def grouping_method(pack: str, name: str, overrides: Mapping[str, Any]) -> GroupingMethod:
    """A clustering method with these settings in place of the pack's own."""
    if name == IMMICH_RULE:
        return lambda archive: cluster_by_immich_rule(archive.graph, **overrides)
    settings = replace(settings_for(pack, cast(ClusteringMethod, name)), **overrides)
    return lambda archive: cluster(archive.material, settings)


def choose_settings(archives: Sequence[LabelledArchive], pack: str, name: str) -> tuple[dict[str, Any], float]:
    """The settings with the greatest mean F, and that F.

    Args:
        archives: Archives with the faces of dev people only.
        pack: The model pack.
        name: The method.
    """
    best: tuple[dict[str, Any], float] = ({}, -1.0)
    for settings in settings_grid(pack, name):
        method = grouping_method(pack, name, settings)
        f = mean_score([archive.score(method(archive), is_dev) for archive in archives]).f
        if f > best[1]:
            best = settings, f
    return best
