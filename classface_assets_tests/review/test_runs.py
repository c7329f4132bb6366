"""Long or concurrent work of the review server: many writers, kills, runs, links, erasure, the sensor."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from classface_assets import review
from classface_assets.identity.settings import settings_for
from classface_assets.orchestration.resources import Models
from classface_assets.services.queries import find_faces
from classface_assets.store.artifacts.thresholds import save_thresholds
from classface_assets_tests.conftest import World
from classface_assets_tests.support.clients import API, Client
from classface_assets_tests.support.helpers import TOKEN


def test_eight_people_label_at_once_and_nothing_is_lost(client: Client) -> None:
    faces = [f["id"] for c in client.clusters() for f in client.get(f"{API}/clusters/{c['clusterId']}").json["faces"]]
    person = client.post(f"{API}/persons", {"name": "Everybody"}).json["id"]
    chosen = faces[:40]

    def confirm(face: str) -> int:
        return client.post(f"{API}/persons/{person}/confirm", {"faceIds": [face]}).status

    with ThreadPoolExecutor(8) as people:
        assert set(people.map(confirm, chosen)) == {200}
    assert client.get(f"{API}/persons/{person}").json["confirmedCount"] == len(set(chosen))


def test_a_killed_server_loses_no_label_that_it_has_acknowledged(world: World) -> None:
    command = [sys.executable, "-m", "classface_assets.cli", "review", "--port", "0", "--token", TOKEN]
    command += ["--photos", str(world.archive.photos), "--data", str(world.archive.data)]
    answered: list[str] = []

    def start() -> tuple[subprocess.Popen[str], Client]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
        assert process.stdout is not None
        url = re.search(r"http://[0-9.:]+", process.stdout.readline())
        assert url
        return process, Client(url[0])

    process, client = start()
    with process:
        writers = [threading.Thread(target=_name_until_it_dies, args=(client, n, answered)) for n in range(4)]
        for writer in writers:
            writer.start()
        while len(answered) < 20:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        for writer in writers:
            writer.join()
    process, client = start()
    with process:
        total = client.get(f"{API}/persons?pageSize=100").json["total"]
        pages = [client.get(f"{API}/persons?pageSize=100&page={n + 1}").json["items"] for n in range(total // 100 + 1)]
        process.terminate()
    assert set(answered) <= {person["name"] for page in pages for person in page}


def _name_until_it_dies(client: Client, writer: int, answered: list[str]) -> None:
    for number in range(10_000):
        name = f"Person {writer} {number}"
        try:
            if client.post(f"{API}/persons", {"name": name}).status == 201:
                answered.append(name)
        except OSError:
            return


def test_long_work_is_a_run_whose_status_can_be_read(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.get(f"{API}/runs")
    monkeypatch.setattr("classface_assets.review.runs.manager.MAX_CONCURRENT_RUNS", 1)
    queued = client.post(f"{API}/cluster/dual", {"queue": True})
    assert queued.status == 202
    assert client.post(f"{API}/cluster/dual", {"queue": True}).status == 409, "no server is brought down by its work"
    run = client.get(f"{API}/runs/{queued.json['runId']}")
    assert run.status == 200 and run.json["job"] == "identify"
    deadline = time.monotonic() + 600
    while run.json["endedAt"] is None and run.json["status"] != "FAILURE" and time.monotonic() < deadline:
        time.sleep(0.3)
        run = client.get(f"{API}/runs/{queued.json['runId']}")
    assert run.json["status"] == "SUCCESS", run.json["reason"]
    assert run.json["counts"]["identities"]["dagster/row_count"] == client.get(f"{API}/stats").json["totalFaces"]
    assert client.get(f"{API}/runs?pageSize=1").json["items"][0]["runId"] == queued.json["runId"]
    assert client.get(f"{API}/runs/{uuid.uuid4()}").status == 404


def test_linked_clusters_are_one_at_once_and_separate_again_when_split(client: Client, world: World) -> None:
    first, second = client.clusters()[:2]
    too_many = {"minClusterSize": first["faceCount"]}
    assert client.post(f"{API}/clusters/{first['clusterId']}/split", too_many).json["status"] == "unchanged"
    faces = [find_faces(world.layout.database, c["clusterId"]) for c in (first, second)]
    world.archive.open_ledger().must_link([faces[0][0], faces[1][0]])
    mixed = client.clusters()[0]
    assert mixed["faceCount"] == first["faceCount"] + second["faceCount"]
    split = client.post(f"{API}/clusters/{mixed['clusterId']}/split").json
    assert split["status"] == "split" and split["originalClusterId"] == mixed["clusterId"]
    parts = [client.get(f"{API}/clusters/{part}").json["faces"] for part in split["newClusters"]]
    assert {frozenset(f["id"] for f in part) for part in parts} == {frozenset(f.face_id for f in one) for one in faces}
    person = client.post(f"{API}/clusters/{split['newClusters'][0]}/label", {"name": "Ana"}).json["personId"]
    assert client.post(f"{API}/clusters/person_{person}/split").status == 409


def test_a_face_is_matched_to_the_labelled_faces(client: Client) -> None:
    cluster = client.clusters()[0]["clusterId"]
    faces = [face["id"] for face in client.get(f"{API}/clusters/{cluster}").json["faces"]]
    assert client.post(f"{API}/{faces[0]}/assign").json == {
        "personId": None, "personName": None, "similarity": 0.0, "votes": 0,
        "threshold": settings_for("builtin").person_threshold, "dryRun": True, "eventIds": [],
    }  # fmt: skip
    person = client.post(f"{API}/clusters/{cluster}/label", {"name": "Ana", "faceIds": faces[1:]}).json["personId"]
    found = client.post(f"{API}/{faces[0]}/assign", {"k": 3}).json
    assert found["personId"] == person and found["personName"] == "Ana"
    assert found["similarity"] > 0.6 and 1 <= found["votes"] <= 3
    assert client.post(f"{API}/persons/{person}/reject", {"faceIds": [faces[0]]}).status == 200
    assert client.post(f"{API}/{faces[0]}/assign").json["personId"] is None


def test_a_match_is_stored_only_when_that_is_asked_for_and_can_be_undone(client: Client) -> None:
    cluster = client.clusters()[0]["clusterId"]
    faces = [face["id"] for face in client.get(f"{API}/clusters/{cluster}").json["faces"]]
    person = client.post(f"{API}/clusters/{cluster}/label", {"name": "Ana", "faceIds": faces[1:]}).json["personId"]
    before = client.get(f"{API}/events").json["total"]
    assert client.post(f"{API}/{faces[0]}/assign").json["dryRun"]
    assert client.get(f"{API}/events").json["total"] == before
    stored = client.post(f"{API}/{faces[0]}/assign", {"commit": True}).json
    assert not stored["dryRun"] and client.get(f"{API}/persons/{person}").json["confirmedCount"] == len(faces)
    (event,) = stored["eventIds"]
    assert client.get(f"{API}/events").json["items"][0]["payload"]["how"] == "match"
    assert client.post(f"{API}/{faces[0]}/assign", {"commit": True}).status == 409
    assert client.post(f"{API}/events/{event}/undo").status == 200
    assert client.get(f"{API}/persons/{person}").json["confirmedCount"] == len(faces) - 1


def test_a_strict_threshold_of_a_calibration_holds_for_single_faces(client: Client, world: World) -> None:
    cluster = client.clusters()[0]["clusterId"]
    faces = [face["id"] for face in client.get(f"{API}/clusters/{cluster}").json["faces"]]
    client.post(f"{API}/clusters/{cluster}/label", {"name": "Ana", "faceIds": faces[1:]})
    key = Models(pack=world.pack).describe(world.layout).key
    save_thresholds(world.layout, key, "temporal", {"person_threshold": 0.999})
    refused = client.post(f"{API}/{faces[0]}/assign").json
    assert refused["personId"] is None and refused["threshold"] == 0.999


def test_new_faces_of_other_thresholds_are_added_when_that_is_asked_for(client: Client, world: World) -> None:
    face = client.get(f"{API}/clusters/{client.clusters()[0]['clusterId']}").json["faces"][0]
    path = f"{API}/detect/{face['assetId']}"
    lower = {"minConfidence": 0.02, "minFaceSize": 4}
    found = client.post(path, lower).json
    assert found["dryRun"] and found["eventIds"] == []
    stored = client.post(path, lower | {"commit": True}).json
    assert stored["newFaceIds"] == found["newFaceIds"] and stored["dryRun"] == (not found["newFaceIds"])
    drawn = world.archive.open_ledger().decisions().drawn
    assert set(drawn) == set(found["newFaceIds"])
    assert client.post(path, lower | {"commit": True}).json["newFaceIds"] == []


def test_matching_one_school_year_leaves_every_other_face_as_it_was(client: Client, world: World) -> None:
    columns = "f.id, f.person_id, f.cluster_id, f.assignment_score, f.updated_at"
    query = (
        f"SELECT {columns} FROM face_instances f JOIN image_assets USING (asset_id) WHERE school_year {{}} ORDER BY 1"
    )
    groups = [c["clusterId"] for c in client.clusters()[:2]]
    for name, group in zip(("Ana", "Bea"), groups, strict=True):
        ids = [face["id"] for face in client.get(f"{API}/clusters/{group}").json["faces"]]
        client.post(f"{API}/clusters/{group}/label", {"name": name, "faceIds": ids[: len(ids) // 2]})
    assert client.post(f"{API}/assign").status == 200
    year = client.clusters()[0]["schoolYears"][0]
    others = world.query(query.format(f"<> '{year}'"))
    assert others["person_id"].count() > 0
    strict = client.post(f"{API}/assign", {"schoolYear": year, "similarityThreshold": 1.0, "strategy": "knn"})
    assert strict.status == 200 and strict.json["assigned"] == 0
    assert world.query(query.format(f"<> '{year}'")).equals(others)
    inside = world.query(query.format(f"= '{year}'"))
    assert inside.join(world.query("SELECT id, embedding_size, model FROM face_instances"), on="id")["embedding_size"][
        0
    ]
    again = client.post(f"{API}/assign", {"schoolYear": year, "preset": "high-precision"})
    assert again.json["assigned"] > 0 and world.query(query.format(f"<> '{year}'")).equals(others)


def test_a_photo_is_detected_again_with_other_thresholds(client: Client) -> None:
    face = client.get(f"{API}/clusters/{client.clusters()[0]['clusterId']}").json["faces"][0]
    photo = client.get(f"{API}/assets/{face['assetId']}").json
    detected = client.post(f"{API}/detect/{face['assetId']}").json
    assert set(detected["faceIds"]) == {f["id"] for f in photo["faces"]} and detected["newFaceIds"] == []
    assert client.post(f"{API}/detect/{face['assetId']}", {"minFaceSize": 100_000}).json["facesDetected"] == 0


def test_an_erased_person_is_gone_from_every_response_and_the_receipt_lists_what_was_removed(client: Client) -> None:
    cluster = client.clusters()[0]
    faces = [f["id"] for f in client.get(f"{API}/clusters/{cluster['clusterId']}").json["faces"]]
    person = client.post(f"{API}/clusters/{cluster['clusterId']}/label", {"name": "Ana"}).json["personId"]
    before = client.get(f"{API}/stats").json["totalFaces"]
    assert client.get(f"{API}/{faces[0]}/chip").status == 200
    receipt = client.ask("DELETE", f"{API}/persons/{person}?erase=true").json
    assert receipt["facesBarred"] == len(faces) and receipt["photosThatShowThem"]
    assert {"vectors", "faces and their chips"} <= {removed["what"] for removed in receipt["removed"]}
    assert client.get(f"{API}/persons/{person}").status == 404
    assert {client.get(f"{API}/{face}/chip").status for face in faces} == {404}
    assert client.get(f"{API}/stats").json["totalFaces"] == before - len(faces)
    assert b"Ana" not in client.get(f"{API}/events?pageSize=100").body


def test_the_sensor_waits_for_a_pause_and_then_runs_once(world: World) -> None:
    from datetime import UTC, datetime, timedelta

    from classface_assets.defs.sensors import decisions as sensors

    resources = {"archive": world.archive, "models": Models(pack=world.pack)}

    def look(cursor: str | None) -> Any:
        with dg.build_sensor_context(world.instance, cursor, resources=resources) as context:
            return sensors.decisions(context)

    assert isinstance(look(None), dg.SkipReason)
    world.archive.open_ledger().create_person("Ana")
    assert "still naming" in look(None).skip_message
    decided = datetime.now(UTC)
    assert not sensors.is_quiet(decided.isoformat(), decided + timedelta(seconds=59))
    assert sensors.is_quiet(decided.isoformat(), decided + timedelta(seconds=60))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sensors, "QUIET_PERIOD", timedelta())
        ready = look(None)
    assert [request.run_key for request in ready.run_requests] == ["ledger 1"] and ready.cursor == "1"
    assert "No decision was made" in look(ready.cursor).skip_message


def test_only_the_modules_of_runs_import_dagster() -> None:
    folder = Path(review.__file__).parent
    known = {file.name for file in folder.rglob("*.py") if "import dagster" in file.read_text()}
    assert known == {"manager.py", "records.py"}
