"""What the command line offers to people and programs: help by sections, JSON, completion, versions, log levels."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from classface_assets.cli.__main__ import SECTIONS, cli, main
from classface_assets.cli.output import as_jsonable
from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.ledger.ledger import Ledger
from classface_assets_tests.conftest import World

pytestmark = pytest.mark.slow

WITH_JSON = [
    *(["stats"], ["people"], ["history"], ["changes"], ["years"], ["years", "list"], ["logins"], ["settings"]),
    *(["ledger", "check"], ["find-orphans"], ["roster", "list"], ["consent", "report"]),
]


def all_commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if path:
        yield " ".join(path), command
    for name, inner in getattr(command, "commands", {}).items():
        yield from all_commands(inner, (*path, name))


def test_every_command_has_a_whole_sentence_and_a_section() -> None:
    for name, command in all_commands(cli):
        first = (command.help or "").strip().partition("\n\n")[0]
        assert first.endswith(".") and len(first) > 15, name
    listed = {name for names in SECTIONS.values() for name in names}
    assert {*cli.commands} <= listed  # type: ignore[attr-defined]
    text = CliRunner().invoke(cli, ["--help"]).output
    assert all(f"{title}:" in text for title in SECTIONS) and "Other:" not in text
    assert "..." not in text.partition("Options:")[2], "no sentence is cut"


def test_json_is_all_that_is_printed_and_says_the_same(world: World) -> None:
    folders = ["--data", str(world.layout.data), "--photos", str(world.archive.photos)]
    for command in WITH_JSON:
        done = CliRunner().invoke(cli, [*command, "--json", *folders], catch_exceptions=False)
        json.loads(done.stdout)
    stats = json.loads(CliRunner().invoke(cli, ["stats", "--json", *folders]).stdout)
    assert stats["faces"]["faces"] == world.query("SELECT count(*) FROM face_instances").item()


def test_json_knows_every_type_that_commands_report() -> None:
    assert as_jsonable({"a": {3, 1}, "b": (Path("x"), None)}) == {"a": [1, 3], "b": ["x", None]}


def test_with_json_errors_are_json_too(layout: ArchiveLayout, capsys: pytest.CaptureFixture[str]) -> None:
    for words, code, sentence in (
        (["stats"], 1, "does not exist yet"),
        (["stats", "--nonsense"], 2, "No such option"),
        (["train", "--pack", "bultin"], 1, "Did you mean builtin?"),
    ):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
            patch.setattr(sys, "argv", ["classface", *words, "--json", "--data", str(layout.data)])
            main()
        printed = capsys.readouterr()
        error = json.loads(printed.err)
        assert ended.value.code == code == error["exit_code"] and printed.out == ""
        assert sentence in error["error"]
    assert not layout.data.exists(), "a mistake makes no folder"


def test_commands_that_are_printed_can_be_copied_as_they_stand(tmp_path: Path) -> None:
    data = tmp_path / "the archive's"
    done = CliRunner().invoke(cli, ["stats", "--data", str(data)])
    printed = str(done.exception).partition("`classface run")[2].partition("`")[0]
    assert shlex.split(printed) == ["--data", str(data)]
    assert str(CliRunner().invoke(cli, ["stats"]).exception).endswith("`classface run`.")


def test_whoever_is_not_there_is_refused_with_who_may_be_meant(layout: ArchiveLayout) -> None:
    Ledger(f"sqlite:///{layout.local / 'ledger.sqlite'}").create_person("Ada Quill")
    done = CliRunner().invoke(cli, ["hide", "Ada Quil", "--data", str(layout.data)])
    assert "Did you mean Ada Quill?" in str(done.exception)


def test_a_mistake_in_a_school_year_makes_nothing_and_names_the_nearest(layout: ArchiveLayout) -> None:
    (layout.photos / "2018-2019").mkdir(parents=True)
    places = ["--photos", str(layout.photos), "--data", str(layout.data)]
    done = CliRunner().invoke(cli, ["run", "--years", "2081-2019", *places])
    assert str(done.exception).endswith("Did you mean 2018-2019?") and not (layout.data / "dagster_home").exists()


@pytest.mark.parametrize(("answer", "ends"), [("", "Confirm it with --yes."), ("n\n", "")])
def test_what_cannot_be_taken_back_is_asked_and_needs_yes_in_a_script(
    layout: ArchiveLayout, answer: str, ends: str
) -> None:
    ledger = Ledger(f"sqlite:///{layout.local / 'ledger.sqlite'}")
    ledger.create_person("Ada Quill")
    done = CliRunner().invoke(cli, ["forget", "Ada Quill", "--data", str(layout.data)], input=answer)
    assert done.exit_code == 1 and "Erase Ada Quill" in done.stdout
    assert str(done.exception).endswith(ends) and "Ada Quill" in [p.name for p in ledger.decisions().persons.values()]


def test_names_and_packs_are_completed_without_dagster(world: World) -> None:
    world.archive.open_ledger().create_person("Ada Quill")
    words = f"classface rename --data {world.layout.data} a"
    code = "from classface_assets.cli.__main__ import cli; cli.main(prog_name='classface', standalone_mode=False)"
    found = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        env={"_CLASSFACE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "4", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "plain,Ada Quill" in found.stdout, found.stderr[-500:]
    assert " dagster\n" not in found.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_what_the_shell_can_read(shell: str, tmp_path: Path) -> None:
    script = CliRunner().invoke(cli, ["completion", shell]).output
    assert "_CLASSFACE_COMPLETE" in script
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} to read it")
    (tmp_path / "script").write_text(script)
    assert subprocess.run([shell, "-n", tmp_path / "script"], check=False).returncode == 0


def test_version_and_typing_errors_are_answered_as_people_expect() -> None:
    assert version("classface_assets") in CliRunner().invoke(cli, ["--version"]).output
    assert "Did you mean 'rename'" in CliRunner().invoke(cli, ["renam"]).output
    assert "Did you mean '--pack'" in CliRunner().invoke(cli, ["run", "--pak", "x"]).output


def test_an_empty_photos_folder_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    done = CliRunner().invoke(cli, ["run", "--photos", str(tmp_path / "photos"), "--data", str(tmp_path / "data")])
    assert done.exit_code == 1 and isinstance(done.exception, UserError)
    assert "put one folder per school year into it" in str(done.exception)
