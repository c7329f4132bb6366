"""The fixed values and ids in the tables."""

import polars as pl

from classface_assets.core.schemas import (
    DETECTION_ROWS,
    DETECTIONS,
    DetectionStatus,
    PhotoStatus,
    is_noise,
    is_unknown_cluster,
    noise_id,
)
from classface_assets.store.model.person_kinds import PersonKind, PersonStatus


def test_a_written_detection_has_the_columns_of_a_read_one_and_its_chip() -> None:
    assert set(DETECTION_ROWS) ^ set(DETECTIONS) == {"chip", "created_at"}
    assert all(DETECTION_ROWS[name] == DETECTIONS[name] for name in DETECTION_ROWS if name != "chip")


def test_clusters_and_single_unknown_faces_are_known_by_their_ids() -> None:
    ids = pl.DataFrame({"cluster_id": ["unknown_cluster_3", "unknown_cluster_3_sub_1", "person_p", None]})
    ids = pl.concat([ids, pl.DataFrame({"face_id": ["f"]}).select(noise_id().alias("cluster_id"))])
    assert ids["cluster_id"][-1] == "unknown_noise_f"
    assert ids.select(is_unknown_cluster()).to_series().to_list() == [True, True, False, None, False]
    assert ids.select(is_noise()).to_series().to_list() == [False, False, False, None, True]


def test_the_values_that_archives_store_never_change() -> None:
    assert list(PhotoStatus) == ["ok", "duplicate", "unreadable", "not a photo", "withheld"]
    assert list(DetectionStatus) == ["ok", "no face", "failed"]
    assert list(PersonStatus) == ["active", "merged", "hidden"]
    assert list(PersonKind) == ["student", "staff", "not a student", "not a face"]
