"""Commands that run or remove something print JSON with `--json`, complete school years, and honour NO_COLOR."""

import json
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from classface_assets.cli.__main__ import cli
from classface_assets.cli.completion import complete_years
from classface_assets.store.catalog.school_year import list_school_years
from classface_assets_tests.conftest import World

pytestmark = pytest.mark.slow


def printed(world: World, *words: str) -> dict[str, object]:
    """The JSON on standard output of a command on this archive, which has nothing else there."""
    folders = ["--data", str(world.layout.data), "--photos", str(world.archive.photos)]
    done = CliRunner().invoke(cli, [*words, "--json", *folders], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_runs_and_removals_report_as_json_and_only_yes_removes(world: World) -> None:
    faces = world.query("SELECT count(*) FROM face_instances").item()
    cluster = world.query("SELECT cluster_id FROM clusters ORDER BY size DESC LIMIT 1").item()
    folders = ["--data", str(world.layout.data), "--photos", str(world.archive.photos)]
    assert CliRunner().invoke(cli, ["label", cluster, "Ana", *folders]).exit_code == 0
    assigned = printed(world, "assign")
    assert assigned["succeeded"] is True and assigned["faces"] == faces
    assert assigned["persons"] == 1 and assigned["newer_decisions"] == 0
    assert printed(world, "release") == {"freed": []}
    (own,) = Path(str(world.layout.parts("embeddings"))).iterdir()
    other = own.with_name("other%401")
    shutil.copytree(own, other)
    listed = printed(world, "prune")
    assert listed["removed"] is False and listed["bytes"] and other.exists()
    removed = printed(world, "prune", "--yes")
    assert removed["removed"] is True and removed["unused"] == listed["unused"] and not other.exists()
    assert printed(world, "prune", "--yes") == {"removed": False, "unused": [], "bytes": 0}


def test_school_years_are_completed_and_not_offered_twice(world: World) -> None:
    context = click.Context(cli)
    context.params["data"] = str(world.layout.data)
    option = click.Option(["--years"])
    years = list_school_years(world.layout)
    assert [one.value for one in complete_years(context, option, "")] == years
    offered = [one.value for one in complete_years(context, option, f"{years[0]},")]
    assert offered == [f"{years[0]},{year}" for year in years[1:]]
    context.params["data"] = str(Path(world.folder) / "nowhere")
    assert complete_years(context, option, "") == []


@pytest.mark.parametrize("no_color", [True, False])
def test_no_color_turns_colours_off_where_they_would_be_shown(no_color: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from classface_assets.defs.runner.console import stderr_console

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    console = stderr_console()
    console.quiet = False
    with console.capture() as captured:
        console.print("failed", style="red")
    console.file.close()
    assert "failed" in captured.get()
    assert ("\x1b[31m" in captured.get()) is not no_color
