"""The settings of how faces are compared with people who are already known."""

from typing import Literal

import dagster as dg
from pydantic import Field


class KnownConfig(dg.Config):
    """When a face, or a group of faces, is a known person. Empty: what was measured for the pack."""

    person_threshold: float | None = Field(
        default=None, description="Least cosine similarity to a known person. builtin: 0.96, other packs: 0.6."
    )
    person_margin: float | None = Field(
        default=None, description="Least lead over the second-best person. builtin: 0.015, other packs: 0.1."
    )
    person_exemplars: int | None = Field(
        default=None, description="Best labelled faces a person and year that stand for the person. 3."
    )
    assign: Literal["prototype", "centroid", "vote", "knn"] = Field(
        default="prototype",
        description="How a face is compared with known people: nearest `prototype`, nearest `centroid` of a year, "
        "`vote` of all prototypes above the threshold, or `knn`, the nearest labelled faces.",
    )
    alike_margin: float | None = Field(
        default=None, description="Least lead over a sibling or look-alike. builtin: 0.02, other packs: 0.15."
    )
    absence: float | None = Field(
        default=None,
        ge=0,
        description="How many such leads a person has less in a school year in which a roster does not have them. 2.",
    )
    look_alike: float | None = Field(
        default=None,
        description="People whose prototypes are on average as similar as this are look-alikes. builtin: 0.945, 0.45.",
    )
    knn_neighbours: int | None = Field(default=None, ge=1, description="Labelled faces that `knn` asks. 5.")
    use_voting: bool | None = Field(default=None, description="Whether these vote, or the nearest one decides. True.")
    follow_years: bool | None = Field(
        default=None,
        description="With `prototype`: whether whole groups of unknown faces go to the person whose faces of near "
        "years they continue. True.",
    )
    follow_threshold: float | None = Field(
        default=None,
        description="Least mean of such a group's worth to the person and its lead over the next: its similarity to "
        "the person's faces, over what strangers have in common with both. builtin: 0.021, other packs: 0.125.",
    )
    follow_far: float | None = Field(
        default=None,
        ge=0,
        description="Taken off that worth by the logarithm of 1 + the years to the person's nearest labelled face. "
        "builtin: 0.008, other packs: 0.03.",
    )
    follow_single: bool | None = Field(
        default=None,
        description="Whether a face left alone may join the person who has its two likest faces, if these are as like "
        "as attach_threshold says and lead half as much again as attach_margin. builtin: False, other packs: True.",
    )
    follow_size: float | None = Field(
        default=None,
        ge=0,
        description="Taken off by the logarithm of the group's number of faces. builtin: 0.0045, other packs: 0.03.",
    )
    follow_margin: float | None = Field(
        default=None,
        description="That person's least lead over the next; half as much again among siblings and look-alikes. "
        "builtin: 0.004, other packs: 0.03.",
    )
    follow_fade_years: float | None = Field(
        default=None,
        description="In that mean faces n years apart weigh exp(-n / follow_fade_years). builtin: 4, others: 2.",
    )
    follow_group_threshold: float | None = Field(
        default=None,
        description="Least mean similarity within such a group. builtin: 0.952, other packs: 0.53.",
    )
