"""The checkpoints of a training on disk: which of them stay, and what an erasure finds."""

import json
from pathlib import Path

from classface_assets.store.artifacts.checkpoints import EpochCheckpoints, load_report, save_checkpoint


def test_the_last_three_epochs_of_a_stage_stay_and_after_the_training_the_last_of_the_head(tmp_path: Path) -> None:
    checkpoints = EpochCheckpoints.beside(tmp_path / "head.pt")
    assert checkpoints.latest("final") is None and checkpoints.files() == []
    for stage in ("fold-0", "fold-1", "final"):
        for epoch in range(5):
            checkpoints.save(stage, epoch, f"{stage} {epoch}".encode())
    names = [file.name for file in checkpoints.files()]
    assert names[:3] == ["final-0002.pt", "final-0003.pt", "final-0004.pt"] and len(names) == 9
    assert checkpoints.latest("fold-1") == b"fold-1 4"
    checkpoints.prune()
    assert [file.name for file in checkpoints.files()] == ["final-0004.pt"]
    checkpoints.save("final", 0, b"another training")
    assert checkpoints.latest("final") == b"another training", "later epochs of the one before are gone"
    checkpoints.prune()
    assert len(checkpoints.files()) == 1


def test_a_report_counts_only_with_the_checkpoint_that_it_is_about(tmp_path: Path) -> None:
    head = tmp_path / "head.pt"
    assert load_report(head) == {}
    save_checkpoint(head, b"weights", {"status": "trained", "people": 7})
    assert load_report(head)["people"] == 7
    head.unlink()
    assert load_report(head) == {}
    save_checkpoint(head, None, {"status": "skipped"})
    assert load_report(head) == {"status": "skipped"}
    head.with_suffix(".json").write_text("{")
    assert load_report(head) == {}
    head.with_suffix(".json").write_text(json.dumps([1]))
    assert load_report(head) == {}
