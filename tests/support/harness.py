"""Run the tap as users do, and read its output."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import json
import logging
import os
import socketserver
import subprocess
import sys
import threading
import time
import typing as t
import warnings
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import msgspec
from singer_sdk.logging import ConsoleFormatter
from typing_extensions import override

from tap_hubspot_threads import retry
from tap_hubspot_threads.auth import OAuthToken
from tap_hubspot_threads.ratelimit import RateLimiter
from tap_hubspot_threads.tap import TapHubSpotThreads
from tap_hubspot_threads.threads import ThreadsStream

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import pytest

    from tests.fake_hubspot import FakeHubSpot

    Message: t.TypeAlias = dict[str, t.Any]
    Row: t.TypeAlias = dict[str, t.Any]

TOKEN = "pat-eu1-7d1f-not-a-real-token"

ONLY_THREADS = object()
"""The catalog of a run that reads nothing but `threads`, which most tests are about."""

FIELDS: tuple[str, ...] = tuple(ThreadsStream.schema["properties"])


@dataclasses.dataclass
class Output:
    """What one run wrote to stdout, complete lines only, and how it ended."""

    messages: list[Message]
    code: int
    stderr: str = ""

    @classmethod
    def parse(cls, stdout: bytes | str, code: int, stderr: str = "") -> Output:
        """Read Singer messages. An incomplete last line is left out."""
        text = stdout.decode() if isinstance(stdout, bytes) else stdout
        # Not `splitlines`: it also splits at U+2028 and others, which JSON may hold.
        whole = text.split("\n")[:-1]
        return cls([msgspec.json.decode(line) for line in whole], code, stderr)

    @property
    def records(self) -> list[Row]:
        """The rows, in the order in which they were written."""
        return [m["record"] for m in self.messages if m["type"] == "RECORD"]

    @property
    def states(self) -> list[dict[str, t.Any]]:
        """The values of the STATE messages."""
        return [m["value"] for m in self.messages if m["type"] == "STATE"]

    @property
    def bookmark(self) -> dict[str, t.Any]:
        """The stream's bookmark in the last STATE."""
        bookmark: dict[str, t.Any] = self.states[-1]["bookmarks"]["threads"]
        return bookmark

    @property
    def errors(self) -> list[str]:
        """The messages logged as errors."""
        return self._logged("ERROR")

    @property
    def warnings(self) -> list[str]:
        """The messages logged as warnings."""
        return self._logged("WARNING")

    def _logged(self, level: str) -> list[str]:
        lines = (line.split(" | ", 3) for line in self.stderr.splitlines())
        return [p[3] for p in lines if len(p) == 4 and p[1].strip() == level]


def settings(url: str, **more: t.Any) -> dict[str, t.Any]:
    """Return a configuration for a fake HubSpot that responds without faults.

    It sends one request at a time, so that tests know the order of requests. Tests of
    concurrency set the number themselves.
    """
    return {
        "max_parallel_requests": 1,
        "access_token": TOKEN,
        "api_url": url,
        "sweep_interval_hours": 0,
        "max_retry_seconds": 5,
    } | more


def written(row: Row, schema: dict[str, t.Any] = ThreadsStream.schema) -> Row:
    """Return what the tap should write for a row of the account.

    It has all fields, date-times in fixed width, and null for missing values.
    """
    expected: Row = dict.fromkeys(schema["properties"])
    for name, value in row.items():
        if name not in expected:
            continue
        field = schema["properties"][name]
        expected[name] = value
        if field.get("format") == "date-time" and value is not None:
            expected[name] = _in_milliseconds(value)
    return expected


@functools.cache
def _in_milliseconds(text: str) -> str:
    moment = datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='milliseconds')}Z"


def start_tap(
    directory: Path,
    config: t.Any,
    *arguments: str,
    state: t.Any = None,
    catalog: t.Any = ONLY_THREADS,
    env: dict[str, str] | None = None,
    stdout: t.Any = subprocess.PIPE,
    program: tuple[str, ...] = ("-m", "tap_hubspot_threads"),
) -> subprocess.Popen[bytes]:
    """Start the command line with its files in the test's directory.

    A text is written to its file as it is, None makes no file; without a catalog, all
    streams are selected. `program` is what Python is told to run.
    """
    if arguments and catalog is ONLY_THREADS:
        catalog = None
    options = _files(directory, config=config, state=state, catalog=catalog)
    return subprocess.Popen(
        [sys.executable, *program, *options, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=clean_environment() | (env or {}),
    )


def _files(directory: Path, **contents: t.Any) -> list[str]:
    """Write the files for the command, and return its options."""
    options: list[str] = []
    for name, given in contents.items():
        content = select() if given is ONLY_THREADS else given
        if content is not None:
            path = directory / f"{name}.json"
            path.write_text(
                content if isinstance(content, str) else json.dumps(content)
            )
            options += [f"--{name}", str(path)]
    return options


def run_tap(directory: Path, config: t.Any, *arguments: str, **kwargs: t.Any) -> Output:
    """Run the command line to its end."""
    process = start_tap(directory, config, *arguments, **kwargs)
    stdout, stderr = process.communicate(timeout=120)
    return Output.parse(stdout or b"", process.returncode, stderr.decode())


def clean_environment() -> dict[str, str]:
    """Return the environment without variables that would change a run."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TAP_HUBSPOT_THREADS_")
        and name not in {"LOGLEVEL", "SINGER_SDK_LOG_CONFIG"}
        and not name.lower().endswith(("_proxy", "_ca_bundle"))
        and name != "SSL_CERT_FILE"
    }


def run_here(
    config: dict[str, t.Any],
    *,
    state: dict[str, t.Any] | None = None,
    catalog: t.Any = ONLY_THREADS,
    began: int | None = None,
) -> Output:
    """Run the tap in this process: the same messages, without a second of startup.

    Args:
        config: The settings.
        state: Left as it is.
        catalog: The catalog; all streams are selected if it is None.
        began: When the run begins by the tap's clock, in milliseconds; now if None.

    Raises:
        Exception: The error that the command would report on stderr.
    """
    with captured_stdout() as stdout:
        tap = (clocked(began) if began is not None else TapHubSpotThreads)(
            config=dict(config),
            state=json.loads(json.dumps(state)) if state else None,
            catalog=select() if catalog is ONLY_THREADS else catalog,
        )
        tap.sync_all()
    return Output.parse(stdout.getvalue(), 0)


def clocked(began: int) -> type[TapHubSpotThreads]:
    """Return the tap with a clock that is set to some milliseconds."""
    return type("Clocked", (TapHubSpotThreads,), {"initialized_at": began})


def run_command_here(
    directory: Path, config: t.Any, *arguments: str, **files: t.Any
) -> Output:
    """Run the command in this process, from its options to its exit code."""
    command = TapHubSpotThreads.get_singer_command()
    files.setdefault("catalog", None if arguments else ONLY_THREADS)
    options = _files(directory, config=config, **files)
    stdout, stderr = io.BytesIO(), io.StringIO()
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(ConsoleFormatter())
    root, hook = logging.getLogger(), sys.excepthook
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    code: str | int | None = 0
    try:
        with (
            captured_stdout(stdout),
            contextlib.redirect_stderr(stderr),
            warnings.catch_warnings(),
        ):
            command.main([*options, *arguments], prog_name="tap-hubspot-threads")
    except SystemExit as end:
        code = end.code
    finally:
        logging.captureWarnings(capture=False)
        root.removeHandler(handler)
        root.setLevel(level)
        sys.excepthook = hook
    return Output.parse(stdout.getvalue(), int(code or 0), stderr.getvalue())


@contextlib.contextmanager
def captured_stdout(raw: io.BytesIO | None = None) -> Iterator[io.BytesIO]:
    """Capture stdout as bytes."""
    raw = io.BytesIO() if raw is None else raw
    wrapper = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    try:
        with contextlib.redirect_stdout(wrapper):
            yield raw
    finally:
        wrapper.detach()  # otherwise the wrapper closes the bytes when collected


def missing_at_states(output: Output, rows: Iterable[Row]) -> set[str]:
    """Return the threads that a STATE covers although they were not written before it.

    A bookmark says that all older threads are in the warehouse.
    """
    latest = {row["id"]: row.get("latestMessageTimestamp") for row in rows}
    written_before: set[str] = set()
    missing: set[str] = set()
    for message in output.messages:
        if message["type"] == "RECORD":
            written_before.add(message["record"]["id"])
        elif message["type"] == "STATE":
            bookmark = message["value"].get("bookmarks", {}).get("threads", {})
            reached = bookmark.get("replication_key_value", "")
            covered = {i for i, moment in latest.items() if moment and moment < reached}
            missing |= covered - written_before
    return missing


def by_id(rows: Iterable[Row]) -> dict[str, Row]:
    """Return the newest row of each thread, as an upsert keeps it."""
    return {row["id"]: row for row in rows}


def discover(*, messages: bool = False) -> dict[str, t.Any]:
    """Return the catalog of `--discover`, as a dict of its own."""
    catalog: dict[str, t.Any]
    catalog = msgspec.json.decode(_catalog_text(messages=messages))
    return catalog


@functools.cache
def _catalog_text(*, messages: bool) -> str:
    tap = TapHubSpotThreads(
        config={"include_messages": messages},
        validate_config=False,
        setup_mapper=False,
    )
    return tap.catalog_json_text


def select(
    *deselected: str, streams: Iterable[str] = ("threads",), method: str | None = None
) -> dict[str, t.Any]:
    """Return the catalog with some streams selected, without some of their fields.

    The first stream of the catalog is `threads`, with the replication method if one is
    given.
    """
    catalog = discover(messages="messages" in streams)
    catalog["streams"].sort(key=lambda stream: stream["tap_stream_id"] != "threads")
    if method is not None:
        catalog["streams"][0]["replication_method"] = method
    for stream in catalog["streams"]:
        is_selected = stream["tap_stream_id"] in streams
        for entry in stream["metadata"]:
            name = entry["breadcrumb"][-1] if entry["breadcrumb"] else None
            entry["metadata"]["selected"] = is_selected and name not in deselected
    return catalog


class StillClock:
    """A clock that only moves when something sleeps, so that tests do not wait."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Record a wait, which ends at once."""
        self.waits.append(seconds)
        self.now += seconds

    def share_with_tap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make the tap use this clock to tell the time and to sleep."""
        monkeypatch.setattr(time, "sleep", self.sleep)
        for function in (OAuthToken.__init__, RateLimiter.__init__, retry.waits):
            defaults = function.__kwdefaults__
            assert defaults is not None
            monkeypatch.setitem(defaults, "clock", self)


def oauth_settings(hubspot: FakeHubSpot, **more: t.Any) -> dict[str, t.Any]:
    """Return a configuration with the app's credential instead of a token."""
    app = hubspot.oauth
    return (
        settings(
            hubspot.url,
            access_token=None,
            client_id=app.client_id,
            client_secret=app.client_secret,
            refresh_token=app.refresh_token,
        )
        | more
    )


def secrets_of(hubspot: FakeHubSpot) -> list[str]:
    """Return every value that a run against this server must not print."""
    app = hubspot.oauth
    forms = (dict(parse_qsl(r.body.decode())) for r in hubspot.token_requests)
    sent = [form.get("refresh_token", "") for form in forms]
    app_itself = [app.client_id, app.client_secret, app.refresh_token]
    known = [hubspot.token, *app_itself, *app.issued, *sent]
    return [secret for secret in dict.fromkeys(known) if secret]


@contextlib.contextmanager
def captured_log(level: int = logging.DEBUG) -> Iterator[io.StringIO]:
    """Capture the log of all libraries in this process, as the command prints it."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(ConsoleFormatter())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield text
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


class Wire(socketserver.ThreadingTCPServer):
    """A server that answers each connection with arbitrary bytes, and closes it.

    It can send what no HTTP server would send.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Callable[[int, bytes], bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _WireHandler)
        self.answer = answer
        """Called with the number of the request, from 1, and with its head and body."""
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @override
    def __enter__(self) -> t.Self:
        """Serve until the end of the block."""
        self._thread.start()
        return self

    @override
    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.shutdown()
        self._thread.join()
        self.server_close()


class _WireHandler(socketserver.StreamRequestHandler):
    @override
    def handle(self) -> None:
        server = t.cast("Wire", self.server)
        request = b""
        with contextlib.suppress(OSError):
            while line := self.rfile.readline():
                request += line
                if line == b"\r\n":
                    break
            length = request.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            request += self.rfile.read(int(length or 0))
            if request:
                server.requests.append(request)
                self.wfile.write(server.answer(len(server.requests), request))


def http(body: bytes, status: str = "200 OK", headers: tuple[bytes, ...] = ()) -> bytes:
    """Return a complete HTTP/1.1 response as it is sent over the network."""
    lines = (
        b"HTTP/1.1 " + status.encode(),
        b"Content-Type: application/json",
        b"Content-Length: " + str(len(body)).encode(),
        b"Connection: close",
        *headers,
        b"",
        body,
    )
    return b"\r\n".join(lines)
