"""The benchmark of the review server's pages: it finds and measures every page of a made-up school."""

import re
from pathlib import Path

import pytest

from classface_assets.devtools.benchmark.review.made_up_school import compose_school
from classface_assets.devtools.benchmark.review.review_server import print_pages

pytestmark = pytest.mark.slow
NOT_THERE = ("/albums", "/learning/training.png", "/learning/progress.png")
"""Files that a made-up school does not have."""


def test_every_page_of_a_made_up_school_is_found_measured_and_returned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = compose_school(tmp_path, 200)
    print_pages(archive, 200, repeats=1)
    lines = capsys.readouterr().out.splitlines()
    assert any("routes; without a link: /albums/{path:path}" in line for line in lines), lines[-2:]
    rows = [line for line in lines if line.startswith("| /")]
    assert [row for row in rows if re.search(r" \((4|5)\d\d\) \|", row) and not row[2:].startswith(NOT_THERE)] == []
    assert {"/coverage", "/sessions/register", "/photos", "/people"} <= {row[2:].split(" ")[0] for row in rows}
    assert any(line.startswith("| label a group") for line in lines)
