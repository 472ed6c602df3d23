"""HubSpot's rate limits: a run uses its quota, but stays within it.

Tap and server share a clock. It only moves when the tap sleeps, and with each request
by the time the request would take.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import typing as t

import pytest

from tap_hubspot_threads.ratelimit import RateLimiter
from tests.fake_hubspot import Account, Contract, FakeHubSpot, Fault, FaultPlan
from tests.fake_hubspot.quota import Quota
from tests.support.harness import (
    TOKEN,
    Output,
    StillClock,
    by_id,
    oauth_settings,
    run_command_here,
    settings,
    start_tap,
)

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.fake_hubspot.contract import Window

SHARE = 0.9
"""The least share of its quota that a run should use if it is alone."""


class Run(t.NamedTuple):
    """One run against a quota, and its results."""

    output: Output
    throttled: int
    share: float
    """Share of the quota used from the second window on. The first one is a burst."""
    others_throttled: int
    seconds: float


def run(
    directory: Path,
    clock: StillClock,
    contract: Contract,
    *,
    requests: int,
    latency: float = 0.0,
    others: float = 0.0,
    app: bool = False,
    faults: FaultPlan | None = None,
) -> Run:
    """Run against a quota, of which others use a steady share."""
    account = Account(size=requests)
    refused = 0
    with FakeHubSpot(
        account, contract, token=TOKEN, monotonic=clock, faults=faults
    ) as hubspot:
        rate = others * contract.quota / contract.quota_window_seconds
        due = clock.now + 1 / rate if rate else float("inf")
        clock.now += 2 * contract.quota_window_seconds  # the others were there before
        began = clock.now

        def use(number: int, seen: object) -> None:
            nonlocal due, refused
            del number, seen
            now = clock.now + latency
            while due <= now:
                clock.now = due
                refused += hubspot._quota.take(contract) is not None
                due += 1 / rate
            clock.now = now

        hubspot.before_request = use
        make = oauth_settings if app else _token_settings
        config = make(hubspot, page_size=1, max_retry_seconds=600)
        output = run_command_here(directory, config)
        assert output.code == 0, output.stderr[-2000:]
        assert len(by_id(output.records)) == requests
        moments = [r.at for r in hubspot.list_requests if r.status == 200]
        throttled = hubspot.stats["throttled"]
    window = contract.quota_window_seconds
    later = [at for at in moments if at >= began + window]
    possible = (moments[-1] - began - window) / window * contract.quota
    share = len(later) / possible if possible > 0 else 0.0
    return Run(output, throttled, share, refused, moments[-1] - began)


def _token_settings(hubspot: FakeHubSpot, **more: t.Any) -> dict[str, t.Any]:
    return settings(hubspot.url, **more)


@pytest.mark.parametrize(
    ("window", "latency"),
    [("fixed", 0.0), ("fixed", 0.004), ("rolling", 0.004), ("rolling", 0.03)],
)
def test_a_run_alone_sees_no_429_and_uses_its_quota(
    tmp_path: Path, clock: StillClock, report: list[str], window: Window, latency: float
) -> None:
    """190 requests in ten seconds, for every kind of window and speed of responses."""
    contract = Contract(quota=190, quota_window=window)
    done = run(tmp_path, clock, contract, requests=570, latency=latency)
    report.append(
        f"190 in 10 s, {window}, {latency * 1000:.0f} ms an answer: "
        f"{done.throttled} 429s, {done.share:.1%} of the quota used, "
        f"{done.seconds:.0f} s for 570 requests"
    )
    assert done.throttled == 0
    assert done.share >= SHARE
    assert done.output.warnings == []


@pytest.mark.parametrize(
    ("quota", "seconds", "window"),
    [
        (100, 10, "rolling"),
        (250, 10, "fixed"),
        (38, 2, "fixed"),
        (38, 2, "rolling"),
        (7, 1, "fixed"),
        (7, 1, "rolling"),
        (1, 1, "fixed"),
        (1, 1, "rolling"),
    ],
)
def test_the_quota_is_what_hubspot_says_it_is(
    tmp_path: Path,
    clock: StillClock,
    window: Window,
    quota: int,
    seconds: float,
) -> None:
    """It depends on the subscription, and needs no configuration."""
    contract = Contract(quota=quota, quota_window_seconds=seconds, quota_window=window)
    latency = min(0.002, seconds / quota / 10)
    requests = 3 * quota if quota > 10 else 6 * quota
    done = run(tmp_path, clock, contract, requests=requests, latency=latency)
    assert done.throttled == 0
    assert done.share >= (SHARE if quota > 10 else 0.75)


def test_an_app_stays_within_its_quota_as_well(
    tmp_path: Path, clock: StillClock
) -> None:
    """Requests for access tokens do not count."""
    contract = Contract(quota=110)
    done = run(tmp_path, clock, contract, requests=440, latency=0.002, app=True)
    assert done.throttled == 0
    assert done.share >= SHARE


def test_a_run_that_is_slower_than_its_quota_never_waits(
    tmp_path: Path, clock: StillClock
) -> None:
    """At a quarter of a second each, it sends forty requests in ten seconds."""
    contract = Contract(quota=100)
    done = run(tmp_path, clock, contract, requests=100, latency=0.25)
    assert done.throttled == 0
    assert clock.waits == []
    assert "Slowing down" not in done.output.stderr


def test_a_run_that_is_short_never_waits(tmp_path: Path, clock: StillClock) -> None:
    """Most runs are a few requests, and should end quickly."""
    done = run(tmp_path, clock, Contract(quota=100), requests=40)
    assert done.throttled == 0
    assert clock.waits == []


def test_a_lost_answer_is_not_taken_for_somebody_else(
    tmp_path: Path, clock: StillClock
) -> None:
    """HubSpot has counted the request, but it was the run's own."""
    lost = FaultPlan().add(Fault.cut(), at=10).add(Fault.reset_midway(), at=20)
    contract = Contract(quota=100)
    done = run(tmp_path, clock, contract, requests=40, latency=0.01, faults=lost)
    assert "Slowing down" not in done.output.stderr
    assert len(clock.waits) == len(done.output.warnings) == 2


def test_slowing_down_is_told_once(tmp_path: Path, clock: StillClock) -> None:
    """At level INFO, because nothing is wrong."""
    done = run(tmp_path, clock, Contract(quota=20), requests=80)
    told = [x for x in done.output.stderr.splitlines() if "Slowing down" in x]
    assert len(told) == 1
    assert "| INFO " in told[0]
    assert "20 requests in 10 s" in told[0]


@pytest.mark.parametrize("others", [0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("window", ["fixed", "rolling"])
def test_room_is_left_to_others_who_use_the_same_quota(
    tmp_path: Path, clock: StillClock, report: list[str], window: Window, others: float
) -> None:
    """At most one in ten requests of others gets a 429, if they use a steady share."""
    contract = Contract(quota=100, quota_window=window)
    done = run(tmp_path, clock, contract, requests=200, latency=0.005, others=others)
    report.append(
        f"100 in 10 s, {window}, others use {others:.0%}: {done.throttled} 429s, "
        f"{done.others_throttled} for them, {done.share:.1%} of the quota used here"
    )
    assert done.throttled == len(done.output.warnings) <= 5
    theirs = others * 100 * done.seconds / 10
    assert done.others_throttled <= 0.1 * theirs
    assert done.share >= 0.75 * (1 - others)


@pytest.mark.parametrize("window", ["fixed", "rolling"])
def test_others_who_leave_next_to_nothing_do_not_stop_the_run(
    tmp_path: Path, clock: StillClock, window: Window
) -> None:
    """The run finishes slowly, and waits after each 429."""
    contract = Contract(quota=40, quota_window=window)
    done = run(tmp_path, clock, contract, requests=20, latency=0.01, others=0.95)
    assert done.throttled == len(done.output.warnings)
    assert done.throttled <= 5


@pytest.mark.parametrize("headers", [True, False])
def test_limits_that_no_header_tells_are_ridden_out(
    tmp_path: Path, clock: StillClock, *, headers: bool
) -> None:
    """The limit per second has no header, and a gateway may remove all headers."""
    contract = Contract(
        quota=0 if headers else 30, quota_per_second=8, quota_headers=headers
    )
    done = run(tmp_path, clock, contract, requests=60, latency=0.02)
    assert 0 < done.throttled < 30
    assert done.throttled == len(done.output.warnings) == len(clock.waits)


def test_a_limit_that_changes_in_mid_run_is_followed(
    tmp_path: Path, clock: StillClock
) -> None:
    """This happens if somebody buys the add-on, or HubSpot reports another window."""
    contract = Contract(quota=100)
    account = Account(size=400)
    with FakeHubSpot(account, contract, token=TOKEN, monotonic=clock) as hubspot:

        def change(number: int, _: object) -> None:
            clock.now += 0.005
            if number == 150:
                contract.quota = 250

        hubspot.before_request = change
        config = settings(hubspot.url, page_size=1)
        output = run_command_here(tmp_path, config)
        assert output.code == 0
        assert hubspot.stats["throttled"] == 0
        moments = [request.at for request in hubspot.list_requests]
    assert moments[-1] - moments[200] < 0.7 * 200 / 10


def test_threads_share_one_limiter() -> None:
    """With eight threads and the real clock, no window exceeds its quota."""
    contract = Contract(quota=40, quota_window_seconds=1, quota_window="rolling")
    quota = Quota(time.monotonic)
    limiter = RateLimiter(logging.getLogger("test"))
    refused = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal refused
        for _ in range(15):
            with limiter.acquire() as observe:
                with lock:
                    refused += quota.take(contract) is not None
                    headers = quota.headers(contract, oauth=False)
                observe(headers)

    threads = [threading.Thread(target=work) for _ in range(8)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    took = time.monotonic() - began
    assert refused == 0
    assert took < 10


def test_two_runs_at_once_share_a_quota(tmp_path: Path, report: list[str]) -> None:
    """Two processes with the real clock, neither of which knows about the other."""
    contract = Contract(quota=40, quota_window_seconds=1)
    with FakeHubSpot(Account(size=50), contract, token=TOKEN) as hubspot:
        config = settings(hubspot.url, page_size=1, max_retry_seconds=60)
        directories = [tmp_path / name for name in ("one", "two")]
        for directory in directories:
            os.mkdir(directory)  # noqa: PTH102 - as short
        processes = [start_tap(directory, config) for directory in directories]
        outputs = []
        for process in processes:
            stdout, stderr = process.communicate(timeout=60)
            outputs.append(Output.parse(stdout, process.returncode, stderr.decode()))
        throttled = hubspot.stats["throttled"]
        asked = len(hubspot.requests)
    report.append(
        f"two runs at once on 40 in 1 s: {throttled} 429s of {asked} requests"
    )
    for output in outputs:
        assert output.code == 0, output.stderr
        assert len(by_id(output.records)) == 50
    assert throttled <= asked * 0.02
