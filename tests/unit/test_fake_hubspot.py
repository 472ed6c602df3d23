"""The fake HubSpot follows the contract that all other tests rely on."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import fields
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, get_args, get_type_hints
from urllib.parse import quote, unquote

import pytest
import requests

from tests.fake_hubspot import (
    EXAMPLES,
    OAUTH_VERSIONS,
    UNSCOPED_TOKEN,
    Account,
    Contract,
    FakeHubSpot,
    Fault,
    FaultPlan,
    OAuth,
    SeenRequest,
    Shape,
    path_of,
)
from tests.fake_hubspot.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, Any]
Serve: TypeAlias = "Callable[..., tuple[FakeHubSpot, Client]]"

EPOCH = "1970-01-01T00:00:00.000Z"
BY_MESSAGE = {"sort": "latestMessageTimestamp", "latestMessageTimestampAfter": EPOCH}
NOW = "2026-01-01T00:00:00.000Z"
ROOT = Path(__file__).parent.parent.parent


class Client:
    """A client of one fake. It follows cursors as HubSpot's clients must."""

    def __init__(self, hubspot: FakeHubSpot, version: str = "2026-09-beta") -> None:
        """Use the fake's own token."""
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {hubspot.token}"
        self.url = hubspot.url + path_of(version)

    def get(self, **params: Any) -> requests.Response:
        """Send one request."""
        return self.session.get(self.url, params=params, timeout=20)

    def page(self, **params: Any) -> dict[str, Any]:
        """Return the body of a successful response."""
        answer = self.get(**params)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def pages(self, **params: Any) -> Iterator[list[Row]]:
        """Return the rows of each page of a listing."""
        after = None
        while True:
            body = self.page(**params, **({"after": after} if after else {}))
            yield body["results"]
            found = following(body)
            if found is None or unquote(found) == after:
                return
            after = unquote(found)

    def rows(self, **params: Any) -> list[Row]:
        """Return all rows of a listing."""
        return [row for page in self.pages(**params) for row in page]


def following(body: dict[str, Any]) -> str | None:
    """Return the cursor of a response in any of its forms."""
    cursor: str | None = ((body.get("paging") or {}).get("next") or {}).get("after")
    return cursor


def ids(rows: list[Row]) -> list[str]:
    """Return the IDs of rows."""
    return [row["id"] for row in rows]


def named(value: object) -> str | None:
    """Name a fault in the parameters of a test."""
    return value.name if isinstance(value, Fault) else None


def without_nulls(row: Row) -> Row:
    """Return a row without its null fields."""
    return {name: value for name, value in row.items() if value is not None}


def small(count: int = 12, **changes: Any) -> Account:
    """Make an account whose threads have their last messages one minute apart."""
    account = Account(now=NOW)
    for _ in range(count):
        account.clock.advance(60)
        account.create(**changes)
    return account


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that serves an account until the test ends."""
    opened: list[tuple[FakeHubSpot, Client]] = []

    def start(
        account: Account, contract: Contract | None = None, **more: Any
    ) -> tuple[FakeHubSpot, Client]:
        hubspot = FakeHubSpot(account, contract, **more).__enter__()
        opened.append((hubspot, Client(hubspot)))
        return opened[-1]

    yield start
    for hubspot, client in opened:
        client.session.close()
        hubspot.__exit__(None, None, None)


# What is known about the contract.


@pytest.mark.parametrize("version", ["2026-09-beta", "2026-09", "v3"])
def test_every_version_is_served_at_its_path(serve: Serve, version: str) -> None:
    """All three paths serve the same data; v3 has another order of segments."""
    hubspot, client = serve(small(3))
    client.url = hubspot.url + path_of(version)
    assert len(client.rows()) == 3


@pytest.mark.parametrize(
    "path",
    [
        "/conversations/v3/threads",
        "/conversations/conversations/v3/threads",
        "/conversations/conversations/2025-03/threads",
        "/conversations/conversations/2026-09/threads/",
        "/",
    ],
)
def test_any_other_path_is_a_404(serve: Serve, path: str) -> None:
    """A wrong version or order of path segments returns HubSpot's own 404."""
    hubspot, client = serve(small(1))
    client.url = hubspot.url + path
    answer = client.get()
    assert answer.status_code == 404
    assert answer.json()["correlationId"]


def test_a_version_can_go_away(serve: Serve) -> None:
    """A version that the contract does not list returns a 404."""
    _, client = serve(small(1), Contract(versions=("2026-09", "v3")))
    assert client.get().status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_endpoint_is_only_read(serve: Serve, method: str) -> None:
    """Any method other than GET returns a 405."""
    _, client = serve(small(1))
    answer = client.session.request(method, client.url, timeout=20)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize("header", ["", "Bearer wrong", "fake-token", "Basic eA=="])
def test_a_wrong_token_is_a_401(serve: Serve, header: str) -> None:
    """A wrong token is refused, and the error does not repeat it."""
    _, client = serve(small(1))
    client.session.headers["Authorization"] = header
    answer = client.get()
    assert answer.status_code == 401
    assert answer.json()["category"] == "INVALID_AUTHENTICATION"
    assert "wrong" not in answer.text


def test_a_token_without_the_scope_is_a_403(serve: Serve) -> None:
    """The error names the missing scope in the same place as HubSpot's."""
    _, client = serve(small(1))
    client.session.headers["Authorization"] = f"Bearer {UNSCOPED_TOKEN}"
    answer = client.get()
    body = answer.json()
    assert (answer.status_code, body["category"]) == (403, "MISSING_SCOPES")
    scopes = body["errors"][0]["context"]["requiredGranularScopes"]
    assert scopes == ["conversations.read"]


@pytest.mark.parametrize(
    "params",
    [
        {"sort": "latestMessageTimestamp"},
        {"sort": "-latestMessageTimestamp", "latestMessageTimestampAfter": EPOCH},
        {"sort": "-id"},
        {"sort": "createdAt"},
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "ten"},
        {"limit": ["1", "2"]},
        {"inboxId": ["1", "2"]},
        {"inboxId": "x"},
        {"inboxId": str(2**31)},
        {"threadStatus": "open"},
        {"archived": "yes"},
        {"archived": "true", **BY_MESSAGE},
        {"association": "CONTACT"},
        {"association": ["TICKET", "CONTACT"]},
        {"associatedContactId": "7"},
        {"associatedContactId": "7", "threadStatus": "OPEN", "inboxId": "1"},
        {"associatedTicketId": "x"},
        {"latestMessageTimestampAfter": "yesterday"},
        {"latestMessageTimestampAfter": "2024-03-11T15:06:22"},
        {"latestMessageTimestampAfter": "2024-13-11T15:06:22Z"},
        {"after": "garbage"},
        {"after": base64.b64encode(b"525\n").decode()},
        {"after": ""},
    ],
)
def test_a_parameter_that_hubspot_refuses_is_a_400(serve: Serve, params: Any) -> None:
    """A bad parameter or combination is refused with category and correlation ID."""
    _, client = serve(small(3))
    answer = client.get(**params)
    assert answer.status_code == 400
    assert answer.json().keys() >= {"status", "category", "message", "correlationId"}


@pytest.mark.parametrize(
    "params",
    [
        {"limt": "1"},
        {"latestMessageTimestampBefore": EPOCH},
        {"property": ["status", "inboxId"]},
        {"latestMessageTimestampAfter": "2030-01-01T00:00:00Z"},
    ],
)
def test_a_parameter_without_effect_is_ignored(serve: Serve, params: Any) -> None:
    """Unknown names, `property`, and a bound without its sort have no effect."""
    account = small(3)
    _, client = serve(account)
    assert client.rows(**params) == list(account.threads())


@pytest.mark.parametrize("sent", [str, quote, str.lower])
def test_a_cursor_comes_back_as_it_was_or_is_a_400(
    serve: Serve, sent: Callable[[str], str]
) -> None:
    """A cursor that was changed, or not decoded exactly once, is refused."""
    _, client = serve(small(3), Contract(cursor_encoded=True))
    cursor = following(client.page(limit=1))
    assert cursor is not None
    assert cursor.endswith("%3D")
    assert client.get(limit=1, after=sent(cursor)).status_code == 400
    assert client.get(limit=1, after=unquote(cursor)).status_code == 200


def test_a_cursor_belongs_to_its_query(serve: Serve) -> None:
    """A cursor works with another limit, but not with another query."""
    hubspot, client = serve(small(5))
    cursor = following(client.page(limit=1))
    assert client.get(limit=2, after=cursor).status_code == 200
    assert client.get(after=cursor, archived="true").status_code == 400
    hubspot.contract.cursor_bound = False
    assert client.get(after=cursor, archived="true").status_code == 200


def test_the_examples_of_hubspot_are_answered_as_published(serve: Serve) -> None:
    """An account built from HubSpot's published rows returns them field by field."""
    _, client = serve(Account.of(EXAMPLES))
    assert client.rows(association="TICKET") == list(EXAMPLES)


def test_tickets_are_shown_only_when_asked_for(serve: Serve) -> None:
    """Without `association=TICKET`, rows have no `threadAssociations`."""
    account = Account(200, shape=Shape(tickets=0.5))
    _, client = serve(account)
    linked = [row for row in account.threads() if "threadAssociations" in row]
    asked = client.rows(association="TICKET")
    assert [row for row in asked if "threadAssociations" in row] == linked != []
    assert not any("threadAssociations" in row for row in client.rows())


def test_archived_threads_are_listed_apart(serve: Serve) -> None:
    """The default listing has only live threads; `archived=true` only archived ones."""
    account = small(4)
    gone = account.live_ids()[1]
    account.archive(gone)
    _, client = serve(account)
    assert gone not in ids(client.rows())
    assert client.rows(archived="true") == [account.thread(gone)]
    account.restore(gone)
    assert ids(client.rows()) == account.live_ids()


def test_the_trash_is_emptied_after_thirty_days(serve: Serve) -> None:
    """An archived thread disappears without a trace after 30 days."""
    account = small(2)
    gone = account.live_ids()[0]
    account.archive(gone)
    _, client = serve(account)
    account.clock.advance(days=29.9)
    assert ids(client.rows(archived="true")) == [gone]
    account.clock.advance(days=0.2)
    assert client.rows(archived="true") == []
    assert len(account) == 1
    with pytest.raises(KeyError):
        account.thread(gone)


def test_ids_are_ordered_as_numbers(serve: Serve) -> None:
    """The default order is numeric, even where a text order would differ."""
    account = Account(300)
    _, client = serve(account)
    listed = ids(client.rows(limit=500))
    assert listed == sorted(listed, key=int) != sorted(listed)


def test_the_timestamp_order_is_that_of_the_last_message(serve: Serve) -> None:
    """Threads are sorted by last message, then by ID; silent threads are left out."""
    account = Account(500, shape=Shape(silent=0.1, tied=0.5, tie_size=20))
    _, client = serve(account)
    listed = client.rows(limit=7, **BY_MESSAGE)
    expected = [row for row in account.threads() if "latestMessageTimestamp" in row]
    expected.sort(key=lambda row: (row["latestMessageTimestamp"], int(row["id"])))
    assert ids(listed) == ids(expected)
    assert len(listed) < len(account)


def test_a_descending_order_needs_a_contact(serve: Serve) -> None:
    """With a contact and a status, a leading minus reverses the order."""
    account = small(5, associatedContactId="7")
    account.create(associatedContactId="8")
    _, client = serve(account)
    mine = {"associatedContactId": "7", "threadStatus": "OPEN", "limit": 2}
    expected = account.live_ids()[:5]
    assert ids(client.rows(**mine)) == expected
    assert ids(client.rows(sort="-id", **mine)) == expected[::-1]
    descending = BY_MESSAGE | {"sort": "-latestMessageTimestamp"}
    assert ids(client.rows(**descending, **mine)) == expected[::-1]


@pytest.mark.parametrize(
    ("name", "field"), [("inboxId", "inboxId"), ("threadStatus", "status")]
)
def test_a_filter_selects_rows(serve: Serve, name: str, field: str) -> None:
    """The inbox and status filters select exactly the rows with that value."""
    account = Account(400)
    _, client = serve(account)
    for value in ["CLOSED", "OPEN"] if field == "status" else ["481939", "1204"]:
        expected = [r["id"] for r in account.threads() if r[field] == value]
        assert ids(client.rows(**{name: value})) == expected != []


def test_a_ticket_selects_its_threads(serve: Serve) -> None:
    """The ticket filter follows links as they are added and removed."""
    account = small(4)
    first, second, *_ = account.live_ids()
    account.link_ticket(first, "57774743")
    account.link_ticket(second, "57774743")
    _, client = serve(account)
    assert ids(client.rows(associatedTicketId="57774743")) == [first, second]
    account.link_ticket(first, None)
    assert ids(client.rows(associatedTicketId="57774743")) == [second]


def test_every_answer_carries_its_limits(serve: Serve) -> None:
    """Successes and refusals both carry the rate-limit headers."""
    _, client = serve(small(1))
    for params in ({}, {"limit": "0"}):
        headers = client.get(**params).headers
        for name in ("Max", "Remaining", "Interval-Milliseconds", "Daily"):
            assert int(headers[f"X-HubSpot-RateLimit-{name}"]) > 0


# What is not known about the contract, and can therefore be switched.


@pytest.mark.parametrize("inclusive", [True, False])
def test_the_bound_may_include_its_moment(serve: Serve, *, inclusive: bool) -> None:
    """The bound can be inclusive or exclusive."""
    account = small(5)
    rows = list(account.threads())
    _, client = serve(account, Contract(inclusive=inclusive))
    bound = rows[2]["latestMessageTimestamp"]
    listed = client.rows(
        sort="latestMessageTimestamp", latestMessageTimestampAfter=bound
    )
    assert ids(listed) == ids(rows[2 if inclusive else 3 :])


@pytest.mark.parametrize(
    ("last_page", "paging"),
    [
        ("missing", "absent"),
        ("null", None),
        ("empty", {}),
        ("next_null", {"next": None}),
        ("next_empty", {"next": {}}),
    ],
)
def test_the_last_page_has_a_shape(serve: Serve, last_page: Any, paging: Any) -> None:
    """A listing ends in each of the ways that were seen or are possible."""
    _, client = serve(small(3), Contract(last_page=last_page))
    assert client.page().get("paging", "absent") == paging
    assert len(client.rows(limit=1)) == 3


def test_the_end_may_be_an_echo(serve: Serve) -> None:
    """The last page can be empty and repeat the cursor that was just sent."""
    _, client = serve(small(2), Contract(last_page="echo"))
    cursor = following(client.page())
    body = client.page(after=cursor)
    assert (body["results"], following(body)) == ([], cursor)


@pytest.mark.parametrize("run", [1, 5])
def test_pages_in_the_middle_may_be_empty(serve: Serve, run: int) -> None:
    """Every few pages, a series of empty pages follows, each with a new cursor."""
    account = small(9)
    hubspot, client = serve(account, Contract(empty_every=2, empty_run=run))
    lengths = [len(page) for page in client.pages(limit=2)]
    assert lengths == [2, 2, *[0] * run, 2, 2, *[0] * run, 1]
    cursors = [request.param("after") for request in hubspot.requests]
    assert len(set(cursors)) == len(cursors)


def test_pages_may_be_short(serve: Serve) -> None:
    """A page can have fewer rows than the limit, always at the same places."""
    account = small(60)
    _, client = serve(account, Contract(short_pages=True))
    lengths = [len(page) for page in client.pages(limit=10)]
    assert sum(lengths) == 60
    assert set(lengths[:-1]) <= set(range(1, 11))
    assert len(set(lengths)) > 3
    assert [len(page) for page in client.pages(limit=10)] == lengths


@pytest.mark.parametrize("length", [1, 2])
def test_a_cursor_may_repeat_on_a_page_with_rows(serve: Serve, length: int) -> None:
    """A cursor can lead back to an earlier page, once or forever."""
    _, client = serve(small(10), Contract(loop_at=4, loop_length=length, loop_times=1))
    seen: list[str] = []
    after = None
    for _ in range(10):
        body = client.page(limit=2, after=after)
        after = following(body)
        if after is None:
            break
        seen.append(after)
    assert len(seen) - len(set(seen)) == length
    assert seen[3] == seen[2 - (length - 1)]


def test_rows_may_be_out_of_order_within_a_page(serve: Serve) -> None:
    """Neighbors can be swapped in timestamp order, but none is lost."""
    account = small(50)
    _, client = serve(account, Contract(swapped=0.3))
    listed = ids(client.rows(limit=10, **BY_MESSAGE))
    assert listed != account.live_ids()
    assert sorted(listed, key=int) == account.live_ids()
    assert ids(client.rows(limit=10)) == account.live_ids()


def test_a_moved_thread_is_seen_twice_with_key_cursors(serve: Serve) -> None:
    """A thread that gets a message during a listing appears again at its end."""
    account = small(6)
    hubspot, client = serve(account)
    first = account.live_ids()[0]

    def move(number: int, _: SeenRequest) -> None:
        if number == 2:
            account.message(first)

    hubspot.before_request = move
    listed = ids(client.rows(limit=2, **BY_MESSAGE))
    assert listed == [*account.live_ids(), first]


def test_a_moved_thread_makes_offset_cursors_skip_one(serve: Serve) -> None:
    """With offset cursors, the same move skips a row, as later rows slip forward."""
    account = small(6)
    hubspot, client = serve(account, Contract(cursor="offset"))
    first, _, third, *_ = account.live_ids()

    def move(number: int, _: SeenRequest) -> None:
        if number == 2:
            account.message(first)

    hubspot.before_request = move
    listed = ids(client.rows(limit=2, **BY_MESSAGE))
    assert third not in listed
    assert listed.count(first) == 2


def test_threads_move_by_themselves(serve: Serve) -> None:
    """With `moves`, some threads get messages before each page in timestamp order."""
    account = small(30)
    _, client = serve(account, Contract(moves=1))
    before = list(account.threads())
    assert client.rows(limit=5) == before == list(account.threads())
    listed = client.rows(limit=5, **BY_MESSAGE)
    assert {row["id"]: row for row in listed} == {
        row["id"]: row for row in account.threads()
    }
    assert len(listed) > 30
    assert list(account.threads()) != before


def test_moves_come_to_an_end(serve: Serve) -> None:
    """A listing ends even if its pages are no longer than the number of moves."""
    _, client = serve(small(5), Contract(moves=2, moves_most=20))
    assert len(client.rows(limit=1, **BY_MESSAGE)) <= 25


def test_a_message_may_become_visible_late(serve: Serve) -> None:
    """Until the read side catches up, a thread appears as it was before its message."""
    account = small(3)
    first = account.live_ids()[0]
    before = account.thread(first)
    account.clock.advance(hours=1)
    account.message(first)
    born = account.create()
    _, client = serve(account, Contract(late_seconds=100, late_share=1.0))
    for order in ({}, BY_MESSAGE):
        listed = client.rows(limit=1, **order)
        assert listed[0] == before
        assert born not in ids(listed)
    account.clock.advance(101)
    assert ids(client.rows(**BY_MESSAGE))[-2:] == [first, born]


def test_a_later_message_may_be_visible_before_an_earlier_one(serve: Serve) -> None:
    """Only some messages are late, so a bookmark can pass a late one."""
    account = small(100)
    account.clock.advance(60)
    _, client = serve(account, Contract(late_seconds=7200, late_share=0.3))
    shown = ids(client.rows(**BY_MESSAGE))
    assert 40 < len(shown) < 95
    hidden = set(account.live_ids()) - set(shown)
    assert any(int(number) < int(shown[-1]) for number in hidden)


def test_a_thread_may_be_newer_than_its_place(serve: Serve) -> None:
    """The row shows the message, but order, bound and cursor do not."""
    account = small(6)
    first, second, *_ = account.live_ids()
    before = account.thread(first)["latestMessageTimestamp"]
    account.clock.advance(hours=1)
    account.message(first, indexed=False)
    _, client = serve(account)
    row = client.rows(limit=1, **BY_MESSAGE)[0]
    assert row["id"] == first
    assert row["latestMessageTimestamp"] == account.clock.text > before
    assert row == account.thread(first)
    assert ids(client.rows(limit=2, **BY_MESSAGE)) == account.live_ids()
    assert account.places()[first] == before
    bound = {"latestMessageTimestampAfter": account.places()[second]}
    later = client.rows(sort="latestMessageTimestamp", **bound)
    assert ids(later) == account.live_ids()[1:]


@pytest.mark.parametrize("by", ["message", "reindex"])
def test_the_index_catches_up(serve: Serve, by: str) -> None:
    """A thread moves to its place with its next message, or when all is indexed."""
    account = small(4)
    first = account.live_ids()[0]
    account.message(first, at="2025-12-31T23:59:59Z", indexed=False)
    account.message(first, indexed=False)
    account.close(first)
    _, client = serve(account)
    assert ids(client.rows(**BY_MESSAGE))[0] == first
    if by == "message":
        account.message(first)
    else:
        account.reindex()
    assert ids(client.rows(**BY_MESSAGE))[-1] == first
    assert account.places()[first] == account.thread(first)["latestMessageTimestamp"]


def test_a_first_message_that_is_not_indexed_gives_no_place(serve: Serve) -> None:
    """The thread shows its message in ID order, but is missing in timestamp order."""
    account = small(2)
    silent = account.create(latestMessageTimestamp=None)
    account.message(silent, indexed=False)
    _, client = serve(account)
    assert silent not in ids(client.rows(**BY_MESSAGE))
    assert client.rows()[-1]["latestMessageTimestamp"]
    account.reindex()
    assert ids(client.rows(**BY_MESSAGE))[-1] == silent


def test_a_share_of_seeded_threads_may_be_newer(serve: Serve) -> None:
    """Always the same threads are newer, by seconds or months, never in the future."""
    days = 86_400
    shape = Shape(newer=0.1, newer_seconds=90 * days)
    account, plain = Account(3000, shape=shape), Account(3000)
    _, client = serve(account)
    listed = client.rows(limit=500, association="TICKET", **BY_MESSAGE)
    assert ids(listed) == list(plain.places()) == list(account.places())
    behind = []
    for row, place in zip(listed, account.places().values(), strict=True):
        latest = row["latestMessageTimestamp"]
        assert place <= latest <= NOW
        if place < latest:
            gap = datetime.fromisoformat(latest) - datetime.fromisoformat(place)
            behind.append(gap.total_seconds())
    assert 200 < len(behind) < 400
    assert min(behind) < 1
    assert 30 * days < max(behind) <= 90 * days
    assert {row["id"]: row for row in listed} == {
        row["id"]: row for row in account.threads()
    }
    assert list(Account(3000, shape=shape).threads()) == list(account.threads())
    account.close(account.live_ids()[0])
    account.reindex()
    listed = client.rows(limit=500, **BY_MESSAGE)
    latest = [row["latestMessageTimestamp"] for row in listed]
    assert latest == sorted(latest) == list(account.places().values())


@pytest.mark.parametrize("seconds", [5, 90 * 86_400])
def test_the_last_row_of_every_page_may_be_newer(serve: Serve, seconds: int) -> None:
    """It gets a message when the page is served, and the listing continues after it."""
    account = Account(300)
    places = account.places()
    _, client = serve(account, Contract(newer_last=seconds))
    pages = list(client.pages(limit=20, **BY_MESSAGE))
    assert ids([row for page in pages for row in page]) == list(places)
    assert account.places() == places
    for page in pages[:-1]:
        *others, last = page
        gap = datetime.fromisoformat(
            last["latestMessageTimestamp"]
        ) - datetime.fromisoformat(places[last["id"]])
        assert gap.total_seconds() == seconds or last["latestMessageTimestamp"] == NOW
        assert gap.total_seconds() > 0
        assert (
            last["latestMessageTimestamp"]
            == (account.thread(last["id"])["latestMessageTimestamp"])
        )
        for row in others:
            assert row["latestMessageTimestamp"] == places[row["id"]]
    by_id = client.rows(limit=300)
    assert by_id == client.rows(limit=300)


@pytest.mark.parametrize("cursor", ["key", "offset"])
def test_ids_may_be_ordered_as_text(serve: Serve, cursor: Any) -> None:
    """With `ids_as_text`, 10 comes before 9, and cursors follow that order."""
    account = Account(300)
    for number in ("1", "2", "9", "10", "19", "100", "1002"):
        account.create(id=number)
    hubspot, client = serve(account, Contract(ids_as_text=True, cursor=cursor))
    listed = ids(client.rows(limit=7))
    assert listed == sorted(account.live_ids()) != account.live_ids()
    account.archive("10")
    account.create(id="101")
    assert ids(client.rows(limit=7)) == sorted(account.live_ids())
    assert ids(client.rows(archived="true")) == ["10"]
    timestamps = ids(client.rows(limit=7, **BY_MESSAGE))
    hubspot.contract = Contract()
    assert timestamps == ids(client.rows(**BY_MESSAGE, limit=7))
    assert ids(client.rows(limit=7)) == account.live_ids()


def test_a_thread_may_move_to_another_inbox(serve: Serve) -> None:
    """It moves from the listings of one inbox to those of the other at once."""
    account = small(4, inboxId="88")
    hubspot, client = serve(account)
    first, *others = account.live_ids()

    def move(number: int, _: SeenRequest) -> None:
        if number == 3:
            account.move(first, 1204)

    for order in ({}, BY_MESSAGE):
        account.move(first, 88)
        assert client.rows(inboxId=1204, **order) == []
        hubspot.forget()
        hubspot.before_request = move
        seen = ids(client.rows(inboxId=88, limit=1, **order))
        assert seen == [first, *others]
        assert ids(client.rows(inboxId=1204, **order)) == [first]
        assert ids(client.rows(inboxId=88, **order)) == others


def test_a_thread_may_be_dated_in_the_future(serve: Serve) -> None:
    """A thread or message with a future date is listed last, with that date."""
    account = small(3)
    first = account.live_ids()[0]
    born = account.create(latestMessageTimestamp="2026-02-01T00:00:00.000Z")
    account.message(first, at="2026-03-01T00:00:00.000Z")
    _, client = serve(account)
    *_, one, two = client.rows(limit=2, **BY_MESSAGE)
    assert [one["id"], two["id"]] == [born, first]
    assert account.clock.text < one["latestMessageTimestamp"]
    assert two["latestMessageTimestamp"] == "2026-03-01T00:00:00.000Z"
    account.message(first)
    assert account.thread(first) == two | {
        field: account.thread(first)[field]
        for field in ("latestMessageSentTimestamp", "latestMessageReceivedTimestamp")
        if field in account.thread(first)
    }


def test_a_status_filter_may_have_no_effect(serve: Serve) -> None:
    """With `status_ignored`, the status filter only works together with a contact."""
    account = small(4, associatedContactId="7")
    account.close(account.live_ids()[0])
    _, client = serve(account, Contract(status_ignored=True))
    assert len(client.rows(threadStatus="CLOSED")) == 4
    assert len(client.rows(threadStatus="CLOSED", associatedContactId="7")) == 1


def test_the_archived_may_be_sorted_by_timestamp(serve: Serve) -> None:
    """With `archived_by_timestamp`, the two parameters can be combined."""
    account = small(3)
    for thread in account.live_ids()[:2]:
        account.archive(thread)
    _, client = serve(account, Contract(archived_by_timestamp=True))
    assert len(client.rows(archived="true", **BY_MESSAGE)) == 2


def test_silent_threads_may_come_last(serve: Serve) -> None:
    """With `silent_last`, threads without a message come last in timestamp order."""
    account = small(2)
    silent = account.create(latestMessageTimestamp=None)
    account.create()
    hubspot, client = serve(account, Contract(silent_last=True))
    assert ids(client.rows(limit=1, **BY_MESSAGE))[-1] == silent
    hubspot.contract = Contract()
    assert silent not in ids(client.rows(limit=1, **BY_MESSAGE))


def test_absent_fields_may_be_null(serve: Serve) -> None:
    """With `nulls`, every optional field is present, but tickets only on request."""
    account = small(1, assignedTo=None)
    _, client = serve(account, Contract(nulls=True))
    (row,) = client.rows()
    assert row["assignedTo"] is row["closedAt"] is None
    assert "threadAssociations" not in row
    (row,) = client.rows(association="TICKET")
    assert row["threadAssociations"] is None
    assert [without_nulls(row)] == list(account.threads())


def test_associations_may_be_bare(serve: Serve) -> None:
    """With `bare_associations`, a thread without a ticket has an empty object."""
    _, client = serve(small(1), Contract(bare_associations=True))
    assert client.rows(association="TICKET")[0]["threadAssociations"] == {}


def test_properties_may_narrow(serve: Serve) -> None:
    """With `property_narrows`, a row has only its ID and the requested properties."""
    _, client = serve(small(1), Contract(property_narrows=True))
    (row,) = client.rows(property=["status"])
    assert row.keys() == {"id", "status"}


@pytest.mark.parametrize(
    ("link", "begins"),
    [
        ("right", "http://127.0.0.1:{port}/conversations/conversations/2026-09-beta/"),
        ("other_path", "http://127.0.0.1:{port}/conversations/v3/"),
        ("other_host", "https://elsewhere.example/"),
        ("missing", "None"),
    ],
)
def test_the_link_may_point_elsewhere(serve: Serve, link: Any, begins: str) -> None:
    """A link can be missing or point to another path or host; the cursor is correct."""
    hubspot, client = serve(small(2), Contract(link=link))
    found = client.page(limit=1)["paging"]["next"].get("link")
    assert str(found).startswith(begins.format(port=hubspot.url.rpartition(":")[2]))
    assert len(client.rows(limit=1)) == 2


def test_answers_may_be_compressed(serve: Serve) -> None:
    """With `gzip`, responses are compressed if the client accepts it."""
    _, client = serve(small(2), Contract(gzip=True))
    answer = client.get()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.json()["results"]) == 2


def test_the_default_limit_is_a_switch(serve: Serve) -> None:
    """Without a limit, the contract sets the number of rows on a page."""
    _, client = serve(small(5), Contract(default_limit=2))
    assert len(client.page()["results"]) == 2


# Accounts.


def test_an_account_is_made_of_its_seed() -> None:
    """The same seed produces the same threads, and another seed other ones."""
    first = list(Account(300, seed=7).threads())
    assert first == list(Account(300, seed=7).threads())
    assert first != list(Account(300, seed=8).threads())


def test_threads_are_plausible() -> None:
    """Seeded rows are consistent with HubSpot's reference."""
    rows = list(Account(2000, shape=Shape(archived=0.05, silent=0.05)).threads())
    for row in rows:
        latest = row.get("latestMessageTimestamp")
        sides = [
            row[name]
            for name in (
                "latestMessageSentTimestamp",
                "latestMessageReceivedTimestamp",
            )
            if name in row
        ]
        assert latest == max(sides, default=None)
        assert row["createdAt"] <= min([*sides, NOW]) <= (latest or NOW) <= NOW
        assert ("closedAt" in row) == (row["status"] == "CLOSED")
        assert None not in row.values()
    assert len(ids(rows)) == len(set(ids(rows))) == 2000
    kinds = {row["assignedTo"][0] for row in rows if "assignedTo" in row}
    assert kinds == set("ABEILSV")
    created = [row["createdAt"] for row in rows]
    ascending = sum(a <= b for a, b in pairwise(created))
    assert 1000 < ascending < 2000


def test_an_awkward_shape_has_every_trait() -> None:
    """The awkward shape has ties, silent and archived threads, and unusual text."""
    account = Account(5000, shape=Shape.awkward())
    rows = list(account.threads())
    latest = [row.get("latestMessageTimestamp", "") for row in rows]
    assert "" in latest
    assert any(text.endswith("+02:00") for text in latest)
    assert any(len(text) == len("2024-03-11T15:06:22Z") for text in latest)
    assert any(len(text) == len("2024-03-11T15:06:22.889123Z") for text in latest)
    assert max(latest.count(text) for text in set(latest)) > 100
    places = account.places()
    ahead = [
        datetime.fromisoformat(row["latestMessageTimestamp"])
        > datetime.fromisoformat(places[row["id"]])
        for row in rows
        if row["id"] in places
    ]
    assert 0.02 < sum(ahead) / len(ahead) < 0.04
    assert any(row["archived"] for row in rows)
    assert any(int(row["associatedContactId"]) > 2**53 for row in rows)
    assert any("channelMood" in row for row in rows)
    assert not all(row["status"] in ("OPEN", "CLOSED") for row in rows)
    assert not json.dumps(rows, ensure_ascii=False).isascii()


@pytest.mark.parametrize("order", [{}, BY_MESSAGE])
def test_every_awkward_switch_together_loses_nothing(serve: Serve, order: Any) -> None:
    """A client that follows the rules still gets the whole account."""
    account = Account(3000, shape=Shape.awkward(tie_size=70))
    _, client = serve(account, Contract.awkward())
    rows = client.rows(limit=50, association="TICKET", **order)
    got = {row["id"]: without_nulls(row) for row in rows}
    assert got == {
        row["id"]: row
        for row in account.threads()
        if not row["archived"] and (not order or "latestMessageTimestamp" in row)
    }


def test_what_happens_to_a_thread_is_answered(serve: Serve) -> None:
    """Every event in a thread's life is visible in its row."""
    account = Account(50, shape=Shape(tickets=0))
    _, client = serve(account)
    thread = account.live_ids()[20]

    def row() -> Row:
        rows = client.rows(association="TICKET")
        assert rows == list(account.threads())
        return next(row for row in rows if row["id"] == thread)

    account.close(thread)
    assert row()["closedAt"] == account.clock.text
    account.reopen(thread)
    assert "closedAt" not in row()
    account.assign(thread, "B-1")
    assert row()["assignedTo"] == "B-1"
    account.assign(thread)
    assert "assignedTo" not in row()
    account.mark_spam(thread)
    assert row()["spam"] is True
    account.link_ticket(thread, "9")
    assert row()["threadAssociations"] == {"associatedTicketId": "9"}
    quiet = row()
    account.message(thread, sent=True)
    assert row()["latestMessageSentTimestamp"] == account.clock.text
    assert ids(client.rows(**BY_MESSAGE))[-1] == thread
    assert quiet["latestMessageTimestamp"] < row()["latestMessageTimestamp"]
    account.purge(thread)
    assert thread not in ids(client.rows())
    assert len(account) == 49


def test_orders_stay_right_through_any_history(serve: Serve) -> None:
    """After many random events, each listing still matches the threads."""
    account = Account(60, shape=Shape.awkward(timestamps="fraction", newer=0))
    _, client = serve(account, Contract(archived_by_timestamp=True))
    chance = random.Random(5)
    events: list[Callable[[str], object]] = [
        account.message,
        account.message,
        account.close,
        account.reopen,
        account.archive,
        account.restore,
        account.mark_spam,
        lambda thread: account.assign(thread, account.random_actor()),
        lambda thread: account.link_ticket(thread, chance.choice(["1", None])),
        lambda _: account.create(inboxId=chance.choice(["1204", "88"])),
        lambda _: account.create(latestMessageTimestamp=None),
        lambda _: account.clock.advance(days=chance.randrange(9)),
    ]
    for step in range(240):
        thread = chance.choice([*account.live_ids(), *account.archived_ids()])
        (account.purge if step % 40 == 0 else chance.choice(events))(thread)
        if step % 12:
            continue
        rows = list(account.threads())
        assert len(rows) == len(account)
        for archived in ("false", "true"):
            listed = [row for row in rows if row["archived"] is (archived == "true")]
            options = {"archived": archived, "association": "TICKET", "limit": 500}
            assert client.rows(**options) == listed
            boxed = [row for row in listed if row["inboxId"] == "1204"]
            assert client.rows(inboxId=1204, **options) == boxed
            latest = [row for row in listed if "latestMessageTimestamp" in row]
            latest.sort(key=lambda row: (row["latestMessageTimestamp"], int(row["id"])))
            assert client.rows(**options, **BY_MESSAGE) == latest


def test_an_old_message_does_not_move_a_thread(serve: Serve) -> None:
    """A message older than the newest one does not change the order."""
    account = small(3)
    first = account.live_ids()[0]
    before = account.thread(first)
    account.message(first, at="2020-01-01T00:00:00Z", sent=True)
    assert account.thread(first) == before | {
        "latestMessageSentTimestamp": "2020-01-01T00:00:00Z"
    }
    _, client = serve(account)
    assert ids(client.rows(**BY_MESSAGE)) == account.live_ids()


def test_a_given_row_is_answered_as_it_is(serve: Serve) -> None:
    """Text that is not a date-time and unknown fields are returned unchanged."""
    odd = EXAMPLES[0] | {"latestMessageTimestamp": "soon", "new": {"ключ": [1, None]}}
    _, client = serve(Account.of([odd, EXAMPLES[1]]))
    assert client.rows(association="TICKET", **BY_MESSAGE) == [odd, EXAMPLES[1]]


def test_the_clock_does_not_go_back() -> None:
    """The clock never goes back, because the trash has already been emptied."""
    account = Account(now=NOW)
    account.clock.set("2026-02-01T00:00:00Z")
    assert account.clock.text == "2026-02-01T00:00:00.000Z"
    with pytest.raises(ValueError, match="does not go back"):
        account.clock.set(NOW)
    with pytest.raises(ValueError, match="does not go back"):
        account.clock.advance(-1)


def test_a_large_account_is_made_lazily() -> None:
    """Threads are created on demand, so a million of them cost nothing at first."""
    began = time.perf_counter()
    account = Account(1_000_000)
    assert len(account) == 1_000_000
    assert time.perf_counter() - began < 2


# The server.


def test_requests_are_recorded(serve: Serve) -> None:
    """A test can see every request, its parameters and its response."""
    hubspot, client = serve(small(3))
    client.get(limit=2, association="TICKET")
    client.get(limit=0)
    client.session.post(client.url, data=b"x", timeout=20)
    first, second, third = hubspot.requests
    assert first.path == path_of("2026-09-beta")
    assert first.params == [("limit", "2"), ("association", "TICKET")]
    assert first.headers["authorization"] == f"Bearer {hubspot.token}"
    assert (first.status, first.rows, second.status, third.status) == (200, 2, 400, 405)
    assert third.body == b"x"
    assert first.at <= second.at <= third.at
    assert hubspot.stats == {
        "requests": 3,
        "rows": 2,
        "throttled": 0,
        "faults": 0,
    }


def test_the_contract_may_change_between_requests(serve: Serve) -> None:
    """A listing continues if the contract changes between two pages."""
    hubspot, client = serve(small(6))
    pages = client.pages(limit=2)
    assert len(next(pages)) == 2
    hubspot.contract = Contract(cursor="offset", nulls=True)
    assert [len(page) for page in pages] == [2, 2]


def test_an_error_in_a_hook_is_not_taken_for_hubspots() -> None:
    """An error inside the fake is raised when the server stops."""

    def fail(number: int, _: SeenRequest) -> None:
        message = f"hook {number}"
        raise LookupError(message)

    def use() -> None:
        with FakeHubSpot(small(1)) as hubspot:
            hubspot.before_request = fail
            client = Client(hubspot)
            assert client.get().status_code == 500
            client.session.close()

    with pytest.raises(LookupError, match="hook 1"):
        use()


def test_an_account_changes_while_it_is_served(serve: Serve) -> None:
    """Changes in one thread and listings in another do not disturb each other."""
    account = Account(2000)
    _, client = serve(account)
    over = threading.Event()

    def mutate() -> None:
        for thread in account.live_ids():
            account.message(thread)
            account.close(thread)
            if over.is_set():
                return

    mutating = threading.Thread(target=mutate)
    mutating.start()
    for _ in range(3):
        assert {row["id"] for row in client.rows(limit=500, **BY_MESSAGE)} == set(
            account.live_ids()
        )
    over.set()
    mutating.join()


def test_the_fake_is_for_this_machine_alone() -> None:
    """Any address other than loopback is refused."""
    with pytest.raises(ValueError, match="this machine"):
        FakeHubSpot(host="0.0.0.0")


def test_a_port_that_is_taken_is_an_error(serve: Serve) -> None:
    """A server that cannot start raises an error instead of blocking the test."""
    hubspot, _ = serve(small(1))
    port = int(hubspot.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), FakeHubSpot(port=port):
        pass


def test_it_tells_other_processes_what_it_holds(serve: Serve) -> None:
    """The control endpoints return the truth and the counts, and are not counted."""
    account = Account(2500, shape=Shape(archived=0.1))
    hubspot, client = serve(account)
    client.get(limit=3)
    stats = client.session.get(f"{hubspot.url}/_fake/stats", timeout=20)
    counts = {"by_endpoint": hubspot.requests_by_endpoint}
    assert stats.json() == hubspot.stats | counts
    assert hubspot.stats["rows"] == 3
    truth = client.session.get(f"{hubspot.url}/_fake/threads", timeout=20)
    assert list(map(json.loads, truth.content.splitlines())) == list(account.threads())
    other = client.session.get(f"{hubspot.url}/_fake/other", timeout=20)
    assert other.status_code == 404
    assert len(hubspot.requests) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_by_itself(number: signal.Signals) -> None:
    """The command prints its URL when it is ready, and a signal ends it cleanly."""
    command = [sys.executable, "-m", "tests.fake_hubspot"]
    options = ["--size", "30", "--token", "t", "--awkward", "--no-gzip", "--moves", "0"]
    with subprocess.Popen(
        [*command, *options, "--last-page", "null"],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = requests.get(
            url + path_of("v3"),
            params={"limit": 500},
            headers={"Authorization": "Bearer t"},
            timeout=20,
        )
        assert answer.json()["results"]
        assert answer.headers["Content-Type"].startswith("application/json")
        os.kill(process.pid, number)
        assert process.wait(10) == 0


# Faults.


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [
        (Fault.rate_limit(), 429, None),
        (Fault.rate_limit("DAILY"), 429, None),
        (Fault.locked(), 423, None),
        (Fault.moving(), 477, "1"),
        (
            Fault.moving(datetime(2026, 1, 2, tzinfo=UTC)),
            477,
            "Fri, 02 Jan 2026 00:00:00 GMT",
        ),
        (Fault.status(503, retry_after=7), 503, "7"),
        (Fault.redirect("https://elsewhere.example/"), 302, None),
        (Fault.unauthorized(), 401, None),
    ],
    ids=named,
)
def test_a_fault_is_any_answer(
    serve: Serve, fault: Fault, status: int, retry_after: str | None
) -> None:
    """A request with a fault gets its status, and the next one succeeds."""
    hubspot, client = serve(small(1), faults=FaultPlan().add(fault, times=1))
    answer = client.session.get(client.url, allow_redirects=False, timeout=20)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == retry_after
    assert "X-HubSpot-RateLimit-Max" in answer.headers
    assert len(client.rows()) == 1
    assert [seen.fault for seen in hubspot.requests] == [fault, None]


@pytest.mark.parametrize("policy", ["TEN_SECONDLY_ROLLING", "SECONDLY", "DAILY"])
def test_a_429_names_its_policy(serve: Serve, policy: str) -> None:
    """The body of a 429 names the limit that was exceeded."""
    _, client = serve(small(1), faults=FaultPlan().add(Fault.rate_limit(policy)))
    assert client.get().json()["policyName"] == policy


@pytest.mark.parametrize("gzip", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        Fault.reset(),
        Fault.disconnect(),
        Fault.reset_midway(),
        Fault.cut(),
        Fault.cut(sent=0),
        Fault.cut_chunked(),
        Fault.cut_chunked(sent=1),
    ],
    ids=named,
)
def test_a_connection_may_break(serve: Serve, fault: Fault, *, gzip: bool) -> None:
    """A client never takes a broken response for a whole one, and can continue."""
    hubspot, client = serve(Account(300), Contract(gzip=gzip))
    hubspot.faults.add(fault, times=1)
    with pytest.raises(
        (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
    ):
        client.get(limit=300)
    assert len(client.rows(limit=300)) == 300
    assert [seen.rows for seen in hubspot.requests] == [0, 300]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault.html(), "<!DOCTYPE html>"),
        (Fault.half_json(), '{"results":[{"id":'),
        (Fault.without_results(), '{"total":0}'),
        (Fault.content(b"\x00\xff"), "\x00"),
        (Fault.json([1, "ü"]), '[1,"'),
    ],
    ids=named,
)
def test_a_200_may_be_no_page(serve: Serve, fault: Fault, text: str) -> None:
    """A complete response can contain something other than a page."""
    _, client = serve(small(3), faults=FaultPlan().add(fault))
    answer = client.get()
    assert answer.status_code == 200
    assert answer.content.startswith(text.encode())


def test_a_page_may_be_edited(serve: Serve) -> None:
    """A test can edit a proper page in any way, such as removing an ID."""
    _, client = serve(small(2))
    plan = FaultPlan().add(Fault.edited(lambda page: page["results"][1].pop("id")))
    hubspot, client = serve(small(2), faults=plan)
    assert ["id" in row for row in client.page()["results"]] == [True, False]
    assert hubspot.requests[0].fault is not None


def test_an_answer_may_be_late_or_slow(serve: Serve) -> None:
    """Headers can be late and bodies slow; what arrives is complete."""
    plan = FaultPlan().add(Fault.slow(0.2), at=1).add(Fault.dribble(0.02, 10), at=2)
    hubspot, client = serve(small(30), faults=plan)
    late = client.get()
    assert late.elapsed.total_seconds() > 0.2
    began = time.monotonic()
    assert len(client.page()["results"]) == 30
    assert time.monotonic() - began > 0.15
    assert [seen.rows for seen in hubspot.requests] == [30, 30]


def test_an_answer_may_never_come(serve: Serve) -> None:
    """A request that hangs ends when the client times out or the server stops."""
    _, client = serve(small(1), faults=FaultPlan().add(Fault.hang(), times=1))
    with pytest.raises(requests.ReadTimeout):
        client.session.get(client.url, timeout=0.1)
    assert len(client.rows()) == 1


def test_a_plan_says_which_request_meets_what(serve: Serve) -> None:
    """Rules match by number, range, predicate and count, and the first match wins."""
    plan = (
        FaultPlan()
        .add(Fault.status(500), at=2)
        .add(Fault.status(502), at=range(4, 6))
        .add(Fault.status(503), when=lambda seen: seen.param("limit") == "7")
        .add(Fault.status(504), since=8, times=2)
    )
    _, client = serve(small(1), faults=plan)
    met = [client.get(limit=7 if n == 7 else 1).status_code for n in range(1, 11)]
    assert met == [200, 500, 200, 502, 502, 200, 503, 504, 504, 200]


def test_chance_comes_from_the_seed_of_the_plan(serve: Serve) -> None:
    """Faults with a probability hit the same requests in every run."""

    def met() -> list[str]:
        plan = FaultPlan(seed=3).add(Fault.status(500), Fault.locked(), probability=0.4)
        hubspot, client = serve(small(1), faults=plan)
        for _ in range(30):
            client.get()
        return [seen.fault.name if seen.fault else "" for seen in hubspot.requests]

    first = met()
    assert first == met()
    assert set(first) == {"", "500", "423"}
    assert 4 < sum(map(bool, first)) < 20


def test_passing_faults_lose_nothing(serve: Serve) -> None:
    """A client that simply retries gets every thread despite any of them."""
    account = small(60)
    plan = FaultPlan(seed=1).add(*Fault.passing(), probability=0.4)
    hubspot, client = serve(account, faults=plan)
    found: list[str] = []
    after = None
    while True:
        try:
            body = client.get(limit=2, after=after).json()
            found += ids(body["results"])
        except (requests.RequestException, KeyError):
            continue
        after = following(body)
        if after is None:
            break
    assert found == account.live_ids()
    assert hubspot.stats["faults"] > 5


# Limits and time.


class Hands:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        """Start at a given time."""
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.mark.parametrize("window", ["fixed", "rolling"])
def test_a_window_has_its_quota(serve: Serve, window: Any) -> None:
    """Requests over the quota get a 429 until the window ends or rolls on."""
    clock = Hands()
    contract = Contract(quota=3, quota_window=window)
    hubspot, client = serve(small(1), contract, monotonic=clock)
    for left in "210":
        headers = client.get().headers
        assert headers["X-HubSpot-RateLimit-Max"] == "3"
        assert headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
        assert headers["X-HubSpot-RateLimit-Remaining"] == left
        clock.now += 3
    refused = client.get()
    assert refused.status_code == 429
    assert refused.json()["policyName"] == "TEN_SECONDLY_ROLLING"
    clock.now += 1.5
    statuses = [client.get().status_code for _ in range(2)]
    assert statuses == ([200, 200] if window == "fixed" else [200, 429])
    assert hubspot.stats["throttled"] == (1 if window == "fixed" else 2)


def test_seconds_and_days_have_quotas(serve: Serve) -> None:
    """The other two limits are refused under their own policies."""
    clock = Hands()
    contract = Contract(quota_per_second=2, daily_limit=3)
    _, client = serve(small(1), contract, monotonic=clock)
    assert client.get().headers["X-HubSpot-RateLimit-Daily-Remaining"] == "2"
    assert client.get().status_code == 200
    assert client.get().json()["policyName"] == "SECONDLY"
    clock.now += 1
    assert client.get().headers["X-HubSpot-RateLimit-Daily-Remaining"] == "0"
    assert client.get().json()["policyName"] == "DAILY"


def test_limits_can_be_left_unsaid(serve: Serve) -> None:
    """With `quota_headers` off, a client gets no such headers."""
    _, client = serve(small(1), Contract(quota_headers=False))
    assert not any("RateLimit" in name for name in client.get().headers)


def test_delays_overlap(serve: Serve) -> None:
    """Concurrent requests wait in parallel, not one after another."""
    _, client = serve(small(1), Contract(delay=0.3))
    threads = [threading.Thread(target=client.get) for _ in range(5)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.3 < time.monotonic() - began < 1.2


# The Date header.


def dates(answer: requests.Response) -> list[str]:
    """Return every Date header of a response."""
    raw: Any = answer.raw
    return list(raw.headers.getlist("Date"))


def test_every_answer_is_dated_by_the_account(serve: Serve) -> None:
    """Pages, refusals, faults and tokens carry one Date, in whole seconds."""
    account = Account(30, now="2026-01-01T00:00:00.999Z")
    plan = FaultPlan().add(Fault.status(503), at=4).add(Fault.dribble(0, 3), at=5)
    hubspot, client = serve(account, faults=plan)
    answers = [client.get(), client.get(limit=0), client.get(after="x")]
    answers += [client.get(), client.get(), refresh(hubspot), refresh(hubspot, "v2")]
    client.session.headers["Authorization"] = "Bearer wrong"
    answers.append(client.get())
    assert [a.status_code for a in answers] == [200, 400, 400, 503, 200, 200, 404, 401]
    for answer in answers:
        assert dates(answer) == ["Thu, 01 Jan 2026 00:00:00 GMT"]
    account.clock.advance(3600.001)
    assert dates(client.get()) == ["Thu, 01 Jan 2026 01:00:01 GMT"]


@pytest.mark.parametrize(
    ("contract", "expected"),
    [
        (Contract(date="missing"), []),
        (Contract(date="unreadable"), ["a moment ago"]),
        (Contract(date_skew_seconds=90), ["Thu, 01 Jan 2026 00:01:30 GMT"]),
        (Contract(date_skew_seconds=-1.5), ["Wed, 31 Dec 2025 23:59:58 GMT"]),
    ],
    ids=["missing", "unreadable", "ahead", "behind"],
)
def test_the_date_may_be_wrong(
    serve: Serve, contract: Contract, expected: list[str]
) -> None:
    """The Date can be missing, unreadable or skewed, on every kind of response."""
    hubspot, client = serve(Account(30, now=NOW), contract)
    hubspot.faults.add(Fault.dribble(0, 3), at=2)
    for answer in (client.get(), client.get(), client.get(limit=0), refresh(hubspot)):
        assert dates(answer) == expected


def test_a_fault_may_have_a_date_of_its_own(serve: Serve) -> None:
    """A header that a fault sets is not set twice."""
    date = "Mon, 01 Jan 2024 00:00:00 GMT"
    _, client = serve(
        small(1), faults=FaultPlan().add(Fault.status(502, headers={"Date": date}))
    )
    assert dates(client.get()) == [date]


# Credentials.


def refresh(hubspot: FakeHubSpot, version: str = "2026-03", **form: str) -> Any:
    """Request an access token; `form` overrides the correct fields."""
    right = {
        "grant_type": "refresh_token",
        "client_id": hubspot.oauth.client_id,
        "client_secret": hubspot.oauth.client_secret,
        "refresh_token": hubspot.oauth.refresh_token,
    }
    url = f"{hubspot.url}/oauth/{version}/token"
    return requests.post(url, data=right | form, timeout=20)


@pytest.mark.parametrize("version", OAUTH_VERSIONS)
def test_a_refresh_token_brings_an_access_token(serve: Serve, version: str) -> None:
    """An access token works, without daily limits, until it expires."""
    clock = Hands()
    hubspot, client = serve(small(1), oauth=OAuth(expires_in=60), monotonic=clock)
    body = refresh(hubspot, version).json()
    assert (body["token_type"], body["expires_in"]) == ("bearer", 60)
    assert body["refresh_token"] == hubspot.oauth.refresh_token
    client.session.headers["Authorization"] = f"Bearer {body['access_token']}"
    headers = client.get().headers
    assert "X-HubSpot-RateLimit-Max" in headers
    assert "X-HubSpot-RateLimit-Daily" not in headers
    clock.now += 60
    answer = client.get()
    assert answer.status_code == 401
    assert answer.json()["category"] == "EXPIRED_AUTHENTICATION"
    assert len(hubspot.token_requests) == 1
    assert len(hubspot.list_requests) == 2


def test_access_tokens_can_be_revoked(serve: Serve) -> None:
    """A token can end early, at once or sooner than it was said to."""
    clock = Hands()
    hubspot, client = serve(small(1), oauth=OAuth(lifetime=5), monotonic=clock)
    for end in (hubspot.revoke_tokens, lambda: setattr(clock, "now", clock.now + 5)):
        token = refresh(hubspot).json()["access_token"]
        client.session.headers["Authorization"] = f"Bearer {token}"
        assert client.get().status_code == 200
        end()
        assert client.get().status_code == 401
    assert len(hubspot.oauth.issued) == 2


def test_an_app_may_lack_the_scope(serve: Serve) -> None:
    """The access token of an app without the scope gets a 403."""
    hubspot, client = serve(small(1), oauth=OAuth(scoped=False))
    token = refresh(hubspot).json()["access_token"]
    client.session.headers["Authorization"] = f"Bearer {token}"
    assert client.get().status_code == 403


@pytest.mark.parametrize(
    ("rotation", "old_works"), [("lenient", True), ("strict", False)]
)
def test_the_refresh_token_may_rotate(
    serve: Serve, rotation: Any, *, old_works: bool
) -> None:
    """A refresh can return a new refresh token, and can end the old one."""
    hubspot, _ = serve(small(1), oauth=OAuth(rotation=rotation))
    old = hubspot.oauth.refresh_token
    new = refresh(hubspot).json()["refresh_token"]
    assert new != old
    assert refresh(hubspot, refresh_token=old).ok is old_works
    assert refresh(hubspot).ok


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"grant_type": "password"}, "BAD_GRANT_TYPE"),
        ({"client_id": "x"}, "BAD_CLIENT_ID"),
        ({"client_secret": "x"}, "BAD_CLIENT_SECRET"),
        ({"refresh_token": "x"}, "BAD_REFRESH_TOKEN"),
    ],
)
def test_a_refresh_that_fails_says_why(
    serve: Serve, form: dict[str, str], status: str
) -> None:
    """Each part of the credential has its own status, and its value is not shown."""
    hubspot, _ = serve(small(1))
    answer = refresh(hubspot, **form)
    body = answer.json()
    assert (answer.status_code, body["status"]) == (400, status)
    assert body.keys() >= {"error", "error_description"}
    assert "fake" not in answer.text


@pytest.mark.parametrize(
    "failure", ["BAD_REFRESH_TOKEN", "BAD_CLIENT_ID", "BAD_CLIENT_SECRET", "BAD_HUB"]
)
def test_a_refresh_can_be_made_to_fail(serve: Serve, failure: Any) -> None:
    """Even a correct credential can be refused."""
    hubspot, _ = serve(small(1), oauth=OAuth(failure=failure))
    assert refresh(hubspot).json()["status"] == failure


def test_a_token_is_asked_for_with_a_form(serve: Serve) -> None:
    """Only a form, sent with POST to a known version, is accepted."""
    hubspot, _ = serve(small(1))
    url = f"{hubspot.url}/oauth/2026-03/token"
    assert requests.get(url, timeout=20).status_code == 405
    assert requests.post(url, json={}, timeout=20).status_code == 415
    assert refresh(hubspot, "v2").status_code == 404


def test_faults_meet_requests_for_tokens(serve: Serve) -> None:
    """Token requests have their own numbers and faults."""
    plan = FaultPlan().add(Fault.status(503), at=1, on="token")
    hubspot, client = serve(small(1), faults=plan)
    assert client.get().status_code == 200
    assert [refresh(hubspot).status_code for _ in range(2)] == [503, 200]


def test_https_is_served(tmp_path: Path) -> None:
    """With a certificate, the same server serves HTTPS."""
    authority = pytest.importorskip("trustme").CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with FakeHubSpot(small(1), ssl_context=context) as hubspot:
        assert hubspot.url.startswith("https://127.0.0.1:")
        client = Client(hubspot)
        client.session.verify = str(bundle)
        assert len(client.rows()) == 1
        hubspot.faults.add(Fault.reset(), times=1).add(Fault.cut(), times=1)
        for _ in range(2):
            with pytest.raises(requests.RequestException):
                client.get()
        assert len(client.rows()) == 1
        client.session.close()


def test_every_switch_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    """Every switch has a command-line option and a text that explains it."""
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    words = capsys.readouterr().out.replace(",", " ").split()
    for kind in (Shape, Contract, OAuth):
        hints = get_type_hints(kind, include_extras=True)
        for switch in fields(kind):
            if switch.init and switch.name != "seed":
                assert f"--{switch.name.replace('_', '-')}" in words
                assert len(get_args(hints[switch.name])[1]) > 10
