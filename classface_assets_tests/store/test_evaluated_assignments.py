"""When an evaluation is made again: a few faces more change no figure, other decisions or many faces do."""

from pathlib import Path

import polars as pl

from classface_assets.orchestration.resources import Archive
from classface_assets.store.artifacts.evaluated_assignments import (
    EvaluatedAssignments,
    read_evaluated,
    write_evaluated,
)


def assignments(faces: range, cluster: str = "unknown_cluster_1") -> pl.DataFrame:
    return pl.DataFrame({"face_id": [f"face {n}" for n in faces], "cluster_id": [cluster] * len(faces)})


def test_up_to_one_in_a_hundred_faces_may_be_new_gone_or_moved() -> None:
    before = EvaluatedAssignments.of(assignments(range(200)), "decisions")
    assert before.is_nearly(EvaluatedAssignments.of(assignments(range(200)).reverse(), "decisions"))
    assert EvaluatedAssignments.of(assignments(range(202)), "decisions").is_nearly(before)
    assert EvaluatedAssignments.of(assignments(range(198)), "decisions").is_nearly(before)
    assert not EvaluatedAssignments.of(assignments(range(203)), "decisions").is_nearly(before)
    assert not EvaluatedAssignments.of(assignments(range(197)), "decisions").is_nearly(before)
    for moved, is_nearly in ((2, True), (3, False)):
        rows = pl.concat([assignments(range(moved), "unknown_cluster_2"), assignments(range(moved, 200))])
        assert EvaluatedAssignments.of(rows, "decisions").is_nearly(before) is is_nearly


def test_other_decisions_are_evaluated_whatever_the_faces() -> None:
    rows = assignments(range(200))
    assert not EvaluatedAssignments.of(rows, "later decisions").is_nearly(EvaluatedAssignments.of(rows, "decisions"))


def test_what_was_evaluated_is_read_as_it_was_written(tmp_path: Path) -> None:
    layout = Archive(photos=str(tmp_path / "photos"), data=str(tmp_path / "data")).layout
    assert read_evaluated(layout) is None
    written = EvaluatedAssignments.of(assignments(range(30)), "decisions")
    write_evaluated(layout, written)
    found = read_evaluated(layout)
    assert found is not None and found.digest == written.digest and found.is_nearly(written)
    write_evaluated(layout, EvaluatedAssignments.of(assignments(range(0)), "decisions"))
    assert read_evaluated(layout) is None, "without faces there is nothing to compare with"
