"""Grouping faces that may be years apart: constrained average linkage along the nearest neighbour graph.

The merging is in `averages`, the space in which faces are compared in `space`, their neighbours' part in that in
`company`, how it is measured in `measuring`, the second chance of single faces in `leftovers`.
"""

import numpy as np

from classface_assets.identity.averages import linked
from classface_assets.identity.company import with_company
from classface_assets.identity.constraints import with_musts
from classface_assets.identity.leftovers import join_leftovers
from classface_assets.identity.material import Material
from classface_assets.identity.measuring import measure_archive
from classface_assets.identity.settings import AssignmentSettings


def temporal_linkage(
    material: Material, settings: AssignmentSettings, standing: np.ndarray | None = None
) -> np.ndarray:
    """Group of each face, (n,) int64, numbered by a face of it; a face that nobody is like is a group of its own.

    Average linkage in the archive's own space, pairs of faces weighted by closeness in years; then single faces may
    join a group. Faces of one photo and cannot-links never are in one group, must-links always are.

    standing (n,): groups of before, which stay as they are, -1 for the faces that are to be placed. Then only these are
    joined to them or to one another, and what is not near them is not looked at.
    """
    measured = material.measured or measure_archive(material, settings)
    enough = measured.told.share / max(settings.whitened_share, 1e-6)  # among few faces all have the same neighbours
    company = settings.company * enough, settings.company_lift * enough
    attach = settings.attach_threshold, settings.attach_margin
    if standing is None:
        space = with_company(measured.told.space(material.vectors), material, *company)
        return join_leftovers(linked(material, settings, space), material, *attach)
    near = _groups_beside(standing, material.pairs)
    part, stood = material.subset(near), standing[near]
    space = with_company(measured.told.space(part.vectors), material, *company, rows=near)
    joined = with_musts(standing, material)
    joined[near] = near[join_leftovers(linked(part, settings, space, stood), part, *attach, open_to=stood < 0)]
    return joined


def _groups_beside(standing: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The rows of the faces that are to be placed, and of all groups that an edge ties to one of them."""
    placing = standing < 0
    beside = np.zeros(standing.max(initial=-1) + 2, bool)  # the last is that of the faces to be placed
    for face, other in (pairs.T, pairs.T[::-1]):
        beside[standing[other[placing[face]]]] = True
    return np.flatnonzero(placing | beside[standing])
