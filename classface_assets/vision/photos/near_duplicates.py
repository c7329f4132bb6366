"""Groups near duplicates: resized and recompressed copies of a photo, and the shots of a burst.

Perceptual hashes propose pairs and the faces confirm them: on a school's picture day a hundred children are
photographed in front of one backdrop, in one pose.
"""

from collections import defaultdict
from collections.abc import Set

import numpy as np
import polars as pl
from PIL import Image

from classface_assets.core.arrays import connected_components

HASH_SIDE = 16  # 16 × 16 bits
# Measured: copies (half size, 200 px, quality 30, brighter, grey) differ by up to 10 bits, cropped by 1 % by up to 22,
# portraits of different people before one backdrop by 38 and more of 126,000 pairs, shots that are 1 % off by up to 40.
# Full-length photos of different people in one gown differ by as little as 4: no threshold tells those from copies.
COPY_BITS, BURST_BITS = 20, 40
BURST_S = 3.0
MAX_NEIGHBOURS = 32  # of each photo at most: a scene that was shot a thousand times must not make a million pairs


def perceptual_hash(image: np.ndarray) -> str:
    """The 256 bit pHash of an (H, W, 3) uint8 RGB picture, as 64 hex digits (imagehash.phash).

    Source: http://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html
    """
    import cv2
    import imagehash

    # 25 times as fast as Pillow on the whole picture, and the same bits; imagehash makes a square of it anyway.
    small = cv2.resize(image, (8 * HASH_SIDE, 8 * HASH_SIDE), interpolation=cv2.INTER_AREA)
    return str(imagehash.phash(Image.fromarray(small), hash_size=HASH_SIDE))


def near_duplicate_groups(
    photos: pl.DataFrame, faces_of: pl.Series, vectors: np.ndarray, same_face: float
) -> pl.DataFrame:
    """Find the photos that have a near duplicate in their school year.

    Args:
        photos: The readable photos with asset_id, school_year, path, phash, taken_at and taken_at_source.
        faces_of: (n,) asset ids: the photo of each face.
        vectors: (n, d) unit vectors of the faces.
        same_face: Two faces with at least that cosine are of one person.

    Returns:
        asset_id and near_group (the group's first asset_id) of these photos.
    """
    groups = [pl.DataFrame(schema={"asset_id": pl.String, "near_group": pl.String})]
    ordered = photos.drop_nulls("phash").sort("school_year", "taken_at", "path", nulls_last=True)
    by_year = ordered.group_by("school_year", maintain_order=True)
    years = [(year["asset_id"], _candidate_pairs(year)) for _, year in by_year]
    candidates = {asset_id for ids, pairs in years for asset_id in ids[np.unique(pairs)]}
    rows_of = _rows_of_photos(faces_of, candidates)
    for asset_ids, pairs in years:
        ids = asset_ids.to_list()
        same = [
            show_same_people(vectors[rows_of[ids[a]]], vectors[rows_of[ids[b]]], same_face) for a, b in pairs.tolist()
        ]
        first = connected_components(len(ids), pairs[np.array(same, bool)])
        group = pl.DataFrame({"asset_id": ids, "near_group": [ids[i] for i in first]})
        groups.append(group.filter(pl.len().over("near_group") > 1))
    return pl.concat(groups)


def _rows_of_photos(faces_of: pl.Series, photos: Set[str]) -> defaultdict[str, list[int]]:
    """The rows of the faces in these photos; none for any other."""
    faces = faces_of.to_frame("asset_id").with_row_index("row")
    rows_of: defaultdict[str, list[int]] = defaultdict(list)
    for row, asset_id in faces.filter(pl.col("asset_id").is_in(list(photos))).iter_rows():
        rows_of[asset_id].append(row)
    return rows_of


def show_same_people(some: np.ndarray, others: np.ndarray, same_face: float) -> bool:
    """Whether more than half of the faces of one photo, that with fewer of them, are in the other too.

    A photo without faces matches any other. A small copy shows fewer faces than its original does; the teacher beside
    each child is half of the faces.

    Args:
        some: (n, d) unit vectors of the faces in one photo.
        others: (m, d) unit vectors of the faces in the other.
        same_face: Two faces with at least that cosine are of one person.
    """
    fewer, more = sorted((some, others), key=len)
    return not len(fewer) or 2 * int(((fewer @ more.T).max(axis=1) >= same_face).sum()) > len(fewer)


def _candidate_pairs(year: pl.DataFrame) -> np.ndarray:
    """The (n, 2) pairs of rows, first before second, that by hash and time may be copies or shots of one burst.

    A copy has the time that the camera wrote, or none; so two photos whose camera times differ are no copies.
    """
    import faiss

    codes = np.frombuffer(bytes.fromhex("".join(year["phash"])), np.uint8).reshape(year.height, -1)
    index = faiss.IndexBinaryFlat(codes.shape[1] * 8)
    index.add(codes)
    bits, neighbours = index.search(codes, min(MAX_NEIGHBOURS, year.height))
    a = np.repeat(np.arange(year.height), neighbours.shape[1])
    pairs, bits = np.stack([a, neighbours.ravel()], axis=1), bits.ravel()
    near = (bits <= BURST_BITS) & (pairs[:, 0] != pairs[:, 1])
    pairs, bits = np.sort(pairs[near], axis=1), bits[near]
    gap = np.abs(np.diff(_capture_seconds(year, "exif", "xmp", "iptc", "file name")[pairs], axis=1))[:, 0]
    camera_gap = np.abs(np.diff(_capture_seconds(year, "exif")[pairs], axis=1))[:, 0]
    copies = (bits <= COPY_BITS) & ~(camera_gap > BURST_S)
    return np.unique(pairs[copies | (gap <= BURST_S)], axis=0)


def _capture_seconds(year: pl.DataFrame, *sources: str) -> np.ndarray:
    """When each photo was taken, in seconds; NaN if not known to the second (midnight: only the date is known)."""
    known = pl.col("taken_at_source").is_in(sources) & (pl.col("taken_at").dt.time() != pl.time(0, 0, 0))
    return year.select(pl.when(known).then(pl.col("taken_at").dt.epoch("us") / 1e6)).to_series().to_numpy()
