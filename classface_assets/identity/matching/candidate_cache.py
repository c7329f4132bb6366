"""The candidates that the run before found: a face is compared with all known people once, until something changes.

A face's candidates depend on its vector, its school year and whom it may not be, and on the people: their prototypes,
rosters and the settings. All of that is hashed into one number a face (`made_of`), by which they are found again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.identity.constraints.enrolment import RosterPresence
from classface_assets.identity.matching.candidates import MAX_CANDIDATES, CandidateList, QueryFaces
from classface_assets.identity.matching.prototypes import Prototypes
from classface_assets.identity.sampling import exact_vector_hashes, mixed
from classface_assets.identity.settings import AssignmentSettings, settings_key

CANDIDATES_VERSION = 1
"""Counts up when the same faces and people give other candidates than before."""


@dataclass(frozen=True)
class KnownCandidates:
    """Candidates of f faces with what they were made of."""

    made_of: np.ndarray
    """(f,) uint64, see `candidate_keys`."""
    found: CandidateList
    """Of these faces."""

    def to_frame(self, face_ids: pl.Series) -> pl.DataFrame:
        """A row a face, with its id: `face_ids` (n,) has the id of each row that the candidates name."""
        numbers = {"persons": np.int32, "rank": np.float32, "scores": np.float32, "support": np.int32}
        return pl.DataFrame(
            {"face_id": face_ids[self.found.faces], "made_of": pl.Series(self.made_of, dtype=pl.UInt64)}
            | {name: getattr(self.found, name).astype(kind) for name, kind in numbers.items()}
        )

    @staticmethod
    def from_frame(frame: pl.DataFrame) -> "KnownCandidates | None":
        """What `to_frame` made; None of an empty frame."""
        if frame.is_empty() or "made_of" not in frame.columns:
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
        )

    def places(self, keys: np.ndarray) -> np.ndarray:
        """Where the candidates of each key (q,) uint64 are, (q,) int64; -1 where there are none."""
        order = np.argsort(self.made_of)
        place = order[np.minimum(np.searchsorted(self.made_of, keys, sorter=order), len(order) - 1)]
        return np.where(self.made_of[place] == keys, place, -1)


def search_key(
    prototypes: Prototypes, people: Sequence[str], settings: AssignmentSettings, presence: RosterPresence
) -> np.uint64:
    """What the candidates of all faces depend on, as a number.

    Args:
        prototypes: Of these people.
        people: Their ids, in the order of their numbers.
        settings: Of the assignment.
        presence: In which years rosters list them.
    """
    digest = hashlib.blake2b(digest_size=8)
    for array in (prototypes.vectors, prototypes.owners, prototypes.years, prototypes.centroid, presence.listed):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    known = (CANDIDATES_VERSION, MAX_CANDIDATES, settings_key(settings), presence.penalty, list(people))
    digest.update(repr(known).encode())
    return np.uint64(int.from_bytes(digest.digest()))


def candidate_keys(queries: QueryFaces, forbidden: np.ndarray, key: np.uint64) -> np.ndarray:
    """What the candidates of each face are made of, (f,) uint64.

    Args:
        queries: The f faces.
        forbidden: (q, 2) int64, face row and person that it may not be.
        key: Of the people, see `search_key`.
    """
    years = np.nan_to_num(queries.years, nan=-1.0).view(np.uint64)
    not_these = np.zeros(len(queries.vectors), np.uint64)
    np.add.at(not_these, forbidden[:, 0], mixed(forbidden[:, 1].astype(np.uint64)))
    rows = queries.rows
    of_faces = exact_vector_hashes(queries.vectors[rows])
    return mixed(mixed(mixed(of_faces) ^ years[rows]) ^ not_these[rows]) ^ key


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
