"""What the command prints of names in photo files, and the receipt of an erasure that removes them."""

import json
from pathlib import Path

import dagster as dg
from click.testing import CliRunner, Result

from classface_assets.cli.__main__ import cli
from classface_assets.services.erasure import erase_person
from classface_assets_tests.services.face_regions.conftest import NAMES, YEAR, Archived
from classface_assets_tests.support.helpers import who


def regions(archived: Archived, *words: str) -> Result:
    folders = ("--photos", str(archived.layout.photos), "--data", str(archived.layout.data))
    result = CliRunner().invoke(cli, ["regions", *words, *folders])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_command_lists_what_it_would_write_and_writes_it_when_it_is_to(named: Archived) -> None:
    named.ledger.hide("Ben")
    preview = regions(named, "write").output
    assert "4  would be written, with 8 names" in preview
    assert "1 person not named, as albums do not show them either." in preview
    assert "Nothing was changed; add --apply to do it." in preview
    assert not list(named.file("x").parent.glob("*.xmp"))
    done = regions(named, "write", "--apply", "--in-files", "--year", YEAR).output
    assert "3  written, with 6 names" in done and "1  left out" in done and "only JPEG files" in done
    assert "3  without names again" in regions(named, "remove", "--apply").output


def test_the_command_reads_names_and_prints_all_of_it_as_json(archived: Archived) -> None:
    archived.file("class.jpg.xmp").write_bytes(archived.packet("class", NAMES))
    report = json.loads(regions(archived, "read", "--json", "--person", "Anna").output)
    assert [(one["name"], one["outcome"], one["file"]) for one in report["names"]] == [
        ("Anna", "label", f"{YEAR}/class.jpg.xmp")
    ]
    assert not report["applied"] and who(archived.ledger) == {}
    text = regions(archived, "read", "--apply").output
    assert "3  faces got a name" in text and "New people: Anna, Ben, Cem" in text and "From: XMP (3)" in text
    assert sorted(who(archived.ledger).values()) == list(NAMES)
    assert "No program has named" in regions(archived, "read", "--person", "Dora").output


def test_a_year_that_is_not_there_is_a_sentence(archived: Archived) -> None:
    result = CliRunner().invoke(
        cli, ["regions", "read", "--year", "1900-1901", "--photos", "x", "--data", str(archived.layout.data)]
    )
    sentence = str(result.exception)
    assert sentence.startswith("There is no school year 1900-1901; `classface years") and "lists them." in sentence


def test_the_receipt_of_an_erasure_counts_sidecars_and_files(named: Archived) -> None:
    regions(named, "write", "--apply")
    regions(named, "write", "--apply", "--in-files")
    with dg.DagsterInstance.ephemeral() as instance:
        receipt = erase_person(named.archive, instance, "Anna")
    lines = "\n".join(receipt.lines())
    assert "4  names in the metadata of photos: sidecars beside the photos" in lines
    assert "3  names in the metadata of photos: photo files" in lines
    for file in (*named.file("x").parent.iterdir(), *Path(str(named.layout.data), "face_regions").rglob("*.*")):
        assert b"Anna" not in file.read_bytes(), file


def test_the_receipt_names_files_that_could_not_be_changed_and_the_next_call_does_them(named: Archived) -> None:
    regions(named, "write", "--apply")
    whole = named.file("class.jpg.xmp").read_bytes()
    named.file("class.jpg.xmp").write_bytes(whole[:-40])
    with dg.DagsterInstance.ephemeral() as instance:
        receipt = erase_person(named.archive, instance, "Anna")
        assert any(f"{YEAR}/class.jpg (its XMP is damaged" in note for note in receipt.notes)
        assert b"Anna" not in named.file("turned.jpg.xmp").read_bytes()
        named.file("class.jpg.xmp").write_bytes(whole)
    assert "4  without names again" in regions(named, "remove", "--apply").output
    assert not list(named.file("x").parent.glob("*.xmp"))
