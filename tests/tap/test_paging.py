"""A listing is read to its end, whatever its pages look like."""

from __future__ import annotations

import json
import typing as t
from urllib.parse import quote

import pytest

from tap_hubspot_threads.errors import EndlessListing
from tests.fake_hubspot import Account, Contract, FakeHubSpot, Shape
from tests.support.harness import (
    TOKEN,
    Wire,
    by_id,
    http,
    run_here,
    select,
    settings,
    written,
)

if t.TYPE_CHECKING:
    from tests.support.harness import Output

READINGS: dict[str, dict[str, t.Any]] = {
    "cursor by offset": {"cursor": "offset"},
    "cursor percent-encoded": {"cursor_encoded": True},
    "offset, encoded": {"cursor": "offset", "cursor_encoded": True},
    "exclusive bound": {"inclusive": False},
    "paging null at the end": {"last_page": "null"},
    "paging empty at the end": {"last_page": "empty"},
    "next null at the end": {"last_page": "next_null"},
    "next empty at the end": {"last_page": "next_empty"},
    "empty page with the same cursor at the end": {"last_page": "echo"},
    "empty pages in the middle": {"empty_every": 2, "empty_run": 3},
    "a hundred empty pages in a row": {"empty_every": 4, "empty_run": 100},
    "short pages": {"short_pages": True},
    "link to another path": {"link": "other_path"},
    "link to another host": {"link": "other_host"},
    "no link": {"link": "missing"},
    "nulls instead of absent fields": {"nulls": True},
    "silent threads last": {"silent_last": True},
    "compressed": {"gzip": True},
    "rows out of order": {"swapped": 0.3},
}


def run_to_end(account: Account, contract: Contract, **more: t.Any) -> Output:
    """Run once, and check that the records match the account, field by field."""
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url, page_size=50, **more))
    truth = {row["id"]: written(row) for row in account.threads()}
    assert by_id(output.records) == truth
    return output


@pytest.mark.parametrize("reading", READINGS)
def test_every_thread_arrives_under_every_reading(reading: str) -> None:
    """With each possible behavior of the API, all threads are written exactly once."""
    shape = Shape(archived=0.05, tied=0.2, tie_size=120, timestamps="mixed")
    output = run_to_end(
        Account(size=700, shape=shape),
        Contract(**READINGS[reading]),
        sweep_interval_hours=12,
    )
    assert len(output.records) == 700


@pytest.mark.parametrize("page_size", [1, 7, 499, 500])
def test_the_page_size_does_not_matter(page_size: int) -> None:
    """Pages smaller than a group of equal timestamps lose nothing."""
    account = Account(size=60, shape=Shape(tied=0.5, tie_size=20))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url, page_size=page_size))
        limits = {request.param("limit") for request in hubspot.requests}
    assert limits == {str(page_size)}
    assert len(output.records) == len(by_id(output.records)) == 60


def test_a_cursor_is_sent_as_it_was_before_it_was_encoded() -> None:
    """HubSpot sometimes encodes cursors, and refuses one that is encoded twice."""
    contract = Contract(cursor_encoded=True)
    with FakeHubSpot(Account(size=120), contract, token=TOKEN) as hubspot:
        run_here(settings(hubspot.url, page_size=50))
        cursors = [request.param("after") for request in hubspot.requests]
    assert cursors[0] is None
    assert len(cursors) == 3
    # The fake decodes a query once, so this is the cursor itself.
    assert all(c and quote(c, safe="=") == c and "%" not in c for c in cursors[1:])


def test_more_than_a_hundred_empty_pages_are_an_error() -> None:
    """A listing of empty pages does not keep a run busy forever."""
    contract = Contract(empty_every=1, empty_run=101)
    with FakeHubSpot(Account(size=120), contract, token=TOKEN) as hubspot:
        with pytest.raises(EndlessListing, match="101 pages in a row that were empty"):
            run_here(settings(hubspot.url, page_size=50))
        assert len(hubspot.requests) == 102


@pytest.mark.parametrize("length", [1, 2])
def test_a_loop_in_timestamp_order_is_left_by_listing_again(length: int) -> None:
    """A repeated cursor on a page with rows costs one new listing, not the run."""
    contract = Contract(loop_at=3, loop_times=1, loop_length=length)
    account = Account(size=400)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url, page_size=50))
        bounds = {
            request.param("latestMessageTimestampAfter") for request in hubspot.requests
        }
    assert by_id(output.records).keys() == set(account.live_ids())
    assert len(output.records) <= 400 + 2
    assert len(bounds) == 2


def test_loops_at_several_places_are_each_left() -> None:
    """Each listing can loop, as long as it gets past the previous loop."""
    contract = Contract(loop_at=2)
    account = Account(size=400)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url, page_size=50))
    assert by_id(output.records).keys() == set(account.live_ids())


def test_a_loop_that_cannot_be_left_is_an_error() -> None:
    """If more threads than a page share a millisecond, a loop there is permanent."""
    account = Account(size=200, shape=Shape(tied=1.0, tie_size=200))
    with (
        FakeHubSpot(account, Contract(loop_at=2), token=TOKEN) as hubspot,
        pytest.raises(EndlessListing, match="go round in a circle"),
    ):
        run_here(settings(hubspot.url, page_size=20))


def test_a_loop_in_id_order_is_an_error() -> None:
    """ID order has no bound from which to restart, and no thread may be skipped."""
    contract = Contract(loop_at=4)
    with FakeHubSpot(Account(size=400), contract, token=TOKEN) as hubspot:
        with pytest.raises(EndlessListing):
            run_here(
                settings(hubspot.url, page_size=50), catalog=select(method="FULL_TABLE")
            )
        assert len(hubspot.requests) < 10


def test_the_same_page_with_ever_new_cursors_is_an_error() -> None:
    """Such a listing would never end, although no cursor repeats."""
    row = json.dumps({"id": "7", "latestMessageTimestamp": "2025-01-01T00:00:00Z"})

    def answer(number: int, _: bytes) -> bytes:
        after = json.dumps({"next": {"after": str(number)}})
        return http(f'{{"results": [{row}], "paging": {after}}}'.encode())

    with Wire(answer) as wire:
        with pytest.raises(EndlessListing, match="101 pages in a row"):
            run_here(settings(wire.url))
        assert 100 < len(wire.requests) < 110
