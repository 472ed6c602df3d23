"""The credential of an OAuth app: when tokens are refreshed, and how that can fail."""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
import threading
import time
import typing as t
from urllib.parse import parse_qsl

import pytest
import requests

from tap_hubspot_threads.auth import OAUTH_SETTINGS, OAuthToken
from tap_hubspot_threads.errors import CredentialRefused, HubSpotError, RetriesExhausted
from tap_hubspot_threads.ordering import Frontier
from tests.fake_hubspot import Account, FakeHubSpot, Fault, OAuth
from tests.fake_hubspot.errors import RefusalError
from tests.support.harness import (
    TOKEN,
    Output,
    StillClock,
    by_id,
    captured_log,
    missing_at_states,
    oauth_settings,
    run_command_here,
    run_here,
    secrets_of,
    settings,
    written,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.fake_hubspot import SeenRequest

CANARY = "the-words-of-a-customer"
PAGE, PAGES = 2, 10
BUDGET = 100.0
STEP = 100
"""Seconds that pass with each request, if time passes: less than the margin."""
LIFE = 800
"""Lifetime of a token in seconds: a run of ten pages needs a second token."""
SECOND = 8
"""Number of the first request that uses the second token."""


@pytest.fixture
def hubspot(clock: StillClock) -> Iterator[FakeHubSpot]:
    """Serve ten pages of threads to an app."""
    account = Account(size=PAGE * PAGES)
    app = OAuth(expires_in=LIFE)
    with FakeHubSpot(account, token=TOKEN, oauth=app, monotonic=clock) as hubspot:
        yield hubspot


def config(hubspot: FakeHubSpot, **more: t.Any) -> dict[str, t.Any]:
    return oauth_settings(hubspot, page_size=PAGE, max_retry_seconds=BUDGET) | more


def forms(hubspot: FakeHubSpot) -> list[dict[str, str]]:
    """Return the forms that were posted to the token endpoint."""
    return [dict(parse_qsl(r.body.decode())) for r in hubspot.token_requests]


def assert_complete(output: Output, hubspot: FakeHubSpot) -> None:
    """Check that every thread was written exactly once."""
    truth = {row["id"]: written(row) for row in hubspot.account.threads()}
    assert by_id(output.records) == truth
    assert len(output.records) == len(truth)


def time_passes(hubspot: FakeHubSpot, clock: StillClock, seconds: float = STEP) -> None:
    """Let time pass before each request for threads is answered."""

    def advance(number: int, seen: SeenRequest) -> None:
        del number, seen
        clock.now += seconds

    hubspot.before_request = advance


# Refreshing in time.


def test_a_token_is_asked_for_once_and_used_for_every_page(
    hubspot: FakeHubSpot,
) -> None:
    """The form is that of HubSpot's reference, and has no Authorization header."""
    assert_complete(run_here(config(hubspot)), hubspot)
    (asked,) = hubspot.token_requests
    assert asked.method == "POST"
    assert asked.path == "/oauth/2026-03/token"
    assert asked.params == []
    assert "Authorization" not in asked.headers
    assert forms(hubspot) == [
        {
            "grant_type": "refresh_token",
            "client_id": hubspot.oauth.client_id,
            "client_secret": hubspot.oauth.client_secret,
            "refresh_token": hubspot.oauth.refresh_token,
        }
    ]
    (token,) = hubspot.oauth.issued
    sent = {request.headers["Authorization"] for request in hubspot.list_requests}
    assert sent == {f"Bearer {token}"}


def test_a_long_run_renews_its_token_before_it_expires(
    hubspot: FakeHubSpot, clock: StillClock
) -> None:
    """Over two hours, no request carries a token with two minutes left or less."""
    hubspot.oauth.expires_in = 1800
    left: list[float] = []

    def look(number: int, seen: SeenRequest) -> None:
        del number
        token = seen.headers["Authorization"].removeprefix("Bearer ")
        left.append(hubspot.oauth._ends[token] - clock.now)
        clock.now += STEP

    hubspot.before_request = look
    hubspot.account = Account(size=75)
    began = clock.now
    assert_complete(run_here(config(hubspot, page_size=1)), hubspot)
    assert clock.now - began > 7_200
    assert {request.status for request in hubspot.requests} == {200}
    assert min(left) > OAuthToken.MARGIN
    assert len(hubspot.token_requests) == 5
    assert clock.waits == []


@pytest.mark.parametrize("expires_in", [1, 60, 120, 121, 240])
def test_a_token_that_lives_shorter_than_the_margin_is_used_all_the_same(
    hubspot: FakeHubSpot, clock: StillClock, expires_in: int
) -> None:
    """It is refreshed after half of its lifetime, not for every request."""
    hubspot.oauth.expires_in = expires_in
    time_passes(hubspot, clock, expires_in / 15)
    assert_complete(run_here(config(hubspot)), hubspot)
    assert {request.status for request in hubspot.requests} == {200}
    assert len(hubspot.token_requests) == 2


def test_the_time_that_a_refresh_takes_counts_as_life_of_the_token(
    hubspot: FakeHubSpot, clock: StillClock
) -> None:
    """HubSpot's clock for a token starts before its response arrives."""
    hubspot.faults.add(Fault.status(503, retry_after=90), at=1, on="token")
    hubspot.oauth.expires_in = 200
    time_passes(hubspot, clock, 15)
    assert_complete(run_here(config(hubspot)), hubspot)
    assert {request.status for request in hubspot.list_requests} == {200}


@pytest.mark.parametrize(
    "expires_in",
    [None, "1800", "", 0, -5, True, [], {"a": 1}, 1e300, 10**30, float("nan")],
    ids=str,
)
def test_an_expiry_that_is_none_counts_as_the_documented_one(
    hubspot: FakeHubSpot, expires_in: t.Any
) -> None:
    """There is no traceback, and no refresh for each request."""

    def change(body: dict[str, t.Any]) -> None:
        if expires_in is None:
            del body["expires_in"]
        else:
            body["expires_in"] = expires_in

    hubspot.faults.add(Fault.edited(change), on="token")
    assert_complete(run_here(config(hubspot)), hubspot)
    assert len(hubspot.token_requests) <= 2


# Several threads.

THREADS = 8
ENDPOINT = "https://api.hubapi.com/oauth/2026-03/token"


@dataclasses.dataclass
class Endpoint:
    """A token endpoint that is slow and counts requests."""

    failure: Exception | None = None
    asked: int = 0

    def __call__(self, url: str, form: Mapping[str, str]) -> requests.Response:
        """Return a token with its own number."""
        assert url == ENDPOINT
        assert form["grant_type"] == "refresh_token"
        self.asked += 1
        number = self.asked
        threading.Event().wait(0.05)
        if self.failure is not None:
            raise self.failure
        response = requests.Response()
        response.status_code = 200
        body = {"access_token": f"access-{number}", "expires_in": 1800}
        response._content = json.dumps(body).encode()
        return response


def credential_of(
    endpoint: Endpoint, clock: Callable[[], float] = time.monotonic
) -> OAuthToken:
    return OAuthToken(
        ENDPOINT,
        dict.fromkeys(OAUTH_SETTINGS, "x"),
        send=endpoint,
        logger=logging.getLogger("test"),
        clock=clock,
    )


def at_once(work: Callable[[], t.Any]) -> list[t.Any]:
    """Call a function in several threads at the same moment, and return all results."""
    start = threading.Barrier(THREADS)
    results: list[t.Any] = []

    def do() -> None:
        start.wait()
        try:
            results.append(work())
        except HubSpotError as error:
            results.append(error)

    threads = [threading.Thread(target=do) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return results


def signed(credential: OAuthToken) -> requests.PreparedRequest:
    request = requests.Request("GET", "https://api.hubapi.com/x").prepare()
    return credential(request)


def test_threads_that_need_the_first_token_share_one_refresh() -> None:
    """One thread sends the request, and the others wait for the result."""
    endpoint = Endpoint()
    credential = credential_of(endpoint)
    assert at_once(credential.token) == ["access-1"] * THREADS
    assert endpoint.asked == 1


def test_threads_that_meet_the_expiry_share_one_refresh() -> None:
    """The same in the middle of a run."""
    endpoint, clock = Endpoint(), StillClock()
    credential = credential_of(endpoint, clock)
    for number in range(1, 4):
        assert at_once(credential.token) == [f"access-{number}"] * THREADS
        assert endpoint.asked == number
        clock.now += 1800


def test_threads_whose_token_is_refused_share_one_refresh() -> None:
    """Each thread gets a 401 for the same token, and all use the new one."""
    endpoint = Endpoint()
    credential = credential_of(endpoint)
    refused = signed(credential)
    assert at_once(lambda: credential.renew(refused)) == [True] * THREADS
    assert endpoint.asked == 2
    assert signed(credential).headers["Authorization"] == "Bearer access-2"


def test_a_refresh_that_fails_is_told_to_every_thread() -> None:
    """None of them is left to wait, and a later one may succeed."""
    endpoint = Endpoint(failure=CredentialRefused("no"))
    credential = credential_of(endpoint)
    results = at_once(credential.token)
    assert len(results) == THREADS
    assert {type(result) for result in results} == {CredentialRefused}
    endpoint.failure = None
    assert credential.token().startswith("access-")


# A token that is refused.


def test_a_token_that_ends_early_is_renewed_at_the_401(
    hubspot: FakeHubSpot, clock: StillClock
) -> None:
    """Each token that HubSpot ends early costs one request and no wait."""
    hubspot.oauth.lifetime = 250
    time_passes(hubspot, clock)
    assert_complete(run_here(config(hubspot)), hubspot)
    refusals = [r for r in hubspot.list_requests if r.status == 401]
    assert len(refusals) >= 3
    assert len(hubspot.token_requests) == 1 + len(refusals)
    assert clock.waits == []


def test_tokens_that_are_revoked_in_mid_run_cost_one_refresh(
    hubspot: FakeHubSpot, directory: Path
) -> None:
    """This happens if somebody revokes tokens while the app stays installed."""

    def revoke(number: int, _: SeenRequest) -> None:
        if number == PAGES // 2:
            hubspot.revoke_tokens()

    hubspot.before_request = revoke
    output = run_command_here(directory, config(hubspot))
    assert output.code == 0, output.stderr
    assert_complete(output, hubspot)
    assert len(hubspot.token_requests) == 2
    assert len(hubspot.list_requests) == PAGES + 1
    assert output.errors == output.warnings == []


def test_a_second_401_ends_the_run(hubspot: FakeHubSpot, directory: Path) -> None:
    """After one forced refresh, the three settings are named and STATE is kept."""
    hubspot.faults.add(Fault.unauthorized(), since=PAGES // 2)
    output = run_command_here(directory, config(hubspot))
    assert output.code == 1
    (line,) = output.errors
    for name in OAUTH_SETTINGS:
        assert f"`{name}`" in line
    assert "`access_token`" not in line
    assert len(hubspot.token_requests) == 2
    assert len(hubspot.list_requests) == PAGES // 2 + 1
    first, second = [r.headers["Authorization"] for r in hubspot.list_requests[-2:]]
    assert first != second
    assert_it_can_go_on(output, hubspot)


def test_a_401_between_passing_faults_does_not_end_the_budget_of_waits(
    hubspot: FakeHubSpot, clock: StillClock
) -> None:
    """Faults and refusals that alternate forever also exhaust the retry budget."""
    faults = itertools.cycle([Fault.unauthorized(), Fault.status(503)])
    for number in range(3, 200):
        hubspot.faults.add(next(faults), at=number)
    with pytest.raises(HubSpotError):
        run_here(config(hubspot))
    assert sum(clock.waits) <= BUDGET + 1e-6
    assert len(hubspot.requests) < 60


def assert_it_can_go_on(output: Output, hubspot: FakeHubSpot) -> None:
    """Check that STATE is correct, and that the next run completes the account."""
    assert output.records
    truth = {row["id"]: written(row) for row in hubspot.account.threads()}
    assert missing_at_states(output, truth.values()) == set()
    assert_nothing_leaked(output, hubspot)
    hubspot.faults.clear()
    hubspot.before_request = None
    hubspot.oauth.failure = "none"
    resumed = run_here(config(hubspot), state=output.states[-1])
    assert by_id(output.records + resumed.records) == truth
    if len(output.records) > Frontier.PROOF:
        assert len(resumed.records) < len(truth)


def assert_nothing_leaked(output: Output, hubspot: FakeHubSpot) -> None:
    """Check that no secret and no content of a response was printed."""
    printed = json.dumps(output.messages) + output.stderr
    for secret in (*secrets_of(hubspot), CANARY):
        assert secret not in printed
    assert "Traceback" not in output.stderr


# Rotation.


@pytest.mark.parametrize("rotation", ["lenient", "strict"])
def test_a_refresh_token_that_rotates_is_used_for_the_rest_of_the_run(
    hubspot: FakeHubSpot, clock: StillClock, directory: Path, rotation: t.Any
) -> None:
    """A warning names the outdated setting, and shows neither token."""
    configured = config(hubspot)
    hubspot.oauth.rotation = rotation
    hubspot.oauth.expires_in = 330
    time_passes(hubspot, clock)
    output = run_command_here(directory, configured)
    assert output.code == 0, output.stderr
    assert_complete(output, hubspot)
    sent = [form["refresh_token"] for form in forms(hubspot)]
    rotated = [f"fake-rotated-token-{number}" for number in range(1, len(sent))]
    assert sent == [configured["refresh_token"], *rotated]
    assert len(rotated) > 2
    assert output.warnings
    for line in output.warnings:
        assert "`refresh_token`" in line
    assert_nothing_leaked(output, hubspot)


def test_an_outdated_refresh_token_is_told_by_the_next_run(
    hubspot: FakeHubSpot, directory: Path
) -> None:
    """If HubSpot is strict, the next run fails as the warning said, with a remedy."""
    configured = config(hubspot)
    hubspot.oauth.rotation = "strict"
    first = run_command_here(directory, configured)
    assert first.code == 0
    second = run_command_here(directory, configured)
    assert second.code == 1
    (line,) = second.errors
    assert "BAD_REFRESH_TOKEN" in line
    assert "`refresh_token`" in line
    assert_nothing_leaked(second, hubspot)


def test_a_refresh_token_that_stays_is_no_warning(
    hubspot: FakeHubSpot, clock: StillClock, directory: Path
) -> None:
    """HubSpot sends it back with every response."""
    time_passes(hubspot, clock)
    output = run_command_here(directory, config(hubspot))
    assert len(hubspot.token_requests) == 2
    assert output.warnings == []


@pytest.mark.parametrize("value", [None, "", 5, [], {"a": "b"}], ids=str)
def test_a_refresh_token_that_is_none_changes_nothing(
    hubspot: FakeHubSpot, clock: StillClock, directory: Path, value: t.Any
) -> None:
    """The configured token stays in use."""
    configured = config(hubspot)
    time_passes(hubspot, clock)
    edit = Fault.edited(lambda body: body.update(refresh_token=value))
    hubspot.faults.add(edit, on="token")
    output = run_command_here(directory, configured)
    assert output.code == 0, output.stderr
    sent = {form["refresh_token"] for form in forms(hubspot)}
    assert sent == {configured["refresh_token"]}
    assert output.warnings == []


# Refusals of the token endpoint.


@pytest.mark.parametrize(
    ("failure", "named"),
    [
        ("BAD_REFRESH_TOKEN", "refresh_token"),
        ("BAD_CLIENT_ID", "client_id"),
        ("BAD_CLIENT_SECRET", "client_secret"),
        ("BAD_HUB", "refresh_token"),
    ],
)
def test_a_refresh_that_is_refused_in_mid_run_names_its_setting(
    hubspot: FakeHubSpot,
    clock: StillClock,
    directory: Path,
    failure: t.Any,
    named: str,
) -> None:
    """It does so once and immediately, with the rows and the STATE of earlier pages."""
    time_passes(hubspot, clock)
    hubspot.faults.add(failing(failure), since=2, on="token")
    output = run_command_here(directory, config(hubspot))
    assert output.code == 1
    (line,) = output.errors
    assert failure in line
    mentioned = {name for name in OAUTH_SETTINGS if f"`{name}`" in line}
    assert mentioned == {named}
    assert len(hubspot.token_requests) == 2
    assert clock.waits == []
    assert_it_can_go_on(output, hubspot)


def failing(status: str) -> Fault:
    """Return HubSpot's refusal of a refresh, with words that must not be shown."""
    refusal = RefusalError(400, "VALIDATION_ERROR", CANARY)
    refusal.body |= {"status": status, "error": CANARY, "error_description": CANARY}
    return Fault.refusal(refusal)


@pytest.mark.parametrize("status", ["BAD_MOOD", "", None, 5, ["BAD_HUB"], {"a": 1}])
def test_a_refusal_that_nobody_knows_names_all_three_settings(
    hubspot: FakeHubSpot, clock: StillClock, directory: Path, status: t.Any
) -> None:
    """HubSpot may refuse for reasons that are not known yet."""
    hubspot.faults.add(failing(status), on="token")
    output = run_command_here(directory, config(hubspot))
    assert output.code == 1
    (line,) = output.errors
    for name in OAUTH_SETTINGS:
        assert f"`{name}`" in line
    assert len(hubspot.token_requests) == 1
    assert_nothing_leaked(output, hubspot)


BODIES = {
    "json": b'{"message": "%s"}' % CANARY.encode(),
    "a list": b'["%s"]' % CANARY.encode(),
    "html": b"<h1>%s</h1>" % CANARY.encode(),
    "nothing": b"",
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 415, 451])
def test_a_status_that_does_not_pass_is_final_whatever_its_body(
    hubspot: FakeHubSpot, clock: StillClock, directory: Path, status: int, body: str
) -> None:
    """The retry policy is that of every request: a retry would not help."""
    hubspot.faults.add(Fault.status(status, BODIES[body]), on="token")
    output = run_command_here(directory, config(hubspot))
    assert len(hubspot.token_requests) == 1
    assert clock.waits == []
    assert output.code == 1
    (line,) = output.errors
    assert str(status) in line
    assert "`" in line
    assert hubspot.list_requests == []
    assert_nothing_leaked(output, hubspot)


UNUSABLE: dict[str, t.Any] = {
    "no token": {"expires_in": 1800},
    "null": {"access_token": None},
    "empty": {"access_token": ""},
    "blank": {"access_token": "  "},
    "a number": {"access_token": 5},
    "a list": {"access_token": [CANARY]},
    "two lines": {"access_token": f"{CANARY}\r\nX-Injected: 1"},
    "not ASCII": {"access_token": f"{CANARY}é"},
    "not an object": [CANARY],
    "nothing": None,
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_answer_without_a_usable_token_ends_the_run(
    hubspot: FakeHubSpot, directory: Path, name: str
) -> None:
    """No request is sent with it, and the line says where the response came from."""
    hubspot.faults.add(Fault.json(UNUSABLE[name]), on="token")
    output = run_command_here(directory, config(hubspot))
    assert output.code == 1
    (line,) = output.errors
    assert "access_token" in line
    assert "token endpoint" in line
    assert hubspot.list_requests == []
    assert_nothing_leaked(output, hubspot)


# Faults of the token endpoint.

FAULTS: dict[str, tuple[Callable[[], Fault], float, float]] = {
    "429 TEN_SECONDLY_ROLLING": (Fault.rate_limit, 10, 1),
    "429 SECONDLY": (lambda: Fault.rate_limit("SECONDLY"), 1, 0.5),
    "429, Retry-After 3": (lambda: Fault.rate_limit("SECONDLY", 3), 3, 0.5),
    "423": (Fault.locked, 2, 1),
    "477, Retry-After 5": (lambda: Fault.moving(5), 5, 30),
    "408": (lambda: Fault.status(408), 0, 1),
    "500": (lambda: Fault.status(500), 0, 1),
    "502": (lambda: Fault.status(502), 0, 1),
    "503": (lambda: Fault.status(503), 0, 1),
    "504": (lambda: Fault.status(504), 0, 1),
    "524": (lambda: Fault.status(524), 0, 1),
    "503, Retry-After 6": (lambda: Fault.status(503, retry_after=6), 6, 1),
    "reset": (Fault.reset, 0, 1),
    "closed": (Fault.disconnect, 0, 1),
    "reset in the body": (Fault.reset_midway, 0, 1),
    "cut in the body": (Fault.cut, 0, 1),
    "chunks cut": (Fault.cut_chunked, 0, 1),
    "silence": (Fault.hang, 0, 1),
    "html": (Fault.html, 0, 1),
    "half json": (Fault.half_json, 0, 1),
    "no body": (lambda: Fault.content(b""), 0, 1),
}
"""Each fault, with the minimum of its waits and the random part of the first."""


@pytest.mark.parametrize("at", [1, 2], ids=["first", "in mid-run"])
@pytest.mark.parametrize("times", [1, 3, None], ids=["once", "three times", "for ever"])
@pytest.mark.parametrize("name", FAULTS)
def test_the_token_endpoint_has_the_retry_policy_of_every_request(
    hubspot: FakeHubSpot,
    clock: StillClock,
    directory: Path,
    name: str,
    times: int | None,
    at: int,
) -> None:
    """Waits, requests, log lines and failure are the same as for a page."""
    make, floor, step = FAULTS[name]
    met = range(at, 2**62) if times is None else range(at, at + times)
    hubspot.faults.add(make(), at=met, on="token")
    time_passes(hubspot, clock)
    timeout = 0.2 if name == "silence" else 30
    budget = 10.0 if name == "silence" else 200.0
    settings = config(hubspot, request_timeout=timeout, max_retry_seconds=budget)
    output = run_command_here(directory, settings)
    waits = clock.waits
    for number, wait in enumerate(waits):
        assert floor <= wait <= floor + min(step * 2**number, 60)
    if times is None:
        assert output.code == 1
        (line,) = output.errors
        assert "Gave up" in line
        left = budget - sum(waits)
        assert left <= 1e-6 or left < floor
        assert len(hubspot.token_requests) == at + len(waits)
        assert len(output.records) == (at - 1) * (SECOND - 1) * PAGE
    else:
        assert output.code == 0, output.stderr
        assert_complete(output, hubspot)
        assert len(waits) == times
        assert len(hubspot.token_requests) == 2 + times
    told = [line for line in output.warnings if "trying again" in line]
    assert len(told) == len(output.warnings) == len(waits)
    for line, wait in zip(told, waits, strict=True):
        assert f"{wait:.1f} s" in line
    assert_nothing_leaked(output, hubspot)
    if output.code and at == 2:
        assert_it_can_go_on(output, hubspot)


def test_a_daily_limit_at_the_token_endpoint_stops_the_run_at_once(
    hubspot: FakeHubSpot, clock: StillClock, directory: Path
) -> None:
    """The line says when HubSpot resets it, as for a page."""
    time_passes(hubspot, clock)
    hubspot.faults.add(Fault.rate_limit("DAILY"), since=2, on="token")
    output = run_command_here(directory, config(hubspot))
    assert output.code == 1
    (line,) = output.errors
    assert "midnight" in line
    assert "account's time zone" in line
    assert clock.waits == []
    assert_it_can_go_on(output, hubspot)


def test_faults_of_both_endpoints_share_the_budget_of_one_request(
    hubspot: FakeHubSpot, clock: StillClock
) -> None:
    """The waits for a page and its token together stay within one budget."""
    faults = itertools.cycle([Fault.html(), *[Fault.status(503)] * 3])
    for number in range(1, 500):
        hubspot.faults.add(next(faults), at=number, on="token")
    with pytest.raises(RetriesExhausted):
        run_here(config(hubspot))
    assert sum(clock.waits) <= BUDGET + 1e-6


def test_an_error_that_quotes_the_form_is_shown_without_its_secrets(
    hubspot: FakeHubSpot, directory: Path
) -> None:
    """A gateway may return the form that it was sent."""
    app = hubspot.oauth
    app.client_secret = "a/secret+with=signs&more"
    app.refresh_token = f"{app.client_secret}-and-more"
    form = (
        f"client_secret={app.client_secret} refresh_token={app.refresh_token} "
        "a%2Fsecret%2Bwith%3Dsigns%26more"
    )
    refusal = RefusalError(503, "GATEWAY", f"cannot send {form}")
    hubspot.faults.add(Fault.refusal(refusal), on="token")
    with captured_log() as log:
        output = run_command_here(directory, config(hubspot, max_retry_seconds=3))
    assert "cannot send" in output.stderr
    for text in (output.stderr, log.getvalue()):
        assert app.client_secret not in text
        assert "-and-more" not in text
        assert "a%2Fsecret%2Bwith%3Dsigns%26more" not in text


# Required settings.

OAUTH = dict.fromkeys(OAUTH_SETTINGS, "a-value-that-is-secret")
SUBSETS = [
    names
    for size in range(5)
    for names in itertools.combinations(("access_token", *OAUTH_SETTINGS), size)
]


@pytest.mark.parametrize("names", SUBSETS, ids="+".join)
def test_both_credentials_or_half_of_one_are_refused(
    directory: Path, names: tuple[str, ...]
) -> None:
    """Each line names a missing or extra setting, and shows no value."""
    given = dict.fromkeys(names, "a-value-that-is-secret")
    with FakeHubSpot(Account()) as hubspot:
        config = settings(hubspot.url, access_token=None, max_retry_seconds=0) | given
        output = run_command_here(directory, config)
        right = names in {("access_token",), OAUTH_SETTINGS}
        assert bool(hubspot.requests) == right
    assert output.code == 1
    assert output.messages == [] or right
    assert "a-value-that-is-secret" not in output.stderr
    if right:
        return
    named = {line.split("`")[1] for line in output.errors}
    if "access_token" in names or not names:
        assert named == {"access_token"}
    else:
        assert named == set(OAUTH_SETTINGS) - set(names)
    for line in output.errors:
        assert "missing" in line or "combined" in line


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path
