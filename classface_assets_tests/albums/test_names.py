"""Names that albums make: folders and files that are safe everywhere, addresses of pages, the order of faces."""

import uuid

import pytest

from classface_assets.albums.names import album_file_name, album_folder_name, student_slug, unique_name
from classface_assets.core.faces.photo_rows import reading_order


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("Anna Müller", "Anna Müller"),
        ('a<b>:"/\\|?*c', "a-b-c"),
        ("con", "_con"),
        ("LPT1.txt", "_LPT1.txt"),
        ("Console", "Console"),
        (" .hidden. . ", "hidden"),
        ("\u202egnp.exe", "gnp.exe"),
        ("line\nbreak\ttab", "line break tab"),
        ("A\u0308", "Ä"),
        ("👩‍🎓", "👩‍🎓"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("...", "unnamed"),
        ("", "unnamed"),
    ],
)
def test_folder_names_are_safe_on_every_system(name: str, folder: str) -> None:
    assert album_folder_name(name) == folder


@pytest.mark.parametrize("name", ["L" * 255, "é" * 255, "李" * 255, "🎒" * 255, "a. " * 100, "CON" + "." * 300])
def test_long_names_are_cut_between_letters(name: str) -> None:
    folder = album_folder_name(name)
    assert 0 < len(folder.encode()) <= 121
    assert not folder.endswith((".", " "))
    assert album_folder_name(folder) == folder


def test_long_file_names_keep_their_ending_and_differ() -> None:
    taken: set[str] = set()
    first, second = (unique_name(album_file_name(f"2006/{'é' * 120}.JPG"), taken) for _ in range(2))
    assert first != second
    assert first.endswith(".JPG")
    assert second.endswith(" (2).JPG")
    assert len(second.encode()) <= 255


def test_slugs_are_stable_readable_and_differ_by_person() -> None:
    one, other = (student_slug(f"person_{uuid.UUID(int=n)}", "Änne O’Neil") for n in (1, 2))
    assert one == student_slug(f"person_{uuid.UUID(int=1)}", "Änne O’Neil")
    assert one != other
    assert one.startswith("anne-oneil-")
    assert student_slug("person_1", "李" * 255).startswith("student-")
    assert len(student_slug("person_1", "x" * 255)) < 60
    assert student_slug("unknown_cluster_12", "Unknown student 12") == "unknown-student-12"


def test_names_are_read_row_by_row_from_left_to_right() -> None:
    boxes = [(500, 210, 80, 100), (100, 200, 80, 100), (300, 60, 80, 100), (120, 40, 80, 100), (300, 190, 80, 100)]
    assert reading_order(boxes) == [3, 2, 1, 4, 0] and reading_order([]) == []
