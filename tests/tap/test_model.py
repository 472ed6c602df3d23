"""Any history of an account and of the tap leads to a table equal to the account.

The state machine is in ``model``. A failing history is printed as a short program. The
mark `nightly` has a longer search.
"""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tap_hubspot_threads import sdk, state, timestamps
from tap_hubspot_threads.actors import ActorsStream
from tap_hubspot_threads.directory import InboxesStream
from tap_hubspot_threads.filters import TIMESTAMP, Filters, Place
from tap_hubspot_threads.ordering import Frontier, Repeats
from tap_hubspot_threads.paging import CursorPaginator
from tap_hubspot_threads.slices import TimeListing, _StopSlicing
from tap_hubspot_threads.state import Bookmark
from tap_hubspot_threads.threads import ThreadsStream
from tests.tap.model import LOOKBACK, Counts, Machine

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fake_hubspot import SeenRequest

settings.register_profile(
    "model",
    max_examples=18,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
settings.register_profile(
    "nightly",
    settings.get_profile("model"),
    max_examples=3_000,
    stateful_step_count=40,
    derandomize=False,
)


@pytest.fixture(autouse=True)
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few pages be worth cutting, so that small accounts are read in slices."""
    monkeypatch.setattr(TimeListing, "WORTH_CUTTING", 5)
    monkeypatch.setattr(TimeListing, "PAGES", 3)
    monkeypatch.setattr(TimeListing, "LEAST_ROWS", 1)


def test_every_history_ends_with_a_table_that_is_the_account() -> None:
    """No history that was tried leaves a thread missing, stale or undeleted."""
    look_for_a_failure("model")
    print(
        f"model: {Counts.examples} examples, {Counts.steps} steps, {Counts.runs} runs, "
        f"{Counts.sweeps} sweeps, {Counts.slices} slices, {Counts.kills} kills, "
        f"{Counts.faults} faults, {Counts.changes} changes"
    )


@pytest.mark.nightly
def test_no_history_of_a_long_search_ends_otherwise() -> None:
    """The same with many more and longer histories."""
    look_for_a_failure("nightly")


def look_for_a_failure(profile: str) -> None:
    """Search with the examples of a profile."""
    run_state_machine_as_test(Machine, settings=settings.get_profile(profile))


# Defects that the search has to find, each planted into the tap.


def bound_a_millisecond_late(patch: pytest.MonkeyPatch) -> None:
    """The bound is sent one millisecond after the bookmark."""
    real = Filters.params

    def params(filters: Filters, place: Place, *, since: str | None = None) -> t.Any:
        late = since and timestamps.shift(since, milliseconds=2)
        return real(filters, place, since=late)

    patch.setattr(Filters, "params", params)


def bookmark_of_the_last_row(patch: pytest.MonkeyPatch) -> None:
    """The bookmark is what the last row says, greatest or not."""

    def advance(mark: Bookmark, moments: list[str | None], **_: str) -> None:
        for moment in filter(None, moments):
            mark._state[state.KEY] = mark._key
            mark._state[state.VALUE] = moment

    patch.setattr(Bookmark, "advance", advance)
    patch.setattr(Bookmark, "finish", lambda _: None)


def bookmark_follows_the_future(patch: pytest.MonkeyPatch) -> None:
    """A row that is dated in the future counts as read up to there."""
    real = Bookmark.advance

    def advance(
        mark: Bookmark, moments: t.Any, *, settled_before: str, now: str
    ) -> None:
        real(mark, moments, settled_before=settled_before, now=f"9{now[1:]}")

    patch.setattr(Bookmark, "advance", advance)


def bookmark_up_to_now(patch: pytest.MonkeyPatch) -> None:
    """The bookmark may pass the start of the run, up to HubSpot's now."""

    def now(stream: ThreadsStream) -> str:
        end = timestamps.shift(stream.client.now or stream.began, milliseconds=999)
        return min(end, stream.began)

    patch.setattr(ThreadsStream, "latest_bookmark", property(now))


def archived_threads_move_the_bookmark(patch: pytest.MonkeyPatch) -> None:
    """The bookmark follows the archived threads, too."""
    real = ThreadsStream.write_page

    def write_page(stream: ThreadsStream, records: t.Any, fetched_at: t.Any) -> None:
        real(stream, records, fetched_at)
        for record in records:
            inbox = record["inboxId"] if stream.partitions else None
            kept = stream.state_of(inbox)
            moment = min(record[TIMESTAMP] or "", stream.began)
            if record["archived"] and moment > kept.get(state.VALUE, ""):
                kept[state.VALUE] = moment

    patch.setattr(ThreadsStream, "write_page", write_page)


def sweep_done_when_it_begins(patch: pytest.MonkeyPatch) -> None:
    """A sweep counts as complete before it has listed anything."""
    real = ThreadsStream._changes

    def changes(stream: ThreadsStream, inbox: t.Any) -> t.Any:
        if stream._is_sweeping:
            kept = stream.state_of(inbox)
            state.note_sweep(kept, began=stream.began, version=stream._version)
        yield from real(stream, inbox)

    patch.setattr(ThreadsStream, "_changes", changes)


def empty_page_is_the_end(patch: pytest.MonkeyPatch) -> None:
    """A listing ends at its first page without rows."""
    real = CursorPaginator.get_next

    def get_next(paginator: CursorPaginator, response: t.Any) -> str | None:
        return real(paginator, response) if response.rows else None

    patch.setattr(CursorPaginator, "get_next", get_next)


def one_row_is_proof(patch: pytest.MonkeyPatch) -> None:
    """The last row alone says how far a listing goes."""
    patch.setattr(Frontier, "PROOF", 1)


def slices_up_to_now(patch: pytest.MonkeyPatch) -> None:
    """Slices go up to HubSpot's now, and what follows them begins where that is.

    The bookmark follows; otherwise the next run would bring what this one misses.
    """
    bookmark_up_to_now(patch)
    real = TimeListing._plan
    slices = TimeListing._slices

    def now(listing: TimeListing) -> str:
        return timestamps.shift(listing._hubspot_now() or "", milliseconds=2_000)

    def plan(listing: TimeListing, reached: str, moments: t.Any) -> t.Any:
        found = real(listing, reached, moments)
        if found is not None:
            found.stop = now(listing)
        return found

    def to_the_end(listing: TimeListing, found: t.Any, since: str) -> t.Any:
        with contextlib.suppress(_StopSlicing):
            yield from slices(listing, found, since)
        found.position = max(found.position, now(listing))

    patch.setattr(TimeListing, "_plan", plan)
    patch.setattr(TimeListing, "_slices", to_the_end)


def a_moved_thread_is_a_repetition(patch: pytest.MonkeyPatch) -> None:
    """A row that comes again is recognized by its ID alone."""
    real = Repeats.drop

    def drop(repeats: Repeats, page: t.Any, moments: t.Any, following: str) -> t.Any:
        known = {identity for identity, _ in repeats._known}
        page = real(repeats, page, moments, following)
        return page._replace(rows=[r for r in page.rows if r["id"] not in known])

    patch.setattr(Repeats, "drop", drop)


def one_round_is_enough(patch: pytest.MonkeyPatch) -> None:
    """Nothing is read again before ACTIVATE_VERSION."""
    confirm(patch, lambda _: ())


def confirmed_without_the_trash(patch: pytest.MonkeyPatch) -> None:
    """Only the live threads are read again before ACTIVATE_VERSION."""
    confirm(patch, lambda places: [place for place in places if not place.is_trash])


def confirm(patch: pytest.MonkeyPatch, places: Callable[[t.Any], t.Any]) -> None:
    """Let all rounds but the first read only some of the places."""
    real = ThreadsStream._sweep_round

    def sweep_round(stream: ThreadsStream, each: t.Any) -> t.Any:
        is_first = not hasattr(stream, "_has_swept")
        stream._has_swept = True  # type: ignore[attr-defined]
        return (yield from real(stream, each if is_first else places(each)))

    patch.setattr(ThreadsStream, "_sweep_round", sweep_round)


def actors_after_the_state(patch: pytest.MonkeyPatch) -> None:
    """Actors are written when all threads are, after the STATE that covers these."""
    patch.setattr(ThreadsStream, "before_state", lambda _: None)


def first_actor_of_a_page_alone(patch: pytest.MonkeyPatch) -> None:
    """Of the actors that a page mentions, only the first is asked for."""
    real = ActorsStream.add
    patch.setattr(ActorsStream, "add", lambda stream, ids: real(stream, [*ids][:1]))


def live_inboxes_alone(patch: pytest.MonkeyPatch) -> None:
    """The archived inboxes are not listed."""
    patch.setattr(InboxesStream, "listings", InboxesStream.listings[:1])


def version_follows_the_clock(patch: pytest.MonkeyPatch) -> None:
    """The version of a sweep is its moment, also after a clock is set back."""
    real = ThreadsStream._next_version

    def next_version(stream: ThreadsStream) -> int | None:
        found = real(stream)
        is_new = found is not None and stream._is_sweeping
        return timestamps.seconds(stream.began) if is_new else found

    patch.setattr(ThreadsStream, "_next_version", next_version)


def state_ahead_of_the_batch(patch: pytest.MonkeyPatch) -> None:
    """STATE is written for rows that are not in a file yet."""

    def write_state(stream: sdk.BaseStream) -> None:
        if stream._batcher is not None and (
            len(stream._batched) >= stream._batcher.batch_config.batch_size
        ):
            stream.write_batches()
        stream.state_manager.is_flushed = False
        stream._write_state_message()
        stream._base_tap.writer.flush()

    patch.setattr(sdk.BaseStream, "write_state", write_state)


# A short history for each of them.


def ordinary(size: int, **more: t.Any) -> Machine:
    """Return a machine with an account of a size, and with some of its settings."""
    machine = Machine()
    chosen: dict[str, t.Any] = {
        "contract": {},
        "mode": "upsert",
        "inboxes": False,
        "skew": 0,
        "lookback": 0,
        "parallel": 1,
    }
    machine.begin(size=size, **chosen | more)
    return machine


def tie_at_the_bookmark(machine: Machine) -> None:
    """A second thread gets a message in the millisecond of the bookmark."""
    machine.change("message", 0)
    machine.run()
    machine.change("tie", 2)
    machine.run_quietly()


def newest_thread_leaves(machine: Machine) -> None:
    """All that a run finds is older than the bookmark."""
    machine.run()
    machine.change("archive", 4)
    machine.run()


def future_row(machine: Machine) -> None:
    """A thread is dated in the future."""
    machine.change("future", 0)
    machine.run_quietly()


def late_in_a_long_run(machine: Machine) -> None:
    """A message becomes visible behind what was read, and the run goes on for long.

    The tap's clock is ahead, so that the start of the run is no bound.
    """
    machine.account.clock.advance(hours=1)
    others = [("message", number) for number in (1, 2, 3, 5)]
    machine.run_disturbed(
        meanwhile={
            3: [("lag", 0), ("wait", 1), *others],
            5: [("wait", 1), ("reindex", 0), ("wait", 2), ("message", 4)],
        }
    )
    machine.run_quietly()


def crossing_after_the_changes(machine: Machine) -> None:
    """Behind the changes, one thread gets a message, and a later one is archived.

    The tap's clock is ahead, so that the start of the run is no bound.
    """
    machine.run_disturbed(meanwhile={4: [("message", 0), ("farewell", 1)]})


def killed_after_a_page(machine: Machine) -> None:
    """A run is killed once the STATE of some pages is out."""
    for number in range(9):
        machine.change("assign", number)
    machine.run_disturbed(meanwhile={}, kill_at=20)
    machine.run_quietly()


def archived_inbox(machine: Machine) -> None:
    """An inbox is archived between two runs."""
    machine.run_quietly()
    machine.change("retire", 0)
    machine.run_quietly()


def killed_in_the_sweep(machine: Machine) -> None:
    """A run is killed among the threads that only its sweep would bring."""
    machine.run_quietly()
    machine.account.clock.advance(hours=3)
    for _ in range(3):
        machine.change("silent", 0)
    machine.run_disturbed(meanwhile={}, kill_at=9)
    machine.run_quietly()


def gaps_between_pages(machine: Machine) -> None:
    """Every other page is empty."""
    machine.run_quietly()


def newer_at_the_end_of_a_page(machine: Machine) -> None:
    """The last row of a page has got a message that the index does not have yet."""
    machine.change("old", 5)
    machine.run_quietly(hours=1.0)


def messages_behind_the_slices(machine: Machine) -> None:
    """After all slices, one thread gets a message, and later another one.

    The tap's clock is ahead, so that the start of the run is no bound.
    """
    machine.account.clock.advance(hours=1)
    began = machine.account.clock.text
    todo = [("message", 0), ("wait", 1), ("message", 1)]

    def when(seen: SeenRequest) -> list[tuple[str, int]]:
        is_over = seen.param("sort") == "id"
        if is_over or (seen.param(f"{TIMESTAMP}After") or "") > began:
            happening, todo[:] = todo[:], []
            return happening
        return []

    slices = Counts.slices
    machine.run(when=when)
    assert Counts.slices > slices + 3


def moved_thread_after_a_loop(machine: Machine) -> None:
    """A cursor repeats, and what comes again has moved meanwhile."""
    machine.account.clock.advance(hours=1)
    machine.run_disturbed(meanwhile={6: [("message", 12), ("create", 0)]}, loop_at=5)


def moved_to_an_inbox_that_is_over(machine: Machine) -> None:
    """A thread leaves the last inbox for the first while a sweep is between them."""
    machine.run_quietly()
    machine.account.clock.advance(hours=3)
    machine.run_disturbed(meanwhile={6: [("move", 1)]})


def out_of_the_trash_and_back(machine: Machine) -> None:
    """A thread is restored before the trash is read, and archived between rounds."""
    machine.change("archive", 1)
    machine.run_quietly()
    machine.account.clock.advance(hours=3)
    machine.run_disturbed(meanwhile={3: [("restore", 0)], 4: [("archive", 1)]})


def clock_set_back(machine: Machine) -> None:
    """Between two sweeps, the clock is set back and a thread is purged."""
    machine.run_quietly()
    machine.set_clock_back(48)
    machine.change("purge", 0)
    machine.run_quietly()


def batches_of_some_pages(machine: Machine) -> None:
    """A file takes more rows than a page has."""
    machine.run_quietly()


AHEAD = 3_600

Plant: t.TypeAlias = "Callable[[pytest.MonkeyPatch], None]"

HISTORIES: dict[Plant, tuple[Callable[[Machine], None], dict[str, t.Any]]] = {
    bound_a_millisecond_late: (tie_at_the_bookmark, {"size": 4}),
    bookmark_of_the_last_row: (
        newest_thread_leaves,
        {"size": 5, "contract": {"late_seconds": 200}},
    ),
    bookmark_follows_the_future: (future_row, {"size": 4}),
    bookmark_up_to_now: (
        late_in_a_long_run,
        {"size": 9, "skew": AHEAD, "lookback": LOOKBACK},
    ),
    archived_threads_move_the_bookmark: (
        crossing_after_the_changes,
        {"size": 5, "skew": AHEAD},
    ),
    sweep_done_when_it_begins: (killed_in_the_sweep, {"size": 4}),
    empty_page_is_the_end: (
        gaps_between_pages,
        {"size": 9, "contract": {"empty_every": 1}},
    ),
    one_row_is_proof: (newer_at_the_end_of_a_page, {"size": 12}),
    slices_up_to_now: (
        messages_behind_the_slices,
        {"size": 12, "parallel": 4, "skew": AHEAD},
    ),
    a_moved_thread_is_a_repetition: (
        moved_thread_after_a_loop,
        {"size": 13, "skew": AHEAD, "contract": {"date": "missing"}},
    ),
    one_round_is_enough: (
        moved_to_an_inbox_that_is_over,
        {"size": 8, "mode": "versions", "inboxes": True},
    ),
    confirmed_without_the_trash: (
        out_of_the_trash_and_back,
        {"size": 4, "mode": "versions"},
    ),
    actors_after_the_state: (killed_after_a_page, {"size": 9}),
    first_actor_of_a_page_alone: (killed_after_a_page, {"size": 9}),
    live_inboxes_alone: (archived_inbox, {"size": 2, "mode": "versions"}),
    version_follows_the_clock: (clock_set_back, {"size": 4, "mode": "versions"}),
    state_ahead_of_the_batch: (batches_of_some_pages, {"size": 12, "mode": "batch"}),
}


@pytest.mark.parametrize("plant", HISTORIES)
def test_a_planted_defect_breaks_a_history(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A history that the tap stands is one that it fails with the defect."""
    history, chosen = HISTORIES[plant]
    for planted in (False, True):
        machine = ordinary(**chosen)
        try:
            if planted:
                plant(monkeypatch)
                with pytest.raises(AssertionError):
                    history(machine)
            else:
                history(machine)
        finally:
            machine.teardown()


@pytest.mark.nightly
@pytest.mark.parametrize("plant", HISTORIES)
def test_a_planted_defect_is_found(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search finds each of these defects by itself."""
    plant(monkeypatch)
    quick = settings(
        settings.get_profile("nightly"),
        phases=[Phase.generate],
        database=None,
        report_multiple_bugs=False,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Machine, settings=quick)
