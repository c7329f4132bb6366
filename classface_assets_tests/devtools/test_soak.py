"""The soak of the review server for some seconds, and that it notices what it looks for."""

from pathlib import Path

from classface_assets.devtools.benchmark.review.soak.acts import Act, SoakOracle
from classface_assets.devtools.benchmark.review.soak.measures import Trends
from classface_assets.devtools.benchmark.review.soak.soak import SoakOptions, soak
from classface_assets.orchestration.resources import Models
from classface_assets.store.ledger.ledger import Ledger
from classface_assets_tests.conftest import World
from classface_assets_tests.support.helpers import FACES


def test_a_review_server_holds_a_soak_of_some_seconds(world: World) -> None:
    options = SoakOptions(seconds=6, rate=5, pause=None)
    result = soak(world.archive, Models(pack=world.pack), options)
    assert result.problems == []
    assert result.events >= result.acts > 5
    report = result.report(options)
    for line in ("| label |", "| server, RSS, MB |", "| server, open files |", "| ledger, MB |"):
        assert line in report


def test_the_oracle_of_a_soak_knows_what_the_ledger_says_and_what_it_lost(ledger: Ledger) -> None:
    anna, ben = (ledger.create_person(name).person.id for name in ("Anna", "Ben"))
    ledger.confirm(anna, FACES[:3])
    ledger.reject(ben, FACES[:1])
    ledger.reject(anna, FACES[1:2])
    ledger.confirm(ben, FACES[3:5])
    ledger.merge(ben, anna)
    ids = [face.face_id for face in FACES]
    oracle = SoakOracle(
        [
            Act("label", anna, tuple(ids[:3])),
            Act("reject", ben, tuple(ids[:1])),
            Act("reject", anna, tuple(ids[1:2])),
            Act("label", ben, tuple(ids[3:5])),
            Act("merge", ben, into=anna),
        ]
    )
    assert oracle.differences(ledger.decisions()) == []
    ledger.undo()
    assert len(oracle.differences(ledger.decisions())) == 3, "two faces, and the merge"
    oracle.acts[-1].undone = True
    assert oracle.differences(ledger.decisions()) == []
    oracle.acts.append(Act("label", anna, (ids[7],)))
    assert oracle.differences(ledger.decisions()) == [f"face {ids[7]}: None instead of {anna}"]


def test_a_soak_tells_what_grows_from_what_does_not(tmp_path: Path) -> None:
    trends = Trends()
    for second in range(0, 1800, 5):
        trends.points["flat, MB"].append((second, 400 + second % 50))
        trends.points["leak, MB"].append((second, 400 + second / 5))
        trends.points["warm, MB"].append((second, 400 if second < 500 else 430))
        trends.points["open files"].append((second, 20 + second / 30))
    grown = trends.growing(["flat, MB", "leak, MB", "warm, MB", "open files", "never measured"])
    assert [text.partition(" grew")[0] for text in grown] == ["leak, MB", "open files"]
    assert "| leak, MB | 459.5 | 699.5 | 759.0 | +120.0 |" in trends.table()
