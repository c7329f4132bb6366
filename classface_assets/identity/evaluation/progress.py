"""How naming got better as people were labelled: the archive's own history, measured again at points of it.

Half of the labelled faces of each person are held out at every point, the same ones; the others count from the point on
at which they were labelled.
"""

import zlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import polars as pl

from classface_assets.core.languages import gettext
from classface_assets.identity.evaluation.holdout import Assign, TooFewLabelsError

MIN_PEOPLE = 5
"""People with two labelled faces or more that it takes."""

PROGRESS_COLUMNS = pl.Schema(
    {
        "at": pl.String(),
        "people_labelled": pl.Int64(),
        "faces_labelled": pl.Int64(),
        "accuracy": pl.Float64(),
        "accuracy_of_labelled_people": pl.Float64(),
        "precision": pl.Float64(),
    }
)
"""`accuracy` is of the held-out faces of everybody who is labelled today, `precision` of the names that were given."""


@dataclass(frozen=True)
class LabelledFaces:
    """The labels at a point of an archive's history.

    Attributes:
        at: The day, as text.
        confirmed: face id → person id.
    """

    at: str
    confirmed: Mapping[str, str]


def labelling_progress(
    history: Sequence[LabelledFaces], assign: Assign, measured: Collection[str] | None = None
) -> pl.DataFrame:
    """Measure how well the held-out faces are named with the labels of each point.

    Args:
        history: The points, the oldest first; the last one has the labels of today, which are what is right.
        assign: Assigns all faces by some labels.
        measured: The ids of the labelled faces of which half are held out; None: all.

    Returns:
        PROGRESS_COLUMNS, a row for each number of labelled faces.

    Raises:
        TooFewLabelsError: Fewer than MIN_PEOPLE people have two labelled faces.
    """
    truth = dict(history[-1].confirmed) if history else {}
    hidden = _held_out(truth if measured is None else {face: truth[face] for face in measured if face in truth})
    people = len({truth[face] for face in hidden})
    if people < MIN_PEOPLE:
        raise TooFewLabelsError(
            f"There are too few labels to show progress: {people} people have two labelled faces or more, and it takes "
            f"{MIN_PEOPLE}."
        )
    rows, before = [], -1
    for point in history:
        visible = {face: truth[face] for face in point.confirmed if face in truth and face not in hidden}
        if visible and len(visible) != before:
            rows.append(_measure(point.at, visible, {face: truth[face] for face in hidden}, assign))
            before = len(visible)
    return pl.DataFrame(rows, schema=PROGRESS_COLUMNS, orient="row")


def draw_progress(progress: pl.DataFrame) -> bytes:
    """Accuracy against the number of people labelled, a PNG picture. progress: PROGRESS_COLUMNS."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, style, label in (
        ("accuracy", "-", gettext("accuracy")),
        ("accuracy_of_labelled_people", "--", gettext("accuracy of labelled people")),
        ("precision", ":", gettext("precision")),
    ):
        axes.plot(progress["people_labelled"], progress[name], style, marker=".", label=label)
    axes.set(
        xlabel=gettext("people labelled"),
        ylabel=gettext("share of held-out faces"),
        title=gettext("Naming as the labels grew"),
        ylim=(0, 1.02),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    content = BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return content.getvalue()


def _held_out(truth: Mapping[str, str]) -> set[str]:
    """Half of each person's faces, by a hash of their ids; none of those who have one."""
    faces: dict[str, list[str]] = defaultdict(list)
    for face in sorted(truth, key=lambda face: (zlib.crc32(face.encode()), face)):
        faces[truth[face]].append(face)
    return {face for own in faces.values() for face in own[: len(own) // 2]}


def _measure(
    at: str, labels: Mapping[str, str], hidden: Mapping[str, str], assign: Assign
) -> tuple[str, int, int, float, float, float]:
    """A row of PROGRESS_COLUMNS."""
    named = dict(assign(labels).select("face_id", "person_id").drop_nulls().iter_rows())
    people = set(labels.values())
    right = {face: named.get(face) == person for face, person in hidden.items()}
    known = [right[face] for face, person in hidden.items() if person in people]
    given = [right[face] for face in hidden if face in named]
    return (
        at,
        len(people),
        len(labels),
        sum(right.values()) / len(right),
        sum(known) / max(1, len(known)),
        sum(given) / len(given) if given else 1.0,
    )
