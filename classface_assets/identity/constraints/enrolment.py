"""Who was at the school when, by its rosters: in other years a face is given to a person with more care.

Lists have gaps, and former students come to fêtes, so absence is a penalty and never a ban.
"""

from dataclasses import dataclass, field

import numpy as np

MIN_ROSTER_SHARE = 0.25
"""A year with fewer people than this share of the fullest year's has no roster of its own: other lists mention it."""


def _no_pairs() -> np.ndarray:
    return np.zeros((0, 2), np.int64)


@dataclass(frozen=True)
class RosterPresence:
    """The school years in which rosters list people. False while it changes nothing."""

    listed: np.ndarray = field(default_factory=_no_pairs)
    """(q, 2) int64: a person's number, and the calendar year in which a school year of theirs began."""
    penalty: float = 0.0
    """What is taken off a person's similarity in a year in which the roster does not list them."""

    def __bool__(self) -> bool:
        return self.penalty > 0 and len(self.listed) > 0

    def absent(self, persons: np.ndarray, years: np.ndarray) -> np.ndarray:
        """Whether rosters list the person, but not in a year that has a roster.

        Args:
            persons: Numbers of persons; broadcast against the years.
            years: Calendar years, NaN where unknown. Nothing is known of a year without a roster.

        Returns:
            bool, of the shape of both.
        """
        when = np.nan_to_num(years, nan=-1.0).astype(np.int64)
        with_roster = np.isin(when, self.years_with_roster())
        listed = np.isin(persons * 10_000 + when, self.listed @ np.array([10_000, 1]))
        return np.isin(persons, self.listed[:, 0]) & with_roster & ~listed

    def years_with_roster(self) -> np.ndarray:
        """The calendar years that have a roster of their own, ascending."""
        year, people = np.unique(self.listed[:, 1], return_counts=True)
        return year[people >= MIN_ROSTER_SHARE * people.max(initial=0)]

    def penalties(self, years: np.ndarray, persons: int) -> np.ndarray:
        """What is taken off the similarity of each face to each person.

        Args:
            years: (n,) calendar years of the faces, NaN where unknown.
            persons: Number of persons.

        Returns:
            (n, persons) float32.
        """
        distinct, of = np.unique(np.nan_to_num(years, nan=-1.0), return_inverse=True)
        absent = self.absent(np.arange(persons)[None, :], distinct[:, None])
        return (self.penalty * absent).astype(np.float32)[of.ravel()]


NO_ROSTER = RosterPresence()
