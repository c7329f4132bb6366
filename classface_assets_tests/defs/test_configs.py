"""The settings of assets as Dagster shows and takes them: thresholds, model packs."""

import re
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from pydantic import ValidationError

from classface_assets.core.layout import ArchiveLayout
from classface_assets.definitions import defs
from classface_assets.defs.identity.config import AssignmentConfig
from classface_assets.defs.identity.evaluation import EvaluationConfig
from classface_assets.defs.identity.identities import IdentityConfig
from classface_assets.identity.settings import (
    ARCFACE_SETTINGS,
    DLIB_SETTINGS,
    SETTINGS_OF_GROUP,
    SFACE_SETTINGS,
    STORED_NAMES,
    AssignmentSettings,
    SettingGroup,
)
from classface_assets.orchestration.settings.file import set_values
from classface_assets.services.identity.presets import Preset, calibrated_settings
from classface_assets.store.catalog.faces import load_catalog
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.vision.models.pack_info import BUILTIN_DETECTOR, BUILTIN_PACK, PackInfo
from classface_assets_tests.conftest import World, register
from classface_assets_tests.support.helpers import ASSETS

SETTINGS = AssignmentSettings.__pydantic_fields__


def test_other_thresholds_make_new_parts_beside_the_old_and_count_from_then_on(
    world: World,
) -> None:
    register(world, "2016-2017")
    job = world.chain.definitions.resolve_job_def("ingest_year")
    config = {"ops": {"detections": {"config": {"min_face_px": 120}}}}
    assert job.execute_in_process(run_config=config, instance=world.instance, partition_key="2016-2017").success
    large = load_catalog(world.layout, BUILTIN_DETECTOR, BUILTIN_PACK.key).faces.filter(school_year="2016-2017")
    assert 0 < large.height < 23 and min(large["bbox_w"].min(), large["bbox_h"].min()) >= 119
    old = SchoolYearStore(world.layout, BUILTIN_DETECTOR, "2016-2017").detection_parts("confidence-0.5 size-20")
    assert old.read().filter(pl.col("status") == "ok").height == 23
    assert job.execute_in_process(instance=world.instance, partition_key="2016-2017").success, "as the sensor runs it"
    stayed = load_catalog(world.layout, BUILTIN_DETECTOR, BUILTIN_PACK.key).faces.filter(school_year="2016-2017")
    assert stayed.height == large.height, "thresholds that a person chose stay in force"


def test_the_pack_and_every_threshold_are_in_the_launchpad_with_a_description() -> None:
    definitions = defs()
    graph = definitions.resolve_asset_graph()
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == set(ASSETS)
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description and node.owners and node.kinds and node.group_name != "default", key
    launchpad = definitions.resolve_implicit_global_asset_job_def().run_config_schema.config_type.fields
    described = {}
    for place, names in (("ops", ASSETS), ("resources", ["archive", "models"])):
        for name in names:
            config = launchpad[place].config_type.fields[name].config_type.fields["config"]
            assert not config.is_required, f"{name} runs without any config"
            described |= {key: field.description for key, field in getattr(config.config_type, "fields", {}).items()}
    assert [key for key, description in described.items() if not description] == []
    expected = {
        "pack",
        "min_confidence",
        "min_face_px",
        "neighbours",
        "person_threshold",
        "cluster_threshold",
        "min_people",
    }
    assert expected <= set(described)


def test_settings_that_are_not_given_are_the_packs_own(tmp_path: Path) -> None:
    layout = ArchiveLayout(tmp_path / "photos", tmp_path / "data")
    packs = [PackInfo(name, "1", "a detector", "") for name in ("builtin", "dlib", "x")]
    for pack, measured in zip(packs, (SFACE_SETTINGS, DLIB_SETTINGS, ARCFACE_SETTINGS), strict=True):
        assert AssignmentConfig().settings(pack, layout) == measured
        assert AssignmentConfig(cluster_threshold=0.7).settings(pack, layout).cluster_threshold == 0.7
    assert DLIB_SETTINGS.cluster_threshold > ARCFACE_SETTINGS.cluster_threshold


def test_every_setting_is_in_the_run_config_with_its_docstring_and_the_values_measured_for_it() -> None:
    docs = {STORED_NAMES.get(name, name): setting.description for name, setting in SETTINGS.items()}
    keys = docs.keys() - {
        "least_edge",
        "follow_fade_years",
        "cluster_fade_years",
    }  # two name their own key
    for config in (AssignmentConfig, IdentityConfig, EvaluationConfig):
        assert keys <= config.model_fields.keys()
    described = {name: field.description or "" for name, field in AssignmentConfig.model_fields.items()}
    assert [
        key for key in keys if not described[key].split("] ", 1)[-1].startswith((docs[key] or "?").replace("\n", " "))
    ] == []
    assert "exp(-g / follow_fade_years)" in described["follow_fade_years"]
    assert re.search(r"Default: .*0\.96 for dlib.*\.$", described["person_threshold"])
    assert "for builtin" in described["person_threshold"] and "other packs" in described["person_threshold"]
    assert described["min_cluster_size"].endswith("Default: 2 (hdbscan: 3).")


def test_every_setting_of_the_assignment_is_in_a_group_and_begins_its_description_with_it() -> None:
    grouped = [name for names in SETTINGS_OF_GROUP.values() for name in names]
    assert sorted(grouped) == sorted(SETTINGS), "each in one"
    groups = "|".join(SettingGroup)
    for config in (AssignmentConfig, IdentityConfig, EvaluationConfig):
        for name, field in config.model_fields.items():
            assert re.match(rf"\[({groups})\] \S", field.description or ""), name
    assert (AssignmentConfig.model_fields["follow_far"].description or "").startswith("[through the years] Times the")


def test_a_run_config_without_groups_is_taken_as_it_was_stored() -> None:
    stored = {
        "person_threshold": 0.7,
        "follow_far": 0.04,
        "company": 0.0,
        "scope": "event",
        "only_event": "2019-2020/a",
    }
    config = {
        "ops": {"identities": {"config": {**stored, "use_head": False}}, "cluster_assignments": {"config": stored}}
    }
    assert dg.validate_run_config(defs().resolve_job_def("identify"), config)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("time_bucket", "2019-13"),
        ("quality_threshold", 1.5),
        ("min_cluster_size", 0),
        ("method", "kmeans"),
    ],
)
def test_a_value_that_a_setting_cannot_have_is_refused(key: str, wrong: object) -> None:
    with pytest.raises(ValidationError, match=key):
        AssignmentConfig.model_validate({key: wrong})


def test_presets_in_the_launchpad_are_jobs_and_change_what_is_not_given_beside_them(tmp_path: Path) -> None:
    layout, pack = ArchiveLayout(tmp_path / "photos", tmp_path / "data"), BUILTIN_PACK
    for name, preset in (("identify_high_precision", "high-precision"), ("identify_fast", "fast")):
        job = defs().resolve_job_def(name)
        assert job.tags["classface/preset"] == preset
        for asset in ("cluster_assignments", "identities"):
            config = AssignmentConfig.model_validate(job.run_config["ops"][asset]["config"])
            assert config.settings(pack, layout) == calibrated_settings(layout, pack, preset=Preset(preset))
    usual = AssignmentConfig()
    assert usual.settings(pack, layout) == calibrated_settings(layout, pack)
    assert "preset" not in usual.fingerprint_inputs(layout), "what was computed before there were presets stays valid"
    fast = AssignmentConfig(preset="fast", person_threshold=0.7)
    assert fast.fingerprint_inputs(layout) != AssignmentConfig(person_threshold=0.7).fingerprint_inputs(layout)
    settings = fast.settings(pack, layout)
    assert (settings.person_threshold, settings.assign, settings.propagation) == (0.7, "centroid", False)
    set_values(layout.local, {"assignment.person_threshold": 0.65, "assignment.method": "dbscan"})
    strict = AssignmentConfig(preset="high-precision").settings(pack, layout)
    assert strict.method == "dbscan" and strict.person_threshold == pytest.approx(0.65 + 0.125 * 0.35, abs=1e-4)
    with pytest.raises(ValidationError, match="preset"):
        AssignmentConfig.model_validate({"preset": "sloppy"})
