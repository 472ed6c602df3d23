"""Reading a real account is harmless: what is sent, how fast, and what is printed."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import subprocess
import sys
import typing as t

import pytest

from tests.contract.client import (
    HUBSPOT,
    MOST_REQUESTS,
    TOKEN,
    URL,
    NotReadOnly,
    ReadOnlyClient,
    address,
)
from tests.contract.facts import FACTS, read_all
from tests.contract.profiles import PROFILES
from tests.contract.readings import CannotTell, differences, parse, table
from tests.contract.summary import FILE
from tests.contract.survey import Survey
from tests.contract.switches import expected
from tests.fake_hubspot import Account, Contract, FakeHubSpot, Fault, Shape
from tests.fake_hubspot.errors import RefusalError
from tests.support.bootstrap import ROOT
from tests.support.harness import StillClock, captured_log, clean_environment
from tests.support.readme import block, type_in

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fake_hubspot import SeenRequest

CANARY = "the-words-of-a-customer"
SECRET = "pat-eu1-not-a-real-token"
MODE = ["--import-mode=append"] * ("TESTED_WITH" in os.environ)
"""If the wheel is tested, so that the working tree is not tested instead."""

LOUD = (
    *("-n0", "-vvv", "-rA", "-s", "--tb=long", "--full-trace", "--showlocals"),
    *("--log-level=DEBUG", "--log-cli-level=DEBUG"),
)
"""Every option that makes pytest show more."""


def run_live(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the live mode in a process of its own."""
    kept = {n: v for n, v in clean_environment().items() if "PYTEST" not in n}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-mlive", "tests/contract", *MODE, *arguments],
        cwd=ROOT,
        env=kept | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )


def assert_only_reads(requests: list[SeenRequest]) -> None:
    """Assert that requests change nothing, and are not many."""
    assert 0 < len(requests) <= MOST_REQUESTS
    for seen in requests:
        assert seen.endpoint not in {"token", "other"}
        assert seen.method == ("POST" if seen.endpoint == "actors" else "GET")
        assert bool(seen.body) == (seen.endpoint == "actors")


def most_in(requests: list[SeenRequest], seconds: float) -> int:
    """Return the most requests that arrived in a window of time."""
    times = sorted(seen.at for seen in requests)
    return max(sum(at <= later < at + seconds for later in times) for at in times)


def assert_nothing_private(text: str, hubspot: FakeHubSpot, *more: str) -> None:
    """Assert that no value of the account, no cursor and no secret is in a text."""
    account = hubspot.account
    rows: list[t.Any] = [*account.threads(), *account.messages()]
    rows += account.directory.inbox_rows() + account.directory.channel_account_rows()
    rows += account.directory.actor_rows()
    values = {value for row in rows for value in texts_in(row)}
    cursors = {seen.param("after") or "" for seen in hubspot.requests}
    paths = {
        seen.path for seen in hubspot.requests if seen.thread_id not in {None, "1"}
    }
    private = {
        v for v in values | cursors if len(v) > 5 and not re.fullmatch("[A-Z_]+", v)
    }
    assert len(private) > 500
    found = [v for v in {*private, *paths, hubspot.token, *more} if v in text]
    assert found == []
    assert "canary" not in text.lower()


def texts_in(value: t.Any) -> list[str]:
    """Return every text in a JSON value, the names of fields excepted."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in texts_in(each)]
    return [value] if isinstance(value, str) else []


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
    check_a_run(
        "plain", tmp_path / "report.md", "YOUR-TOKEN", run, PYTEST_ADDOPTS="-n1"
    )


def test_another_account_has_another_table(tmp_path: Path) -> None:
    """The same holds for an account at which every awkward switch is on."""

    def run(**env: str) -> str:
        done = run_live("-n0", **env)
        assert done.returncode == 0, done.stdout
        return done.stdout

    check_a_run("awkward", tmp_path / "report.md", SECRET, run, **{TOKEN: SECRET})


def everything(change: Callable[[str], t.Any]) -> Fault:
    """Return a fault that changes every text of a proper answer."""

    def changed(value: t.Any) -> t.Any:
        if isinstance(value, dict):
            return {key: changed(each) for key, each in value.items()}
        if isinstance(value, list):
            return [changed(each) for each in value]
        return change(value) if isinstance(value, str) else value

    def edit(body: dict[str, t.Any]) -> None:
        body.update(changed(body))

    return Fault.edited(edit)


def refusal(status: int) -> Fault:
    """Return a refusal that quotes a customer everywhere."""
    said = {"message": CANARY, "code": CANARY, "context": {CANARY: [CANARY]}}
    return Fault.refusal(
        RefusalError(status, CANARY, CANARY, errors=[said], context={CANARY: [CANARY]})
    )


def rows_of(*rows: t.Any) -> Fault:
    """Return a page of some rows."""
    return Fault.json({"results": list(rows), "paging": {"next": {"after": CANARY}}})


HOSTILE: dict[str, Fault] = {
    "texts": everything(lambda _: CANARY),
    "texts around": everything(lambda text: f"{text} {CANARY}"),
    "numbers": everything(lambda _: 7),
    "nested": everything(lambda _: {CANARY: [CANARY]}),
    "rows that are texts": rows_of(CANARY, [CANARY]),
    "fields": rows_of({CANARY: CANARY, "id": CANARY, f"{CANARY} of": {}}),
    "no page": Fault.json({"results": CANARY}),
    "paging": Fault.json({"results": [], "paging": {"next": {"after": [CANARY]}}}),
    "400": refusal(400),
    "403": refusal(403),
    "404": refusal(404),
    "redirect": Fault.redirect(f"https://{CANARY}.example/{CANARY}"),
    "headers": Fault.status(
        200,
        b'{"results": []}',
        {
            "Date": CANARY,
            "X-HubSpot-RateLimit-Max": CANARY,
            "X-HubSpot-RateLimit-Daily": CANARY,
            "Set-Cookie": f"{CANARY}={CANARY}",
        },
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_is_free_of_words_whatever_is_answered(
    clock: StillClock, name: str
) -> None:
    """Neither the table nor an error that a probe meets quotes a response."""
    with FakeHubSpot(Account(300, shape=Shape(archived=0.1))) as hubspot:
        hubspot.faults.add(HOSTILE[name], on="any")
        client = ReadOnlyClient(hubspot.url, hubspot.token)
        with captured_log() as log:
            readings = read_all(Survey(client))
        client.close()
    text = table(readings)
    assert len(readings) == len(FACTS)
    assert CANARY not in text
    loggers = {line.split(" | ")[2].strip() for line in log.getvalue().splitlines()}
    assert loggers <= {"asyncio", "urllib3.connectionpool", "urllib3.connection"}
    assert_only_reads(hubspot.requests)


def test_a_failing_run_prints_nothing_private(tmp_path: Path) -> None:
    """Not even with every option that makes pytest show more of a failure."""
    shape = Shape.awkward(archived=0.1, items=6.0)
    faults = [*HOSTILE.values(), *(Fault.html(), Fault.reset(), Fault.half_json())]
    report, xml = tmp_path / "report.md", tmp_path / "report.xml"
    with FakeHubSpot(Account(400, shape=shape), token=SECRET) as hubspot:
        hubspot.faults.add(*faults, since=2, probability=0.3, on="any", times=60)
        env = {URL: hubspot.url, FILE: str(report), TOKEN: SECRET}
        done = run_live(*LOUD, f"--junit-xml={xml}", **env)
    assert done.returncode == 1, done.stdout
    assert "failed: " in done.stdout
    for text in (done.stdout, report.read_text(), xml.read_text()):
        assert_nothing_private(text, hubspot, CANARY)
    assert_only_reads(hubspot.requests)


def test_a_token_that_is_refused_is_sent_once() -> None:
    """One sentence says what is wrong, and nothing else is tried."""
    with FakeHubSpot(Account(10)) as hubspot:
        done = run_live(*LOUD, **{URL: hubspot.url, TOKEN: SECRET})
    assert len(hubspot.requests) == 1
    assert done.returncode == 1
    assert "HubSpot answered with 401: HUBSPOT_LIVE_TOKEN needs" in done.stdout
    assert f"1 failed, {len(FACTS)} skipped" in done.stdout
    assert SECRET not in done.stdout


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
