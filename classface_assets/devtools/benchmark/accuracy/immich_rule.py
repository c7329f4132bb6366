"""Immich's rule of grouping faces, to compare with: not used by the pipeline.

As its server has it (server/src/services/person.service.ts, handleRecognizeFaces; maxDistance 0.5 and minFaces 3 unless
told): face after face, the nearest within maxDistance are searched, at most minFaces, the face itself among them. A
face with that many is core; one that has only itself is left alone; one that is not core comes again when all others
were looked at. The face joins the person of the nearest match that has one, else of the nearest face within the
distance that has one; if there is none, a core face begins a person. Photos and years play no part.
"""

import numpy as np

from classface_assets.identity.graph.knn_graph import NO_NEIGHBOUR, KnnGraph


def cluster_by_immich_rule(graph: KnnGraph, max_distance: float = 0.5, min_faces: int = 3) -> np.ndarray:
    """Person of each face, (n,) int64, -1 for none; the faces come in the order of the graph, and then the deferred.

    The graph must hold min_faces - 1 neighbours or more; someone with a person who is not among them is not found.
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
