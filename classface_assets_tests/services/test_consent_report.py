"""`classface consent report`: which photos may be shown, because of whom not, by which word, and whom nobody asked."""

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from classface_assets.cli.people.people import consent
from classface_assets.services.exports.consent_report import ConsentReport, consent_report, report_lines
from classface_assets.store.consent.refusal_sources import refusal_events
from classface_assets.store.decisions.replay import replay
from classface_assets.store.model.purposes import Purpose
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.support.helpers import event
from classface_assets_tests.support.named_school import YEAR, School


def run_consent(school: School, *words: str) -> Result:
    """`classface consent …` of this archive."""
    places = ["--photos", str(school.layout.photos), "--data", str(school.layout.data)]
    return CliRunner().invoke(consent, [*words, *places])


def report_of(school: School, purpose: Purpose = Purpose.ALBUM) -> ConsentReport:
    return consent_report(school.layout.database, school.ledger, purpose)


def test_the_report_tells_photos_people_and_by_which_word(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSFACE_ACTOR", "Ms Lee")
    school.ledger.set_consent("Anna", False)
    school.ledger.hide("Cem")
    school.ledger.set_consent("Ben", True)
    result = run_consent(school, "report")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "Album: 0 safe, 0 to review, 3 withheld"
    assert f"  {YEAR}/anna.jpg\tAnna" in lines and f"  {YEAR}/class.jpg\tAnna, Cem" in lines
    anna, cem = (next(line for line in lines if line.startswith(f"  {name}\t")) for name in ("Anna", "Cem"))
    assert "consent withdrawn by Ms Lee on 20" in anna and "hidden by Ms Lee on 20" in cem and "(event " in anna
    assert "Not asked" not in result.output, "Ben was"


def test_people_without_an_answer_are_counted_and_named(school: School) -> None:
    school.ledger.set_consent("Anna", True)
    school.ledger.create_person("Never Seen")
    report = report_of(school)
    assert report.unanswered == ["Ben", "Cem"] and report.refused == []
    assert list(report_lines(report)) == [
        "Album: 3 safe, 0 to review, 0 withheld",
        "\nNot asked, and shown: 2: Ben, Cem",
    ]


def test_the_csv_file_has_a_row_for_every_photo(school: School, tmp_path: Path) -> None:
    school.ledger.set_consent("Anna", False)
    file = tmp_path / "photos.csv"
    assert run_consent(school, "report", "--csv", str(file)).exit_code == 0
    with file.open(encoding="utf-8-sig", newline="") as opened:
        rows = {row["path"]: row for row in csv.DictReader(opened)}
    assert {path: (row["verdict"], row["withheld_because_of"]) for path, row in rows.items()} == {
        f"{YEAR}/anna.jpg": ("withheld", "Anna"),
        f"{YEAR}/class.jpg": ("withheld", "Anna"),
        f"{YEAR}/pair.jpg": ("safe", ""),
    }
    assert {row["purpose"] for row in rows.values()} == {"album"}


def test_a_person_called_report_is_still_asked_about(school: School) -> None:
    school.ledger.create_person("report")
    assert run_consent(school, "report", "withdrawn").output == "Consent withdrawn for report.\n"
    assert [name for name, _ in report_of(school).refused] == ["report"]
    assert run_consent(school, "Anna").exit_code == 2, "neither given nor withdrawn"
    assert run_consent(school, "Anna", "given", "--csv", "x.csv").exit_code == 2


def test_the_consent_report_does_not_name_erased_people(school: School) -> None:
    school.ledger.erase("Anna")
    lines = list(report_lines(report_of(school)))
    assert f"  {YEAR}/anna.jpg\tsomebody who was erased" in lines and not any("Anna" in line for line in lines)


@pytest.mark.parametrize(
    "row", [RosterEntry("ANNA  weiss", consent=False), RosterEntry("Anna", consents={"album": False})]
)
def test_the_roster_that_says_no_is_named_whatever_it_calls_them(row: RosterEntry) -> None:
    events = [
        event(1, "person_created", person_id="a", name="Anna Weiss"),
        event(2, "person_created", person_id="b", name="Anna"),
        event(3, "person_merged", person_id="b", into_id="a"),
        event(4, "roster_imported", source="3a.csv", digest="x", entries=[row.payload()]),
        event(5, "person_renamed", person_id="a", name="Anna Meyer"),
        event(6, "person_hidden", person_id="a"),
        event(7, "person_shown", person_id="a"),
    ]
    assert refusal_events(events, replay(events), Purpose.ALBUM) == {"a": events[3]}


def test_an_unclear_answer_is_reported_with_what_clears_it(school: School) -> None:
    school.ledger.import_roster([RosterEntry("Anna", consent_in_doubt="perhaps")], "3a.csv")
    lines = list(report_lines(report_of(school)))
    assert "Album: 1 safe, 0 to review, 2 withheld" in lines
    assert "the roster 3a.csv: its answer 'perhaps' could not be understood; imported by" in "\n".join(lines)
    assert "  Anna\t'perhaps'; to clear it: classface consent \"Anna\" given (or withdrawn)" in lines
    assert run_consent(school, "Anna", "given").exit_code == 0
    assert report_of(school).refused == [] and report_of(school).photos["verdict"].to_list() == ["safe"] * 3


def test_consent_is_reported_for_one_purpose_alone(school: School) -> None:
    assert run_consent(school, "Anna", "withdrawn", "--purpose", "web").output == "Consent withdrawn for Anna (web).\n"
    assert report_of(school).refused == [] and [name for name, _ in report_of(school, Purpose.WEB).refused] == ["Anna"]
    result = run_consent(school, "report", "--purpose", "web", "--purpose", "album").output.splitlines()
    assert "Web: 1 safe, 0 to review, 2 withheld" in result and "Album: 3 safe, 0 to review, 0 withheld" in result
    assert len(run_consent(school, "report", "--purpose", "all").output.split(" safe, ")) == 4


def test_two_of_one_name_are_told_apart_and_the_one_who_refused_is_named(school: School) -> None:
    rows = [
        RosterEntry("Anna", "7", {YEAR: "5a"}, consent=True),
        RosterEntry("Anna", "8", {YEAR: "5b"}, consent=False),
    ]
    school.ledger.import_roster(rows, "5.csv")
    report = report_of(school)
    assert len(report.refused) == 1 and "the roster 5.csv: it says no; imported by" in report.refused[0][1]
