"""`make bench-review`: how long every page of the review server takes over a made-up school of 100,000 faces.

FACES changes the number; ARCHIVE=folder makes the school there, or uses the one that is there. A table in Markdown: CPU
milliseconds of the first request and of the first after a name was given, and the least CPU and wall milliseconds of
three more. On a machine with other work the CPU time says what a page costs.
"""

import functools
import json
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from classface_assets.devtools.benchmark.review.made_up_school import compose_school, person_name
from classface_assets.devtools.benchmark.review.pages import (
    LIMIT_S,
    PageCrawl,
    PageTime,
    Response,
    fetch,
    measure_pages,
)
from classface_assets.devtools.benchmark.review.server_thread import running_server
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.published.queries import people_with_faces

API = "/api/v1/faces"


def extra_addresses(archive: Archive) -> list[str]:
    """Pages that look otherwise with a query: searches, filters, the last pages, choices of exports and coverage."""
    decisions = archive.open_ledger().decisions()
    ids = people_with_faces(archive.layout.database).sort("faces", "person_id", descending=True)["person_id"]
    names = [person.display_name for one in ids[:3] if (person := decisions.persons.get(one))]
    a, b, c = (name.replace(" ", "+") for name in names)
    years, classes = zip(*sorted({one for row in decisions.roster for one in row.classes.items()}), strict=True)
    year, name = years[len(years) // 2], classes[len(years) // 2]
    return [
        "/?single=true",
        "/confirm?by=face",
        "/names?q=person",
        "/people?page=2",
        f"/people?q={person_name(1).replace(' ', '+')}",
        "/photos?page=200",
        f"/photos?with={a}",
        f'/photos?q="{a}"+OR+"{b}"+NOT+"{c}"+faces:2-9',
        f"/photos?with={a}&with={b}&only=1",
        f"/photos?year={year}&class={name}&event=event&file=1&faces=3-9&unnamed=1&duplicates=1",
        f"/coverage?year={year}&class={name}",
        f"/export?year={year}",
        f"/sessions/register?year={year}",
    ]


def main() -> None:
    """Print a line for each page."""
    faces = int(os.environ.get("FACES") or 100_000)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(os.environ.get("ARCHIVE") or temporary)
        archive = Archive(photos=str(folder / "photos"), data=str(folder / "data"))
        if not archive.layout.database.exists():
            archive = compose_school(folder, faces)
        print_pages(archive, faces)


def print_pages(archive: Archive, faces: int, repeats: int = 3) -> None:
    """Serve the archive, and print how long its pages take."""
    from classface_assets.review.app import create_app

    app = create_app(archive, Models(pack="builtin"))
    app.state.context.import_runs()  # as the command does before it listens
    crawl, slow = PageCrawl(app), list[PageTime]()
    with running_server(app) as url:
        print(f"{faces:,} faces\n")
        print("| page | first, CPU ms | after a name | CPU ms | wall ms | KB |\n|---|--:|--:|--:|--:|--:|")
        _print_start(url)
        extra = [*extra_addresses(archive), *guesses(url), *upload_roster(url), *create_document(url)]
        for page in measure_pages(crawl, url, extra, naming(url), repeats):
            note = "" if page.is_page else f" ({page.status})"
            times = (1000 * one for one in (page.first, page.changed, page.cpu, page.wall))
            numbers = (*times, page.size / 1000)
            print(f"| {page.address[:80]}{note} | {' | '.join(f'{one:.0f}' for one in numbers)} |", flush=True)
            slow += [page] if max(page.cpu, page.changed) > LIMIT_S else []
        _print_label(url)
    print(f"\n{len(crawl.addresses)} routes; without a link: {', '.join(crawl.missing()) or 'none'}")
    addresses = ", ".join(page.address for page in slow) or "none"
    print(f"More than {1000 * LIMIT_S:.0f} ms CPU after a name or later: {addresses}")


def guesses(url: str) -> list[str]:
    """The suggested names of a page of groups, which its script asks for."""
    clusters = json.loads(fetch(f"{url}{API}/clusters?pageSize=48&unknown=true").body)["items"]
    return ["/guesses?" + "&".join(f"cluster={one['clusterId']}" for one in clusters)]


def naming(url: str) -> Callable[[], Response]:
    """Gives a new name at each call: to one more of the smallest groups, which few pages show, or to nobody yet."""
    page = f"{url}{API}/clusters?pageSize=100&unknown=true&page="
    last = -(-json.loads(fetch(f"{page}1").body)["total"] // 100)
    smallest = [one["clusterId"] for one in json.loads(fetch(f"{page}{last}").body)["items"]] if last > 1 else []

    def name() -> Response:
        body = json.dumps({"name": f"Newly named {time.time_ns()}"}).encode()
        return fetch(f"{url}{API}/clusters/{smallest.pop()}/label" if smallest else f"{url}{API}/persons", body)

    return name


def upload_roster(url: str) -> list[str]:
    """Upload a roster of two students, for the page with its preview; its address."""
    token = re.search(r'name="csrf" value="([^"]*)"', fetch(f"{url}/roster").body.decode())
    fields = {'"csrf"': token.group(1) if token else "", '"roster"; filename="r.csv"': "Name;Class\nA B;1a\nC D;1b\n"}
    parts = [f"--x\r\nContent-Disposition: form-data; name={name}\r\n\r\n{v}\r\n" for name, v in fields.items()]
    body = f"{''.join(parts)}--x--\r\n".encode()
    found = fetch(f"{url}/roster/preview", body, "multipart/form-data; boundary=x")
    return [found.location] if found.location else []


def create_document(url: str) -> list[str]:
    """Have a small document made, and wait for it, so that its page has something to show; its address."""
    photos = json.loads(fetch(f"{url}{API}/photos?pageSize=2").body)["items"]
    body = json.dumps({"kind": "contact-sheet", "photos": [one["assetId"] for one in photos]}).encode()
    made = fetch(f"{url}{API}/exports/documents", body)
    if made.status != 202:
        return []
    job = json.loads(made.body)["id"]
    for _ in range(100):
        if json.loads(fetch(f"{url}{API}/exports/documents/{job}").body)["state"] in ("done", "failed"):
            break
        time.sleep(0.1)
    return [f"/export/documents/{job}"]


def _print_start(url: str) -> None:
    """The first request of all reads the archive."""
    _print_request("the first request of all", lambda: fetch(f"{url}/"))


def _print_label(url: str) -> None:
    """Labels, and the page after each, for which the view of the archive is built again.

    The first one reads and replays what a server that is started by its command knows by then.
    """
    clusters = json.loads(fetch(f"{url}{API}/clusters?pageSize=3&unknown=true").body)["items"]
    names = {
        "label a group, the first": "Somebody",
        "label a group as somebody new": "Somebody new",
        "label a group as somebody known": "Somebody",
    }
    for cluster, (what, name) in zip(clusters, names.items(), strict=False):
        one, body = f"{url}{API}/clusters/{cluster['clusterId']}/label", json.dumps({"name": name}).encode()
        _print_request(what, functools.partial(fetch, one, body))
        _print_request("the page after it", functools.partial(fetch, f"{url}/"))


def _print_request(what: str, act: Callable[[], Response]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    body = act().body
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"| {what} | {1000 * cpu:.0f} | | | {1000 * wall:.0f} | {len(body) / 1000:.0f} |", flush=True)


if __name__ == "__main__":
    main()
