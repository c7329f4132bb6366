"""How a failure is reported: one sentence where the user can do something about it, else the innermost error."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ParamSpec, TypeVar

import dagster as dg

from classface_assets.core.errors import UnreachableError, UserError, as_storage_error, sentence_of
from classface_assets.core.languages import (
    format_names,
    gettext,
    ngettext,
    read_sentence,
    sentence,
    stored_sentence,
)
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.settings.program_version import require_newest_version
from classface_assets.store.artifacts.checkpoints import CheckpointError
from classface_assets.store.files.duckdb import DatabaseError
from classface_assets.store.files.parquet import DamagedFileError
from classface_assets.store.maintenance.failed_checks import FailedChecksError

ERROR_KEY = "error"
"""Key of a failure's metadata: the name of the error's class."""
SENTENCE_KEY = "sentence"
"""Key of a failure's metadata: its description as it is stored for other languages, where it has them."""
CHECK_ERROR = "DagsterAssetCheckFailedError"
"""The class of Dagster's error where a blocking check failed."""
DAMAGE_ERRORS = frozenset(
    error.__name__ for error in (DamagedFileError, DatabaseError, CheckpointError, FailedChecksError)
)
FAILED_YEARS_KEY = "failed school years"
"""Key of a failure's metadata: the `YearFailure` of each school year of a range."""
RETRIES, RETRY_AFTER_S = 2, 10.0
"""How often a step is tried again that did not reach a drive or server, or found a file in use, and after how long."""
P = ParamSpec("P")
R = TypeVar("R")


def report_user_errors(compute: Callable[P, R]) -> Callable[P, R]:
    """Decorates an asset: its user errors, and those of a disk or server, fail the step with a sentence.

    Where its archive was worked on by a newer version of the program, it is not begun.

    What a moment may mend, a server that cannot be reached or a file in use, is tried again; nothing else is: a photo
    that is broken, or a ledger that is lost, stays so.

    Raises:
        dagster.Failure: With that sentence as its description instead of a traceback, and without retries.
        dagster.RetryRequested: From such a failure, where the step is to be tried again.
    """

    @functools.wraps(compute)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            layout = getattr(kwargs.get("archive"), "layout", None)
            if isinstance(layout, ArchiveLayout):
                require_newest_version(layout)
            return compute(*args, **kwargs)
        except UnreachableError as error:
            raise _as_retry(error) from _as_failure(error)
        except UserError as error:
            raise _as_failure(error) from None
        except Exception as error:
            sentence = as_storage_error(error, getattr(error, "filename", None) or "the archive")
            if sentence is None:
                raise
            failure = _as_failure(sentence)
            if isinstance(sentence, UnreachableError):
                raise _as_retry(sentence) from failure
            raise failure from error

    return wrapped


def _as_retry(error: UnreachableError) -> dg.RetryRequested:
    dg.get_dagster_logger("retries").warning(f"{error} It is tried again {RETRIES} times, after {RETRY_AFTER_S:g} s.")
    return dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_AFTER_S)


def _as_failure(error: UserError) -> dg.Failure:
    stored = stored_sentence(sentence_of(error))
    metadata = {ERROR_KEY: type(error).__name__} | ({SENTENCE_KEY: dg.MetadataValue.json(stored)} if stored else {})
    return dg.Failure(description=str(error), metadata=metadata, allow_retries=False)


def may_be_of_damage(failure: object) -> bool:
    """Whether a step may have failed because a stored file is damaged: it says so, or nobody expected its error.

    Args:
        failure: Dagster's step failure data.
    """
    user = getattr(failure, "user_failure_data", None)
    name = None if user is None else user.metadata.get(ERROR_KEY)
    return name is None or name.value in DAMAGE_ERRORS


def impersonal_reason(failure: object) -> str:
    """Why a step failed, without any name, path or number that its own sentence may have: what its kind of error means.

    Args:
        failure: Dagster's step failure data.
    """
    of_years = failed_years(failure)
    if of_years:
        return " ".join(dict.fromkeys(_meaning(one.error, "") for one in of_years))
    user = getattr(failure, "user_failure_data", None)
    stated = None if user is None else user.metadata.get(ERROR_KEY)
    error = getattr(failure, "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    return _meaning(None if stated is None else str(stated.value), error.cls_name if error is not None else "")


def _meaning(name: str | None, class_name: str) -> str:
    """What an error means: by the name of a UserError, or by the class of one that nobody expected."""
    kind = next((one for one in _kinds_of(UserError) if one.__name__ == name), None)
    if kind is not None and kind.__doc__:
        return kind.__doc__.split("\n\n")[0].replace("\n    ", " ").strip()
    if CHECK_ERROR in (name, class_name):
        return "A check found a result that nothing may be made of."
    return f"An error that nobody expected ({class_name or 'unknown'})."


def _kinds_of(error: type[UserError]) -> Iterator[type[UserError]]:
    for kind in error.__subclasses__():
        yield kind
        yield from _kinds_of(kind)


def failure_reason(failure: object) -> str:
    """The sentence that says why a step failed, in the language in use where it is stored in all of them.

    Args:
        failure: Dagster's step failure data.

    Returns:
        The description of the `Failure` that the step raised, or which checks block, else the message of the innermost
        error.
    """
    of_years = failed_years(failure)
    if of_years:
        return _reasons_of_years(of_years)
    user = getattr(failure, "user_failure_data", None)
    stored = None if user is None else user.metadata.get(SENTENCE_KEY)
    if stored is not None:
        return read_sentence(stored.value)
    if user is not None and user.description:
        return str(user.description)
    error = getattr(failure, "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return no_reason()
    message = str(error.message).strip()
    return _blocked_by(message) or message if error.cls_name == CHECK_ERROR else message


def _blocked_by(message: str) -> str:
    """The sentence for blocking checks that failed; empty where Dagster's message names none.

    Args:
        message: Dagster's, with a line `asset: check,check` for each asset.
    """
    found = re.findall(r"^([\w/]+): ([\w,]+)$", message, re.MULTILINE)
    checks = [
        gettext("%(check)s of %(asset)s", check=check, asset=asset)
        for asset, names in found
        for check in names.split(",")
    ]
    if not checks:
        return ""
    return ngettext(
        "The check %(names)s failed, so nothing is made of it; its page in Dagster says what was found.",
        "The checks %(names)s failed, so nothing is made of it; its page in Dagster says what was found.",
        len(checks),
        names=format_names(checks),
    )


def no_reason() -> str:
    """What is said of a run that left no reason."""
    return sentence("it stopped without a reason")


@dataclass(frozen=True)
class YearFailure:
    """A school year that failed in a run over several of them.

    Attributes:
        asset: The asset of it that failed.
        year: The school year.
        reason: A sentence that says why.
        error: The name of the error's class, CHECK_ERROR where a blocking check failed; None where nobody expected it.
        sentence: The reason as it is stored for other languages; None where it is in English for good.
    """

    asset: str
    year: str
    reason: str
    error: str | None
    sentence: Mapping[str, Any] | None = None

    @property
    def shown_reason(self) -> str:
        """The reason in the language in use, as far as it can be."""
        return read_sentence(self.sentence) if self.sentence else self.reason

    @property
    def may_be_of_damage(self) -> bool:
        """Whether a damaged file may be why."""
        return self.error is None or self.error in DAMAGE_ERRORS | {CHECK_ERROR}


def years_failure(failures: Iterable[YearFailure]) -> dg.Failure:
    """The failure of a step over a range of school years: each reason once, with the years that it is of."""
    failures = list(failures)
    kinds = [one.error for one in failures if one.error is not None]
    details = [asdict(one) for some in _by_reason(failures).values() for one in some]
    return dg.Failure(
        description=_reasons_of_years(failures),
        metadata={FAILED_YEARS_KEY: dg.MetadataValue.json(details), **({ERROR_KEY: kinds[0]} if kinds else {})},
        allow_retries=False,
    )


def _reasons_of_years(failures: Iterable[YearFailure]) -> str:
    return " ".join(f"{', '.join(one.year for one in some)}: {why}" for why, some in _by_reason(failures).items())


def _by_reason(failures: Iterable[YearFailure]) -> dict[str, list[YearFailure]]:
    found: dict[str, list[YearFailure]] = {}
    for one in failures:
        found.setdefault(one.shown_reason, []).append(one)
    return found


def failed_years(failure: object) -> list[YearFailure]:
    """The school years of a range that failed; none where a step of one school year, or of all, failed.

    Args:
        failure: Dagster's step failure data.
    """
    user = getattr(failure, "user_failure_data", None)
    details = None if user is None else user.metadata.get(FAILED_YEARS_KEY)
    return [] if details is None else [YearFailure(**one) for one in details.value]
