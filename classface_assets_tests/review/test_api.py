"""The REST API over a finished archive: reading it, and deciding through it."""

import re
import shutil
import time
import uuid
from io import BytesIO
from typing import Any

import polars as pl
import skimage
from PIL import Image

from classface_assets.identity.evaluation.progress import PROGRESS_COLUMNS
from classface_assets.services.archive_view.cache import MAX_RECENT_AGE_S
from classface_assets.store.artifacts.checkpoints import save_checkpoint
from classface_assets.store.files.parquet import write_parquet
from classface_assets_tests.conftest import World
from classface_assets_tests.support.clients import API, Client

ODD_NAMES = [
    "<script>alert(1)</script>",
    'Ann "Quote" O\'Neil & Co',
    "أمينة بنت محمد",
    "👩🏽‍🎓 Zoë",
    "n" * 255,
    "\u202eevil",
]


def person_named(client: Client, name: str) -> dict[str, Any]:
    (person,) = [p for p in client.get(f"{API}/persons?pageSize=100").json["items"] if p["name"] == name]
    return dict(person)


def test_a_label_shows_at_once(client: Client) -> None:
    cluster = client.clusters()[0]
    labelled = client.post(f"{API}/clusters/{cluster['clusterId']}/label", {"name": "Ana"}).json
    assert labelled["personName"] == "Ana" and labelled["facesLabeled"] == cluster["faceCount"]
    person = client.get(f"{API}/persons/{labelled['personId']}").json
    assert labelled["prototypesCreated"] == person["prototypeCount"] == len(person["prototypes"])
    assert cluster["clusterId"] not in {c["clusterId"] for c in client.clusters()}
    person = client.get(f"{API}/persons/{labelled['personId']}").json
    assert person["faceCount"] == person["confirmedCount"] == cluster["faceCount"]
    assert person["schoolYears"] == cluster["schoolYears"]
    whole = client.get(f"{API}/clusters/person_{labelled['personId']}").json
    assert {face["confirmed"] for face in whole["faces"]} == {True}
    assert client.post(f"{API}/clusters/{cluster['clusterId']}/label", {"name": "Bo"}).status == 404


def test_a_name_is_found_ignoring_case(client: Client) -> None:
    first, second = client.clusters()[:2]
    one = client.post(f"{API}/clusters/{first['clusterId']}/label", {"name": "Zoë"}).json
    two = client.post(f"{API}/clusters/{second['clusterId']}/label", {"name": "ZOË"}).json
    assert one["personId"] == two["personId"] and two["personName"] == "Zoë"


def test_a_rejected_face_is_not_suggested_again(client: Client) -> None:
    cluster = client.clusters()[0]
    named = client.post(f"{API}/clusters/{cluster['clusterId']}/label", {"name": "Ana"}).json
    path, face = f"{API}/persons/{named['personId']}", cluster["sampleFaceIds"][0]
    assert client.post(f"{path}/reject", {"faceIds": [face]}).json["facesChanged"] == 1
    assert client.get(path).json["faceCount"] == cluster["faceCount"] - 1
    suggested = client.get(f"{path}/suggestions?limit=100").json["items"]
    assert suggested and face not in {s["id"] for s in suggested}
    assert [s["similarity"] for s in suggested] == sorted((s["similarity"] for s in suggested), reverse=True)
    assert not any(s["confirmed"] for s in suggested)


def test_a_merge_moves_the_faces_and_undo_brings_them_back(client: Client) -> None:
    first, second = client.clusters()[:2]
    a = client.post(f"{API}/clusters/{first['clusterId']}/label", {"name": "Ana"}).json["personId"]
    b = client.post(f"{API}/clusters/{second['clusterId']}/label", {"name": "Bea"}).json["personId"]
    assert client.post(f"{API}/persons/{a}/merge", {"intoPersonId": a}).status == 409
    merged = client.post(f"{API}/persons/{a}/merge", {"intoPersonId": b}).json
    assert merged == {"sourcePersonId": a, "targetPersonId": b, "facesMoved": first["faceCount"]}
    assert client.get(f"{API}/persons/{a}").json["status"] == "merged"
    assert person_named(client, "Bea")["faceCount"] == first["faceCount"] + second["faceCount"]
    event = client.get(f"{API}/events?personId={a}").json["items"][0]
    assert event["kind"] == "person_merged"
    assert client.post(f"{API}/events/{event['id']}/undo").json["undoneEventId"] == event["id"]
    assert person_named(client, "Ana")["faceCount"] == first["faceCount"]
    assert client.post(f"{API}/events/999999/undo").status == 404


def test_persons_are_created_renamed_hidden_and_found(client: Client) -> None:
    made = client.post(f"{API}/persons", {"name": "Karl May"})
    assert made.status == 201
    path = f"{API}/persons/{made.json['id']}"
    assert client.post(f"{API}/persons", {"name": "karl may"}).status == 409
    assert client.ask("PATCH", path, {"name": "Karla May"}).json["name"] == "Karla May"
    assert [p["name"] for p in client.get(f"{API}/persons?q=ARLA").json["items"]] == ["Karla May"]
    assert client.ask("DELETE", path).json["status"] == "hidden"
    assert client.get(f"{API}/persons?status=active").json["total"] == 0
    assert client.ask("PATCH", path, {"status": "active"}).json["status"] == "active"


def test_unusual_names_are_returned_unchanged(client: Client) -> None:
    for name in ODD_NAMES:
        made = client.post(f"{API}/persons", {"name": name})
        assert made.status == 201, made.body
        assert made.json["name"] == name
    assert client.post(f"{API}/persons", {"name": "n" * 256}).status == 422
    assert client.post(f"{API}/persons", {"name": "a\u0000b"}).status == 422


def test_images_are_served_by_id_with_an_etag_and_without_exif(client: Client) -> None:
    face = client.get(f"{API}/clusters/{client.clusters()[0]['clusterId']}").json["faces"][0]
    for path in (f"{API}/{face['id']}/chip?size=64", f"{API}/assets/{face['assetId']}/thumbnail?size=300"):
        picture = client.get(path)
        assert picture.status == 200 and picture.body[:2] == b"\xff\xd8" and b"Exif" not in picture.body
        assert picture.headers["Cache-Control"] == "private, no-cache"
        assert client.get(path, If_None_Match=picture.headers["ETag"]).status == 304
    for wrong in ("..%2F..%2Fetc%2Fpasswd", "..", str(uuid.uuid4())):
        assert client.get(f"{API}/{wrong}/chip").status in (404, 422)


def test_an_image_that_the_browser_has_is_not_read_again(client: Client, world: World) -> None:
    face = client.get(f"{API}/clusters/{client.clusters()[0]['clusterId']}").json["faces"][0]
    path = f"{API}/assets/{face['assetId']}/thumbnail?size=300"
    tag = client.get(path).headers["ETag"]
    (world.folder / "photos").rename(world.folder / "away")
    assert client.get(path, If_None_Match=tag).status == 304
    other = client.get(f"{API}/assets/{face['assetId']}/thumbnail?size=301", If_None_Match=tag)
    assert other.status == 404, "one of another size would have to be made"


def test_an_erased_face_is_gone_for_a_browser_that_has_its_image(client: Client, world: World) -> None:
    cluster = client.clusters()[0]
    path = f"{API}/{cluster['sampleFaceIds'][0]}/chip"
    tag = client.get(path).headers["ETag"]
    ana = client.post(f"{API}/clusters/{cluster['clusterId']}/label", {"name": "Ana"}).json["personId"]
    assert client.get(path, If_None_Match=tag).status == 304
    world.archive.open_ledger().erase(ana)  # as another process does it
    time.sleep(MAX_RECENT_AGE_S)
    assert client.get(path, If_None_Match=tag).status == client.get(path).status == 404


def test_faces_of_an_earlier_detector_are_shown_until_the_next_run(client: Client, world: World) -> None:
    (detector,) = (world.folder / "data" / "parts" / "detections").iterdir()
    detector.rename(detector.with_name("earlier"))
    for face in client.clusters()[0]["sampleFaceIds"]:
        assert client.get(f"{API}/{face}/chip").status == 200


def test_an_uploaded_photo_finds_the_person(client: Client, world: World) -> None:
    cluster = client.clusters()[0]
    face = client.get(f"{API}/clusters/{cluster['clusterId']}").json["faces"][0]
    row = world.query(f"SELECT path FROM image_assets WHERE asset_id = '{face['assetId']}'").item()
    found = client.upload("POST", f"{API}/search?k=3", [(world.folder / "photos" / row).read_bytes()]).json
    assert len(found["matches"]) == 3 and found["matches"][0]["similarity"] > 0.99
    assert client.upload("POST", f"{API}/search", [b"no picture"]).status == 422


def test_a_portrait_enrols_a_student_or_is_refused_with_the_reason(client: Client, world: World) -> None:
    alone = world.query(
        "SELECT a.path FROM face_instances f JOIN image_assets a USING (asset_id) WHERE a.status = 'ok' "
        "GROUP BY a.path HAVING count(*) = 1 ORDER BY max(f.quality_score) DESC LIMIT 1"
    ).item()
    photo = (world.folder / "photos" / alone).read_bytes()
    refused = client.upload("POST", f"{API}/profiles", [photo], name="Nia", minFaceSize="9000")
    assert refused.status == 422 and refused.json["check"] == "minFaceSize" and refused.json["wanted"] == 9000
    assert client.get(f"{API}/persons").json["total"] == 0, "nobody is made of a portrait that is not used"
    made = client.upload("POST", f"{API}/profiles", [photo], name="Nia", minFaceSize="20", blurThreshold="0")
    assert made.status == 201, made.body
    suggested = client.get(f"{API}/persons/{made.json['personId']}/suggestions?limit=1").json["items"]
    assert suggested[0]["similarity"] > 0.99, "the portrait is one of the archive's own photos"
    guessed = client.post(f"{API}/{suggested[0]['id']}/assign").json
    assert guessed["personName"] == "Nia" and guessed["similarity"] > 0.99
    crowd = world.query(
        "SELECT a.path FROM face_instances f JOIN image_assets a USING (asset_id) WHERE a.status = 'ok' "
        "GROUP BY a.path HAVING count(*) > 2 LIMIT 1"
    ).item()
    several = client.upload("POST", f"{API}/profiles", [(world.folder / "photos" / crowd).read_bytes()], name="Ole")
    assert several.status == 422 and several.json["check"] == "faces"


def test_the_next_run_matches_faces_to_a_portrait_until_the_person_is_erased(client: Client, world: World) -> None:
    astronaut = BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(astronaut, "JPEG", quality=95)
    enrolled = client.upload("POST", f"{API}/profiles", [astronaut.getvalue()], name="Nia", minFaceSize="20").json
    chips, vectors = world.folder / "data" / "portraits", world.folder / "data" / "parts" / "portraits"
    assert len(list(chips.rglob("*.jpg"))) == 1
    shutil.rmtree(vectors)  # as if it had been enrolled with another model pack
    assert world.chain.run_job("identify") == []
    named = world.query(
        "SELECT f.assignment_reason FROM face_instances f JOIN persons p ON p.id = f.person_id WHERE p.name = 'Nia'"
    )["assignment_reason"]
    assert len(named) and named.str.contains("prototype").any()
    assert world.query("SELECT role FROM person_prototypes").rows() == [("exemplar",)]
    assert client.ask("DELETE", f"{API}/persons/{enrolled['personId']}?erase=true").status == 200
    left = [*chips.rglob("*.jpg"), *(f for f in vectors.rglob("*.parquet") if pl.read_parquet(f).height)]
    assert left == []


def test_the_counts_are_consistent(client: Client) -> None:
    stats = client.get(f"{API}/stats").json
    assert stats["totalFaces"] == stats["assignedFaces"] + stats["clusteredFaces"] + stats["noiseFaces"]
    assert stats["vectors"] == stats["totalFaces"] > 0
    verified = client.get(f"{API}/verify").json
    assert verified["consistent"] and verified["rowsInDatabase"] == stats["totalFaces"]
    assert client.get(f"{API}/verify?schoolYear=1066").status == 404


def test_every_error_has_problem_details(client: Client) -> None:
    nobody = uuid.uuid4()
    for answer, status in (
        (client.get(f"{API}/persons/{nobody}"), 404),
        (client.get(f"{API}/clusters/unknown_cluster_99999"), 404),
        (client.get(f"{API}/nothing/of/that"), 404),
        (client.get(f"{API}/clusters?page=0"), 422),
        (client.get(f"{API}/clusters?pageSize=101"), 422),
        (client.post(f"{API}/persons", {"nme": "x"}), 422),
        (client.post(f"{API}/persons", b"{"), 422),
        (client.ask("PUT", f"{API}/stats"), 405),
    ):
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert {"type", "title", "status", "detail"} <= answer.json.keys() and answer.json["status"] == status


def test_swagger_ui_loads_nothing_from_the_network(client: Client) -> None:
    page = client.get("/docs").body.decode()
    for file in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert file.startswith("/") and client.get(file).status == 200
    described = client.get("/openapi.json").json
    assert {"/clusters", "/persons/{id}/merge", "/search", "/events/{id}/undo"} <= {
        p[len(API) :] for p in described["paths"]
    }


def test_a_training_that_is_skipped_returns_no_old_checkpoint_and_the_page_has_its_reason(
    client: Client, world: World
) -> None:
    world.layout.head.parent.mkdir(parents=True, exist_ok=True)
    world.layout.head.write_bytes(b"of a training of long ago")
    answer = client.post(f"{API}/train", {"epochs": 1, "architecture": "residual", "qualityThreshold": 0.2})
    assert answer.status == 200, answer.json
    assert answer.json["status"] == "skipped" and "label more faces" in answer.json["reason"]
    assert answer.json["modelCheckpoint"] is None and answer.json["epochs"] == [] and not answer.json["promoted"]
    assert client.post(f"{API}/train", {"architecture": "transformer"}).status == 422
    page = client.get("/learning")
    assert page.status == 200 and "label more faces" in page.body.decode() and "Not measured yet" in page.body.decode()
    assert client.get("/learning/training.png").status == client.get("/learning/progress.png").status == 404


def test_the_page_shows_the_training_and_the_progress_as_plots_and_tables(client: Client, world: World) -> None:
    epochs = [{"epoch": 0, "train_loss": None, "held_out_loss": 0.3, "held_out_separation": 0.9123, "heads": 5}]
    epochs += [{"epoch": 1, "train_loss": 0.2, "held_out_loss": 0.25, "held_out_separation": 0.9345, "heads": 5}]
    report = {"status": "trained", "reason": "Better than <b>before</b>.", "people": 7, "architecture": "residual"}
    save_checkpoint(world.layout.head, b"weights", report | {"epochs": [e | {"seconds": 0.1} for e in epochs]})
    progress = pl.DataFrame([("now", 7, 40, 0.875, 0.9, 1.0)], schema=PROGRESS_COLUMNS, orient="row")
    write_parquet(progress, world.layout.table("labelling_progress"))
    page = client.get("/learning").body.decode()
    assert "Better than &lt;b&gt;before" in page and "0.9345" in page and "87.5 %" in page
    measured = {"people": 3, "raw": 0.5, "head": 0.625, "p_value": 0.25}
    tests = dict.fromkeys(("test_on_strangers", "nearest_on_strangers", "test_on_others"), measured)
    new = report | tests | {"gain_needed": 0.01, "promoted": False, "epochs": epochs}
    save_checkpoint(world.layout.head, b"weights", new)
    german = client.get("/learning", Accept_Language="de").body.decode()
    assert "Nicht besser als ohne Projektionskopf. Personen, die er nie gesehen hat (3)" in german
    assert "0,6250 gegenüber 0,5000" in german and "Better than" not in german
    for name in ("training", "progress"):
        picture = client.get(f"/learning/{name}.png")
        assert picture.status == 200 and picture.body.startswith(b"\x89PNG")
    assert "/learning" in client.get("/runs").body.decode()
