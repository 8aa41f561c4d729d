"""A small OpenML on the loopback address: JSON answers and gzipped ARFF, as from openml.org."""

import gzip
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

import pytest

QUESTIONS = {
    "search": r"/api/v1/json/data/list/data_name/(.+?)/limit/2/(.+)",
    "description": r"/api/v1/json/data/(\d+)",
    "features": r"/api/v1/json/data/features/(\d+)",
    "qualities": r"/api/v1/json/data/qualities/(\d+)",
    "download": r"/data/v1/download/(\d+)(?:/.+\.arff)?",
}
Columns: TypeAlias = dict[str, str | list[str]]  # by name: an ARFF type, or nominal values
TYPES = {"STRING": "string", "DATE": "date"}  # what OpenML calls ARFF types; else "numeric"
NO_RESULTS = {"error": {"code": "372", "message": "No results", "additional_information": ""}}


def data_type(kind: str | list[str]) -> str:
    """What OpenML calls the type of a column."""
    if isinstance(kind, list):
        return "nominal"
    return TYPES.get(kind.split()[0], "numeric")


@dataclass(frozen=True)
class OpenmlSet:
    """One data set; None is a missing cell."""

    name: str
    columns: Columns
    rows: Sequence[Sequence[object]]
    target: str | None = None
    version: int = 1
    status: str = "active"
    sparse: bool = False
    ignored: Sequence[str] = ()  # columns that OpenML says are not to be learnt from

    def arff(self) -> bytes:
        lines = [f'@RELATION "{self.name}"']
        for name, kind in self.columns.items():
            if isinstance(kind, list):
                kind = f"{{{','.join(kind)}}}"
            lines.append(f"@ATTRIBUTE {name} {kind}")
        lines.append("@DATA")
        lines.extend(self._line(row) for row in self.rows)
        return "\n".join([*lines, ""]).encode()

    def _line(self, row: Sequence[object]) -> str:
        cells = ["?" if cell is None else str(cell) for cell in row]
        if not self.sparse:
            return ",".join(cells)
        pairs = [f"{k} {cell}" for k, cell in enumerate(cells) if cell != "0"]
        return "{" + ", ".join(pairs) + "}"

    def features(self) -> list[dict[str, str]]:
        return [
            {
                "index": str(k),
                "name": name,
                "data_type": data_type(kind),
                "is_target": str(name == self.target).lower(),
                "is_ignore": str(name in self.ignored).lower(),
                "is_row_identifier": "false",
                "number_of_missing_values": str(sum(row[k] is None for row in self.rows)),
            }
            for k, (name, kind) in enumerate(self.columns.items())
        ]


class Reply(NamedTuple):
    """An answer before it is sent, so that a test can spoil it."""

    status: int
    headers: dict[str, str]
    body: bytes


def as_json(value: object, status: int = 200) -> Reply:
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(value).encode())


@dataclass
class Openml:
    """What the server serves, and the paths that were requested; `spoil` may change a reply."""

    sets: list[OpenmlSet]
    url: str = ""
    requests: list[str] = field(default_factory=list)
    spoil: Callable[[str, Reply], Reply] = lambda kind, reply: reply

    def answer(self, path: str) -> Reply:
        self.requests.append(path)
        for kind, pattern in QUESTIONS.items():
            if match := re.fullmatch(pattern, path):
                return self.spoil(kind, getattr(self, f"_{kind}")(*match.groups()))
        return as_json({"error": "no such page"}, 404)

    def _search(self, name: str, rest: str) -> Reply:
        wanted = dict(re.findall(r"(status|data_version)/(\w+)", rest))
        status = wanted.get("status", "active")
        found = [
            {
                "did": did,
                "name": each.name,
                "version": each.version,
                "status": each.status,
                "format": "ARFF",
            }
            for did, each in enumerate(self.sets, 1)
            if (each.name.lower(), each.status) == (name.lower(), status)
            and wanted.get("data_version", str(each.version)) == str(each.version)
        ]
        return as_json({"data": {"dataset": found[:2]}}) if found else as_json(NO_RESULTS, 412)

    def _description(self, did: str) -> Reply:
        each = self.sets[int(did) - 1]
        description = {
            "id": did,
            "name": each.name,
            "version": str(each.version),
            "description": f"{each.name}, as small as it can be",
            "format": "Sparse_ARFF" if each.sparse else "ARFF",
            "file_id": did,
            "url": f"{self.url}/data/v1/download/{did}/{each.name}.arff",
            "status": each.status,
            "md5_checksum": hashlib.md5(each.arff()).hexdigest(),
        }
        return as_json({"data_set_description": description})

    def _features(self, did: str) -> Reply:
        return as_json({"data_features": {"feature": self.sets[int(did) - 1].features()}})

    def _qualities(self, did: str) -> Reply:
        count = {
            "name": "NumberOfInstances",
            "value": str(float(len(self.sets[int(did) - 1].rows))),
        }
        return as_json({"data_qualities": {"quality": [count]}})

    def _download(self, did: str) -> Reply:
        body = gzip.compress(self.sets[int(did) - 1].arff(), mtime=0)
        return Reply(200, {"Content-Type": "text/plain", "Content-Encoding": "gzip"}, body)


@contextmanager
def redirected(url: str) -> Iterator[None]:
    """Send fetch_openml to this address instead of openml.org, without waits between its tries."""
    from sklearn.datasets import _openml

    with pytest.MonkeyPatch.context() as patch:
        for name, address in vars(_openml).copy().items():
            if isinstance(address, str) and re.match(r"https://(api|www)\.openml\.org", address):
                patch.setattr(_openml, name, re.sub(r"^https://[a-z.]+", url, address))
        patch.setattr(_openml, "time", SimpleNamespace(sleep=lambda seconds: None))
        patch.setenv("no_proxy", "127.0.0.1")
        yield


@contextmanager
def serve(*sets: OpenmlSet) -> Iterator[Openml]:
    """Serve these sets on a free port of 127.0.0.1, and send fetch_openml there."""
    openml = Openml(list(sets))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = openml.answer(self.path)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Write nothing to stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        openml.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with redirected(openml.url):
                yield openml
        finally:
            server.shutdown()
            thread.join()
