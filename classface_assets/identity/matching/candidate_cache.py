"""The candidates that the run before found: a face is compared with a known person once, until something changes.

A face's candidates depend on its vector, its school year, whom it may not be and the settings, which are hashed into
one number a face (`made_of`), by which they are found again; and on the prototypes and rosters of people, hashed into
one number a person. Where only these of a few people are others, or new, faces are compared with those people alone:
the best of the others are known. Only a face that had one of them among its candidates is compared with everybody.
Where people have votes each counts for all, so there everybody is compared again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from classface_assets.identity.constraints.enrolment import RosterPresence
from classface_assets.identity.matching.candidates import MAX_CANDIDATES, CandidateList, QueryFaces
from classface_assets.identity.matching.prototypes import Prototypes
from classface_assets.identity.sampling import exact_vector_hashes, mixed
from classface_assets.identity.settings import AssignmentSettings, settings_key

COMPARED_ONE_BY_ONE = ("prototype", "centroid")
"""Strategies by which the similarity to a person depends on that person alone."""
CANDIDATES_VERSION = 2
"""Counts up when the same faces and people give other candidates than before."""


@dataclass(frozen=True)
class KnownCandidates:
    """Candidates of f faces with what they were made of."""

    made_of: np.ndarray
    """(f,) uint64, see `candidate_keys`."""
    found: CandidateList
    """Of these faces."""
    people: np.ndarray
    """(f, s) uint64, what each candidate was made of, see `person_keys`; 0 where there is none."""

    def to_frame(self, face_ids: pl.Series) -> pl.DataFrame:
        """A row a face, with its id: `face_ids` (n,) has the id of each row that the candidates name."""
        numbers = {"persons": np.int32, "rank": np.float32, "scores": np.float32, "support": np.int32}
        return pl.DataFrame(
            {"face_id": face_ids[self.found.faces], "made_of": pl.Series(self.made_of, dtype=pl.UInt64)}
            | {name: getattr(self.found, name).astype(kind) for name, kind in numbers.items()}
            | {"people": self.people}
        )

    @staticmethod
    def from_frame(frame: pl.DataFrame) -> "KnownCandidates | None":
        """What `to_frame` made; None of an empty frame."""
        if frame.is_empty() or not {"made_of", "people"} <= set(frame.columns):
            return None
        return KnownCandidates(
            frame["made_of"].to_numpy(),
            CandidateList(
                faces=np.arange(frame.height),
                persons=frame["persons"].to_numpy().astype(np.int64),
                rank=frame["rank"].to_numpy(),
                scores=frame["scores"].to_numpy(),
                support=frame["support"].to_numpy(),
            ),
            frame["people"].to_numpy(),
        )

    def places(self, keys: np.ndarray) -> np.ndarray:
        """Where the candidates of each key (q,) uint64 are, (q,) int64; -1 where there are none."""
        order = np.argsort(self.made_of)
        place = order[np.minimum(np.searchsorted(self.made_of, keys, sorter=order), len(order) - 1)]
        return np.where(self.made_of[place] == keys, place, -1)


def search_key(people: np.ndarray, settings: AssignmentSettings, presence: RosterPresence) -> np.uint64:
    """What the candidates of all faces depend on, as a number.

    Args:
        people: (persons,) uint64, see `person_keys`.
        settings: Of the assignment.
        presence: In which years rosters list them.
    """
    roster = (presence.penalty, presence.years_with_roster().tolist()) if presence else ()
    known = (CANDIDATES_VERSION, MAX_CANDIDATES, settings_key(settings), roster)
    digest = hashlib.blake2b(repr(known).encode(), digest_size=8)
    if settings.assign not in COMPARED_ONE_BY_ONE:
        digest.update(people.tobytes())
    return np.uint64(int.from_bytes(digest.digest()))


def person_keys(prototypes: Prototypes, people: Sequence[str], presence: RosterPresence) -> np.ndarray:
    """What the similarity of any face to each person depends on, (persons,) uint64.

    Args:
        prototypes: Of these people.
        people: Their ids, in the order of their numbers.
        presence: In which years rosters list them.
    """
    numbers = np.arange(len(people) + 1)
    starts = np.searchsorted(prototypes.owners, numbers)
    listed = presence.listed[np.lexsort(presence.listed.T[::-1])] if presence else presence.listed[:0]
    listed_from = np.searchsorted(listed[:, 0], numbers)
    keys = np.empty(len(people), np.uint64)
    for number, person in enumerate(people):
        digest, own = hashlib.blake2b(f"{person}\n".encode(), digest_size=8), slice(*starts[number : number + 2])
        for array in (prototypes.vectors, prototypes.years, prototypes.centroid):
            digest.update(array[own].tobytes())
        digest.update(listed[slice(*listed_from[number : number + 2]), 1].tobytes())
        keys[number] = int.from_bytes(digest.digest())
    return keys


def candidate_keys(queries: QueryFaces, forbidden: np.ndarray, people: Sequence[str], key: np.uint64) -> np.ndarray:
    """What the candidates of each face are made of beside the people, (f,) uint64.

    Args:
        queries: The f faces.
        forbidden: (q, 2) int64, face row and person that it may not be.
        people: The ids of all persons.
        key: Of the search, see `search_key`.
    """
    years = np.nan_to_num(queries.years, nan=-1.0).view(np.uint64)
    names = (hashlib.blake2b(person.encode(), digest_size=8).digest() for person in people)
    hashes = np.array([int.from_bytes(name) for name in names], np.uint64)
    not_these = np.zeros(len(queries.vectors), np.uint64)
    np.add.at(not_these, forbidden[:, 0], mixed(hashes[forbidden[:, 1]]))
    rows = queries.rows
    of_faces = exact_vector_hashes(queries.vectors[rows])
    return mixed(mixed(mixed(of_faces) ^ years[rows]) ^ not_these[rows]) ^ key


def still_valid(before: KnownCandidates, keys: np.ndarray, people: np.ndarray) -> tuple[KnownCandidates, np.ndarray]:
    """What an earlier run found, by the numbers of people now; and where the candidates of each face are in it.

    Args:
        before: What it found.
        keys: (f,) uint64 of the faces, see `candidate_keys`.
        people: (persons,) uint64, see `person_keys`.

    Returns:
        The candidates, and (f,) int64, -1 for a face of which they are not known, or no longer all of them.
    """
    order = np.argsort(people)
    place = order[np.minimum(np.searchsorted(people, before.people, sorter=order), len(order) - 1)]
    is_same = people[place] == before.people
    is_none = before.found.persons < 0
    persons = np.where(is_none, -1, place)
    known = replace(before, found=replace(before.found, persons=persons))
    places = before.places(keys)
    if before.people.shape[1] != min(MAX_CANDIDATES, len(people)):
        return known, np.full(len(keys), -1)
    return known, np.where((is_same | is_none).all(axis=1)[places], places, -1)


def with_changed_people(known: CandidateList, changed: CandidateList) -> CandidateList:
    """The best of both: the candidates of the same faces among people who are as they were, and among the others."""

    def both(name: str) -> np.ndarray:
        return np.concatenate([getattr(known, name), getattr(changed, name)], axis=1)

    best = np.lexsort((both("persons"), -both("rank")))[:, : known.persons.shape[1]]
    columns = {name: np.take_along_axis(both(name), best, 1) for name in ("persons", "rank", "scores", "support")}
    return CandidateList(faces=known.faces, **columns)


def joined_candidates(
    queries: QueryFaces, known: CandidateList, places: np.ndarray, new: CandidateList
) -> CandidateList:
    """The candidates of all faces: known ones, and new ones of the others in their order.

    Args:
        queries: The f faces.
        known: Candidates that were found before.
        places: (f,) int64, where those of each face are among them; -1 for a face that has new ones.
        new: Of these faces.
    """
    is_known = places >= 0

    def joined(before: np.ndarray, now: np.ndarray) -> np.ndarray:
        both = np.empty((len(places), now.shape[1]), now.dtype)
        both[~is_known] = now
        if is_known.any():
            both[is_known] = before[places[is_known]]
        return both

    return CandidateList(
        faces=queries.rows,
        persons=joined(known.persons, new.persons),
        rank=joined(known.rank, new.rank),
        scores=joined(known.scores, new.scores),
        support=joined(known.support, new.support),
    )
