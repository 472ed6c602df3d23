"""Certificates are always verified, and a private authority can be configured."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import socket
import ssl
import threading
import time
import typing as t

import pytest
import trustme

from tap_hubspot_threads.client import HubSpotClient
from tests.fake_hubspot import Account, Contract, FakeHubSpot
from tests.support.harness import (
    TOKEN,
    Output,
    StillClock,
    by_id,
    clean_environment,
    oauth_settings,
    run_command_here,
    run_tap,
    settings,
    start_tap,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run: t.TypeAlias = Callable[..., Output]

VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
ROWS = 25


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return a certificate authority that no machine trusts."""
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file with the authority's certificate."""
    path = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture(scope="module")
def hubspot(authority: trustme.CA) -> Iterator[FakeHubSpot]:
    """Serve an account over TLS, with a certificate of this authority."""
    context = context_of(authority.issue_cert("127.0.0.1"))
    account, contract = Account(size=ROWS), Contract(quota_headers=False)
    with FakeHubSpot(account, contract, token=TOKEN, ssl_context=context) as hubspot:
        yield hubspot


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    clock: StillClock,
    hubspot: FakeHubSpot,
) -> Run:
    """Return a function that runs the command here with environment variables."""
    hubspot.forget()

    def run(config: dict[str, t.Any], **variables: object) -> Output:
        for name in {*os.environ} - {*clean_environment()}:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        return run_command_here(tmp_path, config)

    return run


def config(hubspot: FakeHubSpot, **more: t.Any) -> dict[str, t.Any]:
    return settings(hubspot.url, page_size=10) | more


def assert_refused(output: Output, clock: StillClock, *words: str) -> None:
    """Check that a run failed because of its certificates, after retries."""
    assert output.code == 1
    (line,) = output.errors
    for word in ("certificate", *words):
        assert word in line
    assert clock.waits
    assert len(output.warnings) == len(clock.waits)
    for told in output.warnings:
        assert "certificate" in told
        assert "trying again" in told
    assert output.records == []
    assert TOKEN not in output.stderr
    assert "Traceback" not in output.stderr


def test_an_authority_that_nobody_knows_is_refused(
    run: Run, clock: StillClock, hubspot: FakeHubSpot
) -> None:
    """The line names certificates and their setting, and no token is sent."""
    output = run(config(hubspot))
    assert_refused(output, clock, hubspot.url, "environment")
    assert hubspot.requests == []


@pytest.mark.parametrize("credential", ["token", "app"])
@pytest.mark.parametrize("variable", VARIABLES)
def test_an_authority_of_the_environment_is_accepted(
    run: Run, bundle: Path, hubspot: FakeHubSpot, variable: str, credential: str
) -> None:
    """This holds for pages and access tokens, with the variables of other tools."""
    configured = config(hubspot)
    if credential == "app":
        configured = oauth_settings(hubspot, page_size=10)
    output = run(configured, **{variable: bundle})
    assert output.code == 0, output.stderr
    assert len(by_id(output.records)) == ROWS
    assert output.warnings == []


def test_the_variable_of_requests_goes_before_that_of_openssl(
    run: Run,
    clock: StillClock,
    bundle: Path,
    hubspot: FakeHubSpot,
    tmp_path: Path,
) -> None:
    """The variable for programs like this one wins."""
    another = tmp_path / "another.pem"
    trustme.CA().cert_pem.write_to_path(str(another))
    good = run(config(hubspot), REQUESTS_CA_BUNDLE=bundle, SSL_CERT_FILE=another)
    assert good.code == 0
    bad = run(config(hubspot), REQUESTS_CA_BUNDLE=another, SSL_CERT_FILE=bundle)
    assert_refused(bad, clock)


def test_an_empty_variable_is_none(
    run: Run, bundle: Path, hubspot: FakeHubSpot
) -> None:
    """A scheduler may set a variable without a value."""
    output = run(config(hubspot), REQUESTS_CA_BUNDLE="", SSL_CERT_FILE=bundle)
    assert output.code == 0, output.stderr


def test_a_certificate_for_another_host_is_refused(
    run: Run, clock: StillClock, authority: trustme.CA, bundle: Path
) -> None:
    """It is refused, whether or not the authority is known."""
    context = context_of(authority.issue_cert("hubspot.example"))
    with FakeHubSpot(Account(size=1), token=TOKEN, ssl_context=context) as other:
        output = run(config(other), REQUESTS_CA_BUNDLE=bundle)
        assert_refused(output, clock)
        assert other.requests == []


def test_a_certificate_whose_time_is_over_is_refused(
    run: Run, clock: StillClock, authority: trustme.CA, bundle: Path
) -> None:
    """HubSpot's certificate would not be expired, so this is another server."""
    over = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    context = context_of(authority.issue_cert("127.0.0.1", not_after=over))
    with FakeHubSpot(Account(size=1), token=TOKEN, ssl_context=context) as other:
        output = run(config(other), REQUESTS_CA_BUNDLE=bundle)
        assert_refused(output, clock, "expired")
        assert other.requests == []


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("what", ["not there", "empty", "no certificate"])
def test_a_bundle_that_cannot_be_used_is_told_at_once(
    run: Run,
    clock: StillClock,
    hubspot: FakeHubSpot,
    tmp_path: Path,
    variable: str,
    what: str,
) -> None:
    """This is a mistake, not a fault to retry. The line names the file."""
    path = tmp_path / "bundle.pem"
    if what != "not there":
        path.write_text("" if what == "empty" else "no certificate")
    output = run(config(hubspot), **{variable: path})
    assert output.code == 1
    (line,) = output.errors
    assert "certificate" in line
    assert str(path) in line or variable in line
    assert clock.waits == []
    assert hubspot.requests == []
    assert "should not happen" not in line
    assert "Traceback" not in output.stderr


def test_a_variable_that_turns_checks_off_elsewhere_does_not_here(
    run: Run, clock: StillClock, hubspot: FakeHubSpot
) -> None:
    """No variable turns verification off."""
    variables = {
        "PYTHONHTTPSVERIFY": "0",
        "CURL_INSECURE": "1",
        "GIT_SSL_NO_VERIFY": "1",
    }
    assert_refused(run(config(hubspot), **variables), clock)


def test_the_command_reads_the_variable_as_well(
    tmp_path: Path, bundle: Path, hubspot: FakeHubSpot
) -> None:
    """The same for the command itself, refused and accepted."""
    hubspot.forget()
    refused = run_tap(tmp_path, config(hubspot, max_retry_seconds=0.1))
    assert refused.code == 1
    assert "certificate" in refused.errors[0]
    output = run_tap(tmp_path, config(hubspot), env={"SSL_CERT_FILE": str(bundle)})
    assert output.code == 0, output.stderr
    assert len(by_id(output.records)) == ROWS


@contextlib.contextmanager
def mute() -> Iterator[tuple[str, threading.Event]]:
    """Listen on a port that accepts every connection and never responds."""
    met = threading.Event()
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(server.accept())
                    met.set()

        threading.Thread(target=accept, daemon=True).start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}", met
    for connection, _ in kept:
        connection.close()


def test_a_handshake_that_is_not_answered_is_a_fault_that_passes(
    run: Run, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes no longer than the connection timeout, and is retried."""
    assert HubSpotClient.CONNECT_TIMEOUT == 10
    monkeypatch.setattr(HubSpotClient, "CONNECT_TIMEOUT", 0.2)
    with mute() as (url, _):
        began = time.monotonic()
        output = run(settings(url, max_retry_seconds=2))
        took = time.monotonic() - began
    assert output.code == 1
    (line,) = output.errors
    assert "No answer from" in line
    assert "imeout" in line
    assert clock.waits
    assert took < 60


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_in_a_handshake(
    tmp_path: Path, number: signal.Signals
) -> None:
    """It ends within two seconds, as in all other places."""
    with mute() as (url, met):
        process = start_tap(tmp_path, settings(url))
        assert met.wait(30)
        began = time.monotonic()
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert time.monotonic() - began < 2
    assert b"Traceback" not in stderr
