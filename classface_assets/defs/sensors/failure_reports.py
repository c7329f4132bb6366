"""Reports of failed runs that leave this machine: to a webhook or by e-mail, only where somebody has set the address.

They say the job, the school year and what kind of failure it is. Names of people or files are never in them: the
sentence with these is in the run's page.
"""

import json
import os
import re
import smtplib
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import dagster as dg
from pydantic import Field

from classface_assets.core.errors import UserError
from classface_assets.orchestration.school_year_runs.years import years_of_run
from classface_assets.orchestration.settings.archive_names import archive_of, asset_name

VARIABLE = "CLASSFACE_FAILURE_WEBHOOK"
TIMEOUT_S = 5.0
ASSETS_ALONE = re.compile(r"^__ASSET_JOB\w*$")
"""The name that Dagster gives to runs of assets without a job."""
SCHOOL_YEAR = re.compile(r"\d{4}-\d{4}")


class ReportError(UserError):
    """The address for reports of failures cannot be used, or does not answer."""


@dataclass(frozen=True)
class FailureReport:
    """What is reported of a failed run.

    Attributes:
        job: Its job; the assets of a run that was started without one. Before it stands the archive's name in Dagster.
        school_year: `2019-2020`, a range of them, or "" for a run of all years or of a folder without a year.
        reason: What kind of failure it is, without names.
        run_id: Its id in Dagster.
        url: Its page; "" where the address of Dagster's page is not set.
    """

    job: str
    school_year: str
    reason: str
    run_id: str
    url: str

    @property
    def text(self) -> str:
        """All of it in one line, as a chat shows it."""
        where = f" of {self.school_year}" if self.school_year else ""
        return f"classface: {self.job}{where} failed. {self.reason} {self.url or f'Run {self.run_id}.'}"


def report_of(run: dg.DagsterRun, reason: str) -> FailureReport:
    """The report of a run; a partition that is no school year is a folder, whose name may be that of a person."""
    years = [year for year in dict.fromkeys(years_of_run(run.tags) or ()) if SCHOOL_YEAR.fullmatch(year)]
    page = os.environ.get("CLASSFACE_DAGSTER_URL", "").rstrip("/")
    url = f"{page}/runs/{run.run_id}" if page else ""
    assets = sorted(asset_name(key) for key in run.asset_selection or ())
    job = ASSETS_ALONE.sub(", ".join(assets), run.job_name) or "a run of assets"
    archive = archive_of(run)
    return FailureReport(f"{archive}: {job}" if archive else job, " to ".join(years), reason, run.run_id, url)


class FailureReports(dg.ConfigurableResource):
    """Where failed runs are reported, beside the log."""

    address: str = Field(
        default="",
        description="A webhook (https://…, as Slack, Mattermost and Teams give out) which gets a JSON object, or "
        "smtps://user:password@host/?from=a@b.org&to=c@d.org for an e-mail. Empty: nothing leaves this machine. "
        f"({VARIABLE})",
    )

    def send(self, report: FailureReport) -> bool:
        """Send a report.

        Returns:
            Whether there is an address to send it to.

        Raises:
            ReportError: The address cannot be used, or does not answer. It is not in the sentence: it holds a secret.
        """
        if not self.address:
            return False
        address = urlsplit(self.address)
        if not address.hostname or address.scheme not in ("http", "https", "smtp", "smtps"):
            raise ReportError(
                f"{VARIABLE} is no address of a webhook or mail server; begin it with https:// or smtps://."
            )
        try:
            if address.scheme.startswith("http"):
                _post(self.address, report)
            else:
                _mail(address, report)
        except (OSError, HTTPException, smtplib.SMTPException, ValueError) as error:
            why = f"HTTP {error.code}" if isinstance(error, HTTPError) else type(error).__name__
            raise ReportError(
                f"The failure could not be reported to {address.hostname} ({why}); check {VARIABLE} and the network."
            ) from None
        return True


def failure_reports() -> FailureReports:
    """The resource as the environment configures it; Dagster reads the address when a report is sent."""
    return FailureReports(address=dg.EnvVar(VARIABLE) if os.environ.get(VARIABLE) else "")


class _NoRedirect(HTTPRedirectHandler):
    """A report goes where it was addressed to, or nowhere."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """None: the answer is an error."""


def _post(address: str, report: FailureReport) -> None:
    body = json.dumps({"text": report.text, **asdict(report)}).encode()
    request = Request(address, body, {"Content-Type": "application/json"}, method="POST")
    with build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S):
        pass


def _mail(address: SplitResult, report: FailureReport) -> None:
    people = {key: values[0] for key, values in parse_qs(address.query).items()}
    if not {"from", "to"} <= people.keys():
        raise ReportError(f"{VARIABLE} needs ?from=…&to=… after the mail server.")
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = f"classface: {report.job} failed", people["from"], people["to"]
    message.set_content(report.text)
    is_encrypted = address.scheme == "smtps"
    server = smtplib.SMTP_SSL if is_encrypted else smtplib.SMTP
    with server(address.hostname or "", address.port or (465 if is_encrypted else 25), timeout=TIMEOUT_S) as connection:
        if address.username:
            connection.login(unquote(address.username), unquote(address.password or ""))
        connection.send_message(message)
