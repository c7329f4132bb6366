"""The groups of the run before, kept so that few new faces join them or found others, and nothing that stood is split.

A face stands where it stood while nothing that its place depends on has changed: its vector, year, quality and photo,
and what people said of it and others. A group of which something new was said falls apart, and its faces are placed
like new ones. All faces are grouped anew when the settings or the space are others, when a tenth of them came or
changed since that was last done, or when somebody asks for it; so what order faces came in matters little, and not for
long.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from classface_assets.identity.constraints.conflicts import conflicting_groups
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.sampling import vector_hashes
from classface_assets.identity.settings import AssignmentSettings

GROUPING_VERSION = 1
"""Counts up when the same faces are grouped otherwise than before."""
MAX_ADDED_SHARE = 0.1
"""When this share of the faces came since all were grouped, they all are again."""
CLUSTER_STATE_SCHEMA = pl.Schema(
    {
        "face_id": pl.String(),
        "made_of": pl.UInt64(),
        "said": pl.UInt64(),
        "group": pl.Int64(),
        "added": pl.Boolean(),
        "made_with": pl.String(),
    }
)
_SALT = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64)


@dataclass(frozen=True)
class ClusterState:
    """Groups of n faces as they are kept.

    made_of, said (n,) uint64: marks of what each face is, and of what people said of it; group (n,) int64: the number
    of its group; added (n,) bool: whether it was placed after all faces were last grouped; made_with: the settings and
    the space.
    """

    face_ids: pl.Series
    made_of: np.ndarray
    said: np.ndarray
    group: np.ndarray
    added: np.ndarray
    made_with: str

    def to_frame(self) -> pl.DataFrame:
        columns = self.face_ids, self.made_of, self.said, self.group, self.added
        frame = pl.DataFrame(dict(zip(CLUSTER_STATE_SCHEMA, columns, strict=False)))
        return frame.with_columns(made_with=pl.lit(self.made_with)).cast(CLUSTER_STATE_SCHEMA)

    @staticmethod
    def from_frame(frame: pl.DataFrame) -> "ClusterState | None":
        """None when nothing was kept, or by another version of the program."""
        if frame.schema != CLUSTER_STATE_SCHEMA or frame.is_empty():
            return None
        made_of, said, group, added = (frame[name].to_numpy() for name in ("made_of", "said", "group", "added"))
        return ClusterState(frame["face_id"], made_of, said, group, added, frame["made_with"][0])

    def only(self, rows: np.ndarray) -> "ClusterState":
        """These rows alone."""
        made_of, said, group, added = (numbers[rows] for numbers in (self.made_of, self.said, self.group, self.added))
        return ClusterState(self.face_ids[rows], made_of, said, group, added, self.made_with)


def unplaced(table: pl.DataFrame, material: ClusteringInput, settings: AssignmentSettings) -> ClusterState:
    """These faces, all of them still without a group. table: face_id and asset_id, row by row with the material."""
    return ClusterState(
        table["face_id"],
        _face_hashes(table, material),
        _constraint_hashes(table["face_id"], material),
        np.full(len(table), -1, np.int64),
        np.zeros(len(table), bool),
        _settings_key(material, settings),
    )


def carry_over_clusters(kept: ClusterState | None, now: ClusterState, material: ClusteringInput) -> ClusterState | None:
    """The faces of `now` with the groups that `kept` has for them, -1 where they are to be placed; None when all are.

    material: of the faces of `now`.
    """
    if kept is None or kept.made_with != now.made_with:
        return None
    before = now.face_ids.to_frame("face_id").join(kept.to_frame(), on="face_id", how="left", maintain_order="left")
    group = before["group"].fill_null(-1).to_numpy().copy()
    same = (before["made_of"] == pl.Series(now.made_of)).fill_null(value=False).to_numpy()
    as_said = (before["said"] == pl.Series(now.said)).fill_null(value=False).to_numpy()
    torn = np.unique(group[same & ~as_said])
    group[~same | np.isin(group, torn[torn >= 0])] = -1
    stood = np.where(group >= 0, group, group.max(initial=-1) + 1 + np.arange(len(group)))
    group[np.isin(stood, conflicting_groups(stood, material))] = -1
    added = before["added"].fill_null(value=True).to_numpy() | (group < 0)
    if added.sum() > MAX_ADDED_SHARE * len(added):
        return None
    return replace(now, group=group, added=added)


def _face_hashes(table: pl.DataFrame, material: ClusteringInput) -> np.ndarray:
    year = np.nan_to_num(material.years, nan=-1.0).astype(np.int64).astype(np.uint64)
    quality = material.quality.astype(np.float32).view(np.uint32).astype(np.uint64)
    numbers = vector_hashes(material.vectors) if len(table) else np.empty(0, np.uint64)
    for mark in (year, quality, table["asset_id"].hash().to_numpy()):
        numbers = (numbers ^ mark) * _SALT[0]
        numbers ^= numbers >> np.uint64(29)
    return numbers


def _constraint_hashes(face_ids: pl.Series, material: ClusteringInput) -> np.ndarray:
    """Faces of a collage have photo numbers beyond those of photos."""
    ids = face_ids.hash().to_numpy()
    numbers = np.where(material.photos > len(face_ids), _SALT[2], np.uint64(0))
    for pairs, salt in ((material.must_link, _SALT[0]), (material.cannot_link, _SALT[1])):
        for face, other in (pairs.T, pairs.T[::-1]):
            np.add.at(numbers, face, (ids[other] ^ salt) * salt)
    return numbers


def _settings_key(material: ClusteringInput, settings: AssignmentSettings) -> str:
    told = material.measured.told if material.measured else None
    space = (told.share, told.slope, told.offset) if told else ()
    return f"{GROUPING_VERSION} {pl.__version__} {space} {settings}"
