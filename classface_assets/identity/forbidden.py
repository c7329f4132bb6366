"""Which faces may not be which people, by what was said and by who else is in the photo."""

import numpy as np
import polars as pl

from classface_assets.identity.rules import Rules


def forbidden(rules: Rules, owners: np.ndarray) -> np.ndarray:
    """(q, 2) face row and person: the rejected, those who are in that photo, and cannot-links to their faces."""
    rows = np.arange(len(owners))
    known = owners >= 0
    theirs = pl.DataFrame({"photo": rules.photos[known], "person": owners[known]}).unique()
    others = pl.DataFrame({"photo": rules.photos[~known], "row": rows[~known]})
    mates = others.join(theirs, on="photo").select("row", "person").to_numpy().reshape(-1, 2)
    both_ways = np.vstack([rules.cannot, rules.cannot[:, ::-1]])
    apart = both_ways[known[both_ways[:, 1]] & ~known[both_ways[:, 0]]]
    apart = np.column_stack([apart[:, 0], owners[apart[:, 1]]])
    return np.unique(np.vstack([rules.rejected, mates, apart]).astype(np.int64), axis=0)
