"""`make bench-album`: how long the index of a large album takes to build, to open and to search, in Chromium."""

import io
import os
import statistics
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from classface_assets.albums.disk import write_atomically
from classface_assets.albums.pages.classes import CLASS_MEMBERS, SchoolPeople
from classface_assets.albums.pages.site import SiteContents, build_site
from classface_assets.albums.pictures.thumbnails import face_crop_path

YEARS = tuple(f"{year}-{year + 1}" for year in range(2010, 2016))
CLASS_SIZE, CHIP_PX = 25, 192
FIRST = ("Ada", "Ben", "Cem", "Dina", "Élodie", "Fay", "Gökhan", "Hana", "Ivo", "Jun", "Kofi", "Léa", "Mia", "Noa")
LAST = ("Quill", "Ode", "Öz", "Roe", "Sim", "Ten", "Abel", "Berg", "Costa", "Dahl", "Ek", "Ferro", "Grau", "Holm")


def create_contents(students: int, out: Path) -> SiteContents:
    """A made-up school: each student has a face in each of the years, and a crop that is a real JPEG."""
    rng = np.random.default_rng(0)
    people = [str(uuid.UUID(int=n + 1)) for n in range(students)]
    names = [f"{FIRST[n % len(FIRST)]} {LAST[n // len(FIRST) % len(LAST)]} {n}" for n in range(students)]
    photos, faces, members = [], [], []
    for year in YEARS:
        for at in range(0, students, CLASS_SIZE):
            asset = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{year}/{at}"))
            name = f"{at // CLASS_SIZE % 12 + 1}{'abcdefgh'[at // CLASS_SIZE // 12 % 8]}"
            photos.append({"asset_id": asset, "school_year": year, "path": f"{year}/{name}-{at}.jpg", "status": "ok"})
            for n in range(at, min(at + CLASS_SIZE, students)):
                box = {
                    "bbox_x": 100 + 110 * ((n - at) % 9),
                    "bbox_y": 100 + 100 * ((n - at) // 9),
                    "bbox_w": 40,
                    "bbox_h": 50,
                }
                face = {"face_id": f"{n:08x}-{year}", "asset_id": asset, "school_year": year, "quality_score": 0.5}
                person = {"person_id": people[n], "person_name": names[n], "cluster_id": f"person_{people[n]}"}
                faces.append(face | box | person)
                members.append((year, name, people[n], names[n]))
    for n in range(students):
        chip = io.BytesIO()
        pixels = rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((CHIP_PX, CHIP_PX)).save(chip, "JPEG")
        write_atomically(out / face_crop_path(f"{n:08x}-{YEARS[0]}"), chip.getvalue())
    extra = {"width": 1600, "height": 1000, "orientation": 1, "rotation": 0, "reason": "", "taken_at_source": ""}
    files = pl.DataFrame(photos).with_columns(
        *(pl.lit(value).alias(name) for name, value in extra.items()),
        pl.lit(None, pl.Datetime("us")).alias("taken_at"),
        pl.lit(None, pl.String).alias("near_group"),
    )
    return SiteContents(files, pl.DataFrame(faces), SchoolPeople(pl.DataFrame(members, CLASS_MEMBERS, orient="row")))


def measure_index(index: Path, text: str) -> dict[str, float]:
    """Milliseconds until the index is drawn, and of each key that is typed until the next frame: median and most."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM") or None, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        started = time.perf_counter()
        page.goto(index.as_uri())
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        opened = (time.perf_counter() - started) * 1e3
        keys = [page.evaluate(_TYPE, text[: n + 1]) for n in range(len(text))]
        found = page.locator(".find output").inner_text()
        browser.close()
    print(f"“{text}”: {found}; keys in ms: {', '.join(f'{key:.0f}' for key in keys)}")
    return {"open": opened, "key, median": statistics.median(keys), "key, longest": max(keys)}


_TYPE = """async (text) => {
  const field = document.querySelector("#find-text"), start = performance.now();
  field.value = text;
  field.dispatchEvent(new Event("input"));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - start;
}"""


def main() -> None:
    """Build the album of STUDENTS made-up students and measure its index; CHROMIUM names the browser."""
    students = int(os.environ.get("STUDENTS") or 2000)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "albums"
        contents = create_contents(students, out)
        started = time.perf_counter()
        build_site(out, YEARS, contents, "A large school")
        print(f"{students:,} students: {time.perf_counter() - started:.1f} s to build all pages over all years")
        index = out / "index.html"
        print(f"index.html: {index.stat().st_size / 1e6:.2f} MB")
        for what, milliseconds in measure_index(index, "elodie 3a 2014").items():
            print(f"{what}: {milliseconds:.0f} ms")


if __name__ == "__main__":
    main()
