"""Which photos look alike: what the hashes, the times and the faces of all years say together."""

from dataclasses import replace

import polars as pl

from classface_assets.identity.settings import settings_for
from classface_assets.store.facts import Facts
from classface_assets.vision.near import near_groups


def with_near_groups(facts: Facts, pack: str) -> Facts:
    """The facts with a column near_group in `images`: the first photo of a burst or of copies, null when alone."""
    # Half-way between one person and one picture: a face in a copy or in the next shot is far closer than in another.
    same_face = (1 + settings_for(pack).person_threshold) / 2
    good = facts.images.filter(pl.col("status") == "ok")
    owners = facts.faces["asset_id"] if facts.faces.height else pl.Series(dtype=pl.String)
    groups = near_groups(good, owners, facts.vectors, same_face)
    return replace(facts, images=facts.images.join(groups, on="asset_id", how="left", maintain_order="left"))
