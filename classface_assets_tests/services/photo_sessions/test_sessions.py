"""Sessions and attendance: which photos belong to one, who was there, corrections, the register, and erasure."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from classface_assets.services.archive_view.derived import LastingValues
from classface_assets.services.archive_view.model import ArchiveView, PublishedSnapshot, build_archive_view
from classface_assets.services.identity.presets import Preset
from classface_assets.services.photo_sessions.attendance import Attendance, Evidence, Presence, attendance
from classface_assets.services.photo_sessions.membership import Selection, selected_faces, session_photos
from classface_assets.services.photo_sessions.register import attendance_csv, of_person, register, register_csv
from classface_assets.services.photo_sessions.statistics import person_statistics
from classface_assets.store.backups.redaction import payloads_after
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.redaction import people_redactor, redact_people
from classface_assets.store.ledger.transaction import ConflictError, UnknownError
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.photo_session import PhotoSession
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.support.helpers import NOW

YEAR = "2019-2020"
SPORTS, CLASS = f"{YEAR}/sports", f"{YEAR}/3a"
PHOTOS = {"s1": f"{SPORTS}/1.jpg", "s2": f"{SPORTS}/2.jpg", "c1": f"{CLASS}/1.jpg"}
FACES = {"s1": ("a1", "b1", "u1"), "s2": ("a2", "g2", "r2"), "c1": ("a3", "d3")}
"""Anna (a) and Ben (b) are in class 3a, Gil (g) in no class, Rea (r) refused; u is unknown; Dan (d) is of 3a."""


def face(face_id: str) -> FaceRef:
    (photo,) = [photo for photo, faces in FACES.items() if face_id in faces]
    return FaceRef(face_id, photo, (10.0 + 100 * FACES[photo].index(face_id), 10.0, 80.0, 80.0))


def view_of(
    ledger: Ledger, matched: Sequence[tuple[str, str, float | None]] = (), lasting: LastingValues | None = None
) -> ArchiveView:
    """The archive with these automatic matches: face, person, probability."""
    people = {face_id: (person, probability) for face_id, person, probability in matched}
    rows = [
        {
            "face_id": face_id,
            "asset_id": photo,
            "path": PHOTOS[photo],
            "school_year": YEAR,
            "taken_at": NOW.replace(tzinfo=None),
            **dict(zip(("bbox_x", "bbox_y", "bbox_w", "bbox_h"), face(face_id).box, strict=True)),
            "quality_score": 0.5,
            "person_id": people.get(face_id, (None,))[0],
            "assignment_probability": people.get(face_id, (None, None))[1],
        }
        for photo, faces in FACES.items()
        for face_id in faces
    ]
    faces = pl.DataFrame(rows, schema_overrides={"person_id": pl.String, "assignment_probability": pl.Float32})
    faces = faces.with_columns(
        pl.format("unknown_noise_{}", "face_id").alias("cluster_id"),
        pl.lit(None, pl.Float32).alias("assignment_score"),
        pl.lit("similar").alias("assignment_reason"),
        pl.lit(None, pl.Float32).alias("assignment_margin"),
    ).sort("face_id")
    photos = pl.DataFrame(
        {
            "asset_id": list(PHOTOS),
            "path": list(PHOTOS.values()),
            "school_year": YEAR,
            "taken_at": NOW.replace(tzinfo=None),
        }
    ).sort("asset_id")
    return build_archive_view(PublishedSnapshot(faces, photos, 0, frozenset()), ledger.events(), lasting=lasting)


@pytest.fixture
def school(ledger: Ledger) -> Ledger:
    in_class = {YEAR: "3a"}
    names = ("Anna", "Ben", "Dan", "Eva")
    ledger.import_roster([RosterEntry(name, classes=in_class) for name in names], "3a.csv")
    ledger.import_roster([RosterEntry("Rea", classes=in_class, consent=False)], "late.csv")
    ledger.label("Anna", [face("a1"), face("a3")])
    ledger.label("Gil", [face("g2")])
    ledger.label("Rea", [face("r2")])
    ledger.label("Dan", [face("d3")])
    ledger.create_person("Ben")
    ledger.create_session(PhotoSession("", "Sports day", event=SPORTS, classes=("3a",)))
    return ledger


def session_of(ledger: Ledger) -> PhotoSession:
    (session,) = ledger.decisions().sessions.values()
    return session


def presences(found: Attendance) -> dict[str, tuple[str, str]]:
    return {one.name: (one.presence.value, one.evidence.value) for one in found.attendees}


def test_a_session_lists_who_was_there_absent_not_known_and_not_judged(school: Ledger) -> None:
    ben = school.decisions().find_person("Ben")
    assert ben is not None
    found = attendance(view_of(school, [("b1", ben.id, 0.6)]), session_of(school))
    assert presences(found) == {
        "Anna": ("present", "confirmed"),
        "Ben": ("present", "matched"),
        "Dan": ("absent", "roster"),
        "Eva": ("not known yet", "roster"),
        "Rea": ("not judged", "consent"),
        "Gil": ("present", "confirmed"),
    }
    assert found.unknown_faces == ("a2", "u1") and found.photos == 2
    rea = next(one for one in found.attendees if one.name == "Rea")
    assert rea.faces == () and rea.probability is None


def test_high_precision_calls_a_weak_match_unsure(school: Ledger) -> None:
    ben = school.decisions().find_person("Ben")
    assert ben is not None
    weak = view_of(school, [("b1", ben.id, 0.6)])
    assert presences(attendance(weak, session_of(school), Preset.HIGH_PRECISION))["Ben"] == ("unsure", "matched")
    strong = view_of(school, [("b1", ben.id, 0.99)])
    assert presences(attendance(strong, session_of(school), Preset.HIGH_PRECISION))["Ben"] == ("present", "matched")
    assert presences(attendance(weak, session_of(school), Preset.FAST))["Ben"] == ("present", "matched")


def test_corrections_overrule_photos_are_undone_and_outlive_runs(school: Ledger) -> None:
    session = session_of(school)
    absent = school.correct_attendance("sports DAY", "Anna", present=False)
    school.correct_attendance(session.id, "Eva", present=True)
    school.correct_attendance(session.id, "Rea", present=True)
    found = presences(attendance(view_of(school), session))
    corrected = Evidence.CORRECTED.value
    assert found["Anna"] == ("absent", corrected) and found["Eva"] == found["Rea"] == ("present", corrected)
    assert school.decisions().find_person("Eva") is not None, "a student of the roster becomes a person"
    school.correct_attendance(session.id, "Rea", present=None)
    assert presences(attendance(view_of(school), session))["Rea"] == ("not judged", "consent")
    school.undo(absent.events[0])
    assert presences(attendance(view_of(school), session))["Anna"] == ("present", "confirmed")
    with pytest.raises(UnknownError, match="Nobody is called"):
        school.correct_attendance(session.id, "Nobody", present=True)


def test_a_correction_stays_with_whoever_a_person_is_merged_into(school: Ledger) -> None:
    session = session_of(school)
    school.create_person("Annie")
    school.correct_attendance(session.id, "Annie", present=False)
    school.merge("Annie", "Anna")
    assert presences(attendance(view_of(school), session))["Anna"] == ("absent", "corrected")
    school.undo()
    assert presences(attendance(view_of(school), session))["Anna"] == ("present", "confirmed")


def test_hidden_people_are_in_no_list(school: Ledger) -> None:
    school.hide("Gil"), school.hide("Anna")
    view = view_of(school)
    assert {"Gil", "Anna"} & presences(attendance(view, session_of(school))).keys() == set()
    assert {"Gil", "Anna"} & {row.name for row in register(view).rows} == set()
    assert {"Gil", "Anna"} & set(person_statistics(view, view.faces)["person_name"]) == set()


def test_a_forgotten_person_is_gone_from_sessions_corrections_and_registers(school: Ledger) -> None:
    session = session_of(school)
    school.correct_attendance(session.id, "Anna", present=False)
    school.change_session(replace(session, title="The birthday of ANNA"))
    anna = school.erase("Anna", [face("a1"), face("a3")]).person
    every = school.events()
    left = payloads_after(school, people_redactor({anna.id}))
    redact_people(school.url, {anna.id})
    view = view_of(school)
    assert "Anna" not in presences(attendance(view, session_of(school)))
    assert of_person(view, anna.id) == [] and "Anna" not in {row.name for row in register(view).rows}
    stored = str([event.payload for event in school.events()])
    assert "anna" not in stored.casefold() and "anna" not in str(left).casefold()
    (correction,) = [e.payload for e in school.events() if e.kind == "attendance_corrected"]
    assert correction["present"] is None and session.id not in correction.values()
    assert len(every) == len(school.events())
    assert "anna" not in register_csv(register(view)).decode().casefold()


def test_after_every_decision_sessions_are_as_if_nothing_had_been_computed_before(school: Ledger) -> None:
    school.create_session(PhotoSession("", "Class", school_year=YEAR, classes=("3a",)))
    school.create_session(PhotoSession("", "Chosen", photos=("c1",)))
    lasting, session = LastingValues(), session_of_title(view_of(school))
    decisions: list[Callable[[], object]] = [
        lambda: None,
        lambda: school.label("Eva", [face("u1")]),
        lambda: school.reject("Anna", [face("a1")]),
        lambda: school.undo(),
        lambda: school.rename("Ben", "Benno"),
        lambda: school.label("Stranger", [face("b1")]),
        lambda: school.merge("Stranger", "Dan"),
        lambda: school.hide("Gil"),
        lambda: school.correct_attendance(session.id, "Rea", present=True),
        lambda: school.set_consent("Anna", given=False),
        lambda: school.import_roster([RosterEntry("Finn", classes={YEAR: "3a"})], "new.csv"),
        lambda: school.change_session(replace(session, event=CLASS)),
        lambda: school.erase("Dan", [face("d3")]),
    ]
    for decide in decisions:
        decide()
        known, new = view_of(school, lasting=lasting), view_of(school)
        for preset in (None, Preset.HIGH_PRECISION):
            assert register(known, preset=preset) == register(new, preset=preset)
        assert register_csv(register(known, class_name="3a")) == register_csv(register(new, class_name="3a"))


def test_only_sessions_about_which_something_changed_are_computed_again(school: Ledger) -> None:
    chosen = PhotoSession("", "Chosen", school_year="2000-2001", photos=("c1",))
    school.create_session(chosen)
    lasting = LastingValues()
    before, session = view_of(school, lasting=lasting), session_of_title(view_of(school))
    other = session_of_title(before, "Chosen")
    found = attendance(before, session), attendance(before, other)
    school.label("Eva", [face("u1")])
    after = view_of(school, lasting=lasting)
    assert attendance(after, other) is found[1] and attendance(after, session) != found[0]


def test_which_photos_belong_to_a_session(school: Ledger) -> None:
    view = view_of(school)

    def photos(**fields: object) -> list[str]:
        return session_photos(view, PhotoSession("", "", **fields))["asset_id"].to_list()  # type: ignore[arg-type]

    assert photos(event=SPORTS) == ["s1", "s2"] and photos(event=f"{YEAR}/sport") == []
    assert photos(photos=("c1",)) == ["c1"] and photos(school_year="2000-2001") == []
    day = NOW.date()
    assert photos(from_day=day, to_day=day) == ["c1", "s1", "s2"] and photos(from_day=date(2100, 1, 1)) == []
    assert photos(school_year=YEAR, classes=("3A",)) == ["c1", "s1", "s2"], "each shows somebody of the class"
    assert photos(school_year=YEAR, classes=("9z",)) == []
    chosen = selected_faces(view, Selection(event=SPORTS, class_name="3a"))
    assert set(chosen["asset_id"]) == {"s1", "s2"}


def test_a_session_needs_photos_and_a_title_of_its_own(school: Ledger) -> None:
    with pytest.raises(ConflictError, match="needs photos"):
        school.create_session(PhotoSession("", "Empty"))
    with pytest.raises(ConflictError, match="already a session"):
        school.create_session(PhotoSession("", "SPORTS  day", school_year=YEAR))
    school.delete_session("Sports day")
    assert school.decisions().sessions == {}
    school.undo()
    assert session_of(school).title == "Sports day"


def test_the_register_counts_over_time_and_its_csv_is_no_formula(school: Ledger) -> None:
    school.create_session(PhotoSession("", "Class photo", school_year=YEAR, photos=("c1",), classes=("3a",)))
    school.create_person("=Evil()")
    school.correct_attendance("Class photo", "=Evil()", present=True)
    view = view_of(school)
    table = register(view)
    assert [column.session.title for column in table.columns] == ["Class photo", "Sports day"]
    rows = {row.name: row for row in table.rows}
    assert rows["Anna"].count(Presence.PRESENT) == 2 and rows["Dan"].count(Presence.ABSENT) == 1
    assert rows["Gil"].entries[0] is None and rows["Gil"].class_name == ""
    assert {row.name for row in register(view, class_name="3a").rows} == {"Anna", "Ben", "Dan", "Eva", "Rea"}
    text = register_csv(table).decode("utf-8-sig").splitlines()
    assert text[0].startswith("Name,Class,Class photo (") and "Anna,3a,present,present,2,0" in text
    assert any(line.startswith("'=Evil()") for line in text)
    assert "Rea,3a,not judged,consent,0," in attendance_csv(attendance(view, session_of_title(view))).decode()
    anna = school.decisions().find_person("Anna")
    assert anna is not None and [one.presence for _, one in of_person(view, anna.id)] == [Presence.PRESENT] * 2


def session_of_title(view: ArchiveView, title: str = "Sports day") -> PhotoSession:
    (session,) = [one for one in view.decisions.sessions.values() if one.title == title]
    return session
