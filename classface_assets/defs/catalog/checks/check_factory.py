"""The decorator `archive_check`: an asset check that says in a sentence why it could not look."""

import functools
from collections.abc import Callable
from typing import ParamSpec

import dagster as dg

from classface_assets.orchestration.failures import report_user_errors

P = ParamSpec("P")
Check = Callable[P, dg.AssetCheckResult]


def archive_check(
    *, asset: str, description: str, blocking: bool = False
) -> Callable[[Check[P]], dg.AssetChecksDefinition]:
    """Decorates a function as a check of an asset, with a step of its own.

    Where what it looks at is not there, it warns: the check may be run before its asset. User errors fail its step with
    one sentence.

    Args:
        asset: Name of the asset.
        description: What holds where it passes.
        blocking: Whether assets downstream are not run where it fails: their input would be wrong.

    Returns:
        The decorator.
    """

    def decorate(check: Check[P]) -> dg.AssetChecksDefinition:
        @functools.wraps(check)
        def warn_where_nothing_is(*args: P.args, **kwargs: P.kwargs) -> dg.AssetCheckResult:
            try:
                return check(*args, **kwargs)
            except FileNotFoundError as error:
                return dg.AssetCheckResult(
                    passed=False,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=f"There is nothing to check: {asset} was not made yet, or its files are gone.",
                    metadata={"missing": str(error.filename or error)},
                )

        as_check = dg.asset_check(asset=asset, description=description, blocking=blocking)
        return as_check(report_user_errors(warn_where_nothing_is))

    return decorate
