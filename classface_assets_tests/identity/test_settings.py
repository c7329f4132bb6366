"""Settings by the names of their fields and by the names that run configs and stored files have."""

from dataclasses import asdict, fields, replace

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from classface_assets.identity import settings as settings_module
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.graph.knn_graph import _former_search_key, from_cached_frame, to_cached_frame
from classface_assets.identity.settings import (
    OLD_NAMES,
    AssignmentSettings,
    settings_for,
    settings_key,
    stored_values,
    with_values,
)


def test_a_setting_is_given_by_its_name_or_by_the_name_it_had() -> None:
    by_old_name = with_values(AssignmentSettings(), {"company": 0.05, "absence": 1, "person_threshold": 0.7})
    assert by_old_name == AssignmentSettings(
        shared_neighbour_weight=0.05, roster_absence_penalty=1.0, person_threshold=0.7
    )
    assert with_values(AssignmentSettings(), stored_values(settings_for("builtin"))) == settings_for("builtin")
    assert set(OLD_NAMES.values()) <= {field.name for field in fields(AssignmentSettings)}


def test_the_key_of_stored_results_is_the_one_that_older_versions_stored() -> None:
    key = settings_key(settings_for("dlib"))
    assert key.startswith("AssignmentSettings(person_threshold=0.96, person_margin=0.015, person_exemplars=3, assign=")
    assert "follow_threshold=0.03, follow_far=0.008" in key and "company=0.04, company_lift=0.017" in key
    assert key.endswith("time_bucket='', scope='all', include_identified=False)")
    assert settings_key(replace(settings_for("dlib"), eps=0.4)) != key


def test_a_new_field_that_changes_nothing_is_left_out_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_module, "NEUTRAL_VALUES", {"max_clusters": 0})
    assert "max_clusters" not in settings_key(AssignmentSettings())
    assert "max_clusters=3" in settings_key(AssignmentSettings(max_clusters=3))


def test_a_value_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="quality_threshold"):
        AssignmentSettings(quality_threshold=1.5)


def test_a_graph_that_an_older_version_cached_is_valid_still() -> None:
    vectors = np.eye(4, 6, dtype=np.float32) + np.float32(0.1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = pl.Series("face_id", list("abcd"))
    graph = build_graph(ids, vectors, 2, 0.1)
    now = to_cached_frame(graph, vectors, 0.1)
    search_key = from_cached_frame(now, ids, vectors, 2, 0.1)
    assert search_key is not None and search_key.face_ids.equals(ids)
    hashes = to_cached_frame(graph, vectors, 0.1)["made_of"].to_numpy()
    one_search = hashes ^ to_cached_frame(graph, np.zeros_like(vectors), 0.1)["made_of"].to_numpy()
    former = now.with_columns(made_of=pl.Series(one_search ^ _former_search_key(2, 0.1), dtype=pl.UInt64))
    cached = from_cached_frame(former, ids, vectors, 2, 0.1)
    assert cached is not None and cached.face_ids.equals(ids)
    assert from_cached_frame(former, ids, vectors[::-1], 2, 0.1) is None


def test_no_number_of_the_settings_is_so_large_that_comparing_faces_overflows() -> None:
    numbers = [name for name, value in asdict(AssignmentSettings()).items() if type(value) is float]
    assert len(numbers) > 25
    for name in numbers:
        for value in (1e30, -1e30, float("inf"), float("nan")):
            with pytest.raises(ValidationError, match=name):
                AssignmentSettings(**{name: value})
