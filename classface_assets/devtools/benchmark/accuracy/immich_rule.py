"""Immich's rule of clustering faces, to compare with: not used by the pipeline.

Source: its server (server/src/services/person.service.ts, handleRecognizeFaces), with maxDistance 0.5 and minFaces 3 by
default. Face after face, the nearest within maxDistance are searched, at most minFaces, the face itself among them. A
face with that many is a core face; one that has only itself is left alone; one that is no core face is deferred until
all others are done. The face joins the person of the nearest match that has one, else of the nearest face within the
distance that has one; if there is none, a core face begins a new person. Photos and years play no part.
"""

import numpy as np

from classface_assets.identity.graph.knn_graph import NO_NEIGHBOUR, KnnGraph


def cluster_by_immich_rule(graph: KnnGraph, max_distance: float = 0.5, min_faces: int = 3) -> np.ndarray:
    """Cluster the faces in the order of the graph, and then the deferred ones.

    Args:
        graph: The nearest neighbours, at least min_faces - 1 of each face; others are not searched.
        max_distance: The greatest cosine distance of a match.
        min_faces: How many matches a core face has, itself among them.

    Returns:
        (n,) int64: the person of each face, -1 for none.
    """
    near = (graph.neighbours != NO_NEIGHBOUR) & (graph.similarities >= 1.0 - max_distance)
    matches = [row[mask].tolist() for row, mask in zip(graph.neighbours, near, strict=True)]
    person = np.full(len(matches), -1, np.int64)
    deferred, people = [], 0
    for face in range(len(matches)):
        core = len(matches[face]) >= min_faces - 1
        if not core:
            if matches[face] or min_faces <= 1:
                deferred.append(face)
            continue
        known = next((person[mate] for mate in matches[face] if person[mate] >= 0), -1)
        if known < 0:
            known, people = people, people + 1
        person[face] = known
    for face in deferred:
        person[face] = next((person[mate] for mate in matches[face] if person[mate] >= 0), -1)
    return person
