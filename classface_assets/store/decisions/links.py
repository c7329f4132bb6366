"""Pair constraints that contradict one another, resolved: labels hold, and of other constraints the newer one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from itertools import pairwise
from typing import NamedTuple


class PairConstraint(NamedTuple):
    """That faces a and b are of one person (`same`) or of two. b may be `person_node(person)` instead of a face."""

    a: str
    b: str
    same: bool
    event_id: int


def person_node(person_id: str) -> str:
    """The node of a person in the union-find of faces."""
    return f"person:{person_id}"


def resolve_conflicts(
    owners: Mapping[str, str], pairs: Sequence[PairConstraint]
) -> tuple[list[PairConstraint], list[PairConstraint]]:
    """Drop the constraints that contradict labels or newer constraints, also by way of other faces.

    Constraints are taken newest first into a union-find of faces.

    Args:
        owners: Labelled face -> person.
        pairs: Constraints, oldest first.

    Returns:
        (retained, dropped), each in the order given.
    """
    groups = _ConstraintGroups(owners)
    retained = [pair for pair in reversed(pairs) if groups.add(pair)]
    retained_set = set(retained)
    return retained[::-1], [pair for pair in pairs if pair not in retained_set]


def bridge_missing_faces(pairs: Sequence[PairConstraint], missing: Set[str]) -> list[PairConstraint]:
    """The constraints without faces that are missing.

    Faces that are linked by way of missing ones stay linked, and those that are separated by them stay separated.
    """
    bridged = [pair for pair in pairs if pair.a not in missing and pair.b not in missing]
    linked: dict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        if pair.same and (pair.a in missing or pair.b in missing):
            linked[pair.a].append(pair.b)
            linked[pair.b].append(pair.a)
    substitute: dict[str, str] = {}
    for start in [node for node in linked if node in missing]:
        if start not in substitute:
            present, passed = _reachable(start, linked, missing)
            bridged += [PairConstraint(a, b, True, 0) for a, b in pairwise(present)]
            substitute |= dict.fromkeys(passed, present[0] if present else "")
    for pair in pairs:
        if not pair.same and (pair.a in missing or pair.b in missing):
            a, b = (substitute.get(face, "") if face in missing else face for face in (pair.a, pair.b))
            if a and b:
                bridged.append(PairConstraint(a, b, False, 0))
    return bridged


def _reachable(start: str, linked: Mapping[str, list[str]], missing: Set[str]) -> tuple[list[str], set[str]]:
    """The present faces that are linked with this one by way of missing ones, and these missing ones."""
    present: dict[str, None] = {}
    passed: set[str] = set()
    stack = [start]
    while stack:
        node = stack.pop()
        if node not in missing:
            present[node] = None
        elif node not in passed:
            passed.add(node)
            stack += linked[node]
    return list(present), passed


class _ConstraintGroups:
    """Faces known to be of one person (union-find), and which groups are known to be of two."""

    def __init__(self, owners: Mapping[str, str]) -> None:
        self.parent: dict[str, str] = {}
        self.apart: dict[str, set[str]] = defaultdict(set)
        self.owner: dict[str, str] = {}
        self.owners = owners

    def root(self, node: str) -> str:
        path = []
        while (parent := self.parent.get(node) or self._owner_of(node)) is not None:
            path.append(node)
            node = parent
        for passed in path:
            self.parent[passed] = node
        if node.startswith("person:"):
            self.owner.setdefault(node, node)
        return node

    def _owner_of(self, face: str) -> str | None:
        return person_node(self.owners[face]) if face in self.owners else None

    def add(self, pair: PairConstraint) -> bool:
        """Hold to this constraint from now on; False when it contradicts one that was added before."""
        a, b = self.root(pair.a), self.root(pair.b)
        if not pair.same:
            if a == b:
                return False
            self.apart[a].add(b)
            self.apart[b].add(a)
            return True
        if a == b:
            return True
        if b in self.apart[a] or (a in self.owner and b in self.owner):
            return False
        self._join(a, b)
        return True

    def _join(self, a: str, b: str) -> None:
        if len(self.apart[a]) > len(self.apart[b]):
            a, b = b, a
        self.parent[a] = b
        for other in self.apart.pop(a):
            self.apart[other].remove(a)
            self.apart[other].add(b)
            self.apart[b].add(other)
        if a in self.owner:
            self.owner[b] = self.owner.pop(a)
