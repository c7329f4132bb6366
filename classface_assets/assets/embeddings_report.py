"""What a run of `embeddings` tells: a look at every vector of the year, its checks, and what was done how fast."""

import dagster as dg
import numpy as np
import polars as pl

from classface_assets.assets.common import result, table
from classface_assets.assets.embedding_run import Done
from classface_assets.store.damage import readable
from classface_assets.store.parts import Parts

WHAT_TO_DO = "`classface find-orphans --fix` searches the photos of faces without a chip again, and the rest goes on."


def embeddings_report(parts: Parts, wanted: set[str], done: Done, pack: str) -> dg.MaterializeResult:
    """Look at all vectors of the year that count, a bounded frame at a time."""
    names = pl.DataFrame({"face_id": list(wanted)}, schema={"face_id": pl.String})
    count, broken, off = 0, 0, 0.0
    for rows in parts.scan():
        counting = rows.join(names, on="face_id", how="semi")
        if counting.is_empty():  # of a school year that is gone, say
            continue
        vectors = counting["vector"].to_numpy().reshape(counting.height, -1)
        finite = np.isfinite(vectors).all(axis=1)
        lengths = np.linalg.norm(vectors[finite], axis=1)
        count, broken = count + counting.height, broken + int((~finite).sum())
        off = max(off, float(np.abs(lengths - 1).max(initial=0.0)))
    stored = readable(parts, ["face_id"])[0]
    twice = stored.height - stored.unique().height if stored.width else 0
    missing = len(wanted) - count
    lost = {"what to do": WHAT_TO_DO} if missing else {}
    return result(
        count,
        [
            _check("one_vector_a_face", count == len(wanted), faces=len(wanted), vectors=count, **lost),
            _check("vectors_have_unit_length", off < 1e-3, **{"largest deviation": off}),
            _check("vectors_are_finite", not broken, **{"not finite": broken}),
            _check("no_vector_twice", not twice, **{"rows too many": twice}),
        ],
        model_pack=pack,
        embedded_now=done.faces,
        **({"device": done.device, "faces_a_second": round(done.faces / done.seconds, 1)} if done.seconds else {}),
        chips_not_decoded=len(done.undecoded),
        faces_whose_chip_is_broken=table(
            pl.DataFrame({"face_id": done.undecoded}, schema={"face_id": pl.String}), most=50
        ),
    )


def _check(name: str, passed: bool, **metadata: int | float | str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(check_name=name, passed=bool(passed), metadata=metadata)
