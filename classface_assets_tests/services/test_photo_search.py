"""A search over photos: what is typed, what it means in words, and the photos that it finds."""

import uuid
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from classface_assets.core.languages import use_language
from classface_assets.core.schemas import CLUSTER_PREFIX
from classface_assets.orchestration.resources import Archive
from classface_assets.services.archive_view.cache import read_snapshot
from classface_assets.services.archive_view.model import build_archive_view
from classface_assets.services.photos.search.explanation import explain
from classface_assets.services.photos.search.filters import PhotoFilters
from classface_assets.services.photos.search.language import PhotoQueryError, parse_query
from classface_assets.services.photos.search.matching import PhotoIndex, names_meant, query_notes
from classface_assets.services.photos.search.terms import Somebody
from classface_assets.store.files.duckdb import publish_database
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.roster_entry import RosterEntry

YEAR = "1990-1991"
_BOX_COLUMNS = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")


def compose_archive(folder: Path, faces: int, labelled: int) -> Archive:
    """A published archive without photo files: five faces a photo, a long tail of cluster sizes, some people named."""
    rng, photos = np.random.default_rng(0), max(1, faces // 5)
    photo_ids = [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(photos)]
    years = [f"{year}-{year + 1}" for year in range(1990, 2020)]
    clusters = np.repeat(np.arange(faces), np.minimum(rng.zipf(1.6, faces), 200))[:faces]
    rng.shuffle(clusters)
    left = np.arange(faces) % 5 * 100.0
    images = {
        "asset_id": photo_ids,
        "school_year": [years[i % len(years)] for i in range(photos)],
        "path": [f"{years[i % len(years)]}/{i}.jpg" for i in range(photos)],
    }
    rows = {
        "id": [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(faces)],
        "asset_id": [photo_ids[i // 5 % photos] for i in range(faces)],
        **dict(zip(_BOX_COLUMNS, (left, *[np.full(faces, 80.0)] * 3), strict=True)),
        "quality_score": rng.random(faces),
        "cluster_id": [f"{CLUSTER_PREFIX}{n}" for n in clusters],
        "assignment_score": rng.random(faces),
    }
    archive, now = Archive(photos=str(folder / "photos"), data=str(folder / "data")), datetime.now(UTC)
    table = pl.DataFrame(rows).with_columns(created_at=pl.lit(now.replace(tzinfo=None)))
    photo_rows = pl.DataFrame(images).with_columns(status=pl.lit("ok"), reason=pl.lit(""), width=4000, height=3000)
    publish_database(archive.layout.database, {"image_assets": photo_rows, "face_instances": table})
    ledger = archive.open_ledger()
    for number, (_, group) in enumerate(table.sort("cluster_id").head(labelled).group_by("cluster_id")):
        faces_of_group = group.select("id", "asset_id", *_BOX_COLUMNS).iter_rows()
        ledger.label(
            f"Person {number}", [FaceRef(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in faces_of_group]
        )
    return archive


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PhotoIndex:
    """200 photos of 5 faces each, many of them named, and a roster in which half of the people are of one class."""
    archive = compose_archive(tmp_path_factory.mktemp("archive"), 1000, 700)
    ledger = archive.open_ledger()
    students = [RosterEntry(f"Person {n}", str(n), {YEAR: "3b" if n % 2 else "3c"}) for n in range(100)]
    ledger.import_roster(students, "roster.csv")
    events = ledger.events()
    return PhotoIndex(build_archive_view(read_snapshot(archive.layout.database, events), events))


@pytest.fixture(scope="module")
def shown(index: PhotoIndex) -> dict[str, list[str | None]]:
    """Photo → the name of each of its faces, read from the view face by face."""
    names: dict[str, list[str | None]] = {photo: [] for photo in index.view.photos["asset_id"]}
    for photo, name in index.view.faces.select("asset_id", "person_name").iter_rows():
        names[photo].append(name)
    return names


def found(index: PhotoIndex, text: str) -> set[str]:
    return set(index.find(parse_query(text))["asset_id"])


def pair(shown: dict[str, list[str | None]]) -> tuple[str, str]:
    """Two people who are in one photo."""
    for names in shown.values():
        known = sorted({name for name in names if name})
        if len(known) > 1:
            return known[0], known[1]
    raise AssertionError


def test_and_or_not_and_brackets_find_what_a_loop_over_all_photos_finds(
    index: PhotoIndex, shown: dict[str, list[str | None]]
) -> None:
    a, b = pair(shown)
    with_a, with_b = ({p for p, names in shown.items() if name in names} for name in (a, b))
    assert with_a & with_b and with_a - with_b
    for text in (f'"{a}", "{b}"', f'"{a}" AND "{b}"', f'"{a}" & "{b}"', f"{a}, {b}"):
        assert found(index, text) == with_a & with_b
    assert found(index, f'"{a}" OR "{b}"') == found(index, f'"{a}" | "{b}"') == with_a | with_b
    assert found(index, f'"{a}" NOT "{b}"') == found(index, f'"{a}" AND NOT "{b}"') == with_a - with_b
    assert found(index, f'-("{a}" OR "{b}")') == set(shown) - with_a - with_b
    assert found(index, "") == set(shown)


def test_exactly_leaves_out_photos_with_anybody_else_known_or_not(
    index: PhotoIndex, shown: dict[str, list[str | None]]
) -> None:
    alone = {photo: set(names) for photo, names in shown.items() if None not in names}
    photo, names = next((photo, names) for photo, names in alone.items() if 1 < len(names) <= 5)
    listed = ", ".join(f'"{name}"' for name in sorted(names, key=str))
    assert found(index, f"EXACTLY {listed}") == {p for p, others in alone.items() if others == names}
    assert photo in found(index, f"EXACTLY ({listed}) faces:5")
    assert not any(None in shown[p] for p in found(index, f"ONLY {listed}"))


def test_faces_years_classes_files_and_traits_are_terms(index: PhotoIndex, shown: dict[str, list[str | None]]) -> None:
    photos = index.view.photos
    of_year = set(photos.filter(pl.col("school_year") == YEAR)["asset_id"])
    assert found(index, "year:1990") == found(index, f"year:{YEAR}") == of_year
    in_class = {p for p in of_year if {f"Person {n}" for n in range(1, 100, 2)} & set(shown[p])}
    assert found(index, "class:3B") == in_class != set()
    assert found(index, "faces:5") == found(index, "faces:>4") == found(index, "faces:2-6") == set(shown)
    assert found(index, "faces:0") == found(index, "faces:<5") == set()
    assert found(index, "file:17.JPG") == set(photos.filter(pl.col("path").str.contains(r"17\.jpg$"))["asset_id"])
    assert found(index, "is:unnamed") == {p for p, names in shown.items() if None in names}
    assert found(index, "is:named") == {p for p, names in shown.items() if None not in names}
    assert found(index, "is:duplicate") == set()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Ana AND", "a comma, a name or a term"),
        ("NOT", "After NOT a name"),
        ("OR Ana", "begins with a name"),
        ("(Ana", "opened and not closed"),
        ("Ana)", "closing bracket"),
        ('"Ana', "quotation mark is opened"),
        ('""', "nothing between"),
        ("EXACTLY NOT Ana", "After EXACTLY come the names"),
        ("EXACTLY (Ana NOT Ben)", "only names and commas"),
        ("colour:red", "“colour:” is not known"),
        ("faces:many", "no number of faces"),
        ("faces:<0", "fewer than 0"),
        ("year:", "After year: a value is missing"),
        ("is:blue", "is:unnamed, is:named or is:duplicate"),
        ("(" * 40 + "Ana" + ")" * 40, "too many brackets"),
        ("NOT " * 100 + "Ana", "too many NOTs"),
        ("a" * 501, "at most 500 letters"),
    ],
)
def test_a_mistake_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(PhotoQueryError, match=sentence):
        parse_query(text)


def test_a_search_is_explained_in_words_with_full_names(index: PhotoIndex) -> None:
    def words(text: str) -> str:
        term = parse_query(text)
        return explain(term, names_meant(index, term))

    assert words("") == "All photos."
    assert words('"person 0" NOT "Person 1"') == "Every photo that shows Person 0 and does not show Person 1."
    assert words("EXACTLY Ana, Ben") == "Every photo that shows “Ana” and “Ben” and nobody else."
    assert words("(Ana OR Ben) year:2015 faces:2-5 NOT is:duplicate") == (
        "Every photo that (shows “Ana” or shows “Ben”) and is of the school year 2015 and has 2 to 5 faces "
        "and has no near duplicates."
    )
    assert words("NOT (Ana OR class:3b)") == "Every photo that does not show “Ana” and shows nobody of the class 3b."
    assert words("faces:0") == "Every photo that has no face."


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("de", "Ana faces:1 NOT is:duplicate", "Jedes Foto, für das gilt: Es zeigt „Ana“ und hat genau 1 Gesicht und "),
        ("pl", "Ana OR faces:2", "Każde zdjęcie, które pokazuje osobę: „Ana” lub ma dokładnie 2 twarze."),
        ("pl", "faces:5", "Każde zdjęcie, które ma dokładnie 5 twarzy."),
        ("fr", "NOT (Ana, class:3b)", "Toute photo qui ne montre pas « Ana » ou ne montre personne de la classe 3b."),
        ("es", "EXACTLY Ana, Ben", "Toda foto que muestra a «Ana» y «Ben» y a nadie más."),
    ],
)
def test_a_search_is_explained_in_the_language_in_use(
    language: str, text: str, expected: str, index: PhotoIndex
) -> None:
    term = parse_query(text)
    with use_language(language):
        assert explain(term, names_meant(index, term)).startswith(expected)


def test_a_name_of_nobody_and_one_of_several_are_reported(index: PhotoIndex) -> None:
    assert query_notes(index, parse_query('"Persn 1"')) == [
        "Nobody here is called “Persn 1”.",
        "Did you mean Person 1?",
    ]
    (note,) = query_notes(index, parse_query("Pers"))
    assert note.startswith("“Pers” may be any of ") and note.endswith(" more.")
    assert list(index.people_named(Somebody("Person 1")).values()) == ["Person 1"], "not Person 10 too"


def test_filters_of_a_form_hold_at_once_and_make_an_address(index: PhotoIndex) -> None:
    filters = PhotoFilters(q="faces:5", people=("Person 0",), absent=("Person 1",), year=YEAR, unnamed=True)
    typed = found(index, f'faces:5 "Person 0" NOT "Person 1" year:{YEAR} is:unnamed')
    assert set(index.find(filters.term())["asset_id"]) == typed
    assert filters.address() == "q=faces%3A5&with=Person+0&without=Person+1&year=1990-1991&unnamed=1"
    assert filters.dropping("Person 0").people == () and filters.count == 4
    alone = PhotoFilters(people=("Person 0",), only=True)
    assert set(index.find(alone.term())["asset_id"]) == found(index, 'EXACTLY "Person 0"')
