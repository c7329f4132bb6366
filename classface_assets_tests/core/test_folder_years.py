"""Which school year the names on a folder's path mean: a table of how schools and systems name their folders."""

import pytest

from classface_assets.core.school_years.folders import NO_YEAR, school_year_of_path
from classface_assets.core.school_years.names import Exactness

CLEAR = ("2017-2018", "2018-2019", "Sports")


def key(path: str, year_start: str = "09-01", beside: tuple[str, ...] = ()) -> str:
    parts = path.split("/")
    return school_year_of_path(parts, year_start=year_start, siblings=[beside] * len(parts)).key


NAMES = [  # school year, and paths of folders that mean it
    # the most exact year of all levels
    ("1994-1995", "1990s/1994-1995"),
    ("2011-2012", "Primary/2011-2012"),
    ("1987-1988", "Old/Box 3/1987-88"),
    ("2019-2020", "2019/20 | 2019/2020 | 2019/Sommerfest | 2018/2019-2020"),
    ("2018-2019", "2019-2020/2018-2019 left over"),
    ("1995-1996", "Primary/1995"),
    ("2005-2006", "Primary/Reunion 2005/Table 3"),
    # a folder above that says a school year is not overruled by a single year or a date
    ("2019-2020", "2019-2020/Sports Day 2020-06-12 | 2019-2020/2005 reunion | 2019-2020/Class of 2025"),
    ("2019-2020", "2019/2019-03-02 Carnival"),
    # spellings
    ("2019-2020", "2019-2020 | 2019-20 | 2019_2020 | 2019.20 | 2019.2020 | 2019 - 20 | 2019 to 2020 | 2019+20"),
    ("2019-2020", "2019–20 | 2019—2020 | 2019‐20 | 2019−2020 | \uff12\uff10\uff11\uff19-\uff12\uff10 | 2019 2020"),
    ("2019-2020", "2019-20_01_Kindergarten | 2019-20-3a | 2019_20 10b | Fotos 2019-2020 3b"),
    ("2019-2020", "SY1920 | SY19-20 | SY 2019-20 | Schuljahr 19-20 | SJ_19_20 | AY1920 | school year 19-20"),
    ("2019-2020", "2019 | SY2019 | 3b (2019)"),
    ("1999-2000", "1999-00 | SY9900"),
    ("2018-2019", "2017 Klasse 2018-19"),
    ("2010-2011", "2010-11 | 2010-11_05_x"),
    ("2007-2008", "2007-08-3a"),
    ("2009-2010", "2009-10b"),
    # graduations: the school year that ends then
    ("2019-2020", "Class of 2020 | class of '20 | Abitur 2020 | Abi 2020 | Abi20 | ABI2020 | 2020 Graduates"),
    ("2019-2020", "Graduation 2020 | Seniors 2020 | Leavers 2020 | Prom 2020 | Commencement_2020 | Abiball 2020"),
    ("2019-2020", "Matura 2020 | Abschlussfeier 2020 | Promotion 2020 | Bac 2020 | Graduación 2020 | Maturità 2020"),
    ("2019-2020", "Eindexamen 2020 | Выпускной 2020 | 卒業 2020"),
    ("2016-2017", "Class of 2020 (2016-2017)"),
    ("2017-2018", "2017 Class of 2020"),
    # seasons
    ("2018-2019", "Spring 2019 | 2019 Spring | Frühjahr 2019 | printemps 2019 | Easter 2019 | spring_2019"),
    ("2018-2019", "Summer term 2019 | Sommerfest 2019 | été 2019 | verano 2019"),
    ("2019-2020", "Fall 2019 | Autumn 2019 | Herbst 2019 | Winter 2019 | otoño 2019 | Automne2019"),
    ("2019-2020", "Fall 2019 - Spring 2020"),
    # days and months
    ("2018-2019", "2019-06-12 | 2019_06_12 Fest | 12.06.2019 | 20190612 | IMG_20190612 | 2019 06 12"),
    ("2018-2019", "June 2019 | Juni 2019 | juin 2019 | 12 June 2019 | Junio_2019 | 2019-06"),
    ("2019-2020", "2019-09-01 | 31.10.2019 | Sept 2019 | Dezember 2019 | 2019-11"),
    ("2010-2011", "2010-11-05 Martinsumzug | 2010-11-05"),
    ("2018-2019", "Sommerfest/2019-06-12"),
    # numbers that are no years
    ("", "1990s | 90er | 1990er Jahre | 1990's | années 1990 | Die 80er"),
    ("", "Room 2001 | Raum 2019 | rm. 2001 | Building 2001 | Gebäude_2001 | Bus 2019 | Route 2010"),
    ("", "Nr. 2001 | No 2001 | № 2001 | #2001 | 2000m Lauf | 2048 px"),
    ("", "2019-2021 | 2019-18 | 2019_18 x | 12019 | 1850 | Klasse 3b | Sommerfest | 20191332"),
    ("2019-2020", "Room 2001 - 2019 | Raum 2 2019 | Room 2019-2020 | Open House 2019 | 2019 & 21 photos"),
    ("1994-1995", "1990s and 1994"),
]


@pytest.mark.parametrize(("year", "path"), [(year, path) for year, paths in NAMES for path in paths.split(" | ")])
def test_the_school_year_of_a_folder(year: str, path: str) -> None:
    assert key(path) == year


@pytest.mark.parametrize(
    ("name", "beside", "year"),
    [
        *(("19-20", CLEAR, "2019-2020"), ("99-00", CLEAR, "1999-2000"), ("99–00", CLEAR, "1999-2000")),
        *(("19_20", CLEAR, "2019-2020"), ("19-20 Klasse 3", CLEAR, "2019-2020")),
        *(("19-20", ("Sports", "20-21"), ""), ("99-00", (), ""), ("19-21", CLEAR, ""), ("05-06-07", CLEAR, "")),
        *(("SY2021", ("SY2020", "SY2019"), "2021-2022"), ("SY2021", ("SY1920", "SY1819"), "2020-2021")),
    ],
)
def test_two_digits_are_a_school_year_only_beside_folders_that_are_clear(
    name: str, beside: tuple[str, ...], year: str
) -> None:
    assert key(name, beside=beside) == year


@pytest.mark.parametrize(
    ("year_start", "year", "name"),
    [
        # Australia, Brazil: the school year is nearly the calendar year
        *(("02-01", "2020-2021", name) for name in ("Class of 2020", "Spring 2020", "2020-06-12", "2020-21")),
        ("02-01", "2019-2020", "2020-01-12"),
        *(("01-01", "2020-2021", name) for name in ("Class of 2020", "Fall 2020", "2020", "June 2020")),
        # Japan, and a school that starts in August
        *(("04-01", "2019-2020", name) for name in ("Class of 2020", "March 2020")),
        ("04-01", "2020-2021", "April 2020"),
        *(("08-15", "2019-2020", name) for name in ("2019-08-20", "Spring 2020")),
        ("08-15", "2018-2019", "2019-08-10"),
    ],
)
def test_the_day_on_which_school_years_start_tells_to_which_one_a_day_belongs(
    year_start: str, year: str, name: str
) -> None:
    assert key(name, year_start) == year


def test_a_contradiction_is_a_guess_that_says_why() -> None:
    guess = school_year_of_path(["2019-2020", "2005 reunion"])
    assert (guess.key, guess.is_guess, guess.level) == ("2019-2020", True, 1)
    assert "folder of 2019-2020" in guess.reason and "2005-2006" in guess.reason


def test_one_calendar_year_is_a_guess_and_a_school_year_is_none() -> None:
    assert school_year_of_path(["2019"]).is_guess and school_year_of_path(["2019"]).exactness == Exactness.YEAR
    for clear in ("2019-20", "Class of 2020", "Spring 2020", "2019-10-01", "SY1920"):
        assert not school_year_of_path([clear]).is_guess, clear
    assert school_year_of_path(["19-20"], siblings=[CLEAR]).is_guess


def test_what_is_set_by_hand_counts_but_for_a_school_year_written_further_below() -> None:
    by_hand = {"Box 7": "1994-1995", "Room 2001": "2003-2004", "2019": NO_YEAR, "A/B": "2001-2002"}
    cases = {"Box 7": "1994-1995", "Box 7/Trip 2005": "1994-1995", "Box 7/1996-97": "1996-1997", "2019": "",
             "Room 2001": "2003-2004", "A": "", "A/B/c": "2001-2002", "2019/2018-19": "2018-2019"}  # fmt: skip
    assert {path: school_year_of_path(path.split("/"), set_by_hand=by_hand).key for path in cases} == cases
    assert school_year_of_path(["Box 7"], set_by_hand=by_hand).reason == "set by hand"


def test_an_archives_own_pattern_is_all_that_counts_and_may_be_met_at_every_level() -> None:
    pattern = r"^SJ(?P<first>\d\d)(?P<second>\d\d)"
    cases = {"SJ1920 Fotos": "2019-2020", "Primary/SJ9900": "1999-2000", "2019-2020": "", "Class of 2020": ""}
    assert {path: school_year_of_path(path.split("/"), pattern).key for path in cases} == cases
    assert school_year_of_path(["SJ1920", "room 2001"], r"(?P<first>\d{4})").key == "1920-1921"
