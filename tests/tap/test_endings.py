"""Failures: how a run ends, what it reports, and that the next one continues."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import typing as t
from pathlib import Path

import pytest

from tap_hubspot_threads.errors import RetriesExhausted
from tap_hubspot_threads.records import RecordReader
from tests.fake_hubspot import Account, FakeHubSpot, Fault, FaultPlan
from tests.fake_hubspot.errors import RefusalError
from tests.support.harness import (
    TOKEN,
    Output,
    by_id,
    clean_environment,
    missing_at_states,
    run_command_here,
    run_here,
    run_tap,
    settings,
    start_tap,
    written,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fake_hubspot import SeenRequest
    from tests.support.harness import StillClock

    Body: t.TypeAlias = dict[str, t.Any]

BOUND = "latestMessageTimestampAfter"
CANARY = "the words of a customer"
PAGE = 10
FIRST, MIDDLE = 1, 3
"""Number of the request that fails: before any row, and after two pages."""


@pytest.fixture
def account() -> Account:
    """Four pages of threads."""
    return Account(size=35)


@pytest.fixture
def hubspot(account: Account) -> Iterator[FakeHubSpot]:
    """A server for this account."""
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        yield hubspot


def config(hubspot: FakeHubSpot, **more: t.Any) -> dict[str, t.Any]:
    """Return settings with pages of ten rows and a short retry budget."""
    return settings(hubspot.url, page_size=PAGE, max_retry_seconds=0.2) | more


def assert_it_failed_well(
    output: Output, hubspot: FakeHubSpot, *, at: int, says: tuple[str, ...]
) -> None:
    """Check all guarantees for a run that fails at a request.

    One line names cause and remedy, nothing private is shown, all rows of the earlier
    pages are written, and the next run completes the account from the last STATE.
    """
    assert output.code == 1
    (line,) = output.errors
    for words in says:
        assert words in line
    assert_nothing_leaks(output)
    assert len(output.records) == (at - 1) * PAGE
    assert_the_next_run_completes(output, hubspot)


def assert_nothing_leaks(output: Output) -> None:
    """Check that the output has no token, content or traceback."""
    printed = output.stderr + json.dumps(output.messages)
    assert TOKEN not in printed
    assert CANARY not in printed
    assert "Traceback" not in output.stderr


def assert_the_next_run_completes(output: Output, hubspot: FakeHubSpot) -> None:
    """Check that STATE is correct, and that the next run writes what is missing."""
    truth = {row["id"]: written(row) for row in hubspot.account.threads()}
    assert missing_at_states(output, truth.values()) == set()
    hubspot.faults.clear()
    hubspot.forget()
    state = output.states[-1] if output.states else None
    resumed = run_here(settings(hubspot.url), state=state)
    assert by_id(output.records + resumed.records) == truth
    if len(output.records) > PAGE:
        begins = hubspot.list_requests[0].param(BOUND)
        assert begins is not None
        assert begins > min(row["latestMessageTimestamp"] for row in truth.values())
        assert len(resumed.records) < len(truth)


def assert_it_ends_at_once(
    directory: Path,
    hubspot: FakeHubSpot,
    fault: Fault,
    says: tuple[str, ...],
    *,
    at: int,
    ahead: int = 0,
) -> None:
    """Run into a fault, and check that the tap does not retry, and what it reports.

    `ahead`: how many more pages may have been requested by then.
    """
    hubspot.faults.add(fault, since=at)
    output = run_command_here(directory, config(hubspot))
    assert at <= len(hubspot.requests) <= at + ahead, "tried again what cannot change"
    assert_it_failed_well(output, hubspot, at=at, says=says)


# Refusals.


def refusal(status: int, category: str, message: str, **more: t.Any) -> Fault:
    """Return HubSpot's error response, with private text in every possible place."""
    more |= {"errors": [{"message": CANARY, "context": {"who": [CANARY]}}]}
    refused = RefusalError(status, category, message, subCategory=CANARY, **more)
    refused.body["correlationId"] = "c0ffee-1"
    return Fault.refusal(refused)


REFUSALS: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "400": (
        refusal(400, "VALIDATION_ERROR", "limit is too large"),
        ("400", "VALIDATION_ERROR", "limit is too large", "c0ffee-1", "documentation"),
    ),
    "401": (
        refusal(401, "EXPIRED_AUTHENTICATION", "the token is over"),
        ("401", "EXPIRED_AUTHENTICATION", "the token is over", "`access_token`"),
    ),
    "403": (
        refusal(403, "MISSING_SCOPES", "not granted all scopes"),
        ("403", "MISSING_SCOPES", "not granted", "c0ffee-1", "`conversations.read`"),
    ),
    "404": (
        refusal(404, "OBJECT_NOT_FOUND", "resource not found"),
        ("404", "OBJECT_NOT_FOUND", "resource not found", "c0ffee-1", "`api_version`"),
    ),
    "410": (refusal(410, "GONE", "it was here"), ("410", "GONE", "c0ffee-1")),
    "418 without a body": (Fault.status(418, b""), ("418", "`api_url`")),
    "403 of a proxy": (
        Fault.status(403, f"<h1>{CANARY}</h1>".encode()),
        ("403", "`conversations.read`"),
    ),
    "404 of a proxy": (
        Fault.status(404, f"<h1>{CANARY}</h1>".encode()),
        ("404", "`api_version`"),
    ),
    "204": (Fault.status(204, b""), ("204",)),
}


@pytest.mark.parametrize("at", [FIRST, MIDDLE])
@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_ends_the_run_with_cause_and_remedy(
    tmp_path: Path, hubspot: FakeHubSpot, name: str, at: int
) -> None:
    """The line shows status, category, message, correlation ID and the setting."""
    assert_it_ends_at_once(tmp_path, hubspot, *REFUSALS[name], at=at)


@pytest.mark.parametrize("name", ["400", "401", "403", "404", "404 of a proxy"])
def test_the_command_tells_a_refusal(
    tmp_path: Path, hubspot: FakeHubSpot, name: str
) -> None:
    """The same for the command itself, as a shell runs it."""
    fault, says = REFUSALS[name]
    hubspot.faults.add(fault, since=MIDDLE)
    output = run_tap(tmp_path, config(hubspot))
    assert_it_failed_well(output, hubspot, at=MIDDLE, says=says)


def test_the_real_refusals_are_told_as_well(
    tmp_path: Path, hubspot: FakeHubSpot
) -> None:
    """A wrong token, a token without the scope, and an unknown version."""
    for changes, named in (
        ({"access_token": "another"}, ("401", "`access_token`")),
        (
            {"access_token": hubspot.unscoped_token},
            ("403", "MISSING_SCOPES", "`conversations.read`"),
        ),
        ({"api_version": "2027-03"}, ("404", "`api_version`")),
    ):
        output = run_command_here(tmp_path, config(hubspot, **changes))
        says = (*named, "category", "message", "correlationId")
        assert_it_failed_well(output, hubspot, at=FIRST, says=says)
        assert changes.get("access_token", TOKEN) not in output.stderr


def test_a_token_that_is_revoked_in_mid_run_is_told(
    tmp_path: Path, hubspot: FakeHubSpot
) -> None:
    """Earlier pages are kept, and the next run continues with another token."""

    def revoke(number: int, _: SeenRequest) -> None:
        hubspot.token = TOKEN if number < MIDDLE else "another"

    hubspot.before_request = revoke
    output = run_command_here(tmp_path, config(hubspot))
    hubspot.before_request = None
    hubspot.token = TOKEN
    assert_it_failed_well(output, hubspot, at=MIDDLE, says=("401", "`access_token`"))


def test_an_app_without_the_scope_is_told_its_own_settings(
    tmp_path: Path, hubspot: FakeHubSpot
) -> None:
    """With OAuth, the error does not refer to `access_token`."""
    app = hubspot.oauth
    app.scoped = False
    credential = {
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "refresh_token": app.refresh_token,
    }
    output = run_command_here(
        tmp_path, config(hubspot, access_token=None, **credential)
    )
    assert output.code == 1
    (line,) = output.errors
    assert "`conversations.read`" in line
    assert "`client_id`" in line
    assert "`access_token`" not in line
    for secret in (*credential.values(), *app.issued):
        assert secret not in output.stderr


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"message": f"no access for {TOKEN}"}, "no access for ***"),
        ({"message": "two\nlines\r\nand\x1b[31m color"}, "two lines and[31m color"),
        ({"message": "long " * 500}, "long long"),
        ({"message": {"who": CANARY}}, "403"),
        ({"message": [CANARY], "category": {"a": CANARY}}, "403"),
        ({"category": None, "correlationId": 17, "message": ""}, "403"),
        ([CANARY], "403"),
        (CANARY, "403"),
        (None, "403"),
    ],
    ids=["token", "lines", "long", "object", "list", "odd", "array", "text", "null"],
)
def test_a_refusal_of_any_form_is_one_safe_line(
    tmp_path: Path, hubspot: FakeHubSpot, body: t.Any, shown: str
) -> None:
    """The quoted text is short, on one line, printable, and without the token."""
    text = json.dumps(body).encode()
    hubspot.faults.add(Fault.status(403, text), since=FIRST)
    output = run_command_here(tmp_path, config(hubspot))
    assert_it_failed_well(output, hubspot, at=FIRST, says=(shown,))
    assert len(output.errors[0]) < 1000
    assert "\x1b" not in output.errors[0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    tmp_path: Path, hubspot: FakeHubSpot, status: int
) -> None:
    """The token only goes to `api_url`, whatever a response says."""
    with FakeHubSpot(hubspot.account, token=TOKEN) as elsewhere:
        path = "/conversations/conversations/2026-09-beta/threads"
        fault = Fault.redirect(f"{elsewhere.url}{path}", status)
        hubspot.faults.add(fault, since=MIDDLE)
        output = run_command_here(tmp_path, config(hubspot))
        assert elsewhere.requests == []
    says = (str(status), "`api_url`")
    assert_it_failed_well(output, hubspot, at=MIDDLE, says=says)


# Responses that cannot be read.


def changed(change: Callable[[Body], object]) -> Fault:
    """Return a response with something changed."""

    def edit(body: Body) -> None:
        for row in body["results"]:
            row["assignedTo"] = CANARY
        change(body)

    return Fault.edited(edit)


def row_of(body: Body) -> Body:
    """Return a row in the middle of a page."""
    row: Body = body["results"][3]
    return row


UNREADABLE: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "no results": (Fault.json({"total": 0, "who": CANARY}), ("`results`",)),
    "an error with 200": (
        Fault.json({"status": "error", "message": CANARY}),
        ("`results`", "`api_url`", "`api_version`"),
    ),
    "results null": (Fault.json({"results": None}), ("`results`",)),
    "results an object": (Fault.json({"results": {"id": CANARY}}), ("`results`",)),
    "results a text": (Fault.json({"results": CANARY}), ("`results`",)),
    "a list": (Fault.json([{"id": CANARY}]), ("`results`",)),
    "null": (Fault.json(None), ("`results`",)),
    "a text": (Fault.json(CANARY), ("`results`",)),
    "a row that is a text": (
        changed(lambda body: body["results"].insert(3, CANARY)),
        ("row", "not an object"),
    ),
    "a row that is null": (
        changed(lambda body: body["results"].__setitem__(-1, None)),
        ("row", "not an object"),
    ),
    "a row without id": (
        changed(lambda body: row_of(body).pop("id")),
        ("row", "`id`"),
    ),
    "a row whose id is null": (
        changed(lambda body: row_of(body).update(id=None)),
        ("row", "`id`"),
    ),
    "a row whose id is empty": (
        changed(lambda body: row_of(body).update(id="")),
        ("row", "`id`"),
    ),
    "paging a list": (
        changed(lambda body: body.update(paging=[CANARY])),
        ("`paging`",),
    ),
    "paging a text": (changed(lambda body: body.update(paging=CANARY)), ("`paging`",)),
    "next a text": (
        changed(lambda body: body.update(paging={"next": CANARY})),
        ("`paging`",),
    ),
    "after an object": (
        changed(lambda body: body.update(paging={"next": {"after": {"a": CANARY}}})),
        ("`paging.next.after`",),
    ),
    "after true": (
        changed(lambda body: body.update(paging={"next": {"after": True}})),
        ("`paging.next.after`",),
    ),
}


@pytest.mark.parametrize("at", [FIRST, MIDDLE])
@pytest.mark.parametrize("name", UNREADABLE)
def test_json_that_is_no_page_ends_the_run(
    tmp_path: Path, hubspot: FakeHubSpot, name: str, at: int
) -> None:
    """It is never taken for "no threads", and no row of such a page is written."""
    # A page is converted while the next one is being fetched.
    ahead = 1 if name.startswith("a row") else 0
    assert_it_ends_at_once(tmp_path, hubspot, *UNREADABLE[name], at=at, ahead=ahead)


@pytest.mark.parametrize(
    "name", ["an error with 200", "a row without id", "paging a list"]
)
def test_the_command_tells_what_it_cannot_read(
    tmp_path: Path, hubspot: FakeHubSpot, name: str
) -> None:
    """The same for the command itself."""
    fault, says = UNREADABLE[name]
    hubspot.faults.add(fault, since=MIDDLE)
    output = run_tap(tmp_path, config(hubspot))
    assert_it_failed_well(output, hubspot, at=MIDDLE, says=says)


# Permanent faults.

LASTING: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "html": (
        Fault.content(f"<html>{CANARY}</html>".encode(), "text/html"),
        ("not JSON",),
    ),
    "half json": (Fault.half_json(), ("not JSON",)),
    "empty body": (Fault.content(b""), ("not JSON",)),
    "no unicode": (Fault.content(b'{"results": ["\xff\xfe"]}'), ("not JSON",)),
    "nested without end": (Fault.content(b"[" * 100_000), ("not JSON",)),
    "not compressed as it says": (
        Fault.status(200, CANARY.encode(), {"Content-Encoding": "gzip"}),
        ("No answer from",),
    ),
    "500": (Fault.status(500, CANARY.encode()), ("500",)),
    "503 of HubSpot": (
        refusal(503, "UNAVAILABLE", "try later"),
        ("503", "UNAVAILABLE", "try later", "c0ffee-1"),
    ),
    "524": (Fault.status(524), ("524",)),
    "reset": (Fault.reset(), ("No answer from",)),
    "closed": (Fault.disconnect(), ("No answer from",)),
    "cut short": (Fault.cut(), ("No answer from",)),
    "chunks cut short": (Fault.cut_chunked(), ("No answer from",)),
    "silence": (Fault.hang(), ("No answer from", "imeout")),
}


@pytest.mark.parametrize("name", LASTING)
def test_a_fault_that_lasts_ends_the_run(
    tmp_path: Path, hubspot: FakeHubSpot, name: str
) -> None:
    """When the time for retries is over, one line names the fault and the setting."""
    fault, says = LASTING[name]
    hubspot.faults.add(fault, since=MIDDLE)
    patience = 0.3 if name == "silence" else 30
    output = run_command_here(
        tmp_path, config(hubspot, request_timeout=patience, max_retry_seconds=0.5)
    )
    assert len(hubspot.requests) > MIDDLE, "did not try again"
    says = (*says, "`max_retry_seconds`", "resumes")
    assert_it_failed_well(output, hubspot, at=MIDDLE, says=says)


@pytest.mark.parametrize("name", ["html", "half json", "closed", "silence"])
def test_the_command_tells_a_fault_that_lasts(
    tmp_path: Path, hubspot: FakeHubSpot, name: str
) -> None:
    """The same for the command itself, from the first request on."""
    fault, says = LASTING[name]
    hubspot.faults.add(fault, since=FIRST)
    patience = 0.3 if name == "silence" else 30
    output = run_tap(
        tmp_path, config(hubspot, request_timeout=patience, max_retry_seconds=0.5)
    )
    assert len(hubspot.requests) > FIRST
    assert_it_failed_well(output, hubspot, at=FIRST, says=says)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_that_never_comes_up_is_told(tmp_path: Path, scheme: str) -> None:
    """If it is refused or has no TLS, the line names the address and its setting."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"{scheme}://127.0.0.1:{port}"
    output = run_tap(tmp_path, settings(url, max_retry_seconds=0.2))
    assert output.code == 1
    (line,) = output.errors
    assert url in line
    assert "refused" in line
    assert "`api_url`" in line
    assert_nothing_leaks(output)


def test_a_server_without_tls_is_told(tmp_path: Path, hubspot: FakeHubSpot) -> None:
    """HTTPS to a port that speaks HTTP fails with a clear line, not a traceback."""
    url = hubspot.url.replace("http:", "https:")
    output = run_command_here(tmp_path, settings(url, max_retry_seconds=0.2))
    assert output.code == 1
    (line,) = output.errors
    assert "SSL" in line
    assert_nothing_leaks(output)


# Transient faults.


@pytest.fixture
def waits(clock: StillClock, hubspot: FakeHubSpot) -> list[float]:
    """Return the seconds that the tap would wait; no time passes.

    HubSpot sends no limits here, because their windows follow the real clock.
    """
    hubspot.contract.quota_headers = False
    return clock.waits


PASSING: dict[str, tuple[Fault, float, float]] = {
    "429 in ten seconds": (Fault.rate_limit("TEN_SECONDLY_ROLLING"), 10, 11),
    "429 in a second": (Fault.rate_limit("SECONDLY"), 1, 1.5),
    "429 of another policy": (Fault.rate_limit("HOURLY"), 10, 11),
    "429 without a body": (Fault.status(429, b""), 10, 11),
    "429, Retry-After 3": (Fault.rate_limit("SECONDLY", 3), 3, 3.5),
    "429, Retry-After 0": (Fault.rate_limit("TEN_SECONDLY_ROLLING", 0), 0, 1),
    "423": (Fault.locked(), 2, 3),
    "477": (Fault.moving(None), 30, 60),
    "477, Retry-After 5": (Fault.moving(5), 5, 35),
    "408": (Fault.status(408), 0, 1),
    "503, Retry-After 7": (Fault.status(503, retry_after=7), 7, 8),
    "a timeout": (Fault.hang(), 0, 1),
    **{
        str(status): (Fault.status(status), 0, 1)
        for status in (500, 501, 502, 503, 504, 507, 520, 521, 522, 523, 525, 526, 599)
    },
    "reset": (Fault.reset(), 0, 1),
    "closed": (Fault.disconnect(), 0, 1),
    "reset midway": (Fault.reset_midway(), 0, 1),
    "cut short": (Fault.cut(), 0, 1),
    "chunks cut short": (Fault.cut_chunked(), 0, 1),
    "html": (Fault.html(), 0, 1),
    "half json": (Fault.half_json(), 0, 1),
}
"""Each fault, with the minimum and the maximum of the first wait."""


@pytest.mark.parametrize("at", [FIRST, MIDDLE])
@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_costs_a_wait_and_no_row(
    hubspot: FakeHubSpot, waits: list[float], name: str, at: int
) -> None:
    """It costs one more request and one wait of the right length. No row is lost."""
    fault, least, most = PASSING[name]
    hubspot.faults.add(fault, at=at)
    patience = 0.3 if name == "a timeout" else 30
    output = run_here(config(hubspot, max_retry_seconds=600, request_timeout=patience))
    assert len(output.records) == 35
    rows = {row["id"]: written(row) for row in hubspot.account.threads()}
    assert by_id(output.records) == rows
    assert len(hubspot.requests) == 4 + 1
    again = [request.params for request in hubspot.requests[at - 1 : at + 1]]
    assert again[0] == again[1], "asked for something else"
    (waited,) = waits
    assert least <= waited <= most


def test_the_command_rides_out_what_passes(
    tmp_path: Path, hubspot: FakeHubSpot
) -> None:
    """With a fault at every other request: warnings, no error, the whole account."""
    faults = [
        Fault.rate_limit("TEN_SECONDLY_ROLLING", 0),
        Fault.half_json(),
        Fault.status(502, CANARY.encode(), retry_after=0),
        Fault.cut(),
    ]
    for number, fault in enumerate(faults):
        hubspot.faults.add(fault, at=1 + 2 * number)
    output = run_tap(tmp_path, config(hubspot, max_retry_seconds=10))
    assert output.code == 0, output.stderr
    assert output.errors == []
    assert len([line for line in output.warnings if "trying again" in line]) == 4
    assert len(output.records) == len(by_id(output.records)) == 35
    assert_nothing_leaks(output)


@pytest.mark.parametrize("at", [FIRST, MIDDLE])
def test_retry_after_in_seconds_is_honoured(hubspot: FakeHubSpot, at: int) -> None:
    """The next request is not earlier, by the server's clock."""
    hubspot.faults.add(Fault.rate_limit("SECONDLY", 1), at=at)
    run_here(config(hubspot, max_retry_seconds=5))
    first, second = (request.at for request in hubspot.requests[at - 1 : at + 1])
    assert 1 <= second - first < 4


def test_retry_after_as_a_date_is_honoured(account: Account) -> None:
    """A date is compared with the real clock."""
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=3)).replace(microsecond=0)
    plan = FaultPlan().add(Fault.status(503, retry_after=until), at=2)
    with FakeHubSpot(account, token=TOKEN, faults=plan, monotonic=time.time) as hubspot:
        run_here(config(hubspot, max_retry_seconds=10))
        before, after = (request.at for request in hubspot.requests[1:3])
    assert before < until.timestamp() <= after < until.timestamp() + 4


@pytest.mark.parametrize(
    "header",
    [
        "soon",
        "",
        "-5",
        "1.5",
        "Mon, 99 Jan 2024 00:00:00 GMT",
        "Mon, 1 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 1 Jan 2024 00:00:00 +99999999",
    ],
)
def test_a_retry_after_that_cannot_be_read_counts_as_none(
    hubspot: FakeHubSpot, waits: list[float], header: str
) -> None:
    """Then the rule of the fault applies."""
    hubspot.faults.add(Fault.rate_limit("SECONDLY", header), at=MIDDLE)
    output = run_here(config(hubspot, max_retry_seconds=600))
    assert len(output.records) == 35
    (waited,) = waits
    assert 1 <= waited <= 1.5


def test_a_retry_after_in_the_past_means_now(
    hubspot: FakeHubSpot, waits: list[float]
) -> None:
    """If the clock is ahead of HubSpot's, the run does not fail."""
    hubspot.faults.add(
        Fault.rate_limit("SECONDLY", "Wed, 21 Oct 2015 07:28:00 GMT"), at=MIDDLE
    )
    assert len(run_here(config(hubspot, max_retry_seconds=600)).records) == 35
    (waited,) = waits
    assert 0 <= waited <= 0.5


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault.rate_limit("SECONDLY", 120), ("429", "SECONDLY", "120 s")),
        (Fault.rate_limit("DAILY"), ("429", "DAILY", "midnight")),
        (Fault.rate_limit("DAILY", 1), ("429", "DAILY", "midnight")),
        (Fault.moving(86_400), ("477", "86400 s", "moving the account")),
        (Fault.moving("9" * 400), ("477",)),
        (Fault.status(503, retry_after=31), ("503", "31 s", "`max_retry_seconds`")),
    ],
    ids=lambda value: value.name[:40] if isinstance(value, Fault) else "",
)
def test_what_takes_too_long_is_not_waited_for(
    tmp_path: Path,
    hubspot: FakeHubSpot,
    waits: list[float],
    fault: Fault,
    says: tuple[str, ...],
) -> None:
    """A run that would have to give up anyway gives up at once, and can be resumed."""
    hubspot.faults.add(fault, since=MIDDLE)
    output = run_command_here(tmp_path, config(hubspot, max_retry_seconds=30))
    assert waits == []
    assert len(hubspot.requests) == MIDDLE
    assert_it_failed_well(output, hubspot, at=MIDDLE, says=(*says, "resumes"))


def test_the_command_stops_at_a_wait_that_is_too_long(
    tmp_path: Path, hubspot: FakeHubSpot
) -> None:
    """The same for the command itself, with the real clock."""
    hubspot.faults.add(Fault.moving(86_400), since=MIDDLE)
    began = time.monotonic()
    output = run_tap(tmp_path, config(hubspot, max_retry_seconds=600))
    assert time.monotonic() - began < 20
    assert_it_failed_well(output, hubspot, at=MIDDLE, says=("477", "86400 s"))


def test_the_waits_for_one_request_stay_within_the_budget(
    hubspot: FakeHubSpot, waits: list[float]
) -> None:
    """The waits grow, and their sum is at most `max_retry_seconds`."""
    hubspot.faults.add(Fault.status(503), since=MIDDLE)
    with pytest.raises(RetriesExhausted):
        run_here(config(hubspot, max_retry_seconds=100))
    assert 90 < sum(waits) <= 100.001
    assert len(hubspot.requests) == MIDDLE + len(waits)
    assert len(waits) >= 5


def test_every_request_has_a_budget_of_its_own(
    hubspot: FakeHubSpot, waits: list[float]
) -> None:
    """A long run can have more faults than a short one."""
    for number in (1, 3, 5, 7):
        hubspot.faults.add(Fault.locked(), at=number)
    output = run_here(config(hubspot, max_retry_seconds=3.5))
    assert len(output.records) == 35
    assert len(waits) == 4
    assert sum(waits) > 3.5


def test_no_budget_means_no_second_try(
    hubspot: FakeHubSpot, waits: list[float]
) -> None:
    """With `max_retry_seconds` of 0, a fault is reported at once."""
    hubspot.faults.add(Fault.status(500), at=MIDDLE)
    with pytest.raises(RetriesExhausted):
        run_here(config(hubspot, max_retry_seconds=0))
    assert waits == []
    assert len(hubspot.requests) == MIDDLE


def test_a_slow_answer_is_no_timeout(hubspot: FakeHubSpot) -> None:
    """A body that arrives in pieces can take longer than the timeout in total."""
    hubspot.faults.add(Fault.dribble(0.1, pieces=12), at=MIDDLE)
    output = run_here(config(hubspot, request_timeout=1))
    assert len(output.records) == 35
    assert len(hubspot.requests) == 4


# The closing line, the log level, and unexpected errors.


@pytest.mark.parametrize(
    ("size", "says"),
    [
        (1, "read 1 row and wrote 1, with 1 request in "),
        (35, "read 35 rows and wrote 35, with 4 requests in "),
    ],
)
def test_a_complete_run_counts_rows_and_requests(
    tmp_path: Path, size: int, says: str
) -> None:
    """The closing line names what was read, what was written, and what it took."""
    with FakeHubSpot(Account(size=size), token=TOKEN) as hubspot:
        output = run_command_here(tmp_path, config(hubspot))
    assert f"Complete: {says}" in output.stderr


@pytest.mark.parametrize("name", ["403", "html", "a row without id"])
def test_at_debug_there_is_a_traceback_and_still_no_secret(
    tmp_path: Path, hubspot: FakeHubSpot, name: str
) -> None:
    """The log can be attached to a bug report."""
    fault, _ = (REFUSALS | LASTING | UNREADABLE)[name]
    hubspot.faults.add(fault, since=MIDDLE)
    output = run_tap(tmp_path, config(hubspot), env={"LOGLEVEL": "DEBUG"})
    assert output.code == 1
    assert "Traceback (most recent call last)" in output.stderr
    assert TOKEN not in output.stderr
    assert CANARY not in output.stderr


def test_an_error_that_nobody_foresaw_is_one_line_without_its_message(
    tmp_path: Path, hubspot: FakeHubSpot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message could contain anything, so only its place and a hint are shown."""

    def fail(_: RecordReader, row: object) -> t.NoReturn:
        raise ZeroDivisionError(CANARY, row)

    monkeypatch.setattr(RecordReader, "read", fail)
    output = run_command_here(tmp_path, config(hubspot))
    assert output.code == 1
    (line,) = output.errors
    assert "ZeroDivisionError in test_endings.py" in line
    assert "LOGLEVEL=DEBUG" in line
    assert_nothing_leaks(output)


# Targets and outputs that close.


def test_a_target_that_goes_away_ends_the_run_in_one_line(tmp_path: Path) -> None:
    """The target reports the cause; the tap reports that the run is incomplete."""
    with FakeHubSpot(Account(size=5_000), token=TOKEN) as hubspot:
        with start_tap(tmp_path, settings(hubspot.url)) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            for _ in range(5):
                process.stdout.readline()
            process.stdout.close()
            stderr = process.stderr.read().decode()
        asked = len(hubspot.requests)
    assert process.returncode == 1
    (line,) = Output.parse("", 1, stderr).errors
    assert "The target closed its input" in line
    assert "Traceback" not in stderr
    assert "BrokenPipe" not in stderr
    assert asked < 10


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_disk_that_is_full_is_told(tmp_path: Path, hubspot: FakeHubSpot) -> None:
    """One line says that the output could not be written, and why."""
    with Path("/dev/full").open("wb") as full:
        output = run_tap(tmp_path, config(hubspot), stdout=full)
    assert output.code == 1
    (line,) = output.errors
    assert "output" in line
    assert "No space left" in line
    assert_nothing_leaks(output)


def test_an_output_that_is_closed_is_told(tmp_path: Path, hubspot: FakeHubSpot) -> None:
    """A shell's `>&-`, and some daemons, start a command without an output."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(hubspot)))
    command = [sys.executable, "-m", "tap_hubspot_threads", "--config", str(path)]
    ended = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command],
        stderr=subprocess.PIPE,
        env=clean_environment(),
        check=False,
    )
    output = Output.parse("", ended.returncode, ended.stderr.decode())
    assert output.code == 1
    (line,) = output.errors
    assert "output" in line
    assert_nothing_leaks(output)


@pytest.mark.parametrize("name", ["LOGLEVEL", "TAP_HUBSPOT_THREADS_LOGLEVEL"])
def test_an_unknown_log_level_is_told(tmp_path: Path, name: str) -> None:
    """It is read before there is a command that could report anything."""
    output = run_tap(tmp_path, None, "--about", env={name: "loud"})
    assert output.code == 1
    (line,) = output.stderr.splitlines()
    assert "'LOUD'" in line
    assert name in line


# Signals.

SIGNALS = [signal.SIGTERM, signal.SIGINT]


def assert_it_stopped_well(
    process: subprocess.Popen[bytes],
    number: signal.Signals,
    hubspot: FakeHubSpot,
    before: bytes = b"",
    *,
    sent: tuple[signal.Signals, ...] = (),
) -> Output:
    """Send a signal, and check all guarantees for a run that is stopped."""
    began = time.monotonic()
    for each in sent or (number,):
        process.send_signal(each)
    stdout, stderr = process.communicate(timeout=10)
    took = time.monotonic() - began
    output = Output.parse(before + stdout, process.returncode, stderr.decode())
    assert output.code == 128 + number
    assert took < 2
    assert (before + stdout).endswith(b"\n")
    assert output.errors == []
    assert any(number.name in line for line in output.warnings)
    assert_nothing_leaks(output)
    truth = {row["id"]: written(row) for row in hubspot.account.threads()}
    assert missing_at_states(output, truth.values()) == set()
    return output


def read(process: subprocess.Popen[bytes], *, lines: int) -> bytes:
    """Read some lines of a run's output, without buffering more on this side."""
    assert process.stdout is not None
    found = b""
    while found.count(b"\n") < lines:
        chunk = os.read(process.stdout.fileno(), 4096)
        assert chunk, "ended early"
        found += chunk
    return found


def start_until_it_waits(
    directory: Path,
    hubspot: FakeHubSpot,
    fault: Fault,
    config: dict[str, t.Any],
    **more: t.Any,
) -> subprocess.Popen[bytes]:
    """Start a run, and return when it has sent the request that meets the fault."""
    waiting = threading.Event()

    def tell(count: int, _: SeenRequest) -> None:
        if count == MIDDLE:
            waiting.set()

    hubspot.before_request = tell
    hubspot.faults.add(fault, since=MIDDLE)
    process = start_tap(directory, config, **more)
    assert waiting.wait(20)
    hubspot.before_request = None
    return process


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "fault",
    [Fault.status(503, retry_after=60), Fault.hang()],
    ids=["in a wait", "in a request"],
)
@pytest.mark.parametrize("parallel", [1, 8])
def test_a_signal_ends_a_run_that_waits(
    tmp_path: Path,
    hubspot: FakeHubSpot,
    number: signal.Signals,
    fault: Fault,
    parallel: int,
) -> None:
    """It ends at once, with the documented code and the STATE of what was written."""
    settings = config(hubspot, max_retry_seconds=600, max_parallel_requests=parallel)
    process = start_until_it_waits(tmp_path, hubspot, fault, settings)
    output = assert_it_stopped_well(process, number, hubspot)
    assert PAGE <= len(output.records) <= 2 * PAGE
    assert parallel > 1 or len(output.records) == 2 * PAGE
    assert_the_next_run_completes(output, hubspot)


TO_ANOTHER_THREAD = """\
import signal
import threading
from tap_hubspot_threads.tap import TapHubSpotThreads

def work():
    signal.sigwait({signal.SIGUSR1})
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
threading.Thread(target=work, daemon=True).start()
TapHubSpotThreads.cli()
"""
"""A run in which SIGTERM interrupts a thread other than the main one."""


@pytest.mark.parametrize("parallel", [1, 8])
def test_a_signal_that_interrupts_no_wait_ends_it(
    tmp_path: Path, hubspot: FakeHubSpot, parallel: int
) -> None:
    """This happens if the signal comes just before the wait, which is hard to time."""
    settings = config(hubspot, max_parallel_requests=parallel)
    process = start_until_it_waits(
        tmp_path, hubspot, Fault.hang(), settings, program=("-c", TO_ANOTHER_THREAD)
    )
    output = assert_it_stopped_well(
        process, signal.SIGTERM, hubspot, sent=(signal.SIGUSR1,)
    )
    assert_the_next_run_completes(output, hubspot)


def unread(process: subprocess.Popen[bytes]) -> int:
    """Return how many bytes are in the pipe of a run's output."""
    assert process.stdout is not None
    count = fcntl.ioctl(process.stdout, termios.FIONREAD, bytes(4))
    return int.from_bytes(count, sys.byteorder)


HALF_A_SECOND = """\
from tap_hubspot_threads import signals
from tap_hubspot_threads.tap import TapHubSpotThreads

signals.GRACE = 0.5
TapHubSpotThreads.cli()
"""
"""A run that ends half a second after a signal, instead of ten."""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_run_whose_target_never_reads_again(
    tmp_path: Path, number: signal.Signals
) -> None:
    """It cannot finish its message, but must not stay forever."""
    with FakeHubSpot(Account(size=2_500), token=TOKEN) as hubspot:
        process = start_tap(
            tmp_path, settings(hubspot.url), program=("-c", HALF_A_SECOND)
        )
        before = read(process, lines=1)
        while unread(process) < 32_000:  # a page is longer than a pipe's buffer
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(timeout=10) == -signal.SIGALRM
        stdout, stderr = process.communicate(timeout=10)
        output = Output.parse(before + stdout, process.returncode, stderr.decode())
        assert 0 < len(output.records) < 500
        assert output.states == []
        assert output.errors == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_run_that_writes(
    tmp_path: Path, number: signal.Signals
) -> None:
    """It ends between two messages, so none is cut in half."""
    with FakeHubSpot(Account(size=2_500), token=TOKEN) as hubspot:
        process = start_tap(tmp_path, settings(hubspot.url))
        before = read(process, lines=1_100)
        output = assert_it_stopped_well(process, number, hubspot, before)
        assert 1_000 < len(output.records) < 2_500
        assert output.bookmark["replication_key_value"]
        assert_the_next_run_completes(output, hubspot)


def test_a_signal_while_the_target_does_not_read_cuts_no_message(
    tmp_path: Path,
) -> None:
    """A run that is blocked inside a message still ends after a complete one."""
    with FakeHubSpot(Account(size=2_500), token=TOKEN) as hubspot:
        # The pipe is full long before the second page is requested.
        process = start_tap(tmp_path, settings(hubspot.url))
        before = read(process, lines=1)
        output = assert_it_stopped_well(process, signal.SIGTERM, hubspot, before)
        assert len(output.records) < 2_500
        assert_the_next_run_completes(output, hubspot)


@pytest.mark.parametrize("other", SIGNALS)
def test_a_second_signal_changes_nothing(tmp_path: Path, other: signal.Signals) -> None:
    """Ctrl-C reaches a whole pipeline, and then its runner stops each process again."""
    with FakeHubSpot(Account(size=2_500), token=TOKEN) as hubspot:
        process = start_tap(tmp_path, settings(hubspot.url))
        before = read(process, lines=1_100)
        output = assert_it_stopped_well(
            process, signal.SIGINT, hubspot, before, sent=(signal.SIGINT, other)
        )
        assert_the_next_run_completes(output, hubspot)


def test_a_signal_while_readers_wait_cuts_no_message(tmp_path: Path) -> None:
    """The rest of a page is written, even if workers still wait for HubSpot."""
    faults = FaultPlan().add(Fault.slow(8), since=15)
    with FakeHubSpot(Account(size=20_000), token=TOKEN, faults=faults) as hubspot:
        more = {"page_size": 100, "max_parallel_requests": 4}
        process = start_tap(tmp_path, settings(hubspot.url, **more))
        deadline = time.monotonic() + 20
        while len(hubspot.requests) < 15 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)  # the target is busy, and the pipe is full
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        stdout, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert stdout.endswith(b"\n")
    output = Output.parse(stdout, process.returncode)
    # Some targets only print a state that no record follows.
    assert output.messages[-1] == {"type": "STATE", "value": output.states[-2]}
