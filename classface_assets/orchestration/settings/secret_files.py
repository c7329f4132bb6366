"""Secrets that the environment names by a file, as Docker and Kubernetes mount them: `NAME_FILE` instead of `NAME`."""

from collections.abc import MutableMapping
from pathlib import Path

from classface_assets.core.errors import UserError

SECRET_FILES = {
    "CLASSFACE_LEDGER_FILE": "CLASSFACE_LEDGER",
    "CLASSFACE_TOKEN_FILE": "CLASSFACE_TOKEN",
    "CLASSFACE_FAILURE_WEBHOOK_FILE": "CLASSFACE_FAILURE_WEBHOOK",
    "DAGSTER_RECORDS_FILE": "DAGSTER_RECORDS",
    "PGPASSWORD_FILE": "PGPASSWORD",
    "AWS_ACCESS_KEY_ID_FILE": "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY_FILE": "AWS_SECRET_ACCESS_KEY",
}
"""The variable that names a file → the variable that holds what is in it. libpq and the S3 client read their own."""


class SecretFileError(UserError):
    """A secret cannot be read from the file that the environment names."""


def read_secret_files(environment: MutableMapping[str, str]) -> None:
    """Set each secret that is in a file, and unset the variable that names the file; processes inherit the secret.

    Args:
        environment: Such as `os.environ`; one without such variables stays as it is.

    Raises:
        SecretFileError: A file cannot be read or is empty, or the secret is given in both ways.
    """
    for variable, name in SECRET_FILES.items():
        if path := environment.get(variable):
            if environment.get(name):
                raise SecretFileError(f"{name} and {variable} are both set; unset one of them.")
            environment[name] = _read(variable, Path(path))
            del environment[variable]


def _read(variable: str, path: Path) -> str:
    try:
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SecretFileError(f"{variable} names {path}, which cannot be read ({reason}).") from None
    if not secret:
        raise SecretFileError(f"{variable} names {path}, which is empty.")
    return secret
