"""What people said, as rows and numbers: ids end here, everything after works on arrays.

Which faces may not be which people, by what was said and by who else is in the photo.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.core.arrays import connected_components
from classface_assets.core.face_constraints import FaceConstraints, Pairs


@dataclass(frozen=True)
class IndexedConstraints:
    """The same for a table of n faces. A face that is none, or of an erased person, is in no rule but `left_out`."""

    persons: tuple[str, ...]
    """Ids of the people who have a labelled face here, or a portrait, sorted; their place is their number."""
    confirmed: np.ndarray
    """(n,) the person of each labelled face, -1 for the others."""
    implied: np.ndarray
    """(n,) the person of each face that is said to be the same as a labelled one; -1 for all others."""
    rejected: np.ndarray
    """(q, 2) face row and person that may not be."""
    must_link: np.ndarray
    cannot_link: np.ndarray
    siblings: np.ndarray
    """(q, 2) persons who are siblings."""
    photos: np.ndarray
    """(n,) a number a photo; each face of a collage has a number of its own."""
    left_out: np.ndarray
    """(n,) faces that are none, or that may not be used."""
    enrolled: np.ndarray
    """(q, 2) a person, and the first calendar year of a school year in which a roster has them."""
    portrait_vectors: np.ndarray
    """(q, d) portraits that are no photos of the archive, and `portrayed` (q,) the person of each."""
    portrait_persons: np.ndarray

    @property
    def owners(self) -> np.ndarray:
        return np.where(self.confirmed >= 0, self.confirmed, self.implied)


def index_constraints(face_ids: pl.Series, asset_ids: pl.Series, said: FaceConstraints) -> IndexedConstraints:
    """The rules for these faces; what was said of others is passed over."""
    row_of = _RowIndex(face_ids)
    n = len(face_ids)
    left_out = np.zeros(n, bool)
    left_out[row_of.many([*said.not_faces, *said.erased_faces])] = True
    labelled = [(face, person) for face, person in said.confirmed.items()]
    rows = row_of.all([face for face, _ in labelled])
    here = (rows >= 0) & ~left_out[rows]
    ids = np.array([person for _, person in labelled], object)[here]
    persons = tuple(sorted({*ids.tolist(), *said.portraits}))
    number = {person: i for i, person in enumerate(persons)}
    confirmed = np.full(n, -1, np.int64)
    confirmed[rows[here]] = [number[person] for person in ids]
    must, cannot = (_pairs_as_rows(row_of, pairs, left_out) for pairs in (said.must_link, said.cannot_link))
    no = [(face, number[person]) for face, person in said.rejected if person in number]
    faces = row_of.all([face for face, _ in no])
    rejected = np.column_stack([faces, np.array([p for _, p in no], np.int64)])[faces >= 0].reshape(-1, 2)
    close = [
        (number[a], number[b]) for a, others in said.siblings.items() if a in number for b in others if b in number
    ]
    photos = asset_ids.rank("dense").to_numpy().astype(np.int64)
    collage = asset_ids.is_in(list(said.collages)).to_numpy()
    photos[collage] = n + 1 + np.arange(int(collage.sum()))
    implied = _implied_persons(confirmed, must, rejected, len(persons))
    siblings = np.array(close, np.int64).reshape(-1, 2)
    years = [(number[p], int(key[:4])) for p, keys in said.enrolled.items() if p in number for key in sorted(keys)]
    enrolled = np.array(years, np.int64).reshape(-1, 2)
    portrayed = np.array([number[person] for person in said.portraits], np.int64)
    vectors = np.stack([*said.portraits.values()]) if said.portraits else np.zeros((0, 0), np.float32)
    return IndexedConstraints(
        persons, confirmed, implied, rejected, must, cannot, siblings, photos, left_out, enrolled, vectors, portrayed
    )


def _implied_persons(confirmed: np.ndarray, must: np.ndarray, rejected: np.ndarray, persons: int) -> np.ndarray:
    """The person of each face that must-links tie to labelled faces of one person only, where nobody said no."""
    implied = np.full(len(confirmed), -1, np.int64)
    if not len(must) or not persons:
        return implied
    n = len(confirmed)
    piece = connected_components(n, must)
    known = np.flatnonzero(confirmed >= 0)
    low, high = np.full(n, persons), np.full(n, -1)
    np.minimum.at(low, piece[known], confirmed[known])
    np.maximum.at(high, piece[known], confirmed[known])
    mine = (low[piece] == high[piece]) & (confirmed < 0)
    implied[mine] = high[piece[mine]]
    no = rejected[implied[rejected[:, 0]] == rejected[:, 1]]
    implied[no[:, 0]] = -1
    return implied


def _pairs_as_rows(row_of: "_RowIndex", pairs: Pairs, left_out: np.ndarray) -> np.ndarray:
    """Pairs of faces as rows (q, 2), those that are both here and both faces."""
    rows = row_of.all([face for pair in pairs for face in pair]).reshape(-1, 2)
    rows = rows[(rows >= 0).all(axis=1)]
    return rows[~left_out[rows].any(axis=1)]


class _RowIndex:
    """Row numbers by face id."""

    def __init__(self, face_ids: pl.Series) -> None:
        self.table = pl.DataFrame({"face_id": face_ids}).with_row_index("row")

    def all(self, ids: list[str]) -> np.ndarray:
        """The row of each, -1 where there is none."""
        wanted = pl.DataFrame({"face_id": ids}, schema={"face_id": pl.String})
        found = wanted.join(self.table, on="face_id", how="left", maintain_order="left")["row"]
        return found.cast(pl.Int64).fill_null(-1).to_numpy()

    def many(self, ids: list[str]) -> np.ndarray:
        rows = self.all(ids)
        return rows[rows >= 0]


def forbidden_pairs(rules: IndexedConstraints, owners: np.ndarray) -> np.ndarray:
    """(q, 2) face row and person: the rejected, those who are in that photo, and cannot-links to their faces."""
    rows = np.arange(len(owners))
    known = owners >= 0
    theirs = pl.DataFrame({"photo": rules.photos[known], "person": owners[known]}).unique()
    others = pl.DataFrame({"photo": rules.photos[~known], "row": rows[~known]})
    mates = others.join(theirs, on="photo").select("row", "person").to_numpy().reshape(-1, 2)
    both_ways = np.vstack([rules.cannot_link, rules.cannot_link[:, ::-1]])
    apart = both_ways[known[both_ways[:, 1]] & ~known[both_ways[:, 0]]]
    apart = np.column_stack([apart[:, 0], owners[apart[:, 1]]])
    return np.unique(np.vstack([rules.rejected, mates, apart]).astype(np.int64), axis=0)
