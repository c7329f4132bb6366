"""The photos folder as schools have it: whose school year files are of, what is left out, set by hand."""

import json
import unicodedata
from pathlib import Path

import pytest

from classface_assets.albums.names import disk_name_key, year_path
from classface_assets.core.layout import ArchiveLayout, encode_folder_name
from classface_assets.core.locations import Location
from classface_assets.core.school_years.names import YearSettingError
from classface_assets.orchestration.school_year_runs.partitions import year_listing
from classface_assets.services.school_years import (
    dated_folders,
    set_folder_year,
    unset_folder_year,
    year_lines,
    year_notes,
)
from classface_assets.store.catalog.photo_folders import list_files, walk_photo_folders
from classface_assets.store.catalog.school_years import year_folders
from classface_assets.store.catalog.year_file import YearsFileError
from classface_assets_tests.support.helpers import add_images

SYSTEMS = [
    *(
        "@Recycle",
        "@Recently-Snapshot",
        "#recycle",
        "$RECYCLE.BIN",
        "RECYCLER",
        "Recycled",
        "lost+found",
        ".Trash-1000",
    ),
    *(".Trashes", ".Spotlight-V100", ".fseventsd", "@eaDir", "#snapshot", ".snapshot", ".zfs", ".snapshots"),
    *("~snapshot", "@tmp", ".DS_Store", "._photo.jpg", "Thumbs.db", "desktop.ini", "System Volume Information"),
    *(
        "__MACOSX",
        ".picasaoriginals",
        ".thumbnails",
        ".@__thumb",
        "Catalog Previews.lrdata",
        "found.000",
        "ehthumbs.db",
    ),
]


def fill(root: Location, *files: str) -> None:
    for file in files:
        path = root / file
        if isinstance(path, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"photo")


def listed(layout: ArchiveLayout) -> dict[str, list[str]]:
    above = len(str(layout.photos)) + 1
    return {
        year: [str(entry.path)[above:] for entry in year_listing(layout.photos, folders)]
        for year, folders in year_folders(layout).items()
    }


ARCHIVE = (
    *("1990s/1994-1995/a.jpg", "1990s/a.jpg", "Primary/2011-2012/Trip/b.jpg", "2011-12/c.jpg", "Room 2001/d.jpg"),
    *("2019/20/e.jpg", "2019/f.jpg", "2019/2018-2019 late/g.jpg", "2019/2018-2019 late/x/h.jpg", "loose.jpg"),
    *("2019/x/@eaDir/f.jpg/thumb.jpg", "2019/x/y.jpg", "Class of 2020/i.jpg"),
)
YEARS = {
    "1990s": ["1990s/a.jpg"],
    "1994-1995": ["1990s/1994-1995/a.jpg"],
    "2011-2012": ["2011-12/c.jpg", "Primary/2011-2012/Trip/b.jpg"],
    "2018-2019": ["2019/2018-2019 late/g.jpg", "2019/2018-2019 late/x/h.jpg"],
    "2019-2020": ["2019/20/e.jpg", "2019/f.jpg", "2019/x/y.jpg", "Class of 2020/i.jpg"],
    "Room 2001": ["Room 2001/d.jpg"],
    "unsorted": ["loose.jpg"],
}


def test_a_file_belongs_to_one_school_year_the_most_exact_one_above_it(layout: ArchiveLayout) -> None:
    fill(layout.photos, *ARCHIVE)
    assert listed(layout) == YEARS, "Primary has nothing of its own, and is no school year any more"


def test_a_bucket_is_listed_as_a_disk_is(bucket: Location, tmp_path: Path) -> None:
    fill(bucket / "photos", *ARCHIVE)
    layout = ArchiveLayout(bucket / "photos", tmp_path)
    assert listed(layout) == YEARS
    left = list_files(layout.photos, year_folders(layout)["2019-2020"])[1]
    assert dict(left) == {"@eaDir": 1}
    assert any("@eaDir 1" in note for note in year_notes(layout))


@pytest.mark.parametrize("place", ["", "2019-2020/", "2019-2020/Klasse 3b/"])
def test_what_systems_leave_behind_is_left_out_at_every_level_and_counted(place: str, layout: ArchiveLayout) -> None:
    names = sorted({*SYSTEMS, *(name.upper() for name in SYSTEMS), *(name.lower() for name in SYSTEMS)})
    for name in names:
        fill(layout.photos, f"{place}{name}" if "." in name[-4:-2] else f"{place}{name}/inside/photo.jpg")
    fill(layout.photos, "2019-2020/Klasse 3b/photo.jpg")
    assert listed(layout) == {"2019-2020": ["2019-2020/Klasse 3b/photo.jpg"]}
    note = year_notes(layout)[-1]
    assert f"made them: {len(names):,} files and folders" in note
    left = list_files(layout.photos, [folder.path for folder in walk_photo_folders(layout.photos)])[1]
    assert left.total() == len(names)


def test_names_that_only_look_like_a_systems_are_photos(layout: ArchiveLayout) -> None:
    fill(layout.photos, "2019-20/Recycling day/a.jpg", "2019-20/Trash art/b.jpg", "2019-20/snapshots/c.jpg")
    assert len(listed(layout)["2019-2020"]) == 3


def link(place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def links_note(layout: ArchiveLayout) -> str:
    return next((note for note in year_notes(layout) if note.startswith("Links that are not followed")), "")


def test_a_link_to_a_folder_above_gives_no_photo_twice_and_nothing_from_outside(layout: ArchiveLayout) -> None:
    photos = Path(str(layout.photos))
    fill(photos, "2018-19/a.jpg", "2019-20/trip/b.jpg")
    fill(photos.parent, "beside the photos/album.jpg")
    for number, above in enumerate((photos, photos.parent, photos.parent.parent, Path("/"), photos / "2019-20")):
        link(photos / "2019-20" / "trip" / f"up {number}", above)
    link(photos / "all", photos)
    assert listed(layout) == {"2018-2019": ["2018-19/a.jpg"], "2019-2020": ["2019-20/trip/b.jpg"]}
    ups = ", ".join(f"2019-20/trip/up {number}" for number in range(4))
    assert links_note(layout) == (
        "Links that are not followed, since they lead to what is read in its own place, or to a folder above: "
        f"all, {ups} … and 1 more."
    )


def test_a_folder_that_several_links_lead_to_is_read_once(layout: ArchiveLayout) -> None:
    photos = Path(str(layout.photos))
    outside = photos.parent / "other disk"
    fill(outside, "shots/b.jpg", "shots/more/c.jpg")
    fill(photos, "2017-18/a.jpg")
    link(photos / "2018-19", outside / "shots")
    link(photos / "2019-20", outside / "shots")
    link(photos / "2020-21" / "same", outside / "shots" / "more")
    link(photos / "2021-22", photos / "2017-18")
    link(outside / "shots" / "round", outside)
    assert listed(layout) == {
        "2017-2018": ["2017-18/a.jpg"],
        "2018-2019": ["2018-19/b.jpg", "2018-19/more/c.jpg"],
        "2020-2021": [],
    }
    assert links_note(layout).endswith(": 2019-20, 2021-22, 2018-19/round, 2020-21/same.")


def test_a_link_to_a_photo_that_is_listed_itself_is_no_second_photo(layout: ArchiveLayout) -> None:
    photos = Path(str(layout.photos))
    fill(photos, "2018-19/a.jpg", ".git/annex/objects/b.jpg")
    fill(photos.parent, "other disk/c.jpg")
    link(photos / "Best of" / "1.jpg", photos / "2018-19" / "a.jpg")
    link(photos / "2018-19" / "again.jpg", Path("a.jpg"))
    link(photos / "2018-19" / "annexed.jpg", Path("../.git/annex/objects/b.jpg"))
    link(photos / "2018-19" / "elsewhere.jpg", photos.parent / "other disk" / "c.jpg")
    link(photos / "2018-19" / "lost.jpg", Path("nowhere.jpg"))
    link(photos / "2018-19" / "round.jpg", Path("round.jpg"))
    names = ("a", "annexed", "elsewhere", "lost", "round")
    assert listed(layout)["2018-2019"] == [f"2018-19/{name}.jpg" for name in names]
    assert listed(layout).get("Best of", []) == []
    assert links_note(layout).endswith(": 2018-19/again.jpg, Best of/1.jpg.")


def test_links_are_followed_once(layout: ArchiveLayout) -> None:
    fill(layout.photos, "2019-20/a/b.jpg", "2018-19/c.jpg")
    photos = Path(str(layout.photos))
    (photos / "2019-20" / "all").symlink_to(photos)
    (photos / "2019-20" / "a" / "up").symlink_to(photos / "2019-20")
    assert listed(layout) == {"2018-2019": ["2018-19/c.jpg"], "2019-2020": ["2019-20/a/b.jpg"]}


def test_one_name_is_one_school_year_however_its_accents_are_written(layout: ArchiveLayout) -> None:
    for form in ("NFC", "NFD"):
        fill(layout.photos, f"{unicodedata.normalize(form, 'Übergänge')}/{form}.jpg")  # type: ignore[arg-type]
    assert {year: len(files) for year, files in listed(layout).items()} == {"Übergänge": 2}


def test_names_that_differ_by_case_or_a_dot_are_school_years_with_folders_of_their_own(layout: ArchiveLayout) -> None:
    folders = ("Trip", "TRIP", "trip", "Sports Day", "Sports Day.", "Trip A?", "Trip A*", "Straße", "STRASSE")
    fill(layout.photos, *(f"{folder}/{number}.jpg" for number, folder in enumerate(folders)))
    years = listed(layout)
    assert sorted(files[0] for files in years.values()) == sorted(f"{f}/{n}.jpg" for n, f in enumerate(folders))
    assert len({disk_name_key(year_path(year)) for year in years}) == len(folders)
    assert len({disk_name_key(encode_folder_name(year)) for year in years}) == len(folders), "parts too lie apart"
    assert {"TRIP", "Sports Day", "Sports Day."} <= years.keys()


def test_a_folder_keeps_its_key_when_another_comes_whose_name_differs_by_case(layout: ArchiveLayout) -> None:
    fill(layout.photos, "Trip/a.jpg")
    add_images(layout, "Trip", ("id", "a.jpg"))
    fill(layout.photos, "TRIP/b.jpg")
    years = listed(layout)
    assert years.pop("Trip") == ["Trip/a.jpg"]
    assert list(years.values()) == [["TRIP/b.jpg"]]


@pytest.mark.parametrize("before", ["trip", "Trip", unicodedata.normalize("NFD", "Tríp")])
def test_a_folder_whose_name_is_only_written_otherwise_keeps_its_key(before: str, layout: ArchiveLayout) -> None:
    add_images(layout, before, ("id", "a.jpg"))
    fill(layout.photos, f"{unicodedata.normalize('NFC', before).upper()}/a.jpg")
    assert list(listed(layout)) == [before]


@pytest.mark.parametrize("year", ["2019-2020", "Sports Day", "unsorted", "Klasse 3a (2019)", "学校の写真", "Übergänge"])
def test_an_ordinary_school_years_album_is_where_it_was(year: str) -> None:
    assert year_path(year) == f"years/{year}"


def test_no_two_school_years_share_an_album_folder() -> None:
    names = ["Sports Day", "Sports Day.", "Sports Day ", " Sports  Day", "Trip A?", "Trip A*", "Trip A-", "con", "_con",
             "...", "", "unnamed", "Übergänge", unicodedata.normalize("NFD", "Übergänge"), "a\u200eb", "ab", "L" * 200,
             "L" * 201, "L" * 120]  # fmt: skip
    names += [year_path(name).removeprefix("years/") for name in names if not year_path(name).endswith(name)]
    paths = {name: year_path(name) for name in dict.fromkeys(names)}
    assert len({disk_name_key(path) for path in paths.values()}) == len(paths)
    assert max(len(path.encode()) for path in paths.values()) < 150


def test_the_list_tells_each_folders_school_year_and_why_before_any_run(layout: ArchiveLayout) -> None:
    fill(layout.photos, *ARCHIVE, "2019-2020/2005 reunion/z.jpg", "2019-2020/Sports Day/z.jpg")
    listed = {one.folder: (one.year, str(one.certainty)) for one in dated_folders(layout)}
    assert listed == {
        ".": ("unsorted", "no school year"),
        "1990s": ("1990s", "no school year"),
        "1990s/1994-1995": ("1994-1995", "clear"),
        "2011-12": ("2011-2012", "clear"),
        "2019": ("2019-2020", "guess"),
        "2019/2018-2019 late": ("2018-2019", "clear"),
        "2019-2020": ("2019-2020", "clear"),
        "2019-2020/2005 reunion": ("2019-2020", "guess"),
        "Class of 2020": ("2019-2020", "clear"),
        "Primary": ("Primary", "no school year"),
        "Primary/2011-2012": ("2011-2012", "clear"),
        "Room 2001": ("Room 2001", "no school year"),
    }
    lines = list(year_lines(layout))
    assert "Room 2001\tRoom 2001\tno school year\t2001 in “room 2001” is a number, not a year" in lines
    notes = year_notes(layout)
    assert notes[0].startswith("The school year of 2 folders is a guess; `classface years` shows why, ")
    assert notes[1:3] == [
        "  2019 → 2019-2020",
        "  2019-2020/2005 reunion → 2019-2020",
    ]


def test_a_school_year_is_set_by_hand_and_taken_back(layout: ArchiveLayout) -> None:
    fill(layout.photos, "Primary/Box/a.jpg", "Room 2001/b.jpg", "2019/c.jpg", "2018-19/d.jpg", "loose.jpg")
    assert set_folder_year(layout, "Primary", "2011-12") == "2011-2012"
    assert set_folder_year(layout, f"{layout.photos}/2019/", "none") == "none"
    assert set_folder_year(layout, "2018-19", "None") == "none"
    assert set_folder_year(layout, ".", "2003") == "2003-2004"
    assert listed(layout) == {
        "2003-2004": ["loose.jpg"],
        "2011-2012": ["Primary/Box/a.jpg"],
        "2018-19": ["2018-19/d.jpg"],
        "2019": ["2019/c.jpg"],
        "Room 2001": ["Room 2001/b.jpg"],
    }
    assert json.loads((layout.data / "years.json").read_bytes())["Primary"] == "2011-2012"
    for folder in ("Primary", "2019", "2018-19", "."):
        unset_folder_year(layout, folder)
    assert list(listed(layout)) == ["2018-2019", "2019-2020", "Primary", "Room 2001", "unsorted"]


def test_a_folder_of_no_school_year_is_not_taken_for_one_by_its_name(layout: ArchiveLayout) -> None:
    fill(layout.photos, "2019-2020/a.jpg", "2019-20/b.jpg")
    set_folder_year(layout, "2019-2020", "none")
    assert listed(layout) == {"2019-2020": ["2019-20/b.jpg"], "2019-2020 (none)": ["2019-2020/a.jpg"]}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", r"^.*years\.json cannot be read \(.*\); correct it, or delete it"),
        ("[]", r"must hold folders and school years"),
        (
            '{"Primary": "soon"}',
            r"sets 'Primary' to 'soon', which is no school year; write it like 2011-2012, or none\.$",
        ),
        ('{"Primary": 2011}', r"sets 'Primary' to 2011, which is no school year"),
        (b"\xff\xfe{".decode("latin-1"), r"cannot be read"),
    ],
)
def test_a_years_file_that_cannot_be_understood_is_one_sentence(content: str, why: str, layout: ArchiveLayout) -> None:
    fill(layout.photos, "Primary/a.jpg")
    fill(layout.data, "years.json")
    (layout.data / "years.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(YearsFileError, match=why):
        year_folders(layout)


def test_what_cannot_be_set_is_one_sentence_and_a_missing_folder_is_reported(layout: ArchiveLayout) -> None:
    fill(layout.photos, "Primary/a.jpg")
    with pytest.raises(YearsFileError, match=r"^There is no folder 'Secondary' in .*; name it by its path there"):
        set_folder_year(layout, "Secondary", "2011-2012")
    for year in ("soon", "", "2011-2015", "2019-06-12"):
        with pytest.raises(YearsFileError, match=r"is no school year; write it like 2011-2012, or none\.$"):
            set_folder_year(layout, "Primary", year)
    with pytest.raises(YearsFileError, match=r"^No school year was set for 'Primary'; folders with one: none\.$"):
        unset_folder_year(layout, "Primary")
    set_folder_year(layout, "Primary", "2011-2012")
    (layout.photos / "Primary").rename(layout.photos / "Secondary")  # type: ignore[arg-type]
    assert year_notes(layout) == ["A school year is set for folders that are not there: Primary."]
    unset_folder_year(layout, "Primary")
    assert year_notes(layout) == []


def test_a_day_on_which_no_school_year_can_start_stops_where_a_date_is_read(layout: ArchiveLayout) -> None:
    fill(layout.photos, "2019-06-12/a.jpg")
    with pytest.raises(YearSettingError, match="CLASSFACE_YEAR_START"):
        year_folders(ArchiveLayout(layout.photos, layout.data, year_start="June"))
