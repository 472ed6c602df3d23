"""Reading with several requests at the same time: the same rows, sooner."""

from __future__ import annotations

import bisect
import datetime as dt
import json
import logging
import math
import re
import threading
import time
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.concurrency import WorkerPool
from tap_hubspot_threads.errors import HubSpotError
from tap_hubspot_threads.paging import Page
from tap_hubspot_threads.progress import Progress
from tap_hubspot_threads.slices import TimeListing
from tests.fake_hubspot import Account, Contract, FakeHubSpot, Shape
from tests.support import harness
from tests.support.harness import (
    TOKEN,
    Output,
    StillClock,
    by_id,
    missing_at_states,
    run_command_here,
    run_here,
    written,
)
from tests.tap.test_retries import KINDS, Nothing, Renews, Waits

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Row: t.TypeAlias = dict[str, t.Any]

TIMESTAMP = "latestMessageTimestamp"
DAY = 24 * 60 * 60 * 1000
YEAR = 365 * DAY
NOW = timestamps.from_milliseconds(56 * YEAR)
"""HubSpot's time. What is newer has come since the run began."""

AGAIN = "one page after the other"
"""What the warning says when the plain chain takes over."""


def row(number: int, moment: int, shown: int | None = None) -> Row:
    """Return a thread of an account that is a list; it may show a newer moment."""
    place = timestamps.from_milliseconds(moment)
    latest = place if shown is None else timestamps.from_milliseconds(shown)
    return {"id": str(number), TIMESTAMP: latest, "place": place}


def place_of(thread: Row) -> tuple[str, int]:
    """Return what a listing is in the order of."""
    return thread["place"], int(thread["id"])


class Source:
    """HubSpot's endpoint as a function: rows in order, cursors that are places.

    Answers come as they are asked for, one thread after the other or at once; nothing
    is slow, so that chance alone says who is first.
    """

    def __init__(self, rows: list[Row], size: int) -> None:
        self.rows = rows
        self.size = size
        self.requests: list[dict[str, str]] = []
        self.before_page: Callable[[int], None] = lambda _: None
        self._lock = threading.Lock()

    def fetch(self, params: dict[str, str]) -> Page:
        """Return the page for some parameters."""
        with self._lock:
            self.requests.append(params)
            self.before_page(len(self.requests))
            first = bisect.bisect_right(self.rows, self.place(params), key=place_of)
            last = first + self.size
            page = self.rows[first:last]
            is_last = last >= len(self.rows)
        if is_last:
            return self.page(page, None)
        return self.page(page, f"{page[-1]['place']} {page[-1]['id']}")

    def page(self, rows: list[Row], after: str | None) -> Page:
        return Page(rows, after, dt.datetime.now(dt.UTC))

    def place(self, params: dict[str, str]) -> tuple[str, int]:
        """Return what comes before the first row of a page."""
        if "after" not in params:
            return (params["bound"], -1)
        moment, _, number = params["after"].partition(" ")
        return moment, int(number)


class Reading:
    """A listing of a source, and the threads that read it."""

    def __init__(self, source: Source, readers: int, now: str | None = NOW) -> None:
        self.pool = WorkerPool(readers)
        self.listing = TimeListing(
            lambda params: source.fetch(params),  # noqa: PLW0108 - tests replace it
            lambda since: {"bound": timestamps.shift(since, milliseconds=-1)},
            field=TIMESTAMP,
            page_size=source.size,
            hubspot_now=lambda: now,
            began=NOW,
            pool=self.pool,
            logger=logging.getLogger(__name__),
        )

    def __iter__(self) -> Iterator[Page]:
        with self.pool:
            yield from self.listing.pages(timestamps.EPOCH)


def read(source: Source, readers: int) -> list[str]:
    """Read everything; return the ids in the order they came in."""
    return [r["id"] for page in Reading(source, readers) for r in page.rows]


def entries(source: Source) -> int:
    """Return how often the listing was entered."""
    return sum("after" not in params for params in source.requests)


# Slices.


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from([0, 1, 60_000, DAY, YEAR // 4])),
        max_size=60,
    ),
    st.integers(2, 16),
    st.integers(1, 9),
)
@settings(max_examples=150, deadline=None)
def test_any_account_comes_whole_and_in_order(
    bursts: list[tuple[int, int]], readers: int, size: int
) -> None:
    """Bursts, ties and gaps, by any number of readers: each row once, in order."""
    rows: list[Row] = []
    moment = YEAR
    for count, gap in bursts:
        for _ in range(count):
            rows.append(row(len(rows), moment))
            moment += gap // 50
        moment += gap
    assert read(Source(rows, size), readers) == [r["id"] for r in rows]


@given(st.lists(st.integers(0, 400), max_size=40), st.integers(2, 8))
@settings(max_examples=100, deadline=None)
def test_a_thread_that_moves_while_it_is_listed_is_not_lost(
    moves: list[int], readers: int
) -> None:
    """A message moves it to the end, wherever the readers are at that moment."""
    rows = [row(n, YEAR + n * DAY // 7) for n in range(400)]
    source = Source(rows, 5)
    now = [56 * YEAR]
    moved: dict[str, str] = {}

    def move(number: int) -> None:
        if number % 2 and moves and source.rows:
            one = source.rows.pop(moves.pop() % len(source.rows))
            now[0] += 1_000
            source.rows.append(row(int(one["id"]), now[0]))
            moved[one["id"]] = source.rows[-1][TIMESTAMP]

    source.before_page = move
    newest = {r["id"]: r[TIMESTAMP] for p in Reading(source, readers) for r in p.rows}
    assert newest.keys() == {str(n) for n in range(400)}
    assert all(newest[one] == moment for one, moment in moved.items())


@given(
    st.sets(st.integers(0, 1_999), max_size=100),
    st.integers(1, YEAR),
    st.sampled_from([2, 4, 8]),
    st.sampled_from([20, 50]),
)
@settings(max_examples=60, deadline=None)
def test_rows_newer_than_their_places_skip_nothing(
    newer: set[int], by: int, readers: int, size: int
) -> None:
    """Up to five in a hundred, wherever they are, and by however much."""
    places = [55 * YEAR + n * (YEAR // 2_001) for n in range(2_000)]
    rows = [
        row(n, place, min(place + by, 56 * YEAR) if n in newer else None)
        for n, place in enumerate(places)
    ]
    assert {*read(Source(rows, size), readers)} == {r["id"] for r in rows}


@pytest.mark.parametrize("readers", [4, 8])
@pytest.mark.parametrize("by", [5_000, 90 * DAY])
def test_the_last_row_of_every_page_may_be_newer_than_its_place(
    by: int, readers: int
) -> None:
    """It says nothing of how far the page reaches."""
    rows = [row(n, 55 * YEAR + n * (YEAR // 4_001)) for n in range(4_000)]
    source = Source(rows, 50)
    fetch = source.fetch

    def newer(params: dict[str, str]) -> Page:
        page = fetch(params)
        *others, last = page.rows
        moment = timestamps.shift(last["place"], milliseconds=by)
        return page._replace(rows=[*others, last | {TIMESTAMP: moment}])

    source.fetch = newer  # type: ignore[method-assign]
    assert {*read(source, readers)} == {r["id"] for r in rows}
    assert entries(source) > 4, "it was not cut"


def test_nothing_is_cut_before_hubspots_time_is_known() -> None:
    """Without a `Date` header nobody knows what can still move."""
    source = Source([row(n, 50 * YEAR + n * DAY // 10) for n in range(5_000)], 50)
    found = [r["id"] for page in Reading(source, 8, now=None) for r in page.rows]
    assert found == [r["id"] for r in source.rows]
    assert entries(source) == 1


def test_what_may_still_move_is_read_after_all_slices() -> None:
    """No slice enters the last minutes; one chain does, when the slices are done."""
    rows = [row(n, 56 * YEAR - (5_000 - n) * 10_000) for n in range(5_000)]
    source = Source(rows, 50)
    assert read(source, 8) == [r["id"] for r in rows]
    settled = timestamps.shift(NOW, milliseconds=-5 * 60_000)
    bounds = [params["bound"] for params in source.requests if "after" not in params]
    assert max(bounds) == bounds[-1] < settled
    last = next(
        n for n, params in enumerate(source.requests) if params["bound"] == bounds[-1]
    )
    assert {params["bound"] for params in source.requests[last:]} == {bounds[-1]}


@pytest.mark.parametrize("readers", [4, 8, 16])
@pytest.mark.parametrize("kind", ["even", "bursty", "gap", "sparse"])
def test_few_requests_are_wasted(kind: str, readers: int) -> None:
    """At most a quarter more than full pages would need."""
    size, count = 50, 200 if kind == "sparse" else 10_000
    years = 10 if kind == "sparse" else 5
    start = 56 * YEAR - years * YEAR
    if kind == "bursty":  # half the threads in one day
        half = count // 2
        day = start + years * YEAR // 2
        moments = [start + n * years * YEAR // half for n in range(half)]
        moments += [day + n * DAY // half for n in range(half)]
    elif kind == "gap":  # between two busy years
        half = count // 4
        moments = [start + n * DAY // 10 for n in range(half)]
        moments += [start + 5 * YEAR + n * DAY // 10 - YEAR for n in range(half)]
        count = 2 * half
    else:
        moments = [start + n * years * YEAR // count for n in range(count)]
    rows = [row(n, moment) for n, moment in enumerate(sorted(moments))]
    source = Source(rows, size)
    assert len(read(source, readers)) == count
    assert len(source.requests) <= 1.25 * math.ceil(count / size) + readers


def test_nothing_is_cut_where_it_would_not_pay() -> None:
    """A listing of a few pages costs as many requests as with one reader."""
    source = Source([row(n, 55 * YEAR + n * DAY) for n in range(300)], 50)
    read(source, 8)
    assert len(source.requests) == 6
    assert entries(source) == 1


def test_a_chain_is_fetched_one_page_ahead() -> None:
    """While one page is written, the next one is on its way, and no more."""
    rows = [row(n, 50 * YEAR + n * DAY) for n in range(1_000)]
    source = Source(rows, 10)
    pages = iter(Reading(source, 8, now=None))
    first = next(pages)
    deadline = time.monotonic() + 5
    while len(source.requests) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(source.requests) == 2
    assert [r["id"] for p in (first, *pages) for r in p.rows] == [r["id"] for r in rows]
    assert len(source.requests) == 100


def test_the_wait_for_the_writer_bounds_what_is_read_ahead() -> None:
    """Readers stop when nobody takes the rows, so memory does not grow forever."""
    rows = [row(n, 50 * YEAR + n * DAY // 10) for n in range(20_000)]
    source = Source(rows, 10)
    pages = iter(Reading(source, 4))
    for _ in range(20):
        next(pages)
    deadline = time.monotonic() + 5
    count = -1
    while count != len(source.requests) and time.monotonic() < deadline:
        count = len(source.requests)
        time.sleep(0.2)
    assert 20 < count < 20 + TimeListing.PAGES * 8 + 40
    pages.close()  # type: ignore[attr-defined]
    time.sleep(0.1)
    assert not [x for x in threading.enumerate() if x.name.startswith("worker-")]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_small_pages_waste_few_requests(size: int) -> None:
    """A slice has more rows than the proof of its end takes."""
    source = Source([row(n, 55 * YEAR + n * DAY // 10) for n in range(1_000)], size)
    assert read(source, 4) == [r["id"] for r in source.rows]
    assert len(source.requests) < 1.6 * 1_000 / size


# Where HubSpot contradicts a slice.


@pytest.mark.parametrize("readers", [2, 4, 16])
@pytest.mark.parametrize("at", [20, 30, 45])
def test_a_slice_that_ends_too_early_hides_nothing(at: int, readers: int) -> None:
    """One listing ends in the middle: what follows is read from there on."""
    rows = [row(n, 50 * YEAR + n * DAY // 2) for n in range(3_000)]
    source = Source(rows, 50)
    fetch = source.fetch

    def ending(params: dict[str, str]) -> Page:
        page = fetch(params)
        return source.page([], None) if len(source.requests) == at else page

    source.fetch = ending  # type: ignore[method-assign]
    assert {*read(source, readers)} == {r["id"] for r in rows}


def test_neighbors_the_wrong_way_round_come_once() -> None:
    """Also where one slice ends and the next one begins."""
    for seed in range(5):
        contract = Contract(swapped=0.3, seed=seed)
        with FakeHubSpot(Account(size=1_500), contract, token=TOKEN) as hubspot:
            more = {"page_size": 20, "max_parallel_requests": 4}
            output = run_here(harness.settings(hubspot.url, **more))
            bounds = {r.param(f"{TIMESTAMP}After") for r in hubspot.requests}
        assert len(bounds) > 4, "it was not cut"
        found = [r["id"] for r in output.records]
        assert len(found) == len(set(found)) == 1_500


def assert_the_plain_chain_takes_over(
    source: Source, caplog: pytest.LogCaptureFixture, *, readers: int
) -> None:
    """Check that every thread is there, and that there is one warning."""
    assert {*read(source, readers)} == {r["id"] for r in source.rows}
    assert [AGAIN in line for line in caplog.messages] == [True]


def test_rows_out_of_order_bring_the_plain_chain_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One warning, and every thread is there."""
    rows = [row(n, 50 * YEAR + n * DAY // 10) for n in range(10_000)]
    source = Source(rows, 50)
    fetch = source.fetch

    def disordered(params: dict[str, str]) -> Page:
        page = fetch(params)
        if len(source.requests) > 40:
            page.rows.insert(0, rows[0])
        return page

    source.fetch = disordered  # type: ignore[method-assign]
    assert {*read(source, 8)} == {r["id"] for r in rows}
    (warning,) = caplog.messages
    assert "not sorted by `latestMessageTimestamp`" in warning


def test_a_cursor_that_forgets_the_bound_brings_the_plain_chain_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The second page of a slice is then the second page of everything."""
    rows = [row(n, 50 * YEAR + n * DAY // 10) for n in range(5_000)]
    source = Source(rows, 50)

    def fetch(params: dict[str, str]) -> Page:
        begin = int(params.get("after", 0))
        if "after" not in params:
            bound = params["bound"]
            begin = next((n for n, r in enumerate(rows) if r["place"] > bound), 5_000)
            page = rows[begin : begin + 50]
            return source.page(page, "50" if begin + 50 < 5_000 else None)
        page = rows[begin : begin + 50]
        return source.page(page, str(begin + 50) if begin + 50 < 5_000 else None)

    source.fetch = fetch  # type: ignore[method-assign]
    assert_the_plain_chain_takes_over(source, caplog, readers=4)


def test_pages_out_of_order_bring_the_plain_chain_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each is in order, but two pages of a slice come the wrong way round."""
    rows = [row(n, 50 * YEAR + n * DAY // 10) for n in range(5_000)]
    source = Source(rows, 50)
    fetch = source.fetch
    once = threading.Lock()
    held_back: dict[str, Page] = {}

    def swapped(params: dict[str, str]) -> Page:
        if params.get("after") in held_back:
            return held_back[params["after"]]
        page = fetch(params)
        in_a_slice = params["bound"] > rows[0]["place"] and "after" in params
        if in_a_slice and page.after and once.acquire(blocking=False):
            later = fetch(params | {"after": page.after})
            held_back["back"] = source.page(page.rows, later.after)
            return source.page(later.rows, "back")
        return page

    source.fetch = swapped  # type: ignore[method-assign]
    assert_the_plain_chain_takes_over(source, caplog, readers=4)
    assert held_back


def test_an_unsorted_account_comes_whole(caplog: pytest.LogCaptureFixture) -> None:
    """Where the bound works and the sort does not."""
    rows = [row(n, 50 * YEAR + (n * 7919 % 5_000) * DAY // 10) for n in range(5_000)]
    source = Source(rows, 50)

    def fetch(params: dict[str, str]) -> Page:
        found = [r for r in rows if r["place"] > params["bound"]]
        begin = int(params.get("after", 0))
        after = str(begin + 50) if begin + 50 < len(found) else None
        return source.page(found[begin : begin + 50], after)

    source.fetch = fetch  # type: ignore[method-assign]
    assert {*read(source, 4)} == {r["id"] for r in rows}


@pytest.mark.parametrize("at", [1, 2, 3, 30])
def test_rows_before_an_error_come_first(at: int) -> None:
    """An error is raised where its page is due, behind all rows before it."""
    rows = [row(n, 50 * YEAR + n * DAY // 10) for n in range(5_000)]
    source = Source(rows, 50)
    fetch = source.fetch
    broken = rows[(at - 1) * 50]["place"]

    def failing(params: dict[str, str]) -> Page:
        page = fetch(params)
        if any(r["place"] == broken for r in page.rows):
            msg = "no answer"
            raise HubSpotError(msg)
        return page

    source.fetch = failing  # type: ignore[method-assign]
    found: list[str] = []
    try:
        for page in Reading(source, 8):
            found += [r["id"] for r in page.rows]
    except HubSpotError as error:
        assert str(error) == "no answer"  # noqa: PT017 - after the rows
    else:
        pytest.fail("it did not end with the error")
    # A slice that begins within the page before has its first rows in the broken one.
    assert found == [str(n) for n in range(len(found))]
    assert (at - 1) * 50 - 50 <= len(found) <= (at - 1) * 50


# The tap.


PAGE, PAGES = 5, 16
INBOXES = sorted({int(r["inboxId"]) for r in Account(size=600).threads()})[:2]


@pytest.fixture
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few pages be worth cutting, so that many accounts can be read."""
    monkeypatch.setattr(TimeListing, "WORTH_CUTTING", 6)
    monkeypatch.setattr(TimeListing, "PAGES", 2)
    monkeypatch.setattr(TimeListing, "LEAST_ROWS", 10)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeHubSpot]:
    """Serve an account of some pages to all cells, by a clock that stands still."""
    clock = StillClock()
    account = Account(size=PAGE * PAGES, shape=Shape(closed=0.5))
    with FakeHubSpot(account, token=TOKEN, monotonic=clock) as hubspot:
        hubspot.clock = clock  # type: ignore[attr-defined]
        yield hubspot


def config(hubspot: FakeHubSpot, parallel: int, **more: t.Any) -> dict[str, t.Any]:
    """Return settings for small pages, so that there are slices of a few of them."""
    return harness.settings(
        hubspot.url, page_size=PAGE, max_parallel_requests=parallel, **more
    )


def lines(output: Output) -> list[str]:
    """Return the messages as text, without when the rows were extracted."""
    return [
        json.dumps({k: v for k, v in message.items() if k != "time_extracted"})
        for message in output.messages
    ]


CONTRACTS: dict[str, dict[str, t.Any]] = {
    "plain": {},
    "echo": {"last_page": "echo", "cursor_encoded": True, "inclusive": False},
    "offset": {"cursor": "offset", "last_page": "next_null"},
    "gzip": {"gzip": True, "nulls": True},
}


@pytest.mark.usefixtures("short_slices")
@pytest.mark.parametrize("parallel", [4, 8])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"sweep_interval_hours": 12},
        {"inbox_ids": INBOXES},
        {"emit_activate_version_messages": True, "sweep_interval_hours": 12},
    ],
    ids=lambda more: "+".join(more) or "changes",
)
@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_output_is_the_same(
    contract: str, more: dict[str, t.Any], parallel: int
) -> None:
    """RECORD, STATE and their order, by however many readers; also of the next run."""
    began = timestamps.milliseconds_between(timestamps.EPOCH, "2026-11-01T00:00:00Z")
    account = Account(
        size=120, now="2026-10-31T23:00:00Z", shape=Shape(archived=0.1, silent=0.1)
    )
    with FakeHubSpot(account, Contract(**CONTRACTS[contract]), token=TOKEN) as hubspot:
        one = run_here(config(hubspot, 1, **more), began=began)
        hubspot.forget()
        several = run_here(config(hubspot, parallel, **more), began=began)
        bounds = {r.param(f"{TIMESTAMP}After") for r in hubspot.requests}
        assert len(bounds) > 4, "it was not cut"
        assert lines(several) == lines(one)
        later = began + 13 * 60 * 60 * 1000
        state = one.states[-1]
        one = run_here(config(hubspot, 1, **more), state=state, began=later)
        several = run_here(config(hubspot, parallel, **more), state=state, began=later)
        assert lines(several) == lines(one)


# Not the first requests: nothing is read in parallel before it is worth it, and the
# answer that is then on its way is not needed any more.
CELLS = [
    (kind, at, times, credential)
    for kind in KINDS
    for times, at, credential in (
        (1, 12, "token"),
        (1, 16, "token"),
        (1, 12, "app"),
        (None, 4, "token"),
        (None, 8, "app"),
    )
]


@pytest.mark.usefixtures("short_slices")
@pytest.mark.parametrize(("kind", "at", "times", "credential"), CELLS)
def test_every_fault_with_eight_readers(
    server: FakeHubSpot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    at: int,
    times: int | None,
    credential: str,
) -> None:
    """The run rides it out with the same rows, or ends behind whole ones, resumable."""
    rule = KINDS[kind]
    server.faults.clear()
    server.forget()
    clock: StillClock = server.clock  # type: ignore[attr-defined]
    clock.waits.clear()
    clock.now += 3_600
    clock.share_with_tap(monkeypatch)
    rows = [
        written(r)
        for r in sorted(
            server.account.threads(),
            key=lambda r: (r["latestMessageTimestamp"], int(r["id"])),
        )
    ]
    met = range(at, 2**62) if times is None else range(at, at + 1)
    server.faults.add(rule.make(), at=met)
    budget = rule.means.budget if isinstance(rule.means, Waits) else 100.0
    settings = config(server, 8, max_retry_seconds=budget, request_timeout=rule.timeout)
    if credential == "app":
        settings = harness.oauth_settings(server) | {
            k: v for k, v in settings.items() if k != "access_token"
        }
    output = run_command_here(tmp_path, settings)
    survives = isinstance(rule.means, Nothing) or (
        times is not None
        and (
            isinstance(rule.means, Waits)
            or (isinstance(rule.means, Renews) and credential == "app")
        )
    )
    printed = output.stderr + json.dumps(output.messages)
    assert not [secret for secret in harness.secrets_of(server) if secret in printed]
    assert missing_at_states(output, rows) == set()
    if times == 1 and output.code == 0:
        survives = True  # it met an answer that was not needed
    if survives:
        assert output.code == 0, output.stderr
        assert output.records == rows
        return
    assert output.code == 1
    (line,) = output.errors
    assert all(words in line for words in rule.says)
    assert output.records == rows[: len(output.records)]
    server.faults.clear()
    clock.now += 3_600
    state = output.states[-1] if output.states else None
    after = run_command_here(tmp_path, settings, state=state)
    assert after.code == 0
    assert by_id(output.records + after.records) == by_id(rows)


def test_a_run_alone_on_its_quota_is_never_told_to_wait(tmp_path: Path) -> None:
    """Eight readers share one view of HubSpot's limit, and use it well."""
    contract = Contract(quota=60, quota_window_seconds=1.0, quota_window="rolling")
    account = Account(size=900)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        began = time.monotonic()
        output = run_command_here(tmp_path, config(hubspot, 8, max_retry_seconds=60))
        took = time.monotonic() - began
        throttled = hubspot.stats["throttled"]
        requests = hubspot.stats["requests"]
    assert output.code == 0
    assert len(output.records) == 900
    assert throttled == 0
    assert requests > 180
    assert took > 180 / 60 - 1.5  # it was the quota that held it up


@pytest.mark.usefixtures("short_slices")
def test_one_connection_for_each_reader(tmp_path: Path) -> None:
    """All requests of a run go through one pool, whose connections are kept."""
    with FakeHubSpot(Account(size=PAGE * PAGES), token=TOKEN) as hubspot:
        with harness.captured_log() as log:
            run_here(config(hubspot, 8, sweep_interval_hours=12))
        opened = re.findall(r"Starting new HTTP connection \(\d+\)", log.getvalue())
        full = "Connection pool is full" in log.getvalue()
        assert len(hubspot.requests) > PAGES
    assert 1 < len(opened) <= 9
    assert not full


def test_a_long_run_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Now and then one line with rows, rate, pages, place and share of the limit."""
    monkeypatch.setattr(Progress, "INTERVAL", 0.05)
    contract = Contract(delay=0.02, quota=10_000)
    with FakeHubSpot(Account(size=60), contract, token=TOKEN) as hubspot:
        output = run_command_here(tmp_path, config(hubspot, 1))
    told = [x for x in output.stderr.splitlines() if "rows read, " in x]
    form = (
        r"Changes in live threads: [\d,]+ rows read, [\d,]+ rows a "
        r"second, now at latestMessageTimestamp \d{4}-\d\d-\d\dT[\d:.]+Z; [\d,]+ rows "
        r"written in all; \d+% of HubSpot's limit in use$"
    )
    assert 2 <= len(told) <= 12
    assert all(re.search(form, line) for line in told)


@pytest.mark.usefixtures("short_slices")
def test_metrics_are_for_machines(tmp_path: Path) -> None:
    """Each pass has a line for its rows and one for its requests."""
    account = Account(size=PAGE * PAGES, shape=Shape(silent=0.1, archived=0.0))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        settings = config(hubspot, 8) | {"sweep_interval_hours": 12}
        output = run_command_here(tmp_path, settings)
        by_id = sum(seen.param("sort") == "id" for seen in hubspot.requests)
        by_time = len(hubspot.requests) - by_id
    silent = sum("latestMessageTimestamp" not in row for row in account.threads())
    points = map(json.loads, re.findall(r"METRIC: (\{.*\})", output.stderr))
    values = {
        (point["metric"], point["tags"].get("pass")): point["value"] for point in points
    }
    assert 0 < values.pop(("sync_duration", None)) < 60
    assert values == {
        ("record_count", "changes"): PAGE * PAGES - silent,
        ("record_count", "sweep"): silent,
        ("http_request_count", "changes"): by_time,
        ("http_request_count", "sweep"): by_id,
    }
    assert silent


def test_a_short_run_does_not_say_how_far_it_is(tmp_path: Path) -> None:
    """What is over in a moment needs no progress."""
    with FakeHubSpot(Account(size=60), token=TOKEN) as hubspot:
        output = run_command_here(tmp_path, config(hubspot, 4))
    assert "rows read, " not in output.stderr


def test_a_gap_of_years_between_short_pages_is_no_obstacle() -> None:
    """Where rows are so sparse that a slice would end behind the year 9999."""
    early = [row(n, n * DAY // 1440) for n in range(1_902)]
    late = [row(2_000 + n, 5 * YEAR + n * DAY // 1440) for n in range(300)]
    source = Source(early + late, 11)
    assert {*read(source, 4)} == {r["id"] for r in early + late}
