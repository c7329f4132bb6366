"""Sessions in the browser and by the API: who was there, corrections, and naming faces without a run."""

from typing import Any

import pytest
from playwright.sync_api import expect

from classface_assets.core.names import normalize_name
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.conftest import World
from classface_assets_tests.support.clients import API, Client
from classface_assets_tests.support.windows import ReviewWindow

pytestmark = pytest.mark.slow


def label_most_of(client: Client, cluster: dict[str, Any], name: str) -> tuple[str, list[str]]:
    """Name all but one face of a cluster: the person's id, and the id of the face that is left."""
    faces = [face["id"] for face in client.get(f"{API}/clusters/{cluster['clusterId']}").json["faces"]]
    labelled = client.post(f"{API}/clusters/{cluster['clusterId']}/label", {"name": name, "faceIds": faces[1:]})
    return labelled.json["personId"], faces[:1]


def test_a_session_is_stored_corrected_and_deleted_by_the_api(client: Client, world: World) -> None:
    clusters = client.clusters()
    ana, left = label_most_of(client, clusters[0], "Ana")
    face = client.get(f"{API}/clusters/person_{ana}").json["faces"][0]
    year = face["schoolYear"]
    roster = [RosterEntry("Ana", classes={year: "3a"}), RosterEntry("Zoe", classes={year: "3a"})]
    world.archive.open_ledger().import_roster(roster, "3a.csv")
    made = client.post(f"{API}/sessions", {"title": "Portraits", "schoolYear": year, "classes": ["3a"]})
    assert made.status == 201 and made.json["photoCount"] > 0
    path = f"{API}/sessions/{made.json['id']}"
    assert client.post(f"{API}/sessions", {"title": "portraits", "schoolYear": year}).status == 409
    found = client.get(f"{path}/attendance").json
    assert {one["name"]: one["presence"] for one in found["attendees"]} == {"Ana": "present", "Zoe": "not known yet"}
    corrected = client.post(f"{path}/attendance", {"who": "Zoe", "present": True}).json
    register = client.get(f"{API}/register").json
    assert [row["presences"] for row in register["rows"]] == [["present"], ["present"]]
    csv = client.get(f"{API}/register.csv")
    assert "attachment" in csv.headers["Content-Disposition"] and b"Zoe,3a,present,1,0" in csv.body
    assert client.get(f"{API}/persons/{corrected['personId']}/sessions").json["items"][0]["evidence"] == "corrected"
    assert client.post(f"{API}/events/undo", {"eventIds": corrected["eventIds"]}).status == 200
    assert client.get(f"{path}/attendance").json["notKnown"] == 1
    assert client.ask("PATCH", path, {"title": "Portraits of autumn"}).json["classes"] == ["3a"]
    assert client.ask("DELETE", path).status == 200 and client.get(path).status == 404
    assert client.get(f"{API}/{left[0]}/chip").status == 200


def test_faces_of_a_selection_are_matched_and_clustered_without_a_run_and_undone(client: Client) -> None:
    clusters = client.clusters()
    ana, left = label_most_of(client, clusters[0], "Ana")
    before = client.get(f"{API}/stats").json
    dry = client.post(f"{API}/selection/assign", {"faceIds": left}).json
    assert dry["dryRun"] and [one["personId"] for one in dry["matches"]] == [ana]
    everything = client.post(f"{API}/selection/assign").json
    assert everything["processed"] == before["totalFaces"] - before["confirmedFaces"]
    assert {one["personId"] for one in everything["matches"]} <= {ana, None}
    stored = client.post(f"{API}/selection/assign", {"faceIds": left, "commit": True}).json
    assert client.get(f"{API}/stats").json["confirmedFaces"] == before["confirmedFaces"] + 1
    strict = client.post(f"{API}/selection/assign", {"preset": "high-precision"}).json
    assert strict["threshold"] > dry["threshold"] and strict["assigned"] <= everything["assigned"]
    groups = client.post(f"{API}/selection/cluster", {"maxClusters": 2}).json
    assert groups["dryRun"] and len(groups["groups"]) == 2
    by_id = {
        frozenset(f["id"] for f in client.get(f"{API}/clusters/{c['clusterId']}").json["faces"])
        for c in client.clusters()
    }
    assert frozenset(groups["groups"][0]["faceIds"]) in by_id, "the faces of one unknown person"
    created = client.post(f"{API}/selection/cluster", {"maxClusters": 2, "createStudents": True, "title": "New"}).json
    names = {person["name"] for person in client.get(f"{API}/persons?pageSize=100").json["items"]}
    assert {"New 1", "New 2"} <= names
    listed = client.get(f"{API}/assignments?pageSize=100").json
    people = client.get(f"{API}/assignments/people").json["items"]
    assert sum(one["faces"] for one in people) == listed["total"] > 0
    gone = client.post(f"{API}/assignments/delete", {"personId": ana, "commit": True}).json
    assert gone["labels"] == next(one["faces"] for one in people if one["personId"] == ana)
    assert client.get(f"{API}/persons/{ana}").json["faceCount"] == 0
    for events in (gone["eventIds"], created["eventIds"], stored["eventIds"]):
        assert client.post(f"{API}/events/undo", {"eventIds": events}).status == 200
    after = client.get(f"{API}/stats").json
    assert after == before


def test_vectors_are_compared_and_a_picture_is_embedded(client: Client, world: World) -> None:
    faces = [face["id"] for face in client.get(f"{API}/clusters/{client.clusters()[0]['clusterId']}").json["faces"]]
    same = client.post(f"{API}/compare", {"faceId": faces[0], "otherFaceId": faces[0]}).json
    assert same["similarity"] == pytest.approx(1, abs=1e-5) and same["samePerson"]
    portrait = next((world.folder / "photos").glob("*/portraits/*"))
    embedded = client.upload("POST", f"{API}/embed", [portrait.read_bytes()]).json
    (face,) = embedded["faces"]
    assert len(face["vector"]) == embedded["size"] and embedded["model"] == same["model"]
    assert sum(number**2 for number in face["vector"]) == pytest.approx(1, abs=1e-4)
    assert client.get(f"{API}/persons?portrait=true").json["total"] == 0


def test_who_was_there_is_seen_and_corrected_in_the_browser_also_on_a_phone(window: ReviewWindow) -> None:
    ana, _ = window.label("Ana")
    (year,) = window.world.query(
        "SELECT DISTINCT school_year FROM image_assets JOIN face_instances USING (asset_id) ORDER BY 1 LIMIT 1"
    ).row(0)
    window.ledger.import_roster([RosterEntry(name, classes={year: "3a"}) for name in ("Ana", "Zoe")], "3a.csv")
    page = window.open("/sessions")
    page.get_by_label("Title").fill("Sports day")
    page.get_by_label("School year").select_option(year)
    page.get_by_label("Classes, with commas").fill("3a")
    page.get_by_role("button", name="Add session").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sports day")
    zoe = page.get_by_role("row").filter(has_text="Zoe")
    expect(zoe).to_contain_text("not known yet")
    zoe.get_by_role("button", name="Zoe was there").click()
    window.toast("Zoe was there at Sports day")
    expect(page.get_by_role("row").filter(has_text="Zoe")).to_contain_text("set by hand")
    assert [normalize_name(p.name) for p in window.decisions.persons.values() if p.name == "Zoe"] == ["zoe"]
    page.set_viewport_size({"width": 390, "height": 800})
    for path in ("/sessions", page.url.removeprefix(window.url), "/sessions/register", f"/sessions/students/{ana}"):
        window.open(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    window.open("/sessions/register")
    expect(page.get_by_role("row").filter(has_text="Zoe")).to_contain_text("present, set by hand")
