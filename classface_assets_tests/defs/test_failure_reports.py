"""Failed runs reported to a webhook and by e-mail, by real servers on loopback; and which failures are tried again."""

import errno
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from classface_assets.core.errors import StorageError, UnreachableError
from classface_assets.core.languages import sentence, stored_sentence, use_language
from classface_assets.defs.loading.build import definitions_with
from classface_assets.defs.sensors import failure_reports as module
from classface_assets.defs.sensors.failed_runs import failed_runs
from classface_assets.defs.sensors.failure_reports import FailureReports, ReportError, report_of
from classface_assets.orchestration import failures
from classface_assets.orchestration.configured_resources import default_resources
from classface_assets.orchestration.failures import report_user_errors
from classface_assets.services.photos.lost_photos import LostPhotosError

SECRET = "https://hooks.example.org/services/T00/B00/secret"


class Hook(HTTPServer):
    """A webhook that stores what it is sent."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.bodies = status, list[dict[str, str]]()
        super().__init__(("127.0.0.1", 0), HookHandler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/secret"


class HookHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        hook = self.server
        assert isinstance(hook, Hook)
        hook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(hook.status)
        if hook.status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


class MailServer(socketserver.TCPServer):
    """As much of SMTP as a client needs that sends one message."""

    allow_reuse_address = True

    def __init__(self) -> None:
        self.lines: list[str] = []
        super().__init__(("127.0.0.1", 0), MailHandler)


class MailHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        lines, answer = self.server.lines, self.wfile.write  # type: ignore[attr-defined]
        answer(b"220 ready\r\n")
        is_message = False
        for line in self.rfile:
            text = line.decode().rstrip("\r\n")
            lines.append(text)
            if is_message:
                is_message = text != "."
                answer(b"" if is_message else b"250 taken\r\n")
            else:
                is_message = text.lower() == "data"
                answer(b"354 go on\r\n" if is_message else b"221 bye\r\n" if text.lower() == "quit" else b"250 ok\r\n")
                if text.lower() == "quit":
                    return


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def failed(instance: dg.DagsterInstance, error: Exception, partition: str, reports: FailureReports) -> None:
    """A run that fails with this error in an asset, and the sensor's look at it."""

    @dg.op
    @report_user_errors
    def stops() -> None:
        raise error

    @dg.job
    def ingest_year() -> None:
        stops()

    outcome = ingest_year.execute_in_process(
        instance=instance, raise_on_error=False, tags={"dagster/partition": partition}
    )
    failure = next(event for event in outcome.all_events if event.event_type_value == "PIPELINE_FAILURE")
    failed_runs(
        dg.build_run_status_sensor_context(
            "failed_runs",
            dagster_event=failure,
            dagster_run=outcome.dagster_run,
            dagster_instance=instance,
            resources={"failure_reports": reports},
        ).for_run_failure()
    )


def test_a_webhook_gets_job_year_and_kind_of_failure_and_no_name_of_a_person_or_file(
    instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLASSFACE_DAGSTER_URL", "http://dagster.school/")
    hook = Hook()
    with serving(hook):
        reports = FailureReports(address=hook.address)
        failed(instance, LostPhotosError("The photos of Anna Smith in /photos/Anna are gone."), "2016-2017", reports)
        failed(instance, KeyError("Anna Smith"), "Anna's birthday", reports)
    named, unexpected = hook.bodies
    assert (named["job"], named["school_year"]) == ("ingest_year", "2016-2017")
    assert named["reason"] == str(LostPhotosError.__doc__) and len(named["reason"]) > 20
    assert named["url"] == f"http://dagster.school/runs/{named['run_id']}"
    assert named["text"] == f"classface: ingest_year of 2016-2017 failed. {named['reason']} {named['url']}"
    assert unexpected["school_year"] == "" and "An error that nobody expected (KeyError)." in unexpected["text"]
    assert "Anna" not in json.dumps(hook.bodies)
    assert "The photos of Anna Smith" in capsys.readouterr().err, "the log of this machine says all of it"


def test_without_an_address_nothing_leaves_this_machine(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(module, "_post", refuse)
    monkeypatch.setattr(module, "_mail", refuse)
    failed(instance, StorageError("The disk is full."), "2016-2017", FailureReports())


def test_an_email_is_sent_where_the_address_is_a_mail_server(instance: dg.DagsterInstance) -> None:
    server = MailServer()
    with serving(server):
        address = f"smtp://127.0.0.1:{server.server_address[1]}/?from=archive@school.org&to=it@school.org"
        failed(instance, StorageError("No space for Anna's photos."), "2016-2017", FailureReports(address=address))
    mail = "\n".join(server.lines).replace("=\n", "")  # a long line of the message goes on
    assert "rcpt TO:<it@school.org>" in mail and "Subject: classface: ingest_year failed" in mail
    assert "of 2016-2017 failed. A disk, drive or server that is full" in mail and "Anna" not in mail


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_one_sentence_in_the_log_without_its_secret(
    status: int, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = Hook(status)
    with serving(hook):
        failed(instance, StorageError("The disk is full."), "2016-2017", FailureReports(address=hook.address))
    log = capsys.readouterr().err
    assert f"could not be reported to 127.0.0.1 (HTTP {status}); check CLASSFACE_FAILURE_WEBHOOK" in log
    assert "secret" not in log and len(hook.bodies) == 1, "it is not sent to where the answer points"


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("http://127.0.0.1:1/secret", r"reported to 127.0.0.1 \(URLError\); check CLASSFACE_FAILURE_WEBHOOK"),
        ("file:///etc/passwd", "is no address of a webhook"),
        ("secret", "is no address of a webhook"),
        ("http://host:port/secret", "could not be reported to host"),
        ("smtp://127.0.0.1:1", "needs .from=…&to=…"),
        ("smtp://127.0.0.1:1/?from=a@b.org&to=c@d.org", "ConnectionRefusedError"),
    ],
)
def test_an_address_that_cannot_be_used_is_a_sentence(address: str, sentence: str) -> None:
    run = dg.DagsterRun("identify", run_id="1")
    with pytest.raises(ReportError, match=sentence) as stopped:
        FailureReports(address=address).send(report_of(run, "It failed."))
    assert "secret" not in str(stopped.value) and "\n" not in str(stopped.value)


def test_a_run_of_a_range_of_years_names_the_first_and_the_last() -> None:
    tags = {"dagster/asset_partition_range_start": "2001-2002", "dagster/asset_partition_range_end": "2019-2020"}
    report = report_of(dg.DagsterRun("ingest_year", run_id="1", tags=tags), "It failed.")
    assert report.text == "classface: ingest_year of 2001-2002 to 2019-2020 failed. It failed. Run 1."


def test_a_run_of_assets_without_a_job_is_named_by_its_assets() -> None:
    selection = frozenset({dg.AssetKey("images"), dg.AssetKey("detections")})
    run = dg.DagsterRun("__ASSET_JOB", run_id="1", asset_selection=selection)
    assert report_of(run, "It failed.").job == "detections, images"


def test_the_address_is_read_from_the_environment_when_it_is_used_and_never_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLASSFACE_FAILURE_WEBHOOK", SECRET)
    resource = definitions_with(default_resources()).resources["failure_reports"]
    assert "secret" not in repr(resource)
    assert resource.process_config_and_initialize().address == SECRET


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (UnreachableError("The server cannot be reached."), 3),
        (ConnectionResetError(104, "Connection reset by peer"), 3),
        (StorageError("The disk is full."), 1),
        (LostPhotosError("Most photos are gone."), 1),
        (ValueError("a mistake"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_a_moment_may_mend_is_tried_again_and_its_sentence_stays(
    error: Exception, tries: int, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "RETRY_AFTER_S", 0.0)
    count = []

    @dg.asset
    @report_user_errors
    def stops() -> None:
        count.append(1)
        raise error

    outcome = dg.materialize([stops], instance=instance, raise_on_error=False)
    assert len(count) == tries and not outcome.success
    (failure,) = [event for event in outcome.all_events if event.is_step_failure]
    reason = failures.failure_reason(failure.step_failure_data)
    assert str(error) in reason or "cannot be reached any more" in reason
    assert "nobody expected" in failures.impersonal_reason(failure.step_failure_data) or not isinstance(
        error, ValueError
    )


def failure_of(error: Exception, instance: dg.DagsterInstance) -> object:
    @dg.asset
    @report_user_errors
    def stops() -> None:
        raise error

    outcome = dg.materialize([stops], instance=instance, raise_on_error=False)
    (failure,) = [event for event in outcome.all_events if event.is_step_failure]
    return failure.step_failure_data


@pytest.mark.parametrize("attempts", [OSError(errno.ENOSPC, "No space"), OSError(errno.EIO, "Input/output error")])
def test_why_a_step_failed_is_said_in_the_language_in_use(
    attempts: OSError, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "RETRY_AFTER_S", 0.0)
    failure = failure_of(attempts, instance)
    english = failures.failure_reason(failure)
    with use_language("de"):
        german = failures.failure_reason(failure)
    assert "finished work is not lost" in english and "fertige Arbeit geht nicht verloren" in german


def test_what_an_older_version_stored_is_shown_in_english(instance: dg.DagsterInstance) -> None:
    failure = failure_of(StorageError("The disk is full."), instance)
    old = failures.YearFailure("images", "2016-2017", "The disk is full.", "StorageError")
    with use_language("pl"):
        assert failures.failure_reason(failure) == old.shown_reason == "The disk is full."


def test_the_years_of_a_range_that_failed_have_their_reasons_in_the_language_in_use(
    instance: dg.DagsterInstance,
) -> None:
    @dg.asset
    def embeds() -> None:
        gone = sentence("it is a folder")
        some = [
            failures.YearFailure("embeddings", year, str(gone), None, stored_sentence(gone))
            for year in ("2016-2017", "2017-2018")
        ]
        raise failures.years_failure(some)

    outcome = dg.materialize([embeds], instance=instance, raise_on_error=False)
    (failure,) = [event for event in outcome.all_events if event.is_step_failure]
    assert failures.failure_reason(failure.step_failure_data) == "2016-2017, 2017-2018: it is a folder"
    with use_language("de"):
        assert failures.failure_reason(failure.step_failure_data) == "2016-2017, 2017-2018: es ist ein Ordner"


def test_a_step_that_reaches_the_server_the_second_time_succeeds(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "RETRY_AFTER_S", 0.0)
    answers = iter([UnreachableError("The server cannot be reached."), None])

    @dg.asset
    @report_user_errors
    def reaches() -> None:
        if error := next(answers):
            raise error

    assert dg.materialize([reaches], instance=instance).success


def test_a_year_that_a_check_blocks_is_reported_as_that_and_may_be_of_damage(instance: dg.DagsterInstance) -> None:
    blocked = failures.YearFailure("embeddings", "2016-2017", "two vectors are one face's", failures.CHECK_ERROR)

    @dg.asset
    def embeds() -> None:
        raise failures.years_failure([blocked])

    outcome = dg.materialize([embeds], instance=instance, raise_on_error=False)
    (failure,) = [event for event in outcome.all_events if event.is_step_failure]
    assert failures.failed_years(failure.step_failure_data) == [blocked] and blocked.may_be_of_damage
    reported = failures.impersonal_reason(failure.step_failure_data)
    assert reported == "A check found a result that nothing may be made of."
