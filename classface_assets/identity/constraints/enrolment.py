"""Who was at the school when, as far as a roster says: in other years a face is given to a person with more care.

Lists have gaps, and former students come to fêtes, so this is a handicap and never a ban.
"""

from dataclasses import dataclass, field

import numpy as np

MIN_ROSTER_SHARE = 0.25
"""A year with fewer people than this share of the fullest year's has no roster of its own: other lists mention it."""


def _no_pairs() -> np.ndarray:
    return np.zeros((0, 2), np.int64)


@dataclass(frozen=True)
class RosterPresence:
    """`listed` (q, 2) int64: a person's number, and the calendar year in which a school year of theirs began.

    `handicap`: what is taken off a person's likeness in a year in which the roster does not have them.
    """

    listed: np.ndarray = field(default_factory=_no_pairs)
    handicap: float = 0.0

    def __bool__(self) -> bool:
        return self.handicap > 0 and len(self.listed) > 0

    def absent(self, persons: np.ndarray, years: np.ndarray) -> np.ndarray:
        """Whether a roster has the person, but not in this year of which there is a roster; shapes are broadcast, years
        may be NaN. Who was there in a year of which no list was imported is not known."""
        when = np.nan_to_num(years, nan=-1.0).astype(np.int64)
        year, people = np.unique(self.listed[:, 1], return_counts=True)
        on_roster = np.isin(persons, self.listed[:, 0]) & np.isin(when, year[people >= MIN_ROSTER_SHARE * people.max()])
        return on_roster & ~np.isin(persons * 10_000 + when, self.listed @ np.array([10_000, 1]))

    def of_faces(self, years: np.ndarray, persons: int) -> np.ndarray:
        """(faces, persons) float32: what is taken off the likeness of each face to each person."""
        distinct, of = np.unique(np.nan_to_num(years, nan=-1.0), return_inverse=True)
        absent = self.absent(np.arange(persons)[None, :], distinct[:, None])
        return (self.handicap * absent).astype(np.float32)[of.ravel()]


NO_ROSTER = RosterPresence()
