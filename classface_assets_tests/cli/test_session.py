"""`classface session …` on a finished archive."""

import json

import pytest
from click.testing import CliRunner

from classface_assets.cli.__main__ import cli
from classface_assets.services.queries import find_faces
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.conftest import World

pytestmark = pytest.mark.slow


def test_a_session_is_described_named_corrected_and_read_from_the_command_line(world: World) -> None:
    def classface(*arguments: str) -> str:
        places = ["--photos", str(world.layout.photos), "--data", str(world.layout.data)]
        result = CliRunner().invoke(cli, ["session", *arguments, *places])
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    cluster = world.query("SELECT cluster_id FROM clusters WHERE size > 3 ORDER BY size DESC, 1 LIMIT 1").item()
    faces = find_faces(world.layout.database, cluster)
    ledger = world.archive.open_ledger()
    ledger.label("Ana", faces[1:])
    year = world.query(f"SELECT school_year FROM image_assets WHERE asset_id = '{faces[0].asset_id}'").item(0, 0)
    ledger.import_roster([RosterEntry(name, classes={year: "3a"}) for name in ("Ana", "Zoe")], "3a.csv")
    assert "Sports day" in classface("create", "Sports day", "--school-year", year)
    found = json.loads(classface("assign", "Sports day", "--face", faces[0].face_id, "--json"))
    (ana,) = ledger.decisions().persons
    assert [match["person_id"] for match in found["matches"]] == [ana] and found["events"] == []
    assert "Stored as events" in classface("assign", "sports day", "--face", faces[0].face_id, "--commit")
    assert ledger.decisions().labels[faces[0].face_id].method == "match"
    shown = classface("show", "Sports day")
    assert "present (1): Ana" in shown and "not known yet (1): Zoe" in shown
    assert "Zoe was there." in classface("correct", "Sports day", "Zoe", "--present")
    assert "Zoe,3a,present,corrected" in classface("attendance", "Sports day", "--csv")
    assert "Zoe,3a,present,1,0" in classface("register", "--class", "3a")
    groups = json.loads(classface("cluster", "--school-year", year, "--max-clusters", "1", "--json"))
    assert len(groups["groups"]) == 1 and groups["events"] == []
    assert [row["session"]["title"] for row in json.loads(classface("list", "--json"))] == ["Sports day"]
    assert "Changed: Run." in classface("change", "Sports day", "--title", "Run")
    assert "Deleted: Run." in classface("delete", "Run") and ledger.decisions().sessions == {}
