"""Secrets that the environment names by a file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from classface_assets.orchestration.settings.secret_files import SECRET_FILES, SecretFileError, read_secret_files


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(" of two words \n")
    return file


def classface(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "classface_assets.cli", *arguments]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_every_secret_is_read_from_its_file_without_the_end_of_the_line(secret: Path) -> None:
    environment = dict.fromkeys(SECRET_FILES, str(secret)) | {"AWS_WEB_IDENTITY_TOKEN_FILE": "of others"}
    read_secret_files(environment)
    expected = dict.fromkeys(SECRET_FILES.values(), " of two words ")
    assert environment == expected | {"AWS_WEB_IDENTITY_TOKEN_FILE": "of others"}
    read_secret_files(environment)  # of a process that inherits it


def test_an_environment_without_files_stays_as_it_is() -> None:
    environment = {"CLASSFACE_LEDGER": "sqlite:///x", "PGPASSWORD_FILE": ""}
    read_secret_files(environment)
    assert environment == {"CLASSFACE_LEDGER": "sqlite:///x", "PGPASSWORD_FILE": ""}


def test_a_secret_that_cannot_be_read_is_a_sentence_that_does_not_hold_it(tmp_path: Path, secret: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    sentences = {
        tmp_path / "none": "cannot be read (No such file or directory)",
        tmp_path: "cannot be read (Is a directory)",
        empty: "is empty",
        binary: "it is no text",
    }
    for file, sentence in sentences.items():
        with pytest.raises(SecretFileError, match="PGPASSWORD_FILE names") as caught:
            read_secret_files({"PGPASSWORD_FILE": str(file)})
        assert sentence in str(caught.value)
    with pytest.raises(SecretFileError, match="PGPASSWORD and PGPASSWORD_FILE are both set; unset one"):
        read_secret_files({"PGPASSWORD_FILE": str(secret), "PGPASSWORD": "another"})


def test_a_command_reads_its_secrets_from_files(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("short\n")
    done = classface("review", "--data", str(tmp_path / "data"), CLASSFACE_TOKEN_FILE=str(token))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "16 characters" in done.stderr
    missing = classface("stats", CLASSFACE_LEDGER_FILE=str(tmp_path / "none"))
    assert missing.returncode == 1 and "CLASSFACE_LEDGER_FILE names" in missing.stderr


def test_another_program_starts_with_its_secrets_from_files(secret: Path) -> None:
    shown = 'echo "$PGPASSWORD|$PGPASSWORD_FILE|$0|$1"'
    done = classface("with-secrets", "sh", "-c", shown, "--help", "-x", PGPASSWORD_FILE=str(secret))
    assert (done.returncode, done.stdout) == (0, " of two words ||--help|-x\n")
    assert classface("with-secrets", "sh", "-c", "exit 7").returncode == 7
    unknown = classface("with-secrets", "no-such-program")
    assert (unknown.returncode, unknown.stderr) == (
        1,
        "classface: no-such-program cannot be started (No such file or directory).\n",
    )
