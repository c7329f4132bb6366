"""How a failure is reported: one sentence where the user can do something about it, else the innermost error."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import dagster as dg

from classface_assets.core.errors import UserError
from classface_assets.core.storage_errors import as_storage_error

P = ParamSpec("P")
R = TypeVar("R")


def report_user_errors(compute: Callable[P, R]) -> Callable[P, R]:
    """Decorates an asset: its user errors, and those of a disk or server, fail the step with a sentence.

    Raises:
        dagster.Failure: With that sentence as its description instead of a traceback, and without retries.
    """

    @functools.wraps(compute)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return compute(*args, **kwargs)
        except UserError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from None
        except Exception as error:
            sentence = as_storage_error(error, getattr(error, "filename", None) or "the archive")
            if sentence is None:
                raise
            raise dg.Failure(description=str(sentence), allow_retries=False) from error

    return wrapped


def failure_reason(failure: object) -> str:
    """The sentence that says why a step failed.

    Args:
        failure: Dagster's step failure data.

    Returns:
        The description of the `Failure` that the step raised, else the message of the innermost error.
    """
    user = getattr(failure, "user_failure_data", None)
    if user is not None and user.description:
        return str(user.description)
    error = getattr(failure, "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip() if error is not None else "it stopped without a reason"
