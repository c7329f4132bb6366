"""The review server as it is used: a real server on loopback over a finished archive, asked over HTTP."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
import skimage
import uvicorn
from PIL import Image

from classface_assets import review
from classface_assets.naming import faces_of
from classface_assets.resources import Models
from classface_assets.review.app import create_app
from classface_assets.review.serve import listen, serve, token_for
from classface_assets.review.sessions import TokenError
from classface_assets.review.views import RECENT_S
from classface_assets_tests.conftest import World

TOKEN = "a token of some length"
API = "/api/v1/faces"
ODD_NAMES = [
    "<script>alert(1)</script>",
    'Ann "Quote" O\'Neil & Co',
    "أمينة بنت محمد",
    "👩🏽‍🎓 Zoë",
    "n" * 255,
    "\u202eevil",
]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


@dataclass(frozen=True)
class Client:
    """Asks one server; `headers` go with every request."""

    url: str
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {TOKEN}"})

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | self.headers | (headers or {})
        request = urllib.request.Request(self.url + path, data, sent, method=method)
        try:
            with _OPENER.open(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, {} if body is None else body, sent)

    def clusters(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.get(f"{API}/clusters?pageSize=100").json["items"]
        return items

    def upload(self, method: str, path: str, files: list[bytes], **fields: str) -> Answer:
        line = uuid.uuid4().hex
        parts = [
            f'--{line}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()
        ]
        head = f'--{line}\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'.encode()
        parts += [head + file + b"\r\n" for file in files]
        body = b"".join(parts) + f"--{line}--\r\n".encode()
        return self.ask(method, path, body, {"Content-Type": f"multipart/form-data; boundary={line}"})


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """A server in a thread of this process, over a copy of the finished archive that the test may change."""
    app = create_app(world.archive, Models(pack=world.pack), TOKEN)
    with listen("127.0.0.1", 0) as socket:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield Client(f"http://127.0.0.1:{socket.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join()


def person_named(client: Client, name: str) -> dict[str, Any]:
    (person,) = [p for p in client.get(f"{API}/persons?pageSize=100").json["items"] if p["name"] == name]
    return dict(person)


def test_a_label_shows_at_once(client: Client) -> None:
    cluster = client.clusters()[0]
    labelled = client.post(f"{API}/clusters/{cluster['clusterId']}/label", {"name": "Ana"}).json
    assert labelled["personName"] == "Ana" and labelled["facesLabeled"] == cluster["faceCount"]
    assert cluster["clusterId"] not in {c["clusterId"] for c in client.clusters()}
    person = client.get(f"{API}/persons/{labelled['personId']}").json
    assert person["faceCount"] == person["confirmedCount"] == cluster["faceCount"]
    assert person["schoolYears"] == cluster["schoolYears"]
    whole = client.get(f"{API}/clusters/person_{labelled['personId']}").json
    assert {face["confirmed"] for face in whole["faces"]} == {True}
    assert client.post(f"{API}/clusters/{cluster['clusterId']}/label", {"name": "Bo"}).status == 404


def test_a_name_is_found_whatever_the_case_and_the_second_cluster_is_hers_too(client: Client) -> None:
    first, second = client.clusters()[:2]
    one = client.post(f"{API}/clusters/{first['clusterId']}/label", {"name": "Zoë"}).json
    two = client.post(f"{API}/clusters/{second['clusterId']}/label", {"name": "ZOË"}).json
    assert one["personId"] == two["personId"] and two["personName"] == "Zoë"


def test_a_rejected_face_is_not_hers_and_is_never_suggested_again(client: Client) -> None:
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


def test_persons_are_made_renamed_hidden_and_found(client: Client) -> None:
    made = client.post(f"{API}/persons", {"name": "Karl May"})
    assert made.status == 201
    path = f"{API}/persons/{made.json['id']}"
    assert client.post(f"{API}/persons", {"name": "karl may"}).status == 409
    assert client.ask("PATCH", path, {"name": "Karla May"}).json["name"] == "Karla May"
    assert [p["name"] for p in client.get(f"{API}/persons?q=ARLA").json["items"]] == ["Karla May"]
    assert client.ask("DELETE", path).json["status"] == "hidden"
    assert client.get(f"{API}/persons?status=active").json["total"] == 0
    assert client.ask("PATCH", path, {"status": "active"}).json["status"] == "active"


def test_a_person_of_an_odd_name_is_told_as_it_is(client: Client) -> None:
    for name in ODD_NAMES:
        made = client.post(f"{API}/persons", {"name": name})
        assert made.status == 201, made.body
        assert made.json["name"] == name
    assert client.post(f"{API}/persons", {"name": "n" * 256}).status == 422
    assert client.post(f"{API}/persons", {"name": "a\u0000b"}).status == 422


def test_pictures_come_by_id_with_a_tag_and_without_exif(client: Client) -> None:
    face = client.get(f"{API}/clusters/{client.clusters()[0]['clusterId']}").json["faces"][0]
    for path in (f"{API}/{face['id']}/chip?size=64", f"{API}/assets/{face['assetId']}/thumbnail?size=300"):
        picture = client.get(path)
        assert picture.status == 200 and picture.body[:2] == b"\xff\xd8" and b"Exif" not in picture.body
        assert picture.headers["Cache-Control"] == "private, no-cache"
        assert client.get(path, If_None_Match=picture.headers["ETag"]).status == 304
    for wrong in ("..%2F..%2Fetc%2Fpasswd", "..", str(uuid.uuid4())):
        assert client.get(f"{API}/{wrong}/chip").status in (404, 422)


def test_a_picture_that_the_browser_has_is_not_read_again(client: Client, world: World) -> None:
    face = client.get(f"{API}/clusters/{client.clusters()[0]['clusterId']}").json["faces"][0]
    path = f"{API}/assets/{face['assetId']}/thumbnail?size=300"
    tag = client.get(path).headers["ETag"]
    (world.folder / "photos").rename(world.folder / "away")
    assert client.get(path, If_None_Match=tag).status == 304
    other = client.get(f"{API}/assets/{face['assetId']}/thumbnail?size=301", If_None_Match=tag)
    assert other.status == 404, "one of another size would have to be made"


def test_a_face_that_was_erased_is_gone_for_a_browser_that_has_it(client: Client, world: World) -> None:
    cluster = client.clusters()[0]
    path = f"{API}/{cluster['sampleFaceIds'][0]}/chip"
    tag = client.get(path).headers["ETag"]
    ana = client.post(f"{API}/clusters/{cluster['clusterId']}/label", {"name": "Ana"}).json["personId"]
    assert client.get(path, If_None_Match=tag).status == 304
    world.archive.open_ledger().erase(ana)  # as another process does it
    time.sleep(RECENT_S)
    assert client.get(path, If_None_Match=tag).status == client.get(path).status == 404


def test_faces_of_an_earlier_detector_are_shown_until_the_next_run(client: Client, world: World) -> None:
    (detector,) = (world.folder / "data" / "parts" / "detections").iterdir()
    detector.rename(detector.with_name("earlier"))
    for face in client.clusters()[0]["sampleFaceIds"]:
        assert client.get(f"{API}/{face}/chip").status == 200


def test_an_uploaded_photo_finds_who_it_is(client: Client, world: World) -> None:
    cluster = client.clusters()[0]
    face = client.get(f"{API}/clusters/{cluster['clusterId']}").json["faces"][0]
    row = world.query(f"SELECT path FROM image_assets WHERE asset_id = '{face['assetId']}'").item()
    found = client.upload("POST", f"{API}/search?k=3", [(world.folder / "photos" / row).read_bytes()]).json
    assert len(found["matches"]) == 3 and found["matches"][0]["similarity"] > 0.99
    assert client.upload("POST", f"{API}/search", [b"no picture"]).status == 422


def test_a_portrait_enrols_a_student_or_says_what_is_wrong_with_it(client: Client, world: World) -> None:
    alone = world.query(
        "SELECT a.path FROM face_instances f JOIN image_assets a USING (asset_id) WHERE a.status = 'ok' "
        "GROUP BY a.path HAVING count(*) = 1 ORDER BY max(f.quality_score) DESC LIMIT 1"
    ).item()
    photo = (world.folder / "photos" / alone).read_bytes()
    asked = client.upload("POST", f"{API}/profiles", [photo], name="Nia", minFaceSize="9000")
    assert asked.status == 422 and asked.json["check"] == "minFaceSize" and asked.json["wanted"] == 9000
    assert client.get(f"{API}/persons").json["total"] == 0, "nobody is made of a portrait that is not used"
    made = client.upload("POST", f"{API}/profiles", [photo], name="Nia", minFaceSize="20", blurThreshold="0")
    assert made.status == 201, made.body
    suggested = client.get(f"{API}/persons/{made.json['personId']}/suggestions?limit=1").json["items"]
    assert suggested[0]["similarity"] > 0.99, "the portrait is one of the archive's own photos"
    crowd = world.query(
        "SELECT a.path FROM face_instances f JOIN image_assets a USING (asset_id) WHERE a.status = 'ok' "
        "GROUP BY a.path HAVING count(*) > 2 LIMIT 1"
    ).item()
    several = client.upload("POST", f"{API}/profiles", [(world.folder / "photos" / crowd).read_bytes()], name="Ole")
    assert several.status == 422 and several.json["check"] == "faces"


def test_the_next_run_names_faces_by_a_portrait_until_the_person_is_erased(client: Client, world: World) -> None:
    astronaut = BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(astronaut, "JPEG", quality=95)
    enrolled = client.upload("POST", f"{API}/profiles", [astronaut.getvalue()], name="Nia", minFaceSize="20").json
    chips, vectors = world.folder / "data" / "portraits", world.folder / "data" / "parts" / "portraits"
    assert len(list(chips.rglob("*.jpg"))) == 1
    shutil.rmtree(vectors)  # as if it had been enrolled with another model pack
    assert world.chain.job("identify") == []
    named = world.query(
        "SELECT f.assignment_reason FROM face_instances f JOIN persons p ON p.id = f.person_id WHERE p.name = 'Nia'"
    )["assignment_reason"]
    assert len(named) and named.str.contains("prototype").any()
    assert world.query("SELECT role FROM person_prototypes").rows() == [("exemplar",)]
    assert client.ask("DELETE", f"{API}/persons/{enrolled['personId']}?erase=true").status == 200
    left = [*chips.rglob("*.jpg"), *(f for f in vectors.rglob("*.parquet") if pl.read_parquet(f).height)]
    assert left == []


def test_what_is_counted_fits_together(client: Client) -> None:
    stats = client.get(f"{API}/stats").json
    assert stats["totalFaces"] == stats["assignedFaces"] + stats["clusteredFaces"] + stats["noiseFaces"]
    assert stats["vectors"] == stats["totalFaces"] > 0
    verified = client.get(f"{API}/verify").json
    assert verified["consistent"] and verified["rowsInDatabase"] == stats["totalFaces"]
    assert client.get(f"{API}/verify?schoolYear=1066").status == 404


def test_every_error_is_a_problem(client: Client) -> None:
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


def test_the_api_can_be_tried_in_a_page_that_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/docs").body.decode()
    for file in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert file.startswith("/") and client.get(file).status == 200
    described = client.get("/openapi.json").json
    assert {"/clusters", "/persons/{id}/merge", "/search", "/events/{id}/undo"} <= {
        p[len(API) :] for p in described["paths"]
    }


def test_nobody_is_told_anything_without_the_token(client: Client) -> None:
    stranger = Client(client.url, {})
    for path in ("/", "/openapi.json", "/docs", f"{API}/clusters", f"{API}/stats", f"{API}/{uuid.uuid4()}/chip"):
        assert stranger.get(path).status == 401
    assert Client(client.url, {"Authorization": f"Bearer {TOKEN}x"}).get(f"{API}/stats").status == 401
    assert stranger.get("/", Accept="text/html").status == 303
    assert stranger.get("/login").status == 200
    assert stranger.get("/?token=wrong").headers["Location"].startswith("/login")


def test_a_page_changes_things_only_with_its_csrf_token(client: Client) -> None:
    entered = Client(client.url, {}).get(f"/?token={TOKEN.replace(' ', '%20')}")
    cookie = entered.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
    page = Client(client.url, {"Cookie": cookie.partition(";")[0]})
    assert page.get(f"{API}/stats").status == 200
    assert page.post(f"{API}/persons", {"name": "Ana"}).status == 403
    token = re.search(r'csrf-token" content="([0-9a-f]+)"', page.get("/docs").body.decode())
    assert token
    assert page.post(f"{API}/persons", {"name": "Ana"}, X_CSRF_Token=token[1]).status == 201
    assert page.post(f"{API}/persons", {"name": "Bo"}, X_CSRF_Token=token[1][::-1]).status == 403
    forged = page.post(f"{API}/persons", {"name": "Bo"}, X_CSRF_Token=token[1], Origin="http://evil.example")
    assert forged.status == 403
    signed = cookie.partition(";")[0]
    for altered in (signed[:-1] + "10"[signed[-1] == "1"], signed.replace("=", "=1", 1)):
        assert Client(client.url, {"Cookie": altered}).get(f"{API}/stats").status == 401, "a signature holds for all"
    assert client.get(f"{API}/persons").json["total"] == 1


def test_whoever_logs_in_under_a_name_acts_under_it(client: Client) -> None:
    form = f"token={TOKEN.replace(' ', '+')}&who=Fr%C3%A4ulein+Rottenmeier".encode()
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    entered = Client(client.url, {}).ask("POST", "/login", form, sent)
    page = Client(client.url, {"Cookie": entered.headers["Set-Cookie"].partition(";")[0]})
    token = re.search(r'csrf-token" content="([0-9a-f]+)"', page.get("/docs").body.decode())
    assert token and page.post(f"{API}/persons", {"name": "Ana"}, X_CSRF_Token=token[1]).status == 201
    assert client.get(f"{API}/events").json["items"][0]["actor"] == "Fräulein Rottenmeier"


def test_another_host_name_is_refused_and_every_answer_says_what_a_browser_may_do(client: Client) -> None:
    assert client.get(f"{API}/stats", Host="evil.example").status == 421
    for path in (f"{API}/stats", "/login", "/nothing", f"{API}/clusters?page=0"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers


def test_bodies_and_pictures_are_bounded(client: Client) -> None:
    assert client.post(f"{API}/persons", b" " * (3 << 20)).status == 413
    from io import BytesIO

    from PIL import Image

    large = BytesIO()
    Image.new("1", (9000, 9000)).save(large, "PNG")
    told = client.upload("POST", f"{API}/search", [large.getvalue()])
    assert told.status == 422 and "pixels" in told.json["detail"]


def test_a_server_that_others_can_reach_does_not_start_without_a_token(world: World, tmp_path: Path) -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "school.example"):
        with pytest.raises(TokenError, match="--token"):
            serve(world.archive, Models(pack="builtin"), host, 0, None, print)
    with pytest.raises(TokenError, match="16 characters"):
        create_app(world.archive, Models(pack="builtin"), "short")
    made = token_for("127.0.0.1", None, tmp_path / "token")
    assert made == token_for("localhost", None, tmp_path / "token") and len(made) > 20
    assert (tmp_path / "token").stat().st_mode & 0o077 == 0


def test_eight_people_label_at_once_and_nothing_is_lost(client: Client) -> None:
    faces = [f["id"] for c in client.clusters() for f in client.get(f"{API}/clusters/{c['clusterId']}").json["faces"]]
    person = client.post(f"{API}/persons", {"name": "Everybody"}).json["id"]
    chosen = faces[:40]

    def confirm(face: str) -> int:
        return client.post(f"{API}/persons/{person}/confirm", {"faceIds": [face]}).status

    with ThreadPoolExecutor(8) as people:
        assert set(people.map(confirm, chosen)) == {200}
    assert client.get(f"{API}/persons/{person}").json["confirmedCount"] == len(set(chosen))


def test_a_server_killed_in_a_burst_of_labels_loses_none_that_was_answered(world: World) -> None:
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


def test_long_work_is_a_run_that_is_told_of(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.get(f"{API}/runs")
    monkeypatch.setattr("classface_assets.review.work.AT_ONCE", 1)
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


def test_clusters_that_are_linked_are_one_at_once_and_fall_apart_again_when_split(client: Client, world: World) -> None:
    first, second = client.clusters()[:2]
    too_many = {"minClusterSize": first["faceCount"]}
    assert client.post(f"{API}/clusters/{first['clusterId']}/split", too_many).json["status"] == "unchanged"
    faces = [faces_of(world.layout.database, c["clusterId"]) for c in (first, second)]
    world.archive.open_ledger().must_link([faces[0][0], faces[1][0]])
    mixed = client.clusters()[0]
    assert mixed["faceCount"] == first["faceCount"] + second["faceCount"]
    split = client.post(f"{API}/clusters/{mixed['clusterId']}/split").json
    assert split["status"] == "split" and split["originalClusterId"] == mixed["clusterId"]
    parts = [client.get(f"{API}/clusters/{part}").json["faces"] for part in split["newClusters"]]
    assert {frozenset(f["id"] for f in part) for part in parts} == {frozenset(f.face_id for f in one) for one in faces}
    person = client.post(f"{API}/clusters/{split['newClusters'][0]}/label", {"name": "Ana"}).json["personId"]
    assert client.post(f"{API}/clusters/person_{person}/split").status == 409


def test_who_a_face_is_goes_by_the_labelled_faces(client: Client) -> None:
    cluster = client.clusters()[0]["clusterId"]
    faces = [face["id"] for face in client.get(f"{API}/clusters/{cluster}").json["faces"]]
    assert client.post(f"{API}/{faces[0]}/assign").json == {
        "personId": None, "personName": None, "similarity": 0.0, "votes": 0
    }  # fmt: skip
    person = client.post(f"{API}/clusters/{cluster}/label", {"name": "Ana", "faceIds": faces[1:]}).json["personId"]
    found = client.post(f"{API}/{faces[0]}/assign", {"k": 3}).json
    assert found["personId"] == person and found["personName"] == "Ana"
    assert found["similarity"] > 0.6 and 1 <= found["votes"] <= 3
    assert client.post(f"{API}/persons/{person}/reject", {"faceIds": [faces[0]]}).status == 200
    assert client.post(f"{API}/{faces[0]}/assign").json["personId"] is None


def test_a_photo_is_looked_at_again_with_other_thresholds(client: Client) -> None:
    face = client.get(f"{API}/clusters/{client.clusters()[0]['clusterId']}").json["faces"][0]
    photo = client.get(f"{API}/assets/{face['assetId']}").json
    looked = client.post(f"{API}/detect/{face['assetId']}").json
    assert set(looked["faceIds"]) == {f["id"] for f in photo["faces"]} and looked["newFaceIds"] == []
    assert client.post(f"{API}/detect/{face['assetId']}", {"minFaceSize": 100_000}).json["facesDetected"] == 0


def test_an_erased_person_is_gone_from_every_answer_and_the_receipt_says_of_what(client: Client) -> None:
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

    from classface_assets.automation import watching

    def look(cursor: str | None) -> Any:
        with dg.build_sensor_context(world.instance, cursor, resources={"archive": world.archive}) as context:
            return watching.decisions(context)

    assert isinstance(look(None), dg.SkipReason)
    world.archive.open_ledger().create("Ana")
    assert "still at it" in look(None).skip_message
    said = datetime.now(UTC)
    assert not watching.is_quiet(said.isoformat(), said + timedelta(seconds=59))
    assert watching.is_quiet(said.isoformat(), said + timedelta(seconds=60))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "QUIET", timedelta())
        ready = look(None)
    assert [request.run_key for request in ready.run_requests] == ["ledger 1"] and ready.cursor == "1"
    assert "Nothing was said" in look(ready.cursor).skip_message


def test_only_what_starts_and_tells_runs_knows_dagster() -> None:
    folder = Path(review.__file__).parent
    known = {file.name for file in folder.rglob("*.py") if "import dagster" in file.read_text()}
    assert known == {"work.py", "run_records.py"}


def test_fuzzing_by_its_own_description_finds_no_mistake_of_the_server(client: Client, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{client.url}/openapi.json"]
    command += ["--header", f"Authorization: Bearer {TOKEN}", "--max-examples", "3", "--seed", "5", "--no-color"]
    command += ["--generation-database", "none", "--max-time", "30", "--phases", "coverage,fuzzing"]
    command += ["--checks", "not_a_server_error,content_type_conformance,response_schema_conformance"]
    # Each of these would start a process of its own, which has a test of its own.
    command += ["--exclude-path-regex", "/(cluster|cluster/dual|train|retry|faces/assign)$"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, cwd=tmp_path)
    assert told.returncode == 0, told.stdout[-4000:]
    assert "passed" in told.stdout
