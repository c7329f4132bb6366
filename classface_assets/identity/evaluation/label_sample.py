"""The labels that an evaluation measures: all of them, or of very many those of a stable sample of people."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

MAX_MEASURED_FACES = 5_000
"""Labelled faces that are measured; the half of them that is held out shows a share of .98 to within .006."""
LEAST_MEASURED_FACES = 200
"""The smallest sample that may be chosen."""
MIN_SAMPLED_PEOPLE = 20
"""A sample has at least so many people, where there are so many: nobody takes more than this part of it."""


@dataclass(frozen=True)
class LabelSample:
    """The labels of an archive, face id -> person id each.

    Attributes:
        measured: Those of which some are held out and looked up.
        known: Those of the other people, whom faces may be taken for: they are never held out.
    """

    measured: Mapping[str, str]
    known: Mapping[str, str]

    @property
    def labels(self) -> dict[str, str]:
        """All labels that count."""
        return {**self.known, **self.measured}


def sample_labels(confirmed: Mapping[str, str], most: int = MAX_MEASURED_FACES) -> LabelSample:
    """The labels to measure.

    People are taken by a hash of their ids, so that a grown archive retains most of its sample, and each with all
    labelled faces, or with as many as one person may take of the sample. Further faces of such a person have no label.

    Args:
        confirmed: face id -> person id.
        most: Greatest number of labelled faces; up to as many all labels are measured.
    """
    if len(confirmed) <= most:
        return LabelSample(dict(confirmed), {})
    faces: dict[str, list[str]] = defaultdict(list)
    for face in sorted(confirmed, key=_hash):
        faces[confirmed[face]].append(face)
    measured: dict[str, str] = {}
    known: dict[str, str] = {}
    for person in sorted(faces, key=_hash):
        own = dict.fromkeys(faces[person][: max(2, most // MIN_SAMPLED_PEOPLE)], person)
        if len(measured) + len(own) <= most:
            measured |= own
        else:
            known |= dict.fromkeys(faces[person], person)
    return LabelSample(measured, known)


def _hash(name: str) -> tuple[bytes, str]:
    return blake2b(name.encode(), digest_size=8).digest(), name
