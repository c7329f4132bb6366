"""The settings of an archive that last: written, read, and overruled by options and the environment."""

from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from classface_assets.cli.__main__ import cli
from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.definitions import defs
from classface_assets.defs.identity.config import AssignmentConfig
from classface_assets.orchestration.configured_resources import default_resources, resolve_archive, resolve_models
from classface_assets.orchestration.settings.file import parse_value, read_settings, set_values, settings_path
from classface_assets.orchestration.settings.values import SettingsError
from classface_assets.services.first_run.settings import remember_folders_and_pack
from classface_assets.vision.models.pack_info import BUILTIN_PACK


def classface(*arguments: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)))


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PHOTOS", "DATA", "LOCAL", "PACK", "REFUSED", "YEAR_START", "MOST_NEW_YEARS"):
        monkeypatch.delenv(f"CLASSFACE_{name}", raising=False)


def test_an_option_counts_more_than_the_environment_and_that_more_than_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_values(tmp_path, {"photos": "/of/the/file", "pack": "dlib", "most_new_years": 7})
    archive = resolve_archive(data=tmp_path)
    assert (archive.photos, resolve_models(None, archive).pack, archive.most_new_years) == ("/of/the/file", "dlib", 7)
    monkeypatch.setenv("CLASSFACE_PHOTOS", "/of/the/environment")
    monkeypatch.setenv("CLASSFACE_PACK", "builtin")
    monkeypatch.setenv("CLASSFACE_MOST_NEW_YEARS", "9")
    archive = resolve_archive(data=tmp_path)
    assert (archive.photos, archive.most_new_years) == ("/of/the/environment", 9)
    assert resolve_models(None, archive).pack == "builtin"
    assert resolve_archive("/of/the/option", tmp_path).photos == "/of/the/option"
    assert resolve_models("buffalo_l", archive).pack == "buffalo_l"


def test_dagster_uses_the_settings_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSFACE_DATA", str(tmp_path))
    set_values(tmp_path, {"photos": str(tmp_path / "school"), "pack": "dlib", "refused": "blur"})
    resources = default_resources()
    assert resources["models"].pack == "dlib"
    assert (resources["archive"].photos, resources["archive"].refused) == (str(tmp_path / "school"), "blur")


def reason_of_failed_run(definitions: dg.Definitions) -> str:
    """The innermost error of a run of `ingest_year`."""
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("school_year", ["2019-2020"])
        job = definitions.resolve_job_def("ingest_year")
        outcome = job.execute_in_process(instance=instance, partition_key="2019-2020", raise_on_error=False)
        (failed,) = outcome.filter_events(lambda event: event.event_type_value == "RESOURCE_INIT_FAILURE")
        error = failed.engine_event_data.error
        assert not outcome.success and error is not None
        return error.message


@pytest.mark.parametrize("flaw", ["not TOML", "not allowed", "no location", "unreadable"])
def test_a_file_that_cannot_be_used_fails_runs_and_not_the_loading(
    flaw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLASSFACE_DATA", str(tmp_path))
    (tmp_path / "photos" / "2019-2020").mkdir(parents=True)
    file = settings_path(tmp_path)
    text = {"not TOML": "pack = [", "not allowed": 'refused = "laugh"', "no location": 'photos = "nowhere://photos"'}
    if flaw == "unreadable":
        file.mkdir()
    else:
        file.write_text(text[flaw])
    with pytest.raises(UserError) as refused:
        resolve_archive()
    definitions = defs()
    dg.Definitions.validate_loadable(definitions)
    assert str(refused.value) in reason_of_failed_run(definitions)
    file.rmdir() if flaw == "unreadable" else file.unlink()
    assert "reload the code location" in reason_of_failed_run(definitions), "its defaults are not the file's"
    set_values(tmp_path, {"pack": "dlib"})
    assert default_resources()["models"].pack == "dlib"


def test_a_threshold_that_lasts_counts_in_every_run_that_gives_none_and_makes_it_run_again(tmp_path: Path) -> None:
    layout = ArchiveLayout(tmp_path / "photos", tmp_path)
    before = AssignmentConfig().fingerprint_inputs(layout)
    set_values(tmp_path, {"assignment.person_threshold": 0.71, "assignment.method": "hdbscan"})
    settings = AssignmentConfig().settings(BUILTIN_PACK, layout)
    assert (settings.person_threshold, settings.method) == (0.71, "hdbscan")
    given = AssignmentConfig.model_validate({"person_threshold": 0.4, "method": "dbscan"}).settings(
        BUILTIN_PACK, layout
    )
    assert (given.person_threshold, given.method) == (0.4, "dbscan")
    assert AssignmentConfig().fingerprint_inputs(layout) != before


def test_comments_and_the_order_of_a_file_stay_when_a_setting_is_changed(tmp_path: Path) -> None:
    file = settings_path(tmp_path)
    file.write_text('# Ours.\npack = "dlib" # agreed in May\n\n[assignment]\n# strict\nperson_threshold = 0.5\n')
    set_values(tmp_path, {"year_start": "08-01", "assignment.person_threshold": 0.6})
    assert file.read_text() == (
        '# Ours.\npack = "dlib" # agreed in May\nyear_start = "08-01"\n\n'
        "[assignment]\n# strict\nperson_threshold = 0.6\n"
    )
    set_values(tmp_path, {"assignment.person_threshold": None})
    assert "assignment" not in file.read_text() and "# agreed in May" in file.read_text()


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("pakc", "dlib", "There is no setting 'pakc'; did you mean pack?"),
        ("person_treshold", "0.5", "did you mean assignment.person_threshold?"),
        ("colour", "red", "`classface settings` lists all of them."),
        ("pack", "dlibb", "There is no model pack 'dlibb'; did you mean dlib?"),
        ("pack", "x" * 300, f"There is no model pack {'x' * 300!r}; give one of"),
        ("most_new_years", "many", "most_new_years cannot be 'many'"),
        ("assignment.person_threshold", "high", "assignment.person_threshold cannot be 'high'"),
        ("refused", "paint", "refused cannot be 'paint'"),
        ("year_pattern", "(", "year_pattern cannot be '('"),
        ("year_start", "13-45", "year_start cannot be '13-45'"),
        ("ledger_backups", "lots", "ledger_backups cannot be 'lots'"),
    ],
)
def test_a_key_or_value_that_is_not_allowed_is_refused_in_a_sentence_and_nothing_is_written(
    tmp_path: Path, key: str, value: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as error:
        set_values(tmp_path / "data", {key: parse_value(key, value)})
    assert sentence in str(error.value)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("content", ["pack = ", 'packs = "dlib"', "pack = 3", "assignment = 3", "\x00"])
def test_a_file_that_cannot_be_used_is_one_sentence_with_its_name(tmp_path: Path, content: str) -> None:
    settings_path(tmp_path).write_text(content)
    with pytest.raises(UserError, match=r"classface\.toml cannot be used\. "):
        resolve_archive(data=tmp_path)


def test_the_command_shows_sets_and_removes_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = ("--data", tmp_path)
    assert "Nothing is set" in classface("settings", *data).stderr
    assert classface("settings", "set", *data, "assignment.person_threshold", "0.55").exit_code == 0
    assert read_settings(tmp_path).assignment == {"person_threshold": 0.55}
    assert "assignment.person_threshold\t0.55\tclassface.toml\t" in classface("settings", *data).stdout
    every = classface("settings", "show", "--all", *data).stdout
    assert f"photos\t{tmp_path}/photos\tbuilt-in" in every
    monkeypatch.setenv("CLASSFACE_PACK", "builtin")
    note = classface("settings", "set", *data, "pack", "dlib")
    assert "CLASSFACE_PACK is set to 'builtin' and counts more" in note.stderr
    assert '"source": "CLASSFACE_PACK"' in classface("settings", "show", "--json", *data).stdout
    assert classface("settings", "unset", *data, "assignment.person_threshold").exit_code == 0
    assert read_settings(tmp_path).assignment == {}


def test_a_run_writes_its_pack_and_its_photos_folder_and_leaves_the_default_folder_out(tmp_path: Path) -> None:
    data = tmp_path / "data"
    remember_folders_and_pack(resolve_archive(data / "photos", data), resolve_models("builtin"))
    assert (read_settings(data).pack, read_settings(data).photos) == ("builtin", None)
    remember_folders_and_pack(resolve_archive(tmp_path / "school", data), resolve_models("dlib"))
    assert (read_settings(data).pack, read_settings(data).photos) == ("dlib", str(tmp_path / "school"))
    assert resolve_archive(data=data).photos == str(tmp_path / "school")
