"""What people said, by face and person id, as whoever groups and names faces is handed it."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

Pairs = tuple[tuple[str, str], ...]


class Spoken(Protocol):
    """Constraints by face and person id: what the ledger's decisions come to on the faces of today."""

    @property
    def confirmed(self) -> Mapping[str, str]: ...
    @property
    def rejected(self) -> Set[tuple[str, str]]: ...
    @property
    def must_link(self) -> Pairs: ...
    @property
    def cannot_link(self) -> Pairs: ...
    @property
    def collages(self) -> Set[str]: ...
    @property
    def siblings(self) -> Mapping[str, Set[str]]: ...
    @property
    def not_faces(self) -> Set[str]: ...
    @property
    def erased_faces(self) -> Set[str]: ...
    @property
    def enrolled(self) -> Mapping[str, Set[str]]: ...
    @property
    def portraits(self) -> Mapping[str, np.ndarray]: ...


@dataclass(frozen=True)
class Labels:
    """Names and nothing else that people said."""

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
