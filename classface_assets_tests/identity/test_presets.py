"""Presets, the method that an option belongs to, and runs that touch only some faces."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from classface_assets.cli.__main__ import cli
from classface_assets.cli.common import PRESETS as SHOWN
from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.identity.config import AssignmentConfig
from classface_assets.identity.settings import settings_for, with_values
from classface_assets.services.identity.method_options import MethodOptionError, cosine_distance, with_method
from classface_assets.services.identity.presets import PRESETS, Preset, calibrated_settings, preset_values
from classface_assets.store.artifacts.thresholds import save_thresholds
from classface_assets.vision.models.pack_info import describe_pack


@pytest.mark.parametrize("pack", ["builtin", "dlib", "buffalo_l"])
def test_high_precision_is_stricter_for_every_pack_and_thresholds_stay_similarities(pack: str) -> None:
    usual = settings_for(pack)
    strict = with_values(usual, preset_values(usual, Preset.HIGH_PRECISION))
    for name in ("person_threshold", "cluster_threshold", "attach_threshold", "person_margin", "propagation_threshold"):
        assert getattr(usual, name) < getattr(strict, name) < 1, name
    assert preset_values(usual, Preset.BALANCED) == preset_values(usual, None) == {}
    fast = with_values(usual, preset_values(usual, Preset.FAST))
    assert (fast.assign, fast.propagation, fast.person_threshold) == ("centroid", False, usual.person_threshold)
    assert AssignmentConfig(**preset_values(usual, Preset.HIGH_PRECISION)).person_threshold == strict.person_threshold


def test_the_command_line_shows_the_presets_that_there_are() -> None:
    assert SHOWN == PRESETS


def test_a_preset_starts_from_what_was_calibrated(layout: ArchiveLayout, tmp_path: Path) -> None:
    pack = describe_pack("builtin", tmp_path)
    save_thresholds(layout, pack.key, "temporal", {"person_threshold": 0.8})
    assert calibrated_settings(layout, pack).person_threshold == 0.8
    assert calibrated_settings(layout, pack, preset=Preset.HIGH_PRECISION).person_threshold == pytest.approx(0.825)
    assert calibrated_settings(layout, pack, "dbscan").person_threshold == settings_for("builtin").person_threshold


def test_an_option_chooses_its_method_or_is_refused() -> None:
    assert with_method({"min_samples": 3, "eps": None}) == {"min_samples": 3, "method": "hdbscan"}
    assert with_method({"min_samples": 3, "eps": 0.4})["method"] == "dbscan"
    assert with_method({"linkage": "single", "eps": 0.4})["method"] == "agglomerative"
    assert with_method({"eps": 0.4, "method": "agglomerative"})["method"] == "agglomerative"
    assert with_method({"max_clusters": 3}) == {"max_clusters": 3}
    with pytest.raises(MethodOptionError, match="The method temporal has no min-samples"):
        with_method({"min_samples": 3, "method": "temporal"})
    with pytest.raises(MethodOptionError, match="No clustering method has min-samples and linkage together"):
        with_method({"min_samples": 3, "linkage": "single"})


def test_a_euclidean_distance_between_unit_vectors_is_converted() -> None:
    assert cosine_distance(1.0, "euclidean") == 0.5 and cosine_distance(0.3, "cosine") == 0.3
    assert cosine_distance(None, "euclidean") is None


def test_what_is_not_restricted_does_not_change_the_fingerprint_of_stored_results(layout: ArchiveLayout) -> None:
    names = AssignmentConfig().fingerprint_inputs(layout).keys()
    assert not any(name.startswith("only_") for name in names)
    assert "only_event" in AssignmentConfig(only_event="2019-2020/sports").fingerprint_inputs(layout)


def test_a_selection_is_needed_to_cluster_without_a_session() -> None:
    corrected = CliRunner().invoke(cli, ["session", "correct", "Sports", "Ana"])
    assert corrected.exit_code == 2 and "Give one of --present" in corrected.output
