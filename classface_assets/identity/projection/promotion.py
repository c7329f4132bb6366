"""When a trained head is used: a paired test by people, on people whom no part of its training saw."""

from dataclasses import dataclass

import numpy as np

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
    strangers: PairedTest
    """Separation of people whom the head never saw."""
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
    verdict = "Better" if helps and harmless else "Not better"
    reason = (
        f"{verdict} than without a head. {strangers.people} people it never saw: separation {strangers.head:.4f} "
        f"against {strangers.raw:.4f} (by people p {strangers.p_value:.3f}; a gain of {least:.4f} and p below "
        f"{SIGNIFICANCE:g} are needed), rank-1 {nearest.head:.4f} against {nearest.raw:.4f}; other faces of people it "
        f"knows: rank-1 {others.head:.4f} against {others.raw:.4f} (neither may fall)."
    )
    return Promotion(helps and harmless, reason, strangers, others)


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
