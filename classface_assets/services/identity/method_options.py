"""Which clustering method an option belongs to: an option of one method must not be taken and then ignored."""

from collections.abc import Mapping
from typing import Any, Literal

from classface_assets.core.errors import UserError
from classface_assets.core.names import join_names
from classface_assets.identity.settings import ClusteringMethod

Metric = Literal["cosine", "euclidean"]
METHODS_OF_OPTION: Mapping[str, tuple[ClusteringMethod, ...]] = {
    "min_samples": ("hdbscan", "dbscan"),
    "cluster_selection_epsilon": ("hdbscan",),
    "eps": ("dbscan", "agglomerative"),
    "linkage": ("agglomerative",),
}
"""Option -> the methods that have it; the first is meant where no method is given."""
_SHOWN = {"cluster_selection_epsilon": "epsilon", "min_samples": "min-samples", "eps": "unknown-eps"}


class MethodOptionError(UserError):
    """An option that the clustering method does not have."""


def with_method(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the method that their options belong to.

    Args:
        settings: By the names of run configs; those that are None are not given.

    Returns:
        The settings that are given, with `method` where one of them belongs to certain methods.

    Raises:
        MethodOptionError: The given method does not have an option, or no method has all options.
    """
    present = {name: value for name, value in settings.items() if value is not None}
    special = [name for name in METHODS_OF_OPTION if name in present]
    if not special:
        return present
    possible = [
        method for method in METHODS_OF_OPTION[special[0]] if all(method in METHODS_OF_OPTION[n] for n in special)
    ]
    if present.get("method") in possible:
        return present
    names = join_names([_SHOWN.get(name, name) for name in special])
    if "method" in present:
        name = next(name for name in special if present["method"] not in METHODS_OF_OPTION[name])
        raise MethodOptionError(
            f"The method {present['method']} has no {_SHOWN.get(name, name)}; leave it out, or choose "
            f"{' or '.join(METHODS_OF_OPTION[name])}."
        )
    if not possible:
        raise MethodOptionError(f"No clustering method has {names} together; leave one of them out.")
    return present | {"method": possible[0]}


def cosine_distance(distance: float | None, metric: Metric) -> float | None:
    """A distance between unit vectors as the cosine distance that the settings have: half its square if Euclidean."""
    return distance if distance is None or metric == "cosine" else distance**2 / 2
