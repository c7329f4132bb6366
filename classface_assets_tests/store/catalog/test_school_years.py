"""School years and the folders of photos that belong to them."""

import os
import unicodedata
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from classface_assets.core.layout import ArchiveLayout, decode_folder_name, encode_folder_name
from classface_assets.core.locations import stat_entry
from classface_assets.core.school_years.names import YearSettingError, first_year, school_year_start
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.school_year_runs.partitions import year_files
from classface_assets.store.catalog.school_years import (
    PhotosFolderError,
    listing_fingerprint,
    school_year_key,
    year_folders,
)


@pytest.mark.parametrize(
    "name",
    [
        *(
            ".",
            "..",
            "...",
            "a.",
            "a ",
            " a",
            ". .",
            "trailing dots...",
            "a/b",
            "a\\b",
            "100%",
            "%41",
            "a%2Fb",
            "~",
            "#1",
        ),
        *(
            "Klasse 3a (2019)",
            "Übergänge",
            unicodedata.normalize("NFD", "Übergänge"),
            "学校の写真",
            "صور المدرسة",
            "🎒",
        ),
        *("CON?", "<b>", 'q"q', "pipe|star*", "colon:name", "new\nline", "tab\t", "comma, semi;", "a+b=c@d"),
        *("2019-2020", "unsorted", "confidence-0.5 size-20", "x" * 200),
    ],
)
def test_any_name_is_a_folder_name_and_is_read_back(name: str, tmp_path: Path) -> None:
    safe = encode_folder_name(name)
    (tmp_path / safe).mkdir()
    (made,) = tmp_path.iterdir()
    assert decode_folder_name(made) == name
    assert not set(safe) & set('/\\:*?"<>|\n\t\0') and not safe.endswith((".", " "))


def test_a_long_name_in_any_script_still_fits_into_a_folder_name(tmp_path: Path) -> None:
    name = "Фотографии нашего любимого класса за весь учебный год и лето"
    (tmp_path / encode_folder_name(name) / "part").mkdir(parents=True)
    assert encode_folder_name("学" * 85) == "学" * 85, "85 characters of three bytes are all that a folder name takes"


def test_different_names_never_share_a_folder() -> None:
    names = ["a b", "a%20b", "a.", "a%2E", "a", "A/B", "A%2FB", "ä", unicodedata.normalize("NFD", "ä"), " a", "a "]
    assert len({encode_folder_name(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "folder",
    [
        *("2019-2020", "2019-20", "2019_2020", "2019", "2019–2020", "2019 - 2020", "Schuljahr 2019-20", "SY2019-20"),
        *("Fotos 2019_20 Klasse 3b", "2019-20_10b", "2019-20-3a", "3b (2019)"),
    ],
)
def test_every_spelling_of_a_school_year_is_the_same_year(folder: str) -> None:
    assert school_year_key(folder) == "2019-2020"
    assert first_year(school_year_key(folder)) == 2019


@pytest.mark.parametrize(
    "folder",
    [
        *("2019-2021", "2019-18", "IMG_20190304", "20190304", "Sommerfest", "1850", "12019", "Klasse 3b"),
        *("2010-11-05 Martinsumzug", "2003-04-12", "2010-11-05_Fest", "2019-03-04"),
    ],
)
def test_a_folder_that_is_no_school_year_keeps_its_own_name_and_has_no_year(folder: str) -> None:
    assert school_year_key(folder) == folder
    assert first_year(school_year_key(folder)) is None


def test_the_century_turns_within_a_school_year() -> None:
    assert school_year_key("1999-00") == "1999-2000" and first_year("1999-2000") == 1999


@pytest.mark.parametrize("folder", ["and so on...", "a.....b", "line\nbreak", "tab\there", "bell\a", "Stra\udcdfe"])
def test_every_folder_has_a_key_that_dagster_takes(folder: str, tmp_path: Path) -> None:
    name = school_year_key(folder)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("school_year", [name])
        assert instance.get_dynamic_partitions("school_year") == [name]
    (tmp_path / encode_folder_name(name)).mkdir()
    assert pl.Series([name]).to_list() == [name]


def test_folders_of_one_year_come_together_and_loose_photos_are_unsorted(tmp_path: Path) -> None:
    for folder in ("2019-20", "Schuljahr 2019_2020", "2018", "Sommerfest", ".hidden", "@eaDir", "lost+found"):
        (tmp_path / folder).mkdir()
    for file in ("loose.jpg", "more.jpg", ".DS_Store", "Thumbs.db"):
        (tmp_path / file).touch()
    assert year_folders(ArchiveLayout(tmp_path, tmp_path / "data")) == {
        "2018-2019": [tmp_path / "2018"],
        "2019-2020": [tmp_path / "2019-20", tmp_path / "Schuljahr 2019_2020"],
        "Sommerfest": [tmp_path / "Sommerfest"],
        "unsorted": [tmp_path],
    }


@pytest.mark.parametrize("file", ["2019/20/a.jpg", "2019/2020/a.jpg", "2019/Sommerfest/a.jpg", "2019-20/3a/a.jpg"])
def test_folders_below_a_school_year_belong_to_it(file: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    folders = year_folders(ArchiveLayout(tmp_path, tmp_path / "data"))
    assert {year: [f.name for f in year_files(tmp_path, f)] for year, f in folders.items()} == {"2019-2020": ["a.jpg"]}


@pytest.mark.parametrize(
    ("pattern", "folder", "key"),
    [
        (r"^SJ(?P<first>\d\d)(?P<second>\d\d)", "SJ1920 Fotos", "2019-2020"),
        (r"^SJ(?P<first>\d\d)(?P<second>\d\d)", "SJ9900", "1999-2000"),
        (r"^SJ(?P<first>\d\d)(?P<second>\d\d)", "2019-2020", "2019-2020"),
        (r"^SJ(?P<first>\d\d)(?P<second>\d\d)", "2019", "2019"),
        (r"^SJ(?P<first>\d\d)(?P<second>\d\d)", "SJ1925", "SJ1925"),
        (r"Jahr (?P<first>\d{4})$", "Das Jahr 2019", "2019-2020"),
        (r"(?P<first>\d{4})/(?P<second>\d\d)?", "2019", "2019"),
    ],
)
def test_an_archive_may_name_its_school_years_in_its_own_way(
    pattern: str, folder: str, key: str, tmp_path: Path
) -> None:
    (tmp_path / folder).mkdir()
    assert list(year_folders(ArchiveLayout(tmp_path, tmp_path / "data", year_pattern=pattern))) == [key]


def test_settings_of_school_years_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSFACE_YEAR_PATTERN", r"SJ(?P<first>\d\d)")
    monkeypatch.setenv("CLASSFACE_YEAR_START", "02-01")
    layout = resolve_archive(tmp_path, tmp_path / "data").layout
    assert (layout.year_pattern, layout.year_start) == (r"SJ(?P<first>\d\d)", "02-01")


@pytest.mark.parametrize("pattern", ["(?P<first>", r"\d{4}", r"(?P<first>\d{4})(?P<third>\d\d)"])
def test_a_year_pattern_that_cannot_be_used_is_one_sentence(pattern: str, tmp_path: Path) -> None:
    (tmp_path / "2019").mkdir()
    with pytest.raises(YearSettingError, match=r"^The year pattern .*CLASSFACE_YEAR_PATTERN.*\.$"):
        year_folders(ArchiveLayout(tmp_path, tmp_path / "data", year_pattern=pattern))


@pytest.mark.parametrize("day", ["1 September", "13-01", "02-30", ""])
def test_a_day_on_which_no_school_year_can_start_is_one_sentence(day: str) -> None:
    with pytest.raises(YearSettingError, match=r"no day on which a school year can start; set CLASSFACE_YEAR_START"):
        school_year_start("2019-2020", day)


def test_what_a_system_left_behind_is_not_a_school_year(tmp_path: Path) -> None:
    (tmp_path / "$RECYCLE.BIN").mkdir()
    (tmp_path / "desktop.ini").touch()
    assert year_folders(ArchiveLayout(tmp_path, tmp_path / "data")) == {}


@pytest.mark.parametrize("root", ["missing", "a file"])
def test_an_unreadable_photos_folder_is_one_sentence(root: str, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(PhotosFolderError, match=r"^The photos folder .* cannot be read .*--photos.*\.$"):
        year_folders(ArchiveLayout(tmp_path / root, tmp_path))


def test_the_fingerprint_changes_with_every_change_of_a_file(tmp_path: Path) -> None:
    def prints(files: list[Path]) -> str:
        return listing_fingerprint(map(stat_entry, files))

    a, b = tmp_path / "a.jpg", tmp_path / "b.jpg"
    a.write_bytes(b"1")
    seen = [prints([a])]
    b.write_bytes(b"1")
    seen.append(prints([a, b]))
    seen.append(prints([b]))
    a.write_bytes(b"22")
    seen.append(prints([a, b]))
    os.utime(a, ns=(1, 1))
    seen.append(prints([a, b]))
    assert len(set(seen)) == len(seen)
    assert prints([a, b]) == seen[-1]
    assert prints([a, b, tmp_path / "gone.jpg"]) == seen[-1], "a file that vanished while looking changes nothing"
    assert prints([tmp_path / "Stra\udcdfe.jpg"]) == prints([])
