"""`make bench-captions`: how often rows and order of people in composed class photos of 3 to 6 rows are right."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from classface_assets.core.faces.photo_rows import PhotoRows, arrange_rows
from classface_assets.devtools.benchmark.albums.class_photos import ClassPhoto, class_photos

ROWS = (3, 4, 5, 6)


@dataclass
class CaptionScore:
    """Counts over photos.

    Attributes:
        photos: How many.
        whole: In how many all faces are in the right place.
        faces: How many faces.
        in_row: How many are in the right row.
        in_place: How many are in the right row and have the right number in it.
        pairs: How many pairs of true neighbours there are.
        in_order: How many of these are neighbours in the same order.
        sure: How many faces are reported as sure.
        sure_wrong: How many of these are in a wrong row.
        wrong_reported: How many photos with a mistake have a place that is reported as unsure.
        seconds: What arranging all of them took.
    """

    photos: int = 0
    whole: int = 0
    faces: int = 0
    in_row: int = 0
    in_place: int = 0
    pairs: int = 0
    in_order: int = 0
    sure: int = 0
    sure_wrong: int = 0
    wrong_reported: int = 0
    seconds: float = 0.0

    def add(self, photo: ClassPhoto, found: PhotoRows, seconds: float) -> None:
        """Count one photo."""
        true, place = _places(photo.rows), _places(found.rows)
        right = [face for face in true if true[face][0] == place[face][0]]
        neighbours, seen = _neighbours(photo.rows), _neighbours(found.rows)
        sure = {face for face in true if found.is_sure(face)}
        self.photos += 1
        self.whole += found.rows == photo.rows
        self.faces += len(true)
        self.in_row += len(right)
        self.in_place += sum(true[face] == place[face] for face in true)
        self.pairs += len(neighbours)
        self.in_order += len(neighbours & seen)
        self.sure += len(sure)
        self.sure_wrong += len(sure - set(right))
        self.wrong_reported += found.rows != photo.rows and not found.sure
        self.seconds += seconds


def score_photos(photos: Iterable[ClassPhoto]) -> CaptionScore:
    """Arrange photos in rows and compare with the truth."""
    score = CaptionScore()
    for photo in photos:
        boxes = [(float(x), float(y), float(w), float(h)) for x, y, w, h in photo.boxes]
        started = time.perf_counter()
        found = arrange_rows(boxes)
        score.add(photo, found, time.perf_counter() - started)
    return score


def _places(rows: Iterable[Iterable[int]]) -> dict[int, tuple[int, int]]:
    """Face → row and number in it."""
    return {face: (number, at) for number, row in enumerate(rows) for at, face in enumerate(row)}


def _neighbours(rows: Iterable[tuple[int, ...]]) -> set[tuple[int, int]]:
    return {pair for row in rows for pair in pairwise(row)}


def _line(name: str, score: CaptionScore) -> str:
    wrong = score.photos - score.whole
    cells = (
        name,
        f"{score.faces / score.photos:.0f}",
        f"{score.in_row / score.faces:.2%}",
        f"{score.in_order / score.pairs:.2%}",
        f"{score.in_place / score.faces:.2%}",
        f"{score.whole / score.photos:.1%}",
        f"{score.sure / score.faces:.1%}",
        f"{score.sure_wrong / max(score.sure, 1):.3%}",
        f"{score.wrong_reported} of {wrong}",
        f"{score.seconds / score.photos * 1e3:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print a table; COUNT photos of each number of rows, JITTER times the usual differences, SEED."""
    count, seed = int(os.environ.get("COUNT") or 200), int(os.environ.get("SEED") or 0)
    jitter = float(os.environ.get("JITTER") or 1)
    print(f"{count} composed photos each, jitter {jitter:g}, seed {seed}\n")
    print("| rows | faces a photo | right row | neighbours in order | right place | photos without a mistake | sure | "
          "wrong row although sure | photos with a mistake, reported as unsure | ms a photo |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    for rows in ROWS:
        print(_line(str(rows), score_photos(class_photos(rows, count, seed, jitter))), flush=True)


if __name__ == "__main__":
    main()
