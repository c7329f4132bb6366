"""What people decided about faces, as constraints on the faces of today: the input of clustering and matching."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

import numpy as np

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class FaceConstraints:
    """Constraints by face and person id. Merged people are resolved to those they were merged into.

    Pairwise constraints as in semi-supervised clustering (must-link and cannot-link, Wagstaff & Cardie 2000).

    Attributes:
        confirmed: Face id -> person id, of every face that somebody labelled or confirmed.
        rejected: (face id, person id): the face is not that person.
        must_link: Pairs of faces of one person.
        cannot_link: Pairs of faces of two people. They contradict neither `must_link` nor `confirmed`.
        collages: Asset ids of photos that may show a person twice.
        siblings: Person id -> those who look similar because they are siblings.
        not_faces: Faces that are none, and in no other field.
        erased_faces: Faces of erased people, which may not be embedded, and are in no other field.
        enrolled: Person id -> the school years in which a roster has them.
        portraits: Person id -> the unit vector (d,) of the portrait that they were enrolled with, where the caller has
            them.
    """

    confirmed: Mapping[str, str] = field(default_factory=dict)
    rejected: Set[tuple[str, str]] = frozenset()
    must_link: Pairs = ()
    cannot_link: Pairs = ()
    collages: Set[str] = frozenset()
    siblings: Mapping[str, Set[str]] = field(default_factory=dict)
    not_faces: Set[str] = frozenset()
    erased_faces: Set[str] = frozenset()
    enrolled: Mapping[str, Set[str]] = field(default_factory=dict)
    portraits: Mapping[str, np.ndarray] = field(default_factory=dict)
