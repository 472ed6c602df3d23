"""A long run with constant faults: no row is lost, and none is written twice.

``SOAK_PAGES`` is the number of pages of each run. With one process (``-n 0``), the
faults are printed at the end.
"""

from __future__ import annotations

import os
import time
import typing as t
from collections import Counter

import pytest

from tests.fake_hubspot import Account, Contract, FakeHubSpot, Fault, FaultPlan, OAuth
from tests.support.harness import (
    TOKEN,
    Output,
    StillClock,
    by_id,
    missing_at_states,
    oauth_settings,
    run_command_here,
    secrets_of,
    settings,
    written,
)

if t.TYPE_CHECKING:
    from pathlib import Path

PAGES = int(os.environ.get("SOAK_PAGES", "1000"))
PAGE = 2
SHARE = 0.05


def plan(seed: int) -> FaultPlan:
    """Give a share of all requests a transient fault of any kind."""
    faults = [
        *Fault.passing(),
        Fault.rate_limit("SECONDLY", 2),
        Fault.status(408),
        Fault.content(b""),
        Fault.cut(0),
        Fault.cut_chunked(1),
        Fault.dribble(0.001, 3),
    ]
    return FaultPlan(seed).add(*faults, probability=SHARE, on="both")


def told(
    name: str, hubspot: FakeHubSpot, output: Output, clock: StillClock, began: float
) -> str:
    """Return one line about the faults and the result."""
    met = Counter(seen.fault.name for seen in hubspot.requests if seen.fault)
    truth = {row["id"] for row in hubspot.account.threads()}
    rows = [row["id"] for row in output.records]
    return (
        f"soak {name}: {len(hubspot.list_requests)} requests for threads, "
        f"{len(hubspot.token_requests)} for tokens, {met.total()} faults of "
        f"{len(met)} kinds, {sum(clock.waits):.0f} s of waits that took no time; "
        f"{len(rows)} rows, {len(truth - {*rows})} lost, "
        f"{len(rows) - len({*rows})} twice; {time.perf_counter() - began:.1f} s"
    )


def assert_clean(
    output: Output, hubspot: FakeHubSpot, clock: StillClock, *, parallel: int = 1
) -> None:
    """Check that each thread was written once, and that nothing else was reported."""
    assert output.code == 0, output.stderr[-2000:]
    truth = {row["id"]: written(row) for row in hubspot.account.threads()}
    assert by_id(output.records) == truth
    assert len(output.records) == len(truth)
    live = [row for row in truth.values() if not row["archived"]]
    assert missing_at_states(output, live) == set()
    met = [seen.fault for seen in hubspot.requests if seen.fault]
    assert 0.6 * SHARE < len(met) / len(hubspot.requests) < 1.4 * SHARE
    waited = [line for line in output.warnings if "trying again" in line]
    if parallel == 1:  # otherwise they also wait for each other
        assert len(waited) == len(clock.waits)
    assert output.errors == []
    for secret in secrets_of(hubspot):
        assert secret not in output.stderr


@pytest.mark.parametrize("parallel", [1, 8])
def test_a_long_first_run_with_a_token(
    tmp_path: Path, clock: StillClock, report: list[str], parallel: int
) -> None:
    """Every thread in the order of its latest message, despite transient faults."""
    began = time.perf_counter()
    account = Account(size=PAGE * PAGES)
    with FakeHubSpot(account, token=TOKEN, faults=plan(1), monotonic=clock) as hubspot:
        config = settings(hubspot.url, page_size=PAGE, max_retry_seconds=600)
        config |= {"max_parallel_requests": parallel}
        output = run_command_here(tmp_path, config)
        assert len(hubspot.list_requests) > PAGES
        assert_clean(output, hubspot, clock, parallel=parallel)
        report.append(told("with a token", hubspot, output, clock, began))


def test_a_long_sweep_with_an_app(
    tmp_path: Path, clock: StillClock, report: list[str]
) -> None:
    """With tokens that expire or are revoked, and a refresh token that rotates."""
    began = time.perf_counter()
    account = Account(size=PAGE * PAGES // 4)
    app = OAuth(expires_in=600, rotation="strict")
    contract = Contract(empty_every=7, cursor_encoded=True, last_page="echo")
    with FakeHubSpot(
        account, contract, token=TOKEN, faults=plan(2), oauth=app, monotonic=clock
    ) as hubspot:

        def pass_time(number: int, _: object) -> None:
            clock.now += 3
            if number % 250 == 0:
                hubspot.revoke_tokens()

        hubspot.before_request = pass_time
        config = oauth_settings(
            hubspot,
            page_size=PAGE,
            max_retry_seconds=600,
            sweep_interval_hours=12,
        )
        output = run_command_here(tmp_path, config)
        assert len(hubspot.list_requests) > PAGES / 2
        assert len(hubspot.token_requests) > PAGES / 2 * 3 / 600
        assert_clean(output, hubspot, clock)
        report.append(told("with an app", hubspot, output, clock, began))


def test_runs_that_fail_at_each_fault_get_there_in_the_end(
    tmp_path: Path, clock: StillClock, report: list[str]
) -> None:
    """Without retries, each run continues where the previous one stopped."""
    began = time.perf_counter()
    pages = PAGES // 8
    account = Account(size=PAGE * pages)
    state: dict[str, t.Any] | None = None
    rows: list[dict[str, t.Any]] = []
    runs = 0
    contract = Contract(quota_headers=False)  # the runs would use up a shared quota
    with FakeHubSpot(account, contract, token=TOKEN, faults=plan(3)) as hubspot:
        config = settings(hubspot.url, page_size=PAGE, max_retry_seconds=0)
        config |= {"lookback_seconds": 0}
        code = 1
        while code:
            runs += 1
            assert runs <= pages
            output = run_command_here(tmp_path, config, state=state)
            code = output.code
            rows += output.records
            state = output.states[-1] if output.states else state
        met = len([seen for seen in hubspot.requests if seen.fault])
        truth = {row["id"]: written(row) for row in account.threads()}
    assert by_id(rows) == truth
    assert clock.waits == []
    assert len(rows) < 1.5 * len(truth)
    report.append(
        f"soak of failing runs: {runs} runs, {met} faults, 0 rows lost, "
        f"{len(rows) - len(truth)} of {len(truth)} written again by the next run; "
        f"{time.perf_counter() - began:.1f} s"
    )
