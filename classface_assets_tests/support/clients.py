"""A real review server over a finished archive, and a client that talks to it as scripts and pages do."""

import json
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest

from classface_assets_tests.support.helpers import TOKEN

API = "/api/v1/faces"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


@dataclass(frozen=True)
class Client:
    """Asks one server; `headers` go with every request."""

    url: str
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {TOKEN}"})

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | self.headers | (headers or {})
        request = urllib.request.Request(self.url + path, data, sent, method=method)
        try:
            with _OPENER.open(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, {} if body is None else body, sent)

    def clusters(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.get(f"{API}/clusters?pageSize=100").json["items"]
        return items

    def upload(self, method: str, path: str, files: list[bytes], **fields: str) -> Answer:
        line = uuid.uuid4().hex
        parts = [
            f'--{line}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()
        ]
        head = f'--{line}\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'.encode()
        parts += [head + file + b"\r\n" for file in files]
        body = b"".join(parts) + f"--{line}--\r\n".encode()
        return self.ask(method, path, body, {"Content-Type": f"multipart/form-data; boundary={line}"})


@pytest.fixture
def client(served: str) -> Client:
    return Client(served)
