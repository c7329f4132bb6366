"""Which face of today a face of the ledger is: by its id, or by its place when another detector drew the box."""

from collections.abc import Iterator, Mapping

import polars as pl

from classface_assets.store.decisions import Box, FaceMark, LabelledFace
from classface_assets.store.same_shots import SameShots, Transform, moved

Placed = FaceMark | LabelledFace  # what says where a face lies
SAME_FACE_OVERLAP = 0.4


def locate(
    places: Mapping[str, Placed], faces: pl.DataFrame, shots: SameShots
) -> dict[str, tuple[tuple[str, float], ...]]:
    """Face of the ledger → its faces of today, as `homes` finds them: in its photo, and in each other one of its shot.

    Those without any are left out.
    """
    found: dict[str, tuple[tuple[str, float], ...]] = {f: (home,) for f, home in homes(places, faces).items()}
    if not shots.neighbours or faces.is_empty():
        return found
    others = dict(_in_other_photos(places, faces, shots))
    at = homes({place.face_id: place for place in others.values()}, faces)
    for (face, _), place in others.items():
        if place.face_id in at:
            found[face] = (*found.get(face, ()), at[place.face_id])
    return found


def _in_other_photos(
    places: Mapping[str, Placed], faces: pl.DataFrame, shots: SameShots
) -> Iterator[tuple[tuple[str, str], LabelledFace]]:
    """(Face of the ledger, photo that is there) and where the face lies in it; but for the photo in which the face
    itself is today: so are all faces of an archive that an older version made."""
    there = set(faces["asset_id"].unique())
    here = faces.filter(pl.col("face_id").is_in(list(places))).select("face_id", "asset_id")
    itself = dict(here.iter_rows())
    known: dict[str, dict[str, Transform]] = {}
    for face, place in places.items():
        if place.asset_id not in known:
            known[place.asset_id] = {p: t for p, t in shots.others(place.asset_id).items() if p in there}
        for photo, transform in known[place.asset_id].items():
            if photo != itself.get(face):
                yield (face, photo), LabelledFace(f"{face} {photo}", photo, moved(place.box, transform))


def homes(places: Mapping[str, Placed], faces: pl.DataFrame) -> dict[str, tuple[str, float]]:
    """Face of the ledger → (face of today, overlap of the boxes, 2 for the same id); those without any left out.

    Best overlaps first, each face of today goes to one face of the ledger, and to others that overlap that one: one
    detector draws no two such boxes, so they are the same face under another. Overlaps are at least 0.4.
    """
    if faces.is_empty() or not places:
        return {}
    present = set(faces["face_id"].filter(faces["face_id"].is_in(list(places))).to_list())
    home = {f: (f, 2.0) for f in places if f in present}
    if len(home) == len(places):
        return home
    taken = {f: places[f].box for f in home}
    homeless = {f: place for f, place in places.items() if f not in present}
    for old, new, shared in _overlapping(homeless, faces):
        if (
            old not in home
            and overlap(homeless[old].box, taken.setdefault(new, homeless[old].box)) >= SAME_FACE_OVERLAP
        ):
            home[old] = (new, shared)
    return home


def _overlapping(places: Mapping[str, Placed], faces: pl.DataFrame) -> list[tuple[str, str, float]]:
    """(face of the ledger, face of today, intersection over union) of one photo, best first."""
    rows = [(f, place.asset_id, *place.box) for f, place in places.items()]
    schema = {"old": pl.String, "asset_id": pl.String} | dict.fromkeys("xywh", pl.Float64)
    old = pl.DataFrame(rows, schema=schema, orient="row")
    boxes = [pl.col(f"bbox_{side}").cast(pl.Float64) for side in "xywh"]
    pairs = old.join(faces.select("asset_id", "face_id", *boxes), on="asset_id")
    width, height = (
        (
            pl.min_horizontal(pl.col(at) + pl.col(size), pl.col(f"bbox_{at}") + pl.col(f"bbox_{size}"))
            - pl.max_horizontal(at, f"bbox_{at}")
        ).clip(0)
        for at, size in ("xw", "yh")
    )
    union = pl.col("w") * pl.col("h") + pl.col("bbox_w") * pl.col("bbox_h") - width * height
    pairs = pairs.with_columns((width * height / union).alias("shared")).filter(pl.col("shared") >= SAME_FACE_OVERLAP)
    best = pairs.sort("shared", "old", "face_id", descending=[True, False, False])
    return best.select("old", "face_id", "shared").rows()


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes (x, y, width, height)."""
    width = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    shared = width * height
    union = a[2] * a[3] + b[2] * b[3] - shared
    return shared / union if union > 0 else 0.0
