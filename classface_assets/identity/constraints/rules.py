"""Constraints as row numbers: ids of faces and persons end here, everything after works on arrays."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.core.arrays import connected_components, sorted_unique
from classface_assets.core.faces.face_constraints import FaceConstraints, Pairs


@dataclass(frozen=True)
class IndexedConstraints:
    """The constraints on a table of n faces.

    A face that is not a face, or that belongs to an erased person, is in no constraint but `left_out`.
    """

    persons: tuple[str, ...]
    """Ids of the people who have a labelled face here, or a portrait, sorted; their place is their number."""
    confirmed: np.ndarray
    """(n,) int64, the person of each labelled face, -1 for the others."""
    implied: np.ndarray
    """(n,) int64, the person of each face that must-links tie to a labelled one; -1 for all others."""
    rejected: np.ndarray
    """(q, 2) int64, face row and person that it is not."""
    must_link: np.ndarray
    """(q, 2) int64, face rows of one person."""
    cannot_link: np.ndarray
    """(q, 2) int64, face rows of two people."""
    siblings: np.ndarray
    """(q, 2) int64, persons who are siblings."""
    photos: np.ndarray
    """(n,) int64, a number a photo; each face of a collage has a number of its own."""
    left_out: np.ndarray
    """(n,) bool, faces that are none, or that may not be used."""
    enrolled: np.ndarray
    """(q, 2) int64, a person, and the first calendar year of a school year in which a roster lists them."""
    portrait_vectors: np.ndarray
    """(p, d) float32 vectors of portraits that are no photos of the archive."""
    portrait_persons: np.ndarray
    """(p,) int64, the person of each portrait."""

    @property
    def owners(self) -> np.ndarray:
        """The person of each face by labels and must-links, (n,) int64, -1 where there is none."""
        return np.where(self.confirmed >= 0, self.confirmed, self.implied)


def index_constraints(face_ids: pl.Series, asset_ids: pl.Series, constraints: FaceConstraints) -> IndexedConstraints:
    """The constraints on these faces, by row number; those on other faces are ignored.

    Args:
        face_ids: (n,) ids of the faces, each once.
        asset_ids: (n,) ids of their photos.
        constraints: By face and person id.
    """
    rows = _RowIndex(face_ids)
    left_out = np.zeros(len(face_ids), bool)
    left_out[rows.existing([*constraints.not_faces, *constraints.erased_faces])] = True
    labelled = rows.of(list(constraints.confirmed))
    usable = (labelled >= 0) & ~left_out[labelled]
    ids = np.array(list(constraints.confirmed.values()), object)[usable]
    persons = tuple(sorted({*ids.tolist(), *constraints.portraits}))
    number = {person: i for i, person in enumerate(persons)}
    confirmed = np.full(len(face_ids), -1, np.int64)
    confirmed[labelled[usable]] = [number[person] for person in ids]
    must_link, cannot_link = (
        _pairs_as_rows(rows, pairs, left_out) for pairs in (constraints.must_link, constraints.cannot_link)
    )
    rejected = _rejected_rows(rows, constraints.rejected, number)
    siblings = [
        (number[a], number[b])
        for a, others in constraints.siblings.items()
        if a in number
        for b in others
        if b in number
    ]
    enrolled = [
        (number[person], int(school_year[:4]))
        for person, school_years in constraints.enrolled.items()
        if person in number
        for school_year in sorted(school_years)
    ]
    portraits = constraints.portraits
    return IndexedConstraints(
        persons=persons,
        confirmed=confirmed,
        implied=_implied_persons(confirmed, must_link, rejected, len(persons)),
        rejected=rejected,
        must_link=must_link,
        cannot_link=cannot_link,
        siblings=np.array(siblings, np.int64).reshape(-1, 2),
        photos=photo_numbers(asset_ids, constraints.collages),
        left_out=left_out,
        enrolled=np.array(enrolled, np.int64).reshape(-1, 2),
        portrait_vectors=np.stack([*portraits.values()]) if portraits else np.zeros((0, 0), np.float32),
        portrait_persons=np.array([number[person] for person in portraits], np.int64),
    )


def photo_numbers(asset_ids: pl.Series, collages: Set[str] = frozenset()) -> np.ndarray:
    """A number a photo, (n,) int64; each face of a collage has a number of its own, greater than n."""
    photos = asset_ids.rank("dense").to_numpy().astype(np.int64)
    collage = asset_ids.is_in(list(collages)).to_numpy()
    return np.where(collage, len(photos) + np.cumsum(collage), photos)


def forbidden_pairs(constraints: IndexedConstraints, owners: np.ndarray) -> np.ndarray:
    """The persons that each face may not be: rejected ones, those in its photo, and those its cannot-links lead to.

    Args:
        constraints: On n faces.
        owners: (n,) int64, the person of each face, -1 where it is unknown.

    Returns:
        (q, 2) int64, face row and person, sorted.
    """
    rows = np.arange(len(owners))
    known = owners >= 0
    present = pl.DataFrame({"photo": constraints.photos[known], "person": owners[known]}).unique()
    others = pl.DataFrame({"photo": constraints.photos[~known], "row": rows[~known]})
    mates = others.join(present, on="photo").select("row", "person").to_numpy().reshape(-1, 2)
    both_ways = np.vstack([constraints.cannot_link, constraints.cannot_link[:, ::-1]])
    apart = both_ways[known[both_ways[:, 1]] & ~known[both_ways[:, 0]]]
    apart = np.column_stack([apart[:, 0], owners[apart[:, 1]]])
    pairs, persons = np.vstack([constraints.rejected, mates, apart]).astype(np.int64), max(1, len(constraints.persons))
    return np.column_stack(np.divmod(sorted_unique(pairs @ [persons, 1]), persons))


def _rejected_rows(rows: "_RowIndex", rejected: Set[tuple[str, str]], number: dict[str, int]) -> np.ndarray:
    """Rejections of faces that exist, (q, 2) face row and person."""
    known = [(face, number[person]) for face, person in rejected if person in number]
    faces = rows.of([face for face, _ in known])
    pairs = np.column_stack([faces, np.array([person for _, person in known], np.int64)])
    return pairs[faces >= 0].reshape(-1, 2)


def _implied_persons(confirmed: np.ndarray, must_link: np.ndarray, rejected: np.ndarray, persons: int) -> np.ndarray:
    """The person of each face that must-links tie to labelled faces of one person only and that was not rejected."""
    implied = np.full(len(confirmed), -1, np.int64)
    if not len(must_link) or not persons:
        return implied
    n = len(confirmed)
    component = connected_components(n, must_link)
    known = np.flatnonzero(confirmed >= 0)
    low, high = np.full(n, persons), np.full(n, -1)
    np.minimum.at(low, component[known], confirmed[known])
    np.maximum.at(high, component[known], confirmed[known])
    of_one_person = (low[component] == high[component]) & (confirmed < 0)
    implied[of_one_person] = high[component[of_one_person]]
    contradicted = rejected[implied[rejected[:, 0]] == rejected[:, 1]]
    implied[contradicted[:, 0]] = -1
    return implied


def _pairs_as_rows(rows: "_RowIndex", pairs: Pairs, left_out: np.ndarray) -> np.ndarray:
    """Pairs of faces as rows (q, 2), those that both exist and are used."""
    found = rows.of([face for pair in pairs for face in pair]).reshape(-1, 2)
    found = found[(found >= 0).all(axis=1)]
    return found[~left_out[found].any(axis=1)]


class _RowIndex:
    """Row numbers by face id."""

    def __init__(self, face_ids: pl.Series) -> None:
        self._table = pl.DataFrame({"face_id": face_ids}).with_row_index("row")

    def of(self, ids: list[str]) -> np.ndarray:
        """The row of each id, -1 where there is none."""
        frame = pl.DataFrame({"face_id": ids}, schema={"face_id": pl.String})
        rows = frame.join(self._table, on="face_id", how="left", maintain_order="left")["row"]
        return rows.cast(pl.Int64).fill_null(-1).to_numpy()

    def existing(self, ids: list[str]) -> np.ndarray:
        """The rows of those ids that there are."""
        rows = self.of(ids)
        return rows[rows >= 0]
