"""Choosing the settings of the methods that temporal linkage is compared with, on the people of `labelled.is_dev`.

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
"""What `choose` found for it on seeds 0 to 4 of make_archive.py; what it found for the others is in `settings`."""
GroupingMethod = Callable[[LabelledArchive], np.ndarray]
"""A way of grouping the faces of an archive: a label a face, negative for none."""
DISTANCES = {"wide": np.arange(0.24, 0.80, 0.02), "narrow": np.arange(0.02, 0.122, 0.004)}
"""Cosine distances to try; narrow for embedders whose strangers are alike (dlib's)."""


def distance_scale(pack: str) -> str:
    """Whether strangers are alike to the pack's embedder, so that distances are narrow."""
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


def grouping_method(pack: str, name: str, given: Mapping[str, Any]) -> GroupingMethod:
    """A method with these settings in the place of the pack's own."""
    if name == IMMICH_RULE:
        return lambda archive: cluster_by_immich_rule(archive.graph, **given)
    settings = replace(settings_for(pack, cast(ClusteringMethod, name)), **given)
    return lambda archive: cluster(archive.material, settings)


def choose_settings(archives: Sequence[LabelledArchive], pack: str, name: str) -> tuple[dict[str, Any], float]:
    """The settings of greatest mean F, and that F. archives: of dev people alone."""
    best: tuple[dict[str, Any], float] = ({}, -1.0)
    for given in settings_grid(pack, name):
        group = grouping_method(pack, name, given)
        found = mean_score([archive.score(group(archive), is_dev) for archive in archives]).f
        if found > best[1]:
            best = given, found
    return best
