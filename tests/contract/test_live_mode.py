"""Reading a real account is harmless: what is sent, where, and how fast."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

import pytest

from tap_hubspot_threads.errors import RetriesExhausted
from tests.contract.client import (
    HUBSPOT,
    MOST_REQUESTS,
    TOKEN,
    URL,
    NotReadOnly,
    ReadOnlyClient,
    Stopped,
    address,
)
from tests.contract.facts import FACTS, read_all
from tests.contract.profiles import PROFILES
from tests.contract.readings import CannotTell, differences, parse
from tests.contract.running import (
    LOUD,
    MODE,
    SECRET,
    assert_nothing_private,
    assert_only_reads,
    most_in,
    run_live,
)
from tests.contract.summary import FILE
from tests.contract.survey import Survey
from tests.contract.switches import expected
from tests.fake_hubspot import Account, Contract, FakeHubSpot, Fault
from tests.support.bootstrap import ROOT
from tests.support.readme import block, type_in

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.harness import StillClock


def check_a_run(
    name: str, report: Path, token: str, run: Callable[..., str], **env: str
) -> None:
    """Run the live mode with a profile, and check what it sends and prints."""
    profile, window = PROFILES[name], 0.5
    contract = dataclasses.replace(
        profile.contract, quota=190, quota_window_seconds=window
    )
    with FakeHubSpot(profile.account(), contract, token=token) as hubspot:
        output = run(**{URL: hubspot.url, FILE: str(report)} | env)
    assert_only_reads(hubspot.requests)
    assert most_in(hubspot.requests, window) <= 19
    assert_nothing_private(output, hubspot)
    written = report.read_text(encoding="utf-8")
    assert written in output
    assert differences(expected(contract, profile.shape), parse(written)) == []


def test_the_command_of_the_documentation(tmp_path: Path) -> None:
    """It reads, below a tenth of the limit, and its table says nothing private."""
    command = block("console", "-m live")
    run = functools.partial(type_in, ROOT, command)
    # One process beside the one that prints, instead of one for each core.
    options = " ".join(["-n1", *MODE])
    report = tmp_path / "report.md"
    check_a_run("plain", report, "YOUR-TOKEN", run, PYTEST_ADDOPTS=options)


def test_another_account_has_another_table(tmp_path: Path) -> None:
    """The same holds for an account at which every awkward switch is on."""

    def run(**env: str) -> str:
        done = run_live("-n0", **env)
        assert done.returncode == 0, done.stdout
        return done.stdout

    check_a_run("awkward", tmp_path / "report.md", SECRET, run, **{TOKEN: SECRET})


def test_a_token_that_is_refused_is_sent_once() -> None:
    """One sentence says what is wrong, and nothing else is tried."""
    with FakeHubSpot(Account(10)) as hubspot:
        done = run_live(*LOUD, **{URL: hubspot.url, TOKEN: SECRET})
    assert len(hubspot.requests) == 1
    assert done.returncode == 1
    assert "HubSpot answered with 401: HUBSPOT_LIVE_TOKEN needs" in done.stdout
    assert f"1 failed, {len(FACTS)} skipped" in done.stdout
    assert SECRET not in done.stdout


def test_a_token_that_ends_is_not_tried_again() -> None:
    """After a 401 in the middle, nothing more is sent."""
    with FakeHubSpot(Account(10)) as hubspot:
        client = ReadOnlyClient(hubspot.url, hubspot.token)
        survey = Survey(client)
        assert survey.ask("threads").status == 200
        hubspot.token = SECRET
        assert survey.ask("threads").status == 401
        with pytest.raises(Stopped):
            survey.ask("inboxes")
        client.close()
    assert len(hubspot.requests) == 2


def test_a_server_that_does_not_answer_is_left_alone(clock: StillClock) -> None:
    """After the time for one request is used up, nothing more is sent."""
    with FakeHubSpot(Account(10)) as hubspot:
        hubspot.faults.add(Fault.status(503))
        client = ReadOnlyClient(hubspot.url, hubspot.token)
        survey = Survey(client)
        with pytest.raises(RetriesExhausted):
            survey.ask("threads")
        sent = len(hubspot.requests)
        with pytest.raises(Stopped):
            survey.ask("inboxes")
        client.close()
    assert len(hubspot.requests) == sent


def test_without_a_token_nothing_is_read() -> None:
    """One sentence says what is needed."""
    with FakeHubSpot(Account(10)) as hubspot:
        done = run_live("-n0", "-rs", **{URL: hubspot.url, TOKEN: ""})
    assert hubspot.requests == []
    assert done.returncode == 0
    assert f"{len(FACTS) + 1} skipped" in done.stdout
    lines = {x.partition(" ")[2] for x in done.stdout.splitlines() if "SKIPPED" in x}
    reasons = {line.partition(": ")[2] for line in lines}
    assert reasons == {
        f"To read an account, set {TOKEN} to its token and use `-m live`."
    }


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:80", "https://localhost:1", "http://[::1]:8080", HUBSPOT]
)
def test_an_address_of_this_machine_may_replace_hubspot(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """So that the live mode can be tried with the fake."""
    monkeypatch.setenv(URL, url)
    assert address() == url


@pytest.mark.parametrize(
    "url",
    [
        "https://api.hubapi.com.example",
        "http://api.hubapi.com",
        "https://127.0.0.1@example.com",
        "https://user@127.0.0.1",
        "http://192.168.0.1",
        "https://localhost.example",
        "ftp://127.0.0.1",
        "127.0.0.1",
    ],
)
def test_a_token_goes_nowhere_else(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Any other address is refused with a sentence."""
    monkeypatch.setenv(URL, url)
    with pytest.raises(ValueError, match="loopback") as refused:
        address()
    assert str(refused.value).startswith(f"{URL} may only name a loopback address")


@pytest.mark.parametrize("limit", [None, 100, 110, 190, 250, 15, 3])
def test_requests_stay_below_a_tenth_of_the_limit(
    clock: StillClock, limit: int | None
) -> None:
    """Also where HubSpot does not name a limit: 100 is its smallest."""
    contract = Contract(quota=limit or 0, quota_headers=limit is not None)
    with FakeHubSpot(Account(300), contract, monotonic=clock) as hubspot:
        client = ReadOnlyClient(hubspot.url, hubspot.token)
        read_all(Survey(client))
        client.close()
    assert most_in(hubspot.requests, 10.0) == max(1, (limit or 100) // 10)
    assert_only_reads(hubspot.requests)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/conversations/conversations/2026-09-beta/threads/1/messages"),
        ("POST", "/conversations/v3/conversations/threads"),
        ("POST", "/oauth/v1/token"),
        ("GET", "/crm/v3/objects/contacts"),
    ],
)
def test_the_client_sends_nothing_else(method: str, path: str) -> None:
    """Anything but reading conversations is an error before it is sent."""
    with FakeHubSpot(Account(1)) as hubspot:
        client = ReadOnlyClient(hubspot.url, hubspot.token)
        with pytest.raises(NotReadOnly):
            client.ask(path, inputs=["A-1"] if method == "POST" else None)
        client.close()
    assert hubspot.requests == []


def test_the_number_of_requests_is_bounded(clock: StillClock) -> None:
    """What cannot be read any more cannot be told."""
    with FakeHubSpot(Account(1)) as hubspot:
        survey = Survey(ReadOnlyClient(hubspot.url, hubspot.token))
        for _ in range(MOST_REQUESTS):
            survey.ask("threads")
        with pytest.raises(CannotTell, match="150 requests"):
            survey.ask("threads")
        survey.client.close()
    assert len(hubspot.requests) == MOST_REQUESTS
