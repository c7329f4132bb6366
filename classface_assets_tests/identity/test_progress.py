"""How naming got better as people were labelled, on labels whose outcome is known."""

from collections.abc import Mapping

import polars as pl
import pytest

from classface_assets.identity.evaluation.holdout import TooFewLabelsError
from classface_assets.identity.evaluation.progress import LabelledFaces, draw_progress, labelling_progress

TODAY = {f"{person}{number}": person for person in "abcdefgh" for number in range(4)}


def assign_labelled_people(labels: Mapping[str, str]) -> pl.DataFrame:
    """Every face of a person who is labelled is named rightly, but those of `h`, who are taken for `a`."""
    known = set(labels.values())
    rows = [(face, {"h": "a"}.get(person, person) if person in known else None) for face, person in TODAY.items()]
    return pl.DataFrame(rows, schema={"face_id": pl.String, "person_id": pl.String}, orient="row")


def of(people: str) -> dict[str, str]:
    return {face: person for face, person in TODAY.items() if person in people}


def test_accuracy_grows_with_the_people_who_are_labelled() -> None:
    history = [
        LabelledFaces("2026-01-01", of("a")),
        LabelledFaces("2026-01-02", of("abcd")),
        LabelledFaces("now", TODAY),
    ]
    progress = labelling_progress(history, assign_labelled_people)
    assert progress["people_labelled"].to_list() == [1, 4, 8]
    assert progress["faces_labelled"].to_list() == [2, 8, 16], "half of each person's are held out"
    assert progress["accuracy"].to_list() == [1 / 8, 4 / 8, 7 / 8]
    assert progress["accuracy_of_labelled_people"].to_list() == [1, 1, 7 / 8]
    assert progress["precision"].to_list() == [1, 1, 7 / 8]
    assert draw_progress(progress).startswith(b"\x89PNG")


def test_labels_that_were_taken_back_are_not_right_and_points_without_news_are_left_out() -> None:
    wrong = of("abcd") | {"e0": "a", "nobody": "a"}
    history = [LabelledFaces("1", wrong), LabelledFaces("2", wrong), LabelledFaces("now", TODAY)]
    progress = labelling_progress(history, assign_labelled_people)
    assert progress.height == 2 and progress["at"].to_list() == ["1", "now"]


def test_with_few_people_the_number_that_it_takes_is_reported() -> None:
    with pytest.raises(TooFewLabelsError, match="4 people have two labelled faces or more, and it takes 5"):
        labelling_progress([LabelledFaces("now", of("abcd"))], assign_labelled_people)
    with pytest.raises(TooFewLabelsError):
        labelling_progress([], assign_labelled_people)
