"""Albums of photos with somebody who may not be shown: left out, or covered so that nobody can tell who it is."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from PIL import ExifTags, Image

from classface_assets.albums.anonymization import COVER_GREY, head_area
from classface_assets.albums.pictures.originals import Originals, Photo
from classface_assets.albums.pictures.thumbnails import make_covered_copy
from classface_assets.core.errors import UserError
from classface_assets.defs.albums.albums import album_contents, site_contents
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.resources import Archive, RefusedMode
from classface_assets.store.artifacts.memoization import content_digest
from classface_assets.store.erasure.derived import erase_derived
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.roster.file import read_roster
from classface_assets_tests.support.helpers import published
from classface_assets_tests.support.named_school import ANNA, CHANGED_NS, PEOPLE, TAKEN, YEAR, School

pytestmark = pytest.mark.slow


def texts(out: Path) -> str:
    return "\n".join(page.read_text() for page in out.rglob("*.html"))


def pixels(picture: Path) -> np.ndarray:
    with Image.open(picture) as image:
        return np.asarray(image.convert("RGB"), dtype=float)


def of_head(picture: np.ndarray) -> np.ndarray:
    """What a picture of the whole class shows where Anna's head is."""
    x, y, w, h = (int(value) for value in head_area(ANNA))
    return picture[max(y, 0) : y + h, max(x, 0) : x + w]


def detail(area: np.ndarray) -> float:
    """How much neighbouring pixels differ."""
    return float(np.abs(np.diff(area, axis=0)).mean() + np.abs(np.diff(area, axis=1)).mean())


def test_a_photo_with_somebody_who_refused_is_in_no_page_folder_or_thumbnail(school: School) -> None:
    """Seen: only the name was left out, the photo stayed and showed the child."""
    out = school.build()
    assert (out / "years" / YEAR / "Ben" / "class.jpg").samefile(school.original("class")) and school.shown("class")
    school.ledger.set_consent("Anna", False)
    school.build()
    assert school.shown("class") == school.shown("anna") == [] and school.shown("pair")
    files = [file.name for file in (out / "years").rglob("*.jpg")]
    assert files == ["pair.jpg"] * 2
    for page in out.rglob("*.html"):
        assert "Anna" not in page.read_text(), page
        assert ("class.jpg" in page.read_text()) == (page.name == "coverage.html"), page
    assert "somebody in it may not be shown" in (out / "coverage.html").read_text()


def test_who_gives_consent_again_is_shown_again(school: School) -> None:
    before = {path.relative_to(out).as_posix() for out in [school.build()] for path in out.rglob("*")}
    school.ledger.set_consent("Anna", False)
    school.build()
    school.ledger.set_consent("Anna", True)
    out = school.build()
    assert {path.relative_to(out).as_posix() for path in out.rglob("*")} == before


@pytest.mark.parametrize("how", ["blur", "box"])
def test_a_covered_face_cannot_be_seen_in_any_picture_and_the_original_stays(how: RefusedMode, school: School) -> None:
    digest = hashlib.sha256(school.original("class").read_bytes()).digest()
    stale = school.build() and school.shown("class")
    school.ledger.set_consent("Anna", False)
    out = replace(school, refused=how).build()
    assert not any(picture.exists() for picture in stale), "pictures from before she refused are gone"
    assert school.shown("anna") == [], "a photo that shows nobody else is left out"
    copies = [out / "years" / YEAR / name / "class.jpg" for name in ("Ben", "Cem")]
    assert {file.name for file in (out / "years" / YEAR).iterdir()} == {"Ben", "Cem", "index.html"}
    original = pixels(school.original("class"))
    assert len(school.shown("class")) == 2, "the thumbnail, and the whole photo for the folders"
    for picture in (*school.shown("class"), *copies):
        seen = pixels(picture)
        area, elsewhere = of_head(seen), np.s_[250:, 250:]
        assert area.shape[0] > 120 and area.shape[1] > 120, "more than the face"
        if how == "box":
            assert np.abs(area - COVER_GREY).max() < 40 and np.abs(area - COVER_GREY).mean() < 2
        else:
            assert detail(area) < detail(of_head(original)) / 10
        assert np.abs(seen[elsewhere] - original[elsewhere]).mean() < 20, "the rest is as it was"
    assert not copies[0].samefile(school.original("class"))
    assert hashlib.sha256(school.original("class").read_bytes()).digest() == digest
    assert (out / "years" / YEAR / "Ben" / "pair.jpg").samefile(school.original("pair"))
    assert "Anna" not in texts(out) and "1 face covered" in (out / "years" / YEAR / "index.html").read_text()


def test_a_covered_copy_keeps_the_date_and_no_other_metadata_of_the_file(school: School) -> None:
    school.ledger.set_consent("Anna", False)
    out = replace(school, refused="box").build()
    copy = out / "years" / YEAR / "Ben" / "class.jpg"
    assert copy.stat().st_mtime_ns == CHANGED_NS
    with Image.open(copy) as image:
        assert image.format == "JPEG" and image.size == (640, 480)
        assert dict(image.getexif().get_ifd(ExifTags.IFD.Exif)) == {ExifTags.Base.DateTimeOriginal: TAKEN}
        assert ExifTags.Base.ImageDescription not in image.getexif()
    with Image.open(school.original("class")) as image:
        assert ExifTags.Base.MakerNote in image.getexif().get_ifd(ExifTags.IFD.Exif)


def test_another_way_to_cover_makes_other_pictures_and_the_same_way_makes_none(school: School) -> None:
    school.ledger.set_consent("Anna", False)
    box, blur = replace(school, refused="box"), replace(school, refused="blur")
    box.build()
    first = {path: path.stat().st_mtime_ns for path in school.shown("class")}
    box.build()
    assert {path: path.stat().st_mtime_ns for path in school.shown("class")} == first
    blur.build()
    assert not first.keys() & set(school.shown("class")) and len(school.shown("class")) == len(first)
    school.build()
    assert school.shown("class") == []


Decision = Callable[[Ledger], object]
BEN_IS_ANNA = FaceRef("pair0", "pair", (10.0, 10.0, 80.0, 80.0))


@pytest.mark.parametrize(
    ("decide", "left"),
    [
        (lambda ledger: ledger.set_consent("Ben", False), {"anna"}),
        (lambda ledger: ledger.hide("Ben"), {"anna"}),
        (lambda ledger: (ledger.set_consent("Anna", False), ledger.label("Anna", [BEN_IS_ANNA])), set()),
        (
            lambda ledger: (ledger.create_person("Bo"), ledger.set_consent("Bo", False), ledger.merge("Cem", "Bo")),
            {"anna"},
        ),
        (lambda ledger: ledger.erase("Anna"), {"pair"}),
        (lambda ledger: (ledger.set_consent("Anna", False), ledger.rename("Anna", "Anne")), {"pair"}),
    ],
    ids=["withdrawn", "hidden", "a face of theirs named", "merged into one who refused", "erased", "renamed"],
)
def test_decisions_made_between_the_identities_and_the_albums_count(
    decide: Decision, left: set[str], school: School
) -> None:
    decide(school.ledger)
    school.build()
    assert {photo for photo in PEOPLE if school.shown(photo)} == left


def test_a_refusal_that_is_published_counts_although_the_ledger_does_not_know_it(school: School) -> None:
    """As when an older ledger was put back; the next run publishes what that one says."""
    school.ledger.set_consent("Anna", False)
    rows = [("class0", "c", "anna", 1.0, ""), ("pair0", "d", "ben", 1.0, ""), ("anna0", "c", "anna", 1.0, "")]
    people = {person.name: person.id for person in school.ledger.decisions().persons.values()}
    rows = [(face, cluster, people[who.capitalize()], score, why) for face, cluster, who, score, why in rows]
    published(school.layout, school.ledger.events(), rows)
    school.ledger.undo()
    assert school.ledger.decisions().persons[people["Anna"]].consent is None
    school.build()
    assert not school.shown("anna") and not school.shown("class") and school.shown("pair")


def test_a_face_next_to_a_covered_one_is_no_picture_of_its_own(school: School) -> None:
    school.ledger.set_consent("Anna", False)
    _, faces = album_contents(replace(school, refused="box").archive)
    assert dict(faces.select("face_id", "cropped").iter_rows()) == {
        "class1": False, "class2": True, "pair0": True, "pair1": True
    }  # fmt: skip


def test_unknown_faces_are_shown_and_counted_as_to_be_looked_at(school: School) -> None:
    people = {person.name: person.id for person in school.ledger.decisions().persons.values()}
    rows = [
        ("class0", "c", None, None, ""),
        ("class1", "b", people["Ben"], 1.0, ""),
        ("pair0", "b", people["Ben"], 1.0, ""),
    ]
    rows += [("pair1", "d", people["Cem"], 1.0, ""), ("anna0", "c", None, None, "")]
    published(school.layout, [], rows)
    photos, _ = album_contents(
        Archive(photos=str(school.layout.photos), data=str(school.layout.data), ledger="sqlite://")
    )
    verdicts = dict(photos.select("asset_id", "verdict").iter_rows())
    assert verdicts == {"class": "review", "pair": "safe", "anna": "review"} and set(photos["status"]) == {"ok"}


@pytest.mark.parametrize("orientation", [1, 6, 3, 8])
@pytest.mark.parametrize("rotation", [0, 90, 270])
def test_the_face_is_covered_whichever_way_the_file_lies(orientation: int, rotation: int, tmp_path: Path) -> None:
    upright, box = Image.new("RGB", (300, 200), "white"), (40.0, 90.0, 30.0, 40.0)
    upright.paste((255, 0, 0), (40, 90, 70, 130))
    back = {6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180, 8: Image.Transpose.ROTATE_270}
    scan = upright.rotate(rotation, expand=True)  # turned back clockwise it is upright
    scan = scan.transpose(back[orientation]) if orientation in back else scan
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    (tmp_path / "photos").mkdir()
    scan.save(tmp_path / "photos" / "a.png", exif=exif)
    photo = Photo("a" * 36, "a.png", 300, 200, rotation=rotation, covered=(box,), cover="box")
    made = make_covered_copy(tmp_path / "albums", Originals(tmp_path / "photos", {}), photo)
    seen = pixels(made)
    assert seen.shape == (200, 300, 3)
    assert not ((seen[..., 0] > 180) & (seen[..., 1] < 90)).any(), "no red is left"
    assert (seen[:, 150:] > 240).all()


def test_albums_are_made_again_when_somebody_refuses_or_the_setting_changes(school: School) -> None:
    def made_of(school: School) -> str:
        return content_digest(*album_contents(school.archive, YEAR))

    before = made_of(school)
    assert made_of(replace(school, refused="box")) == before == made_of(school), "nobody has refused yet"
    school.ledger.set_consent("Anna", False)
    after = {before, made_of(school), *(made_of(replace(school, refused=how)) for how in ("blur", "box"))}
    assert len(after) == 4
    school.ledger.set_consent("Anna", True)
    assert made_of(school) == before


def test_how_refused_faces_are_shown_comes_from_the_environment_and_a_wrong_value_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CLASSFACE_REFUSED", raising=False)
    assert resolve_archive("photos", "data").refused == "withhold"
    monkeypatch.setenv("CLASSFACE_REFUSED", "box")
    assert resolve_archive("photos", "data").refused == "box"
    monkeypatch.setenv("CLASSFACE_REFUSED", "smudge")
    with pytest.raises(
        UserError, match="CLASSFACE_REFUSED is 'smudge'; set it to withhold or blur or box, or to nothing"
    ):
        resolve_archive("photos", "data")


def of_the_version_before(school: School) -> None:
    """The published file as it was when there was one answer of consent and no verdict."""
    with duckdb.connect(school.layout.database) as con:
        con.execute("DROP TABLE photo_consent")
        for purpose in ("album", "yearbook", "web"):
            con.execute(f"ALTER TABLE persons DROP COLUMN consent_{purpose}")


def test_a_file_that_the_version_before_published_is_read_with_its_one_answer(school: School) -> None:
    school.ledger.set_consent("Ben", False)
    people = {person.name: person.id for person in school.ledger.decisions().persons.values()}
    published(school.layout, school.ledger.events(), [("pair0", "d", people["Ben"], 1.0, "")])
    school.ledger.undo()
    of_the_version_before(school)
    photos, _ = album_contents(school.archive)
    assert dict(photos.select("asset_id", "status").iter_rows()) == {"anna": "ok", "class": "ok", "pair": "withheld"}


def test_somebody_is_erased_from_a_file_that_the_version_before_published(school: School) -> None:
    people = {person.name: person.id for person in school.ledger.decisions().persons.values()}
    of_the_version_before(school)
    removed = list(erase_derived(school.layout, {"anna0", "class0"}, {people["Anna"]}, new=False))
    assert ("DuckDB persons", 1) in [(one.where, one.count) for one in removed]
    assert query_database(school.layout.database, "SELECT * FROM photo_consent").is_empty()


def test_an_erased_person_is_in_no_verdict_any_more(school: School) -> None:
    people = {person.name: person.id for person in school.ledger.decisions().persons.values()}
    rows = [(f, f"person_{people[who]}", people[who], 1.0, "") for f, who in (("anna0", "Anna"), ("class1", "Ben"))]
    school.ledger.set_consent("Anna", False)
    published(school.layout, school.ledger.events(), rows)
    withheld_photos = "SELECT count(*) FROM photo_consent WHERE list_contains(withheld_persons, ?)"
    assert query_database(school.layout.database, withheld_photos, [people["Anna"]]).item() > 0
    list(erase_derived(school.layout, {"anna0", "class0"}, {people["Anna"]}, new=False))
    assert query_database(school.layout.database, withheld_photos, [people["Anna"]]).item() == 0


@pytest.mark.parametrize("how", ["withhold", "box"])
def test_a_years_part_of_what_is_shown_is_the_same_as_what_is_shown_of_the_year(
    how: RefusedMode, school: School
) -> None:
    """So a year that is looked at with all others is known to be unchanged."""
    school.ledger.set_consent("Anna", False)
    archive = replace(school, refused=how).archive
    whole, one = album_contents(archive), album_contents(archive, YEAR)
    assert content_digest(*(rows.filter(school_year=YEAR) for rows in whole)) == content_digest(*one)


ROSTER = """Name,Class,School years,Photo consent
Anna,3a,2019-2020,
Ben,3a,2019-2020,
Dora Unseen,3a,2019-2020,yes
Emil Refused,3a,2019-2020,no
"""


@pytest.fixture
def on_roster(school: School) -> School:
    """The three are on a roster, with somebody who is in no photo, and somebody in none who refused."""
    school.ledger.import_roster(read_roster(ROSTER.encode()).entries, "roster.csv")
    school.ledger.declare_siblings(["Anna", "Ben"])
    return school


def class_page(out: Path) -> str:
    return next((out / "classes").glob("*3a*")).read_text()


def test_classes_and_the_search_list_only_who_may_be_shown(on_roster: School) -> None:
    out = on_roster.build()
    assert all(name in class_page(out) for name in ("Anna", "Ben", "Dora Unseen"))
    assert "Emil Refused" not in texts(out)
    assert "3a" in (out / "index.html").read_text() and "Brother or sister" in texts(out / "students")
    on_roster.ledger.set_consent("Anna", False)
    on_roster.build()
    assert "Anna" not in texts(out) and "Ben" in class_page(out), "class page, index, captions and siblings among them"
    assert "Brother or sister" not in texts(out / "students")


@pytest.mark.parametrize("how", ["hide", "erase", "merge"])
def test_who_is_hidden_erased_or_merged_is_in_no_class(how: str, on_roster: School) -> None:
    ledger = on_roster.ledger
    out = on_roster.build()
    assert "Anna" in class_page(out)
    if how == "merge":
        ledger.merge("Anna", "Ben")
        on_roster.build()
        assert class_page(out).count('title="Ben"') == 1
    else:
        ledger.hide("Anna") if how == "hide" else ledger.erase("Anna")
        on_roster.build()
        assert "Anna" not in texts(out)


def test_captions_in_albums_name_nobody_who_is_covered(on_roster: School) -> None:
    on_roster.ledger.set_consent("Anna", False)
    out = replace(on_roster, refused="box").build()
    assert "Anna" not in texts(out) and "Ben" in (out / "years" / YEAR / "index.html").read_text()


def test_the_pages_over_all_years_are_made_again_when_a_class_changes_and_only_then(on_roster: School) -> None:
    def inputs() -> tuple[object, ...]:
        people = site_contents(on_roster.archive).people
        return content_digest(people.members, people.siblings), on_roster.layout.albums

    before = inputs()
    assert inputs() == before
    on_roster.ledger.hide("Ben")
    assert inputs() != before
