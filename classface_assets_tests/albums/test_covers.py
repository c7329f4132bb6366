"""The face that somebody chose as a person's cover is their portrait in albums."""

from classface_assets.albums.pages.site import build_site
from classface_assets.albums.pages.year_page import YearContents, build_year_album
from classface_assets.albums.pictures.thumbnails import face_crop_path
from classface_assets.defs.albums.albums import add_best_chips, album_contents, album_fingerprint, site_contents
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets_tests.support.helpers import DETECTOR
from classface_assets_tests.support.named_school import YEAR, School


def test_the_chosen_cover_is_the_portrait_on_every_page_until_it_is_undone(school: School) -> None:
    store = SchoolYearStore(school.layout, DETECTOR, YEAR)

    def fingerprint() -> str:
        return str(album_fingerprint(store, *album_contents(school.archive, YEAR)))

    def portraits() -> set[str]:
        photos, faces = album_contents(school.archive, YEAR)
        out = school.layout.albums
        build_year_album(out, school.layout.photos, YearContents(YEAR, photos, add_best_chips(store, faces)))
        build_site(out, [YEAR], site_contents(school.archive))
        pages = {page: page.read_text(encoding="utf-8") for page in out.rglob("*.html")}
        shown = [{f for f in faces["face_id"] if face_crop_path(f) in text} for text in pages.values()]
        return set().union(*shown)

    best, before = portraits(), fingerprint()
    assert len(best & {"class1", "pair0"}) == 1, "Ben has two faces, and one portrait"
    (chosen,) = {"class1", "pair0"} - best
    event = school.ledger.choose_cover("Ben", school.face(chosen)).events[0]
    assert chosen in portraits() and not best & {"class1", "pair0"} & portraits()
    assert fingerprint() != before, "the album is made again"
    school.ledger.undo(event)
    assert portraits() == best and fingerprint() == before


def test_the_cover_of_a_person_is_no_portrait_where_it_may_not_be_cropped(school: School) -> None:
    school.ledger.choose_cover("Ben", school.face("class1"))
    school.ledger.set_consent("Anna", False)
    photos, faces = album_contents(school.archive, YEAR)
    assert "class" not in photos.filter(status="ok")["asset_id"]
    assert not faces["chosen"].any() and "pair0" in faces["face_id"]
