"""Settings and updates over REST."""

import pytest

from classface_assets.orchestration.settings.file import read_settings
from classface_assets_tests.conftest import World
from classface_assets_tests.support.clients import API, Client

pytestmark = pytest.mark.slow


def test_settings_are_listed_set_and_removed_and_what_a_page_asks_about_is_not_set_here(
    client: Client, world: World
) -> None:
    path = f"{API}/settings/coverage_goal"
    assert client.ask("PUT", path, {"value": 5}).json["source"] == "classface.toml"
    assert read_settings(world.layout.local).coverage_goal == 5
    listed = {one["key"]: one["value"] for one in client.get(f"{API}/settings").json}
    assert listed["coverage_goal"] == 5 and "pack" in listed
    for value in ("many", 2.5, True, 0):
        refused = client.ask("PUT", path, {"value": value})
        assert refused.status == 409 and "coverage_goal" in refused.json["detail"], value
    assert client.ask("PUT", path, {"value": None}).json["source"] == "built-in"
    assert read_settings(world.layout.local).coverage_goal is None
    for key in ("pack", "photos", "browse_root", "no_such_key"):
        assert client.ask("PUT", f"{API}/settings/{key}", {"value": "dlib"}).status == 404
    assert client.get(f"{API}/updates").json["total"] == len(client.get(f"{API}/updates").json["items"])
