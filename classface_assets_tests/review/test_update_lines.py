"""The lines of the page of runs, from what is recorded of updates."""

from classface_assets.orchestration.updates.record import UpdateRecord, UpdateState
from classface_assets.review.runs.update_lines import recorded_line


def record(photos: int, faces: int, state: UpdateState = UpdateState.DONE) -> UpdateRecord:
    return UpdateRecord(
        *("20240903-090000-abcdef", "classface run", 1, 0.0, 100.0, "builtin", "/photos", "/data"),
        ended=160.0,
        state=state,
        photos=photos,
        faces=faces,
    )


def test_an_update_whose_runs_dagster_has_removed_still_says_what_was_new() -> None:
    assert recorded_line(record(47, 101)).summary == "47 photos, 101 new faces"
    assert recorded_line(record(0, 0)).summary == "nothing was new"
    assert recorded_line(record(47, 101, UpdateState.FAILED)).summary == ""
