"""Data that must stay private, and the one destination of a credential: `api_url`."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import socketserver
import ssl
import threading
import traceback
import typing as t

import pytest
import trustme
from typing_extensions import override

from tap_hubspot_threads.errors import HubSpotError
from tests.fake_hubspot import Account, Contract, FakeHubSpot, Fault
from tests.fake_hubspot.errors import RefusalError
from tests.support.harness import (
    TOKEN,
    Output,
    StillClock,
    Wire,
    by_id,
    captured_log,
    clean_environment,
    http,
    oauth_settings,
    run_command_here,
    run_here,
    run_tap,
    secrets_of,
    settings,
    start_tap,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fake_hubspot import SeenRequest

CANARY = "the-words-of-a-customer"
HTML = f"<html><h1>{CANARY}</h1></html>".encode()
PAGE, PAGES = 10, 4
CREDENTIALS = ("token", "app")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
PATH = "/conversations/conversations/2026-09-beta/threads"


@pytest.fixture
def hubspot() -> Iterator[FakeHubSpot]:
    """Serve an account with private text in every row."""
    rows = Account(size=PAGE * PAGES).threads()
    account = Account.of({**row, "assignedTo": f"A-{CANARY}"} for row in rows)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        yield hubspot


def config(
    hubspot: FakeHubSpot, credential: str = "token", **more: t.Any
) -> dict[str, t.Any]:
    if credential == "app":
        return oauth_settings(hubspot, page_size=PAGE) | more
    return settings(hubspot.url, page_size=PAGE) | more


def assert_no_secret_in(text: str, hubspot: FakeHubSpot, *more: str) -> None:
    for secret in (*secrets_of(hubspot), *more):
        assert secret not in text


Run: t.TypeAlias = "Callable[..., Output]"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return a function that runs the command here with environment variables."""

    def run(config: dict[str, t.Any], **variables: str) -> Output:
        for name in {*os.environ} - {*clean_environment()}:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return run_command_here(tmp_path, config)

    return run


# What is logged.


def trouble(hubspot: FakeHubSpot, *, ends: str) -> None:
    """Make responses quote the credential and a customer, and end the run or not."""
    app = hubspot.oauth
    app.rotation = "strict"

    def revoke(number: int, _: SeenRequest) -> None:
        if number == 2:
            hubspot.revoke_tokens()

    def quoting(status: int, *words: str) -> Fault:
        said = {"message": CANARY, "context": {"who": [*words, CANARY]}}
        text = f"no {' '.join(words)}"
        more = {"subCategory": CANARY, "errors": [said], "policyName": "SECONDLY"}
        refusal = RefusalError(status, "SOME", text, **more)
        return Fault.refusal(refusal, 0)

    hubspot.before_request = revoke
    form = (app.client_id, app.client_secret, app.refresh_token)
    sent = (TOKEN, "fake-access-token-1", "fake-rotated-token-1")
    hubspot.faults.add(quoting(429, *form), at=1, on="token")
    hubspot.faults.add(quoting(429, *sent[:1], *form), at=1)
    hubspot.faults.add(Fault.content(HTML, "text/html"), at=PAGES)
    if ends == "badly":
        hubspot.faults.add(quoting(403, *sent, *form), since=PAGES + 1)


@pytest.mark.parametrize(
    ("level", "credential", "ends"),
    [
        *((level, "app", "badly") for level in LEVELS),
        ("DEBUG", "token", "badly"),
        ("INFO", "token", "badly"),
        ("DEBUG", "app", "well"),
        ("INFO", "app", "well"),
    ],
)
def test_no_secret_is_printed_at_any_log_level(
    tmp_path: Path, hubspot: FakeHubSpot, level: str, credential: str, ends: str
) -> None:
    """No level shows a secret, and above DEBUG there is no body and no traceback."""
    configured = config(hubspot, credential)
    trouble(hubspot, ends=ends)
    env = {"LOGLEVEL": level}
    if ends == "well":
        output = run_tap(tmp_path, configured, env=env)
    else:
        env |= environment(configured)
        output = run_tap(tmp_path, None, "--config=ENV", env=env)
    assert output.code == (ends == "badly")
    if ends == "well":
        assert len(by_id(output.records)) == PAGE * PAGES
    kept = [TOKEN] if credential == "token" else secrets_of(hubspot)[1:]
    for secret in kept:
        assert secret not in output.stderr
    assert_no_secret_in(json.dumps(output.messages), hubspot)
    assert ("urllib3.connectionpool" in output.stderr) == (level == "DEBUG")
    if level == "DEBUG":
        return
    assert CANARY not in output.stderr
    assert "Traceback" not in output.stderr
    for line in output.stderr.splitlines():
        assert line.split(" | ")[1].strip() in LEVELS[LEVELS.index(level) :]


def environment(config: dict[str, t.Any]) -> dict[str, str]:
    """Return the variables that correspond to a configuration."""
    return {
        f"TAP_HUBSPOT_THREADS_{name.upper()}": str(value)
        for name, value in config.items()
        if value is not None
    }


FAULTS: dict[str, Fault] = {
    "html": Fault.content(HTML, "text/html"),
    "half json": Fault.half_json(),
    "no results": Fault.json({"total": 0, "who": CANARY}),
    "401": Fault.unauthorized(),
    "403": Fault.status(403, HTML),
    "302": Fault.redirect(f"https://{TOKEN}@elsewhere.example/{CANARY}"),
    "503": Fault.status(503, HTML),
    "429": Fault.rate_limit(),
    "429 DAILY": Fault.rate_limit("DAILY"),
    "reset": Fault.reset(),
    "reset in the body": Fault.reset_midway(),
    "closed": Fault.disconnect(),
    "cut": Fault.cut(),
    "chunks cut": Fault.cut_chunked(),
    "silence": Fault.hang(),
    "gzip that is none": Fault.status(200, HTML, {"Content-Encoding": "gzip"}),
    "a row without id": Fault.edited(lambda body: body["results"][3].pop("id")),
}


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("name", FAULTS)
def test_no_secret_is_in_an_exception_or_its_causes(
    hubspot: FakeHubSpot, clock: StillClock, name: str, credential: str
) -> None:
    """Neither the texts of the chain nor any library's log at DEBUG contain one."""
    hubspot.faults.add(FAULTS[name], since=2, on="both")
    timeout = 0.3 if name == "silence" else 30
    configured = config(hubspot, credential, request_timeout=timeout)
    with captured_log() as log, pytest.raises(HubSpotError) as failure:
        run_here(configured)
    texts = [*traceback.format_exception(failure.value), repr(failure.value.args)]
    assert_no_secret_in("".join([*texts, log.getvalue()]), hubspot)
    assert CANARY not in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    "disguise",
    [
        "plain {0}",
        "twice {0}{0}",
        "in the middle of{0}words",
        "a space of no width {1}\u200b{2}",
        "a zero byte {1}\x00{2}",
        "a soft hyphen {1}\u00ad{2}",
        "a byte order mark {1}\ufeff{2}",
        "behind 300 characters {3}{0}",
        "around the 300th character {4}{0}",
    ],
    ids=lambda text: text.partition("{")[0].strip(),
)
def test_a_message_that_quotes_a_secret_is_shown_without_it(
    tmp_path: Path, hubspot: FakeHubSpot, disguise: str
) -> None:
    """A secret is removed from the message, however it is encoded."""
    half = len(TOKEN) // 2
    parts = (TOKEN, TOKEN[:half], TOKEN[half:], "x" * 400, "x" * 255)
    refusal = RefusalError(400, "VALIDATION_ERROR", disguise.format(*parts))
    hubspot.faults.add(Fault.refusal(refusal))
    output = run_command_here(tmp_path, config(hubspot))
    (line,) = output.errors
    assert "VALIDATION_ERROR" in line
    assert TOKEN not in line
    assert TOKEN[:half] not in line.replace("***", "") or "\u200b" in line
    assert line.isprintable()


def test_what_cannot_be_read_of_a_header_is_not_logged(
    tmp_path: Path, clock: StillClock
) -> None:
    """A line that is not a header is treated like any other part of a response."""
    odd = (f"{CANARY} and more".encode(), b"X-After: 1")
    page = http(b'{"results": []}', headers=odd)
    with Wire(lambda *_: page) as wire:
        output = run_command_here(tmp_path, settings(wire.url))
    assert output.code == 0
    assert CANARY not in output.stderr
    assert "Traceback" not in output.stderr


@pytest.mark.parametrize(
    "first_line",
    [
        "HTTP/1.1 200 {}",
        "HTTP/1.1 {}",
        "{} 200 OK",
        "{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: {}",
        "HTTP/1.1 302 Found\r\nLocation: https://{}.example/{}",
        "HTTP/1.1 302 Found\r\nLocation: http://[{}",
        "HTTP/1.1 200 OK\r\nContent-Encoding: {}",
        "HTTP/1.1 200 OK\r\nX-{}",
        "HTTP/1.1 200 OK\r\nSet-Cookie: {}={}",
    ],
)
def test_a_server_that_sends_the_secret_back_does_not_get_it_logged(
    tmp_path: Path, clock: StillClock, first_line: str
) -> None:
    """No part of a response is logged with it, not even at DEBUG with full causes."""
    answer = f"{first_line.format(TOKEN, TOKEN)}\r\n\r\n{TOKEN}".encode()
    with Wire(lambda *_: answer) as wire:
        output = run_command_here(tmp_path, settings(wire.url))
        with captured_log() as log, pytest.raises(HubSpotError) as failure:
            run_here(settings(wire.url))
    assert output.code == 1
    assert TOKEN not in output.stderr
    assert "Traceback" not in output.stderr
    at_debug = [log.getvalue(), *traceback.format_exception(failure.value)]
    assert TOKEN not in "".join(at_debug)


@pytest.mark.parametrize(
    ("source", "arguments"),
    [("file", ("--about",)), ("environment", ("--about", "--format=json"))],
)
def test_no_secret_is_in_what_is_told_about_the_tap(
    tmp_path: Path, hubspot: FakeHubSpot, source: str, arguments: tuple[str, ...]
) -> None:
    """Neither one from a file nor one from the environment."""
    configured = config(hubspot, "app") | {"access_token": TOKEN}
    if source == "file":
        process = start_tap(tmp_path, configured, *arguments, env={"LOGLEVEL": "DEBUG"})
    else:
        env = environment(configured) | {"LOGLEVEL": "DEBUG"}
        process = start_tap(tmp_path, None, "--config=ENV", *arguments, env=env)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"access_token" in stdout
    assert_no_secret_in((stdout + stderr).decode(), hubspot)


# Where a credential is sent.


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(
    tmp_path: Path, hubspot: FakeHubSpot, status: int, credential: str
) -> None:
    """Neither a page nor a token follows a redirect: the other server sees nothing."""
    with FakeHubSpot(hubspot.account, token=TOKEN) as elsewhere:
        for on, path in (("threads", PATH), ("token", "/oauth/2026-03/token")):
            hubspot.faults.clear()
            where = Fault.redirect(f"{elsewhere.url}{path}", status)
            hubspot.faults.add(where, on=t.cast("t.Any", on))
            output = run_command_here(
                tmp_path, config(hubspot, credential, max_retry_seconds=0)
            )
            if credential == "token" and on == "token":
                assert output.code == 0
                continue
            assert output.code == 1
            (line,) = output.errors
            assert str(status) in line
        assert elsewhere.requests == []


def test_a_link_in_an_answer_is_not_followed(hubspot: FakeHubSpot) -> None:
    """The cursor is sent to `api_url`, wherever `paging.next.link` points."""
    with FakeHubSpot(hubspot.account, token=TOKEN) as elsewhere:

        def mislead(body: dict[str, t.Any]) -> None:
            if "paging" in body:
                body["paging"]["next"]["link"] = f"{elsewhere.url}{PATH}?after=1"

        hubspot.faults.add(Fault.edited(mislead))
        assert len(run_here(config(hubspot)).records) == PAGE * PAGES
        assert elsewhere.requests == []


def test_an_app_sends_its_secret_to_the_token_endpoint_alone(
    hubspot: FakeHubSpot,
) -> None:
    """It is in the body of a POST, not in a URL or header, which logs keep."""
    run_here(config(hubspot, "app"))
    app = hubspot.oauth
    for seen in hubspot.requests:
        head = f"{seen.path} {seen.params} {[*seen.headers.items()]}"
        for secret in (app.client_secret, app.refresh_token, app.client_id):
            assert secret not in head
        assert (app.client_secret.encode() in seen.body) == seen.for_token
        assert (app.issued[0] in head) != seen.for_token


def test_plain_http_to_another_machine_sends_nothing(run: Run) -> None:
    """The run ends before it opens a connection."""
    with Proxy() as proxy:
        output = run(settings("http://api.hubapi.example"), HTTP_PROXY=proxy.url)
        assert output.code == 1
        (line,) = output.errors
        assert "`api_url`" in line
        assert "https://" in line
        assert proxy.heads == []


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_a_netrc_does_not_replace_the_credential(
    run: Run, tmp_path: Path, hubspot: FakeHubSpot, credential: str
) -> None:
    """The file is for other programs, and its password is not sent either."""
    netrc = tmp_path / ".netrc"
    netrc.write_text(
        "machine 127.0.0.1 login somebody password of-the-netrc\n"
        "default login somebody password of-the-netrc\n"
    )
    netrc.chmod(0o600)
    configured = config(hubspot, credential)
    output = run(configured, HOME=str(tmp_path), NETRC=str(netrc))
    assert output.code == 0, output.stderr
    for seen in hubspot.list_requests:
        assert seen.headers["Authorization"].startswith("Bearer ")
    for seen in hubspot.token_requests:
        assert "Authorization" not in seen.headers


# Through a proxy.


class Proxy(socketserver.ThreadingTCPServer):
    """A proxy for HTTPS with CONNECT, which records what it received."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, refusal: bytes = b"") -> None:
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.refusal = refusal
        self.heads: list[str] = []
        self.carried = bytearray()
        """Everything that clients have sent through the proxy."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @override
    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _ProxyHandler(socketserver.StreamRequestHandler):
    rbufsize = 0  # what follows a head is not for the proxy

    @override
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self._serve()

    def _serve(self) -> None:
        proxy = t.cast("Proxy", self.server)
        first = self.rfile.readline()
        head: list[bytes] = []
        while (line := self.rfile.readline()) not in {b"\r\n", b""}:
            head.append(line)
        proxy.heads.append((first + b"".join(head)).decode())
        if proxy.refusal:
            self.wfile.write(proxy.refusal)
            return
        name, _, port = first.split()[1].decode().rpartition(":")
        with socket.create_connection((name, int(port))) as server:
            self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            self._carry(server, proxy)

    def _carry(self, server: socket.socket, proxy: Proxy) -> None:
        ends = {self.connection: server, server: self.connection}
        while True:
            for end in select.select([*ends], [], [], 30)[0]:
                data = end.recv(65536)
                if not data:
                    return
                if end is self.connection:
                    proxy.carried += data
                ends[end].sendall(data)


@pytest.fixture(scope="module")
def secure(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[FakeHubSpot, dict[str, str]]]:
    """Serve an account over TLS, and return the variable that makes it trusted."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    account, contract = Account(size=PAGE * PAGES), Contract(quota_headers=False)
    with FakeHubSpot(account, contract, token=TOKEN, ssl_context=context) as hubspot:
        yield hubspot, {"SSL_CERT_FILE": str(bundle)}


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_used(
    run: Run,
    secure: tuple[FakeHubSpot, dict[str, str]],
    name: str,
    credential: str,
) -> None:
    """It is used for pages and tokens, and only carries encrypted data."""
    hubspot, trust = secure
    configured = config(hubspot, credential)
    with Proxy() as proxy:
        output = run(configured, **trust, **{name: proxy.url})
        assert output.code == 0, output.stderr
        assert len(output.records) == PAGE * PAGES
        host = hubspot.url.removeprefix("https://")
        assert proxy.heads
        for head in proxy.heads:
            assert head.startswith(f"CONNECT {host} HTTP/1.")
        assert len(proxy.carried) > 500
        seen = proxy.carried.decode(errors="replace") + "".join(proxy.heads)
        assert_no_secret_in(seen, hubspot)


def test_no_proxy_leaves_the_proxy_out(
    run: Run, secure: tuple[FakeHubSpot, dict[str, str]]
) -> None:
    """Hosts can be excluded, as in other programs."""
    hubspot, trust = secure
    with Proxy() as proxy:
        variables = {"HTTPS_PROXY": proxy.url, "NO_PROXY": "127.0.0.1"}
        output = run(config(hubspot), **trust, **variables)
        assert output.code == 0, output.stderr
        assert proxy.heads == []


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_plain_http_to_this_machine_takes_no_proxy(
    run: Run, hubspot: FakeHubSpot, credential: str
) -> None:
    """A proxy on another machine would see the credential in clear text."""
    with Proxy() as proxy:
        variables = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), proxy.url)
        output = run(config(hubspot, credential), **variables)
        assert output.code == 0, output.stderr
        assert proxy.heads == []


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_refuses_is_told_without_its_password(
    run: Run, clock: StillClock, status: int
) -> None:
    """The line names the proxy, because it is the cause."""
    refusal = f"HTTP/1.1 {status} No\r\nContent-Length: 5\r\n\r\n{CANARY[:5]}"
    with Proxy(refusal.encode()) as proxy:
        address = proxy.url.replace("://", "://somebody:of-the-proxy@")
        configured = settings("https://api.hubapi.example")
        with captured_log() as log:
            output = run(configured, HTTPS_PROXY=address)
        heads = [*proxy.heads]
    assert heads
    assert heads[0].startswith("CONNECT api.hubapi.example:443 ")
    assert "Proxy-Authorization: Basic " in heads[0]
    assert TOKEN not in "".join(heads)
    assert output.code == 1
    (line,) = output.errors
    assert "proxy" in line.lower()
    for text in (output.stderr, log.getvalue()):
        assert "of-the-proxy" not in text
        assert TOKEN not in text


@pytest.mark.parametrize("address", ["http://", "nonsense://127.0.0.1", "http://[::1"])
def test_a_proxy_that_is_no_address_is_told(
    run: Run,
    clock: StillClock,
    secure: tuple[FakeHubSpot, dict[str, str]],
    address: str,
) -> None:
    """This is a mistake, not a fault to retry: one line, and no traceback."""
    hubspot, trust = secure
    hubspot.forget()
    output = run(config(hubspot), **trust, HTTPS_PROXY=address)
    assert output.code == 1
    (line,) = output.errors
    assert "proxy" in line
    assert "should not happen" not in line
    assert hubspot.requests == []
    assert clock.waits == []
    assert "Traceback" not in output.stderr
