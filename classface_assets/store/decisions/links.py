"""Who-belongs-together words that contradict each other, resolved: labels hold, and of other words the later one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from itertools import pairwise
from typing import NamedTuple


class PairConstraint(NamedTuple):
    """Faces a and b are of one person (`same`) or of two. b may be `anchor(person)` instead of a face."""

    a: str
    b: str
    same: bool
    event_id: int


def person_node(person_id: str) -> str:
    """What stands for a person among the faces."""
    return f"person:{person_id}"


def resolve_conflicts(
    owners: Mapping[str, str], words: Sequence[PairConstraint]
) -> tuple[list[PairConstraint], list[PairConstraint]]:
    """(kept, dropped), each in the order given. `owners`: labelled face → person; `words`: oldest first.

    Words are taken newest first; one that contradicts the labels and the newer words, be it by way of other faces, is
    dropped.
    """
    groups = _ConstraintGroups(owners)
    kept = [word for word in reversed(words) if groups.take(word)]
    counted = set(kept)
    return kept[::-1], [word for word in words if word not in counted]


def bridge_missing_faces(words: Sequence[PairConstraint], gone: Set[str]) -> list[PairConstraint]:
    """The words without the faces that are gone: who belonged together by way of these still does, or is apart."""
    stay = [word for word in words if word.a not in gone and word.b not in gone]
    linked: dict[str, list[str]] = defaultdict(list)
    for word in words:
        if word.same and (word.a in gone or word.b in gone):
            linked[word.a].append(word.b)
            linked[word.b].append(word.a)
    stands_for: dict[str, str] = {}
    for start in [node for node in linked if node in gone]:
        if start not in stands_for:
            there, passed = _reachable(start, linked, gone)
            stay += [PairConstraint(a, b, True, 0) for a, b in pairwise(there)]
            stands_for |= dict.fromkeys(passed, there[0] if there else "")
    for word in words:
        if not word.same and (word.a in gone or word.b in gone):
            a, b = (stands_for.get(face, "") if face in gone else face for face in (word.a, word.b))
            if a and b:
                stay.append(PairConstraint(a, b, False, 0))
    return stay


def _reachable(start: str, linked: Mapping[str, list[str]], gone: Set[str]) -> tuple[list[str], set[str]]:
    """The faces that are there and can be reached from this one by way of others that are gone, and these others."""
    there: dict[str, None] = {}
    passed: set[str] = set()
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node not in gone:
            there[node] = None
        elif node not in passed:
            passed.add(node)
            waiting += linked[node]
    return list(there), passed


class _ConstraintGroups:
    """Faces known to be of one person (union-find), and which groups are known to be of two."""

    def __init__(self, owners: Mapping[str, str]) -> None:
        self.parent: dict[str, str] = {}
        self.apart: dict[str, set[str]] = defaultdict(set)
        self.owner: dict[str, str] = {}
        self.owners = owners

    def root(self, node: str) -> str:
        path = []
        while (parent := self.parent.get(node) or self._labelled(node)) is not None:
            path.append(node)
            node = parent
        for passed in path:
            self.parent[passed] = node
        if node.startswith("person:"):
            self.owner.setdefault(node, node)
        return node

    def _labelled(self, face: str) -> str | None:
        return person_node(self.owners[face]) if face in self.owners else None

    def take(self, word: PairConstraint) -> bool:
        """Keep to this word from now on; False when it contradicts what was taken before."""
        a, b = self.root(word.a), self.root(word.b)
        if not word.same:
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
