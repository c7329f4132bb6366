"""`classface roster import`: what it says of a file and with which exit code it ends."""

from pathlib import Path

from click.testing import CliRunner, Result

from classface_assets.cli.__main__ import cli
from classface_assets.orchestration.configured_resources import resolve_archive


def classface(folder: Path, *arguments: object) -> Result:
    place = ["--photos", str(folder / "photos"), "--data", str(folder / "data")]
    command, rest = [str(a) for a in arguments[:2]], [str(a) for a in arguments[2:]]
    return CliRunner().invoke(cli, [*command, *place, *rest])


def test_the_exit_code_says_whether_an_import_needs_a_look(tmp_path: Path) -> None:
    file = tmp_path / "list 2019-20.csv"
    file.write_text("Nazwisko;Imię;Zgoda;Media;Autobus\nŻółć;Łukasz;tak;tak;12\nĆwik;Ewa;chyba;nie;7\n", "cp1250")
    done = classface(tmp_path, "roster", "import", file)
    assert done.exit_code == 3, done.output
    assert "Roster: 2 students, new: 2, changed: 0." in done.stdout
    assert "it was read as cp1250, in which names are Łukasz Żółć, Ewa Ćwik." in done.stdout
    assert "Consent was read from: Zgoda.\nColumns that were not used: Autobus." in done.stdout
    lines = done.stderr.splitlines()
    assert lines[0].startswith("1 student is refused by doubt") and lines[1] == "  line 3: Ewa Ćwik: chyba; Media: nie"
    assert lines[2].startswith("Is the column 'Media' about consent?")
    now = resolve_archive(str(tmp_path / "photos"), str(tmp_path / "data"), None).open_ledger().decisions().roster
    assert [(entry.consent, entry.consent_in_doubt) for entry in now] == [(True, ""), (None, "chyba; Media: nie")]
    listed = classface(tmp_path, "roster", "list").stdout
    assert "consent" in listed and "refused by doubt: chyba; Media: nie" in listed
    assert classface(tmp_path, "roster", "import", file).exit_code == 3, "known already, and still in doubt"

    assert classface(tmp_path, "undo").exit_code == 0
    file.write_text("Nazwisko;Imię;Zgoda;Media\nŻółć;Łukasz;tak;tak\nĆwik;Ewa;nie;nie\n", "cp1250")
    options = ["--no-consent-column", "media", "--encoding", "windows-1250"]
    clear = classface(tmp_path, "roster", "import", *options, file)
    assert (clear.exit_code, clear.stderr) == (0, ""), clear.output
    assert "encoding" not in clear.stdout


def test_the_help_names_the_exit_codes() -> None:
    lines = " ".join(CliRunner().invoke(cli, ["roster", "import", "--help"]).stdout.split())
    assert "3: it was imported, but something needs a review" in lines and "--no-consent-column TITLE" in lines
