"""Dagster's own web server in a thread of this process, with the project's definitions in a process of their own."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from classface_assets.core.errors import UserError
from classface_assets.devtools.benchmark.review.server_thread import running_server
from classface_assets.orchestration.resources import Archive

DEFINITIONS = "classface_assets.definitions"
TIMEOUT_S = 120
POOL_OF_CONNECTIONS = (15_000, 3_600, 20)
"""As `dagster-webserver` sets it up without options: milliseconds for a statement, age in seconds, and how many."""


class RefusedQueryError(UserError):
    """Dagster's web server answers with an error."""


@dataclass(frozen=True)
class DagsterUi:
    """A web server that runs.

    Attributes:
        url: Its address.
        workspace: Dagster's `WorkspaceProcessContext`, which its daemon works with too.
    """

    url: str
    workspace: Any

    def ask(self, query: str, variables: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Answer a GraphQL query, as the pages of the UI send it.

        Raises:
            RefusedQueryError: The answer has errors.
        """
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return dict(json.load(answer)["data"])
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedQueryError(f"Dagster's web server answers: {error.read().decode()[:2000]}") from None


@contextmanager
def dagster_ui(archive: Archive, instance: dg.DagsterInstance) -> Iterator[DagsterUi]:
    """Run the web server over an archive; the environment of this process names the archive meanwhile.

    Args:
        archive: What the definitions work on; its photos and its data are named to them.
        instance: Of the archive, as `open_instance` opens it.
    """
    from dagster._core.workspace.load_target import ModuleTarget

    given = {"CLASSFACE_PHOTOS": archive.photos, "CLASSFACE_DATA": archive.data}
    before = {name: os.environ.get(name) for name in given}
    target = ModuleTarget(module_name=DEFINITIONS, attribute=None, working_directory=None, location_name=DEFINITIONS)
    os.environ.update(given)
    try:
        with _served(instance, target) as ui:
            yield ui
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def workspace_ui(workspace: Path, instance: dg.DagsterInstance) -> Iterator[DagsterUi]:
    """Run the web server over the code locations of a `workspace.yaml`.

    Raises:
        UserError: One of them cannot be loaded.
    """
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    with _served(instance, WorkspaceFileTarget([str(workspace)])) as ui:
        yield ui


@contextmanager
def _served(instance: dg.DagsterInstance, target: Any) -> Iterator[DagsterUi]:
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster_webserver.app import create_app_from_workspace_process_context

    instance.optimize_for_webserver(*POOL_OF_CONNECTIONS)
    workspace = WorkspaceProcessContext(instance, target)
    with workspace, running_server(create_app_from_workspace_process_context(workspace)) as url:
        errors = workspace.create_request_context().code_location_errors()
        if errors:
            raise UserError(f"A code location cannot be loaded: {errors[0].to_string()}")
        yield DagsterUi(url, workspace)
    # Else what the processes of the code locations leave is cleaned up some time later, with a warning. One with
    # hundreds of archives may need longer than Dagster itself would wait.
    for process in workspace._grpc_server_registry._all_processes:
        process.wait(TIMEOUT_S)
