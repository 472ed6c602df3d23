"""Every fault, at any request, any number of times: what a run does and reports.

The clock of the matrix only moves when something sleeps. Server and tap share it, so
that waits, and what the server sees of them, are exact.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import json
import signal
import threading
import time
import typing as t
from collections import Counter

import pytest
from typing_extensions import override

from tap_hubspot_threads import retry
from tap_hubspot_threads.errors import RequestRefused, RetriesExhausted, TransientError
from tap_hubspot_threads.ordering import Frontier
from tests.fake_hubspot import Account, Contract, FakeHubSpot, Fault, OAuth, Shape
from tests.fake_hubspot.errors import RefusalError
from tests.support.harness import (
    TOKEN,
    Output,
    StillClock,
    by_id,
    missing_at_states,
    oauth_settings,
    run_command_here,
    run_here,
    run_tap,
    secrets_of,
    settings,
    start_tap,
    written,
)

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fake_hubspot import SeenRequest

    Row: t.TypeAlias = dict[str, t.Any]

CANARY = "the-words-of-a-customer"
CANARIES = (CANARY, "HubSpot is not available")
"""Text in the bodies of faults and in the rows."""

PAGE, PAGES = 10, 3
FIRST, MIDDLE, LAST = 1, 2, PAGES
PLACES = {"first": FIRST, "middle": MIDDLE, "last": LAST}
CREDENTIALS = ("token", "app")
PAGE_OF_CANARY = f"<html><h1>{CANARY}</h1></html>".encode()

UNTOLD = Contract(quota_headers=False)
"""For a server with another clock than the tap's, so that no run slows down."""

LONGEST_STEP = 60.0
"""Seconds. The random part of a wait doubles up to this value."""


@dataclasses.dataclass(frozen=True)
class Waits:
    """A fault that the tap waits out: the minimum wait, and the random part."""

    floor: float
    step: float
    budget: float = 100.0
    """Value of `max_retry_seconds`; three waits fit."""
    tolerance: float = 0.0
    """By how much a wait may be below its floor, because a date has whole seconds."""


@dataclasses.dataclass(frozen=True)
class Ends:
    """A fault that ends the run at once."""


@dataclasses.dataclass(frozen=True)
class Renews:
    """A fault that another access token can end, but a fixed token cannot."""


@dataclasses.dataclass(frozen=True)
class Nothing:
    """Not a fault, even if it is slow."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A row of the matrix."""

    make: Callable[[], Fault]
    means: Waits | Ends | Renews | Nothing
    says: tuple[str, ...] = ()
    """Words in the log line for it, whether it is a wait or the end."""
    timeout: float = 30.0


def refused(status: int, category: str, **more: t.Any) -> Callable[[], Fault]:
    """Return an error response of HubSpot with private text next to its message."""
    more |= {"errors": [{"message": CANARY, "context": {"who": [CANARY]}}]}
    return lambda: Fault.refusal(RefusalError(status, category, "no", **more))


def in_seconds(seconds: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)


AT_ONCE = Waits(0, 1, budget=20)
NOT_JSON = ("200", "not JSON")
NO_ANSWER = ("No answer from",)

KINDS: dict[str, Kind] = {
    "429 TEN_SECONDLY_ROLLING": Kind(
        Fault.rate_limit, Waits(10, 1), ("429", "TEN_SECONDLY_ROLLING")
    ),
    "429 SECONDLY": Kind(
        lambda: Fault.rate_limit("SECONDLY"), Waits(1, 0.5), ("429", "SECONDLY")
    ),
    "429 DAILY": Kind(
        lambda: Fault.rate_limit("DAILY"),
        Ends(),
        ("429", "DAILY", "midnight", "account's time zone"),
    ),
    "429 DAILY, Retry-After 1": Kind(
        lambda: Fault.rate_limit("DAILY", 1),
        Ends(),
        ("429", "DAILY", "midnight", "account's time zone"),
    ),
    "429 of another policy": Kind(
        lambda: Fault.rate_limit("MINUTELY"), Waits(10, 1), ("429", "MINUTELY")
    ),
    "429 of a proxy": Kind(
        lambda: Fault.status(429, PAGE_OF_CANARY), Waits(10, 1), ("429",)
    ),
    "429, Retry-After 4": Kind(
        lambda: Fault.rate_limit("TEN_SECONDLY_ROLLING", 4), Waits(4, 1), ("429",)
    ),
    "429, Retry-After as a date": Kind(
        lambda: Fault.rate_limit("SECONDLY", in_seconds(9)),
        Waits(9, 0.5, tolerance=4),
        ("429",),
    ),
    "429, Retry-After unreadable": Kind(
        lambda: Fault.rate_limit("SECONDLY", "in a while"), Waits(1, 0.5), ("429",)
    ),
    "477": Kind(lambda: Fault.moving(None), Waits(30, 30, budget=300), ("477",)),
    "477, Retry-After 5": Kind(
        lambda: Fault.moving(5), Waits(5, 30, budget=300), ("477",)
    ),
    "477, Retry-After a day": Kind(
        lambda: Fault.moving(86_400), Ends(), ("477", "86400 s", "moving the account")
    ),
    "477, Retry-After tomorrow": Kind(
        lambda: Fault.moving(in_seconds(86_400)), Ends(), ("477", "moving the account")
    ),
    "423": Kind(Fault.locked, Waits(2, 1), ("423", "LOCKED")),
    "408": Kind(lambda: Fault.status(408), AT_ONCE, ("408",)),
    **{
        str(status): Kind(
            lambda status=status: Fault.status(status, PAGE_OF_CANARY),  # type: ignore[misc]
            AT_ONCE,
            (str(status),),
        )
        for status in (500, 502, 503, 504, 520, 524, 526)
    },
    "500 of HubSpot": Kind(
        refused(500, "INTERNAL_ERROR"), AT_ONCE, ("500", "INTERNAL_ERROR")
    ),
    "503, Retry-After 6": Kind(
        lambda: Fault.status(503, retry_after=6), Waits(6, 1), ("503",)
    ),
    "503, Retry-After 101": Kind(
        lambda: Fault.status(503, retry_after=101), Ends(), ("503", "101 s")
    ),
    "reset": Kind(Fault.reset, AT_ONCE, NO_ANSWER),
    "closed": Kind(Fault.disconnect, AT_ONCE, NO_ANSWER),
    "reset in the body": Kind(Fault.reset_midway, AT_ONCE, NO_ANSWER),
    "cut behind the headers": Kind(lambda: Fault.cut(0), AT_ONCE, NO_ANSWER),
    "cut in the body": Kind(Fault.cut, AT_ONCE, NO_ANSWER),
    "cut before the last byte": Kind(lambda: Fault.cut(0.9999), AT_ONCE, NO_ANSWER),
    "chunks cut": Kind(Fault.cut_chunked, AT_ONCE, NO_ANSWER),
    "last chunk missing": Kind(lambda: Fault.cut_chunked(1), AT_ONCE, NO_ANSWER),
    "silence": Kind(
        Fault.hang, Waits(0, 1, budget=8), (*NO_ANSWER, "imeout"), timeout=0.2
    ),
    "html": Kind(lambda: Fault.content(PAGE_OF_CANARY, "text/html"), AT_ONCE, NOT_JSON),
    "no body": Kind(lambda: Fault.content(b""), AT_ONCE, NOT_JSON),
    "half json": Kind(Fault.half_json, AT_ONCE, NOT_JSON),
    "json but a byte": Kind(lambda: Fault.half_json(0.9999), AT_ONCE, NOT_JSON),
    "not compressed as it says": Kind(
        lambda: Fault.status(200, PAGE_OF_CANARY, {"Content-Encoding": "gzip"}),
        AT_ONCE,
        NO_ANSWER,
    ),
    "no results": Kind(Fault.without_results, Ends(), ("200", "`results`")),
    "a list": Kind(lambda: Fault.json([CANARY]), Ends(), ("200", "`results`")),
    "400": Kind(refused(400, "VALIDATION_ERROR"), Ends(), ("400", "VALIDATION_ERROR")),
    "401": Kind(Fault.unauthorized, Renews(), ("401", "INVALID_AUTHENTICATION")),
    "401 of a proxy": Kind(
        lambda: Fault.status(401, PAGE_OF_CANARY), Renews(), ("401",)
    ),
    "403": Kind(
        refused(403, "MISSING_SCOPES"),
        Ends(),
        ("403", "MISSING_SCOPES", "`conversations.read`"),
    ),
    "404": Kind(refused(404, "OBJECT_NOT_FOUND"), Ends(), ("404", "`api_version`")),
    "414 of a proxy": Kind(lambda: Fault.status(414, PAGE_OF_CANARY), Ends(), ("414",)),
    "redirect": Kind(
        lambda: Fault.redirect("https://elsewhere.example/"),
        Ends(),
        ("302", "`api_url`"),
    ),
    "slow": Kind(lambda: Fault.slow(0.02), Nothing()),
    "in pieces": Kind(lambda: Fault.dribble(0.005, 4), Nothing()),
}

TIMES = {"once": 1, "three times": 3, "for ever": None}


class Cell(t.NamedTuple):
    """One fault at one place, a number of times, with one kind of credential."""

    kind: str
    place: str
    times: str
    credential: str

    @override
    def __str__(self) -> str:
        """Return the name of the test."""
        return ", ".join(self)


CELLS = [Cell(*cell) for cell in itertools.product(KINDS, PLACES, TIMES, CREDENTIALS)]


def account_of_a_customer() -> Account:
    """Return three pages of threads with private text that no log may contain."""
    rows = Account(size=PAGE * (PAGES - 1) + 5).threads()
    return Account.of({**row, "assignedTo": f"A-{CANARY}"} for row in rows)


class Served:
    """The server of all cells, and the rows of its account."""

    def __init__(self, hubspot: FakeHubSpot, clock: StillClock) -> None:
        rows = sorted(
            hubspot.account.threads(),
            key=lambda row: (row["latestMessageTimestamp"], int(row["id"])),
        )
        self.hubspot = hubspot
        self.clock = clock
        self.rows = [written(row) for row in rows]
        self.completed: set[str] = set()
        """Outputs for which a next run has already completed the account."""


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """Serve the account to all cells, with one clock."""
    clock = StillClock()
    account = account_of_a_customer()
    with FakeHubSpot(account, token=TOKEN, monotonic=clock) as hubspot:
        yield Served(hubspot, clock)


@pytest.fixture
def served(server: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    """Return the server in its initial state, with a clock that does not move."""
    hubspot = server.hubspot
    hubspot.faults.clear()
    hubspot.forget()
    hubspot.oauth = OAuth()
    server.clock.waits.clear()
    server.clock.now += 3_600  # no other run is in the same window of the limit
    server.clock.share_with_tap(monkeypatch)
    return server


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for the files of a run; each cell overwrites them."""
    return tmp_path_factory.mktemp("cell")


@pytest.fixture(scope="module")
def summary(report: list[str]) -> Iterator[Counter[tuple[str, str]]]:
    """Count what the cells of each row of the matrix did, and report it."""
    counts: Counter[tuple[str, str]] = Counter()
    yield counts
    columns = ("cells", "passed", "requests", "waited s")
    for (_, column), count in [*counts.items()]:
        counts["all", column] += count
    report.append(f"{'fault':<28}" + "".join(f"{name:>10}" for name in columns))
    for kind in (*KINDS, "all"):
        if counts[kind, "cells"]:
            numbers = (counts[kind, column] for column in columns)
            report.append(f"{kind:<28}" + "".join(f"{n:>10}" for n in numbers))
    report.append(f"wall time {counts['all', 'milliseconds'] / 1000:.1f} s")


def configured(
    hubspot: FakeHubSpot, credential: str, **more: t.Any
) -> dict[str, t.Any]:
    """Return settings with one of the two kinds of credential."""
    make = oauth_settings if credential == "app" else _token_settings
    return make(hubspot, page_size=PAGE) | more


def _token_settings(hubspot: FakeHubSpot, **more: t.Any) -> dict[str, t.Any]:
    return settings(hubspot.url, **more)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_every_fault_everywhere(
    cell: Cell,
    served: Served,
    directory: Path,
    summary: Counter[tuple[str, str]],
) -> None:
    """Rows, STATE, exit code, requests, waits, log lines and secrets are right."""
    began = time.monotonic()
    summary[cell.kind, "cells"] += 1
    hubspot = served.hubspot
    kind, at, times = KINDS[cell.kind], PLACES[cell.place], TIMES[cell.times]
    means = kind.means
    met = range(at, 2**62) if times is None else range(at, at + times)
    hubspot.faults.add(kind.make(), at=met)
    budget = means.budget if isinstance(means, Waits) else 100.0
    config = configured(
        hubspot,
        cell.credential,
        max_retry_seconds=budget,
        request_timeout=kind.timeout,
    )

    output = run_command_here(directory, config)

    again, survives = expected(means, times, cell.credential)
    waits = [*served.clock.waits]
    if isinstance(means, Waits):
        if again is not None:
            assert len(waits) == again
        again = len(waits)
        assert_waits_follow_the_rule(means, waits, to_the_end=not survives)
    else:
        assert waits == []
        assert again is not None
    assert_ended(output, survives, at=at, says=kind.says, rows=served.rows)
    asked = (PAGES if survives else at) + again
    assert len(hubspot.list_requests) == asked
    assert_the_server_saw_the_waits(hubspot, waits, at)
    assert_each_wait_was_told(output, waits, kind.says)
    renewed = again if isinstance(means, Renews) else 0
    assert len(hubspot.token_requests) == (cell.credential == "app") * (1 + renewed)
    assert_nothing_leaked(output, hubspot)
    summary[cell.kind, "requests"] += len(hubspot.list_requests)
    summary[cell.kind, "waited s"] += round(sum(waits))
    assert_the_next_run_completes(output, served, cell.credential)
    summary[cell.kind, "passed"] += 1
    summary[cell.kind, "milliseconds"] += round(1000 * (time.monotonic() - began))


def expected(
    means: Waits | Ends | Renews | Nothing, times: int | None, credential: str
) -> tuple[int | None, bool]:
    """Return how many extra requests a fault causes, and whether the run survives.

    None means as many as fit into the budget.
    """
    match means:
        case Waits():
            return times, times is not None
        case Renews() if credential == "app":
            return 1, times == 1
        case Nothing():
            return 0, True
        case _:
            return 0, False


def assert_waits_follow_the_rule(
    rule: Waits, waits: list[float], *, to_the_end: bool
) -> None:
    """Check floor, growth and budget, and that every retry that fits is made."""
    spent = 0.0
    for number, wait in enumerate(waits):
        left = rule.budget - spent
        most = rule.floor + min(rule.step * 2**number, LONGEST_STEP)
        assert rule.floor - rule.tolerance <= wait <= min(most, left) + 1e-6
        spent += wait
    assert spent <= rule.budget + 1e-6
    if to_the_end:
        left = rule.budget - spent
        assert left <= 1e-6 or rule.floor > left


def assert_ended(
    output: Output,
    survives: bool,
    *,
    at: int,
    says: tuple[str, ...],
    rows: list[Row],
) -> None:
    """Check exit code, message, rows and the last STATE of a run."""
    assert output.messages[-1]["type"] == "STATE" or at == FIRST
    if survives:
        assert output.code == 0, output.stderr
        assert output.errors == []
        assert output.records == rows
        return
    assert output.code == 1
    (line,) = output.errors
    for words in says:
        assert words in line
    assert output.records == rows[: (at - 1) * PAGE]


def assert_the_server_saw_the_waits(
    hubspot: FakeHubSpot, waits: list[float], at: int
) -> None:
    """Check that each wait is between a failed request and the next one."""
    moments = [request.at for request in hubspot.list_requests]
    spacing = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert spacing[at - 1 : at - 1 + len(waits)] == pytest.approx(waits, abs=1e-6)
    others = spacing[: at - 1] + spacing[at - 1 + len(waits) :]
    assert others == pytest.approx([0.0] * len(others))


def assert_each_wait_was_told(
    output: Output, waits: list[float], says: tuple[str, ...]
) -> None:
    """Check that there is one line for each wait, with its cause and length."""
    told = [line for line in output.stderr.splitlines() if "trying again" in line]
    assert len(told) == len(waits)
    for line, wait in zip(told, waits, strict=True):
        assert f"{wait:.1f} s" in line
        for words in says:
            assert words in line
    assert len(output.warnings) == len(waits)


def assert_nothing_leaked(output: Output, hubspot: FakeHubSpot) -> None:
    """Check that no secret was printed, and that no body or traceback was logged."""
    printed = json.dumps(output.messages) + output.stderr
    for secret in secrets_of(hubspot):
        assert secret not in printed
    for words in (*CANARIES, "Traceback"):
        assert words not in output.stderr


def last_state(output: Output) -> dict[str, t.Any] | None:
    return output.states[-1] if output.states else None


def assert_the_next_run_completes(
    output: Output, served: Served, credential: str
) -> None:
    """Check that STATE only covers written rows, and that a run resumes from it.

    The same rows and STATE as in an earlier cell do not need another run.
    """
    assert missing_at_states(output, served.rows) == set()
    state = last_state(output)
    known = json.dumps([len(output.records), state])
    if known in served.completed:
        return
    hubspot = served.hubspot
    hubspot.faults.clear()
    hubspot.forget()
    resumed = run_here(configured(hubspot, credential), state=state)
    assert by_id(output.records + resumed.records) == by_id(served.rows)
    if len(output.records) > Frontier.PROOF:
        assert len(resumed.records) < len(served.rows)
    served.completed.add(known)


# The rules on their own.


def wait_for(
    *faults: TransientError, budget: float, draw: Callable[[float, float], float]
) -> list[float]:
    """Return the waits for a series of faults, if each try takes no time."""
    clock = StillClock()
    waits = retry.waits(budget, draw=draw, clock=clock)
    next(waits)
    for fault in faults:
        clock.sleep(waits.send(fault))
    return clock.waits


def passing(kind: str, retry_after: float | None = None) -> TransientError:
    return TransientError("a fault", kind=kind, retry_after=retry_after)


def least(low: float, high: float) -> float:
    return low


def most(low: float, high: float) -> float:
    return high


@pytest.mark.parametrize(
    ("kind", "longest"),
    [
        ("no connection", [1, 2, 4, 8, 16, 32, 60, 60]),
        ("5xx", [1, 2, 4, 8, 16, 32, 60, 60]),
        ("423", [3, 4, 6, 10, 18, 34, 62, 62]),
        ("429 SECONDLY", [1.5, 2, 3, 5, 9, 17, 33, 61]),
        ("429", [11, 12, 14, 18, 26, 42, 70, 70]),
        ("477", [60, 90, 90, 90, 90, 90, 90, 90]),
    ],
)
def test_waits_double_up_to_a_minute_above_the_floor(
    kind: str, longest: list[float]
) -> None:
    """Full jitter: anything from the floor to a growing bound."""
    faults = [passing(kind)] * len(longest)
    assert wait_for(*faults, budget=10_000, draw=most) == longest
    floors = wait_for(*faults, budget=10_000, draw=least)
    assert set(floors) == {retry.RULES[kind].floor}


def test_the_last_wait_is_cut_to_what_is_left() -> None:
    """The budget is used up, and not exceeded."""
    faults = [passing("5xx")] * 4
    assert wait_for(*faults, budget=10, draw=most) == [1, 2, 4, 3]
    with pytest.raises(RetriesExhausted, match="5 tries in 10 s"):
        wait_for(*faults, passing("5xx"), budget=10, draw=most)


def test_a_floor_that_does_not_fit_is_not_waited_for_in_part() -> None:
    """Retrying earlier would not help."""
    with pytest.raises(RetriesExhausted, match="2 tries in 11 s"):
        wait_for(*[passing("429")] * 2, budget=20, draw=most)


def test_the_time_of_the_tries_counts() -> None:
    """The budget covers the whole request, including timeouts."""
    clock = StillClock()
    waits = retry.waits(10, draw=most, clock=clock)
    next(waits)
    clock.now += 8  # a timeout
    assert waits.send(passing("no connection")) == 1
    clock.now += 9  # the wait, and another timeout
    with pytest.raises(RetriesExhausted, match="2 tries in 17 s"):
        waits.send(passing("no connection"))


def test_one_budget_is_shared_by_faults_of_all_kinds() -> None:
    """A request that meets one fault after another does not wait forever."""
    faults = [passing("5xx"), passing("423"), passing("not JSON"), passing("5xx", 7)]
    assert wait_for(*faults, budget=100, draw=most) == [1, 4, 4, 15]
    with pytest.raises(RetriesExhausted):
        wait_for(*faults, budget=15, draw=most)


def test_the_last_fault_is_the_cause_that_is_told(served: Served) -> None:
    """Earlier faults were logged when they occurred."""
    hubspot = served.hubspot
    hubspot.faults.add(Fault.status(500), at=MIDDLE)
    hubspot.faults.add(Fault.reset(), at=MIDDLE + 1)
    hubspot.faults.add(Fault.status(504), since=MIDDLE + 2)
    config = configured(hubspot, "token", max_retry_seconds=20)
    with pytest.raises(RetriesExhausted, match="504") as failure:
        run_here(config)
    assert "500" not in str(failure.value)
    assert str(failure.value).count("\n") == 0


# Every status.

RETRIED = [408, 423, 429, 477, *range(500, 600)]
FINAL = [201, 202, 204, 206, *range(300, 309), *range(400, 520)]


def test_every_status_that_may_pass_is_ridden_out_in_one_run(
    clock: StillClock, directory: Path
) -> None:
    """Every other request gets another status, and the run succeeds."""
    account = Account(size=len(RETRIED))
    with FakeHubSpot(account, UNTOLD, token=TOKEN) as hubspot:
        for number, status in enumerate(RETRIED):
            hubspot.faults.add(Fault.status(status, b""), at=2 * number + 1)
        config = settings(hubspot.url, page_size=1, max_retry_seconds=100)
        output = run_command_here(directory, config)
    assert output.code == 0, output.stderr
    assert [r.status for r in hubspot.requests if r.fault] == RETRIED
    assert len(output.records) == len(RETRIED)
    assert len(output.warnings) == len(RETRIED) == len(clock.waits)


@pytest.mark.parametrize("status", [s for s in FINAL if s < 500 and s not in RETRIED])
def test_every_other_status_is_final(served: Served, status: int) -> None:
    """It is requested once, and the remedy is a setting or the README."""
    served.hubspot.faults.add(Fault.status(status, b""), since=MIDDLE)
    with pytest.raises(
        RequestRefused, match=rf"{status}.* Remedy: .*(`|documentation)"
    ):
        run_here(configured(served.hubspot, "token"))
    assert len(served.hubspot.requests) == MIDDLE
    assert served.clock.waits == []


# A run that sweeps, as most runs do.


@pytest.fixture(scope="module")
def swept() -> Iterator[tuple[FakeHubSpot, list[Row], int]]:
    """Serve an account with everything a sweep reads; return what a full run writes."""
    shape = Shape(archived=0.2, silent=0.2)
    account = Account(size=40, shape=shape)
    with FakeHubSpot(account, UNTOLD, token=TOKEN) as hubspot:
        whole = run_here(sweeping(hubspot, "token"))
        assert by_id(whole.records).keys() == {
            row["id"] for row in hubspot.account.threads()
        }
        yield hubspot, whole.records, len(hubspot.list_requests)


def sweeping(hubspot: FakeHubSpot, credential: str, **more: t.Any) -> dict[str, t.Any]:
    """Return the settings of a run with everything that a sweep does."""
    return configured(
        hubspot,
        credential,
        sweep_interval_hours=12,
        emit_activate_version_messages=True,
        max_retry_seconds=20,
        **more,
    )


def renewed(hubspot: FakeHubSpot) -> None:
    hubspot.faults.clear()
    hubspot.forget()
    hubspot.oauth = OAuth()


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_a_sweep_that_fails_at_any_request_leaves_nothing_out(
    swept: tuple[FakeHubSpot, list[Row], int],
    clock: StillClock,
    directory: Path,
    credential: str,
) -> None:
    """No version is activated and no sweep is recorded. The next run does both."""
    hubspot, whole, requests = swept
    truth = {row["id"]: written(row) for row in hubspot.account.threads()}
    live = [row for row in truth.values() if not row["archived"]]
    assert requests >= 10
    for at in range(1, requests + 1):
        renewed(hubspot)
        hubspot.faults.add(Fault.cut(), since=at)
        output = run_command_here(directory, sweeping(hubspot, credential))
        assert output.code == 1
        assert len(output.errors) == 1
        assert output.records == whole[: len(output.records)]
        assert missing_at_states(output, live) == set()
        assert "ACTIVATE_VERSION" not in {m["type"] for m in output.messages}
        assert "sweep_began_at" not in json.dumps(output.states)
        renewed(hubspot)
        state = last_state(output)
        resumed = run_here(sweeping(hubspot, credential), state=state)
        assert by_id(output.records + resumed.records) == truth
        assert "ACTIVATE_VERSION" in {m["type"] for m in resumed.messages}
        assert resumed.bookmark["sweep_began_at"]


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_a_sweep_rides_out_a_fault_at_each_of_its_requests(
    swept: tuple[FakeHubSpot, list[Row], int], clock: StillClock, credential: str
) -> None:
    """Three faults in a row at every request, and every row is written once."""
    hubspot, whole, requests = swept
    renewed(hubspot)
    faults = itertools.cycle([Fault.status(502), Fault.half_json(), Fault.reset()])
    for number in range(1, 4 * requests + 1):
        if number % 4:
            hubspot.faults.add(next(faults), at=number)
    output = run_here(sweeping(hubspot, credential))
    assert output.records == whole
    assert len(hubspot.list_requests) == 4 * requests
    waits = [wait for wait in clock.waits if wait]  # not the pause of a sweep
    assert len(waits) == 3 * requests


# A few cells, as a shell sees them.


@pytest.mark.parametrize(
    ("kind", "place", "credential"),
    [
        ("429 DAILY", "middle", "app"),
        ("401", "last", "app"),
        ("cut in the body", "first", "app"),
        ("503, Retry-After 101", "middle", "token"),
    ],
    ids=str,
)
def test_the_command_itself_fails_as_the_matrix_says(
    server: Served, tmp_path: Path, kind: str, place: str, credential: str
) -> None:
    """One line, code 1, the rows of earlier pages, and a STATE to resume from."""
    hubspot = server.hubspot
    renewed(hubspot)
    hubspot.faults.add(KINDS[kind].make(), since=PLACES[place])
    output = run_tap(tmp_path, configured(hubspot, credential, max_retry_seconds=0.3))
    says = KINDS[kind].says
    assert_ended(output, False, at=PLACES[place], says=says, rows=server.rows)
    assert_nothing_leaked(output, hubspot)
    assert_the_next_run_completes(output, server, credential)


# Stopping.


@pytest.mark.parametrize(
    ("number", "where"),
    [
        (signal.SIGTERM, "wait"),
        (signal.SIGINT, "wait"),
        (signal.SIGTERM, "request"),
        (signal.SIGINT, "request"),
        (signal.SIGTERM, "body"),
        (signal.SIGTERM, "first wait"),
        (signal.SIGTERM, "wait for a token"),
        (signal.SIGINT, "request for a token"),
        (signal.SIGTERM, "pace"),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else value,
)
def test_a_signal_ends_a_run_of_an_app_wherever_it_is(
    tmp_path: Path, number: signal.Signals, where: str
) -> None:
    """It ends within two seconds and keeps its STATE, and the next run continues."""
    hubspot = FakeHubSpot(account_of_a_customer(), token=TOKEN)
    at = FIRST if where == "first wait" else LAST
    obstruct(hubspot, where, at)
    with hubspot:
        config = configured(hubspot, "app", max_retry_seconds=600)
        process = start_when_told(
            tmp_path, config, hubspot, at - 1 if where == "pace" else at
        )
        began = time.monotonic()
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
        took = time.monotonic() - began
        output = Output.parse(stdout, process.returncode, stderr.decode())
        assert output.code == 128 + number
        assert took < 2
        assert stdout.endswith(b"\n")
        assert output.messages[-1]["type"] == ("STATE" if output.records else "SCHEMA")
        assert output.errors == []
        assert number.name in output.warnings[-1]
        assert len(output.records) % PAGE == 0
        assert bool(output.records) == (where != "first wait")
        assert_nothing_leaked(output, hubspot)
        truth = {row["id"]: written(row) for row in hubspot.account.threads()}
        assert missing_at_states(output, truth.values()) == set()
        hubspot.contract.quota = 0
        renewed(hubspot)
        resumed = run_here(configured(hubspot, "app"), state=last_state(output))
        assert by_id(output.records + resumed.records) == truth
        if output.records:
            assert len(resumed.records) < len(truth)


def obstruct(hubspot: FakeHubSpot, where: str, at: int) -> None:
    """Keep a run at some point for minutes."""
    wait = Fault.status(503, retry_after=300)
    match where:
        case "wait" | "first wait":
            hubspot.faults.add(wait, since=at)
        case "request":
            hubspot.faults.add(Fault.hang(), since=at)
        case "body":
            hubspot.faults.add(Fault.dribble(0.5, pieces=100), since=at)
        case "wait for a token":
            hubspot.faults.add(Fault.unauthorized(), since=at)
            hubspot.faults.add(wait, since=2, on="token")
        case "request for a token":
            hubspot.faults.add(Fault.unauthorized(), since=at)
            hubspot.faults.add(Fault.hang(), since=2, on="token")
        case _:
            hubspot.contract.quota = at
            hubspot.contract.quota_window_seconds = 50


def start_when_told(
    directory: Path, config: dict[str, t.Any], hubspot: FakeHubSpot, at: int
) -> subprocess.Popen[bytes]:
    """Start the command, and return when it cannot do anything more."""
    there = threading.Event()

    def tell(count: int, _: SeenRequest) -> None:
        if count >= at:
            there.set()

    hubspot.before_request = tell
    process = start_tap(directory, config)
    assert there.wait(30)
    hubspot.before_request = None
    time.sleep(0.4)  # until the response arrives and the wait begins
    return process


def test_signals_that_come_at_once_are_one(tmp_path: Path, server: Served) -> None:
    """An impatient scheduler does not cost the STATE."""
    hubspot = server.hubspot
    renewed(hubspot)
    hubspot.faults.add(Fault.status(503, retry_after=300), since=LAST)
    config = configured(hubspot, "token", max_retry_seconds=600)
    process = start_when_told(tmp_path, config, hubspot, LAST)
    for _ in range(5):
        process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=30)
    output = Output.parse(stdout, process.returncode, stderr.decode())
    assert output.code == 128 + signal.SIGTERM
    assert output.messages[-1]["type"] == "STATE"
    assert "Traceback" not in output.stderr
    assert_the_next_run_completes(output, server, "token")
