"""Cluster numbers that stay with their faces from run to run."""

from collections import Counter
from collections.abc import Mapping, Sequence

PREFIX = "unknown_cluster_"


def previous_numbers(cluster_of: Mapping[str, str]) -> dict[str, int]:
    """Number of each face (id) that was in an unknown cluster: face id -> N."""
    return {
        face: int(cluster.removeprefix(PREFIX))
        for face, cluster in cluster_of.items()
        if cluster.startswith(PREFIX) and cluster.removeprefix(PREFIX).isdigit()
    }


def number_clusters(clusters: Sequence[Sequence[str]], previous: Mapping[str, int]) -> list[int]:
    """A number for each cluster (a list of face ids).

    Each takes the number of the former cluster with which it shares most faces, greatest share first and one to one;
    the rest, in order of size and then of face id, get numbers above all former ones.
    """
    shares = Counter((i, previous[face]) for i, faces in enumerate(clusters) for face in faces if face in previous)
    order = sorted(shares, key=lambda pair: (-shares[pair], pair[1], min(clusters[pair[0]])))
    numbers: dict[int, int] = {}
    taken: set[int] = set()
    for i, number in order:
        if i not in numbers and number not in taken:
            numbers[i] = number
            taken.add(number)
    following = max(previous.values(), default=0) + 1
    fresh = [i for i in range(len(clusters)) if i not in numbers]
    for i in sorted(fresh, key=lambda i: (-len(clusters[i]), min(clusters[i]))):
        numbers[i] = following
        following += 1
    return [numbers[i] for i in range(len(clusters))]
