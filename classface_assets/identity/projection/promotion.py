"""When a trained head is used: a paired test by people, on people whom no part of its training saw."""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.languages import format_fraction, gettext, ngettext
from classface_assets.identity.projection.metrics import PersonScores

SIGNIFICANCE = 0.05
"""A head that is no better passes the test once in twenty times at most."""
MAX_EXACT_PEOPLE = 12
"""Up to so many people all sign patterns are tried, of more MAX_PATTERNS random ones."""
MAX_PATTERNS = 10_000


@dataclass(frozen=True)
class PairedTest:
    """A comparison of a head with what faces are compared by without one, person by person."""

    people: int
    """Who was measured with both."""
    raw: float
    """Mean score without a head over people."""
    head: float
    """Of the head."""
    p_value: float
    """Chance of a gain beyond the margin as great as this if the head were as likely to harm each person as to help."""

    @property
    def gain(self) -> float:
        """Mean gain over people."""
        return self.head - self.raw


@dataclass(frozen=True)
class Promotion:
    """Whether a head is used, and why."""

    promoted: bool
    reason: str
    needed: float
    """The gain in separation that must be exceeded."""
    strangers: PairedTest
    """Separation of people whom the head never saw."""
    nearest: PairedTest
    """Rank-1 of the same people."""
    others: PairedTest
    """Rank-1 of held-out faces of people who trained it."""


def decide_promotion(
    raw: PersonScores, head: PersonScores, raw_others: np.ndarray, head_others: np.ndarray, margin: float
) -> Promotion:
    """Promote a head that helps people it never saw by more than a margin, and names no others worse.

    The margin is a share of what separation lacks to 1 without a head: the better it is the less there is to gain.

    Args:
        raw: Scores of people while they were held out, without a head.
        head: The same by heads that never saw them.
        raw_others: (people,) rank-1 of held-out faces of people who trained, without a head; NaN where none.
        head_others: The same by the heads.
        margin: Least share of the lacking separation that is gained, in the mean.
    """
    measured = raw.separation[np.isfinite(raw.separation)]
    least = margin * (1 - float(measured.mean())) if len(measured) else 0.0
    strangers = paired_test(raw.separation, head.separation, least)
    nearest = paired_test(raw.rank1, head.rank1)
    others = paired_test(raw_others, head_others)
    helps = strangers.gain > least and strangers.p_value < SIGNIFICANCE
    harmless = nearest.gain >= 0 and others.gain >= 0
    promoted = helps and harmless
    reason = describe_promotion(promoted, least, strangers, nearest, others)
    return Promotion(promoted, reason, least, strangers, nearest, others)


def describe_promotion(
    promoted: bool, needed: float, strangers: PairedTest, nearest: PairedTest, others: PairedTest
) -> str:
    """Why a head is used or not, in the language in use; the tests are those of `Promotion`."""
    verdict = gettext("Better than without a head.") if promoted else gettext("Not better than without a head.")
    figures = gettext(
        "%(people)s people it never saw: separation %(head)s against %(raw)s (by people p %(p)s; a gain of %(gain)s "
        "and p below %(most)s are needed), rank-1 %(head_rank)s against %(raw_rank)s; other faces of people it knows: "
        "rank-1 %(head_known)s against %(raw_known)s (neither may fall).",
        people=strangers.people,
        head=format_fraction(strangers.head, 4),
        raw=format_fraction(strangers.raw, 4),
        p=format_fraction(strangers.p_value, 3),
        gain=format_fraction(needed, 4),
        most=format_fraction(SIGNIFICANCE, 2),
        head_rank=format_fraction(nearest.head, 4),
        raw_rank=format_fraction(nearest.raw, 4),
        head_known=format_fraction(others.head, 4),
        raw_known=format_fraction(others.raw, 4),
    )
    return f"{verdict} {figures}"


def describe_lack(people: int, faces_needed: int, people_needed: int) -> str:
    """Why a training was skipped, in the language in use: so many people have enough faces, and so many must."""
    return ngettext(
        "%(num)s person has %(faces)s confirmed faces or more, %(needed)s are needed: label more faces.",
        "%(num)s people have %(faces)s confirmed faces or more, %(needed)s are needed: label more faces.",
        people,
        faces=faces_needed,
        needed=people_needed,
    )


def paired_test(raw: np.ndarray, head: np.ndarray, margin: float = 0.0) -> PairedTest:
    """One-sided sign-flip permutation test of the mean gain over people (Fisher 1935; Good 2005).

    Args:
        raw: (people,) scores, NaN of whoever was not measured.
        head: (people,) the same.
        margin: The gain that must be exceeded.
    """
    measured = np.isfinite(raw) & np.isfinite(head)
    count, gains = int(measured.sum()), (head - raw)[measured] - margin
    if not count:
        return PairedTest(people=0, raw=1.0, head=1.0, p_value=1.0)
    if count <= MAX_EXACT_PEOPLE:
        patterns = ((np.arange(2**count)[:, None] >> np.arange(count)) & 1) * 2 - 1
        extra = 0
    else:
        patterns = np.random.default_rng(0).choice(np.array([-1, 1]), size=(MAX_PATTERNS, count))
        extra = 1
    as_great = int((patterns @ gains >= gains.sum() - 1e-12).sum())
    return PairedTest(
        people=count,
        raw=float(raw[measured].mean()),
        head=float(head[measured].mean()),
        p_value=(as_great + extra) / (len(patterns) + extra),
    )
