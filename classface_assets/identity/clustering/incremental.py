"""Incremental clustering: the groups of the run before, which few new faces join, and none of which is split.

A face stays in its group while nothing that its place depends on has changed: its vector, year, quality and photo, and
the constraints on it and others. A group with a new constraint falls apart, and its faces are placed like new ones. All
faces are clustered from scratch when the settings or the similarity model are others, when a tenth of the faces came or
changed since that was last done, or when somebody asks for it; so the order in which faces came matters little, and
not for long.

The state is stored with a cache key (`made_with`): GROUPING_VERSION, the version of polars (whose hashes of ids are
stored), the numbers of the similarity model, and `settings.settings_key`. Where one of these differs the state is
ignored. A new field of the settings therefore makes every archive be clustered again, unless it is listed with the
value that changes nothing in `settings.NEUTRAL_VALUES`.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from classface_assets.identity.constraints.conflicts import conflicting_groups
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.sampling import vector_hashes
from classface_assets.identity.settings import AssignmentSettings, settings_key

GROUPING_VERSION = 2
"""Counts up when the same faces are clustered otherwise than before."""
MAX_ADDED_SHARE = 0.1
"""When more than this share of the faces came since all were clustered, they all are again."""
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
    """Groups of n faces as they are stored."""

    face_ids: pl.Series
    """(n,) strings."""
    face_hashes: np.ndarray
    """(n,) uint64, of what each face is."""
    constraint_hashes: np.ndarray
    """(n,) uint64, of the constraints on each face."""
    groups: np.ndarray
    """(n,) int64, the number of each face's group, -1 where it is still to be placed."""
    added: np.ndarray
    """(n,) bool, whether the face was placed after all faces were last clustered."""
    key: str
    """The cache key."""

    def to_frame(self) -> pl.DataFrame:
        """Rows of CLUSTER_STATE_SCHEMA, one a face."""
        columns = {
            "face_id": self.face_ids,
            "made_of": self.face_hashes,
            "said": self.constraint_hashes,
            "group": self.groups,
            "added": self.added,
        }
        return pl.DataFrame(columns).with_columns(made_with=pl.lit(self.key)).cast(CLUSTER_STATE_SCHEMA)

    @staticmethod
    def from_frame(frame: pl.DataFrame) -> "ClusterState | None":
        """What `to_frame` made; None when the frame is empty or of another version of the program."""
        if frame.schema != CLUSTER_STATE_SCHEMA or frame.is_empty():
            return None
        return ClusterState(
            face_ids=frame["face_id"],
            face_hashes=frame["made_of"].to_numpy(),
            constraint_hashes=frame["said"].to_numpy(),
            groups=frame["group"].to_numpy(),
            added=frame["added"].to_numpy(),
            key=frame["made_with"][0],
        )

    def subset(self, rows: np.ndarray) -> "ClusterState":
        """The state of these rows alone, in the order given."""
        return ClusterState(
            face_ids=self.face_ids[rows],
            face_hashes=self.face_hashes[rows],
            constraint_hashes=self.constraint_hashes[rows],
            groups=self.groups[rows],
            added=self.added[rows],
            key=self.key,
        )


def unplaced(table: pl.DataFrame, inputs: ClusteringInput, settings: AssignmentSettings) -> ClusterState:
    """The state of faces without groups. table: face_id and asset_id, row by row with the inputs."""
    return ClusterState(
        face_ids=table["face_id"],
        face_hashes=_face_hashes(table, inputs),
        constraint_hashes=_constraint_hashes(table["face_id"], inputs),
        groups=np.full(len(table), -1, np.int64),
        added=np.zeros(len(table), bool),
        key=_cache_key(inputs, settings),
    )


def carry_over_clusters(stored: ClusterState | None, now: ClusterState, inputs: ClusteringInput) -> ClusterState | None:
    """The faces of today in their groups of the run before.

    Args:
        stored: What the run before left; None: nothing.
        now: The faces of today, `unplaced`.
        inputs: Of these faces, row by row.

    Returns:
        `now` with groups, -1 for the faces that are to be placed; None when all faces are to be clustered from scratch.
    """
    if stored is None or stored.key != now.key:
        return None
    before = now.face_ids.to_frame("face_id").join(stored.to_frame(), on="face_id", how="left", maintain_order="left")
    groups = before["group"].fill_null(-1).to_numpy().copy()
    same_face = (before["made_of"] == pl.Series(now.face_hashes)).fill_null(value=False).to_numpy()
    same_constraints = (before["said"] == pl.Series(now.constraint_hashes)).fill_null(value=False).to_numpy()
    changed = np.unique(groups[same_face & ~same_constraints])
    groups[~same_face | np.isin(groups, changed[changed >= 0])] = -1
    each = np.where(groups >= 0, groups, groups.max(initial=-1) + 1 + np.arange(len(groups)))
    groups[np.isin(each, conflicting_groups(each, inputs))] = -1
    added = before["added"].fill_null(value=True).to_numpy() | (groups < 0)
    if added.sum() > MAX_ADDED_SHARE * len(added):
        return None
    return replace(now, groups=groups, added=added)


def _face_hashes(table: pl.DataFrame, inputs: ClusteringInput) -> np.ndarray:
    """A hash of each face's vector, year, quality and photo, (n,) uint64."""
    year = np.nan_to_num(inputs.years, nan=-1.0).astype(np.int64).astype(np.uint64)
    quality = inputs.quality.astype(np.float32).view(np.uint32).astype(np.uint64)
    hashes = vector_hashes(inputs.vectors) if len(table) else np.empty(0, np.uint64)
    for values in (year, quality, table["asset_id"].hash().to_numpy()):
        hashes = (hashes ^ values) * _SALT[0]
        hashes ^= hashes >> np.uint64(29)
    return hashes


def _constraint_hashes(face_ids: pl.Series, inputs: ClusteringInput) -> np.ndarray:
    """A hash of each face's links and of whether its photo is a collage, whose photo numbers exceed n; (n,) uint64."""
    ids = face_ids.hash().to_numpy()
    hashes = np.where(inputs.photos > len(face_ids), _SALT[2], np.uint64(0))
    for pairs, salt in ((inputs.must_link, _SALT[0]), (inputs.cannot_link, _SALT[1])):
        for face, other in (pairs.T, pairs.T[::-1]):
            np.add.at(hashes, face, (ids[other] ^ salt) * salt)
    return hashes


def _cache_key(inputs: ClusteringInput, settings: AssignmentSettings) -> str:
    """What all groups depend on, as text: see the module."""
    model = inputs.similarity.model if inputs.similarity else None
    numbers = (model.share, model.slope, model.offset) if model else ()
    return f"{GROUPING_VERSION} {pl.__version__} {numbers} {settings_key(settings)}"
