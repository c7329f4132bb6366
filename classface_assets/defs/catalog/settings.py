"""What the catalog says of this school, from environment variables: owners, repository, freshness."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from classface_assets.core.errors import UserError

OWNERS, REPOSITORY, REVISION = "CLASSFACE_OWNERS", "CLASSFACE_REPOSITORY", "CLASSFACE_REVISION"
FRESH_DAYS = "CLASSFACE_FRESH_DAYS"
VARIABLES = (OWNERS, REPOSITORY, REVISION, FRESH_DAYS)
DEFAULT_OWNER, DEFAULT_REVISION, DEFAULT_DAYS = "team:archive", "main", 200

_TEAM = re.compile(r"team:[A-Za-z0-9_.\-]+")
_EMAIL = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+")
_SSH = re.compile(r"(?:ssh://)?git@(?P<host>[^:/]+)[:/](?P<path>.+)")


@dataclass(frozen=True)
class CatalogSettings:
    """What the environment says about the catalog.

    Attributes:
        owners: Teams (`team:archive`) and e-mail addresses.
        repository: The address of the program's repository on GitHub or GitLab; "" for none.
        revision: The branch, tag or commit that is linked to.
        fresh_days: So many days after which photos and identities should have been renewed.
    """

    owners: tuple[str, ...] = (DEFAULT_OWNER,)
    repository: str = ""
    revision: str = DEFAULT_REVISION
    fresh_days: int = DEFAULT_DAYS

    @property
    def warn_window(self) -> timedelta:
        """The age at which photos and identities are nearly out of date."""
        return timedelta(days=self.fresh_days)

    @property
    def fail_window(self) -> timedelta:
        """The age at which they are out of date."""
        return 2 * self.warn_window

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "CatalogSettings":
        """The settings of this process.

        Raises:
            UserError: A value cannot be used.
        """
        return cls(
            _owners(environment.get(OWNERS) or DEFAULT_OWNER),
            _web_address(environment.get(REPOSITORY, "").strip()),
            environment.get(REVISION, "").strip() or DEFAULT_REVISION,
            _days(environment.get(FRESH_DAYS, "").strip() or str(DEFAULT_DAYS)),
        )


def _owners(text: str) -> tuple[str, ...]:
    owners = tuple(owner for part in text.split(",") if (owner := part.strip()))
    for owner in owners:
        if not (_TEAM.fullmatch(owner) or _EMAIL.fullmatch(owner)):
            raise UserError(
                f"{OWNERS} has {owner!r}, which is neither a team nor an e-mail address; write it as team:archive or "
                "anna@school.example, several with commas between them."
            )
    return owners


def _web_address(remote: str) -> str:
    """The web page of a git remote: also one given for SSH, or with a password that no page should show."""
    ssh = _SSH.fullmatch(remote)
    address = f"https://{ssh['host']}/{ssh['path']}" if ssh else re.sub(r"^(https?://)[^@/]+@", r"\1", remote)
    address = address.removesuffix("/").removesuffix(".git")
    if address and not (address.startswith(("https://", "http://")) and platform_of(address)):
        raise UserError(
            f"{REPOSITORY} is {remote!r}; set it to the address of a repository on GitHub or GitLab, such as "
            "https://github.com/owner/name, or to nothing."
        )
    return address


def platform_of(address: str) -> str | None:
    """Whether links are written as GitHub or as GitLab does; None for any other host."""
    host = address.split("/")[2] if address.count("/") > 2 else ""
    return next((platform for platform in ("github", "gitlab") if platform in host), None)


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{FRESH_DAYS} is {text!r}; set it to a number of days, such as {DEFAULT_DAYS}.")
    return int(text)
