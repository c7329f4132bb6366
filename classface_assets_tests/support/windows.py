"""A real browser at a real review server over a finished archive, as tests of the pages use them."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pytest

from classface_assets.core.schemas import DUCKDB_TABLES
from classface_assets.store.files.duckdb import publish_database
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.face_ref import FaceRef
from classface_assets_tests.conftest import World
from classface_assets_tests.support.helpers import TOKEN

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass(frozen=True)
class ReviewWindow:
    """A browser window at a served archive. `errors`: what the window has reported."""

    page: "Page"
    url: str
    world: World
    errors: list[str]

    @property
    def ledger(self) -> Ledger:
        return self.world.archive.open_ledger()

    @property
    def decisions(self) -> Decisions:
        return self.ledger.decisions()

    def open(self, path: str) -> "Page":
        self.page.goto(self.url + path)
        return self.page

    def cards(self) -> "Locator":
        return self.page.locator("[data-cards] > .card")

    def toast(self, text: str | re.Pattern[str]) -> None:
        from playwright.sync_api import expect

        expect(self.page.locator("#toasts .toast").last).to_contain_text(text)

    def face_refs(self, *face_ids: str) -> list[FaceRef]:
        """Faces as the ledger stores them."""
        columns = "id, asset_id, bbox_x, bbox_y, bbox_w, bbox_h"
        rows = self.world.query(f"SELECT {columns} FROM face_instances").filter(pl.col("id").is_in(face_ids))
        return [FaceRef(f, a, (x, y, w, h)) for f, a, x, y, w, h in rows.iter_rows()]

    def label(self, name: str, *, most: int = 10_000) -> tuple[str, list[str]]:
        """Name the largest group that has no name, or its first faces: the person's id and the faces' ids."""
        named = set(self.decisions.labels)
        faces = self.world.query(
            "SELECT id, asset_id, cluster_id, bbox_x, bbox_y, bbox_w, bbox_h FROM face_instances ORDER BY id"
        ).filter(pl.col("cluster_id").str.starts_with("unknown_cluster"), ~pl.col("id").is_in(list(named)))
        largest = faces["cluster_id"].value_counts().sort("count", "cluster_id", descending=[True, False])["cluster_id"]
        rows = faces.filter(pl.col("cluster_id") == largest[0]).head(most)
        act = self.ledger.label(name, [FaceRef(f, a, (x, y, w, h)) for f, a, _, x, y, w, h in rows.iter_rows()])
        return act.person.id, rows["id"].to_list()


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    if CHROMIUM is None:
        pytest.skip("there is no Chromium to look at the pages with")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def window(world: World, served: str, browser: "Browser") -> Iterator[ReviewWindow]:
    """A window that has logged in. A page that breaks its policy or a script that fails fails the test."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        window = open_window(context.new_page(), served, world)
        yield window
        assert window.errors == []


def open_window(page: "Page", url: str, world: World) -> ReviewWindow:
    errors: list[str] = []
    page.set_default_timeout(10_000)
    page.on("console", lambda message: message.type in ("error", "warning") and errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(f"a dialog: {dialog.message}"))
    assert page.request.get(f"{url}/?token={TOKEN}", max_redirects=0).status == 303
    return ReviewWindow(page, url, world, errors)


def matched_person(window: ReviewWindow, name: str) -> tuple[str, list[str]]:
    """A person with two labelled faces, and the rest of the group matched to them automatically, as after a run."""
    person, labelled = window.label(name, most=2)
    tables = {table: window.world.query(f"SELECT * FROM {table}") for table in DUCKDB_TABLES}
    faces = tables["face_instances"]
    cluster = faces.filter(pl.col("id").is_in(labelled))["cluster_id"][0]
    rest = (pl.col("cluster_id") == cluster) & ~pl.col("id").is_in(labelled)
    ids = faces.filter(rest)["id"].to_list()
    theirs = {
        "person_id": person,
        "assignment_reason": "0.71 to 2 prototypes, margin 0.2",
        "assignment_margin": 0.2,
        "cluster_id": f"person_{person}",
    }
    changed = [pl.when(rest).then(pl.lit(value)).otherwise(pl.col(c)).alias(c) for c, value in theirs.items()]
    score = pl.when(rest).then(0.71).otherwise(pl.col("assignment_score")).cast(pl.Float32).alias("assignment_score")
    publish_database(window.world.layout.database, tables | {"face_instances": faces.with_columns(*changed, score)})
    return person, ids


def photo_with_most_faces(world: World) -> tuple[str, str]:
    """The photo with the most faces, and one of its faces."""
    most = "SELECT asset_id, min(id) FROM face_instances GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    row = world.query(most).row(0)
    return str(row[0]), str(row[1])
