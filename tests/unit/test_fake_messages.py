"""The messages of threads keep the contract that other tests rely on."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

import msgspec
import pytest
import requests

from tests.fake_hubspot import (
    CHILDREN,
    EXAMPLES,
    UNSCOPED_TOKEN,
    VERSIONS,
    Account,
    Contract,
    FakeHubSpot,
    Fault,
    OAuth,
    Shape,
    path_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, Any]
Serve: TypeAlias = "Callable[..., tuple[FakeHubSpot, Client]]"

NOW = "2026-01-01T00:00:00.000Z"
SHARED = {
    *("id", "type", "conversationsThreadId", "createdAt", "createdBy", "client"),
    *("senders", "recipients", "archived"),
}
WORDS = {"text", "richText", "attachments"}
FIELDS = {
    "MESSAGE": {
        *("text", "attachments", "direction", "channelId", "channelAccountId"),
        "truncationStatus",
    },
    "COMMENT": WORDS,
    "WELCOME_MESSAGE": {"text", "channelId", "channelAccountId"},
    "ASSIGNMENT": set(),
    "THREAD_STATUS_CHANGE": {"newStatus"},
    "THREAD_INBOX_CHANGE": {"fromInboxId", "toInboxId"},
}
OPTIONAL = {
    "MESSAGE": {"updatedAt", "richText", "subject", "inReplyToId", "status"},
    "COMMENT": {"updatedAt"},
    "WELCOME_MESSAGE": {"updatedAt", "richText"},
    "ASSIGNMENT": {"updatedAt", "assignedFrom", "assignedTo"},
    "THREAD_STATUS_CHANGE": {"updatedAt"},
    "THREAD_INBOX_CHANGE": {"updatedAt"},
}


class Client:
    """A client of one fake, which follows cursors as HubSpot's clients must."""

    def __init__(self, hubspot: FakeHubSpot) -> None:
        """Use the fake's own token."""
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {hubspot.token}"
        self.url = hubspot.url
        self.version = "2026-09-beta"

    def ask(
        self, thread: str, message: str | None = None, **params: Any
    ) -> requests.Response:
        """Ask for the messages of a thread, or for the content of one message."""
        endpoint = CHILDREN[message is not None]
        path = path_of(self.version, endpoint, thread, message or "")
        return self.session.get(self.url + path, params=params, timeout=20)

    def pages(self, thread: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Give the body of each page of a listing."""
        after: str | None = None
        while True:
            more = {"after": after} if after else {}
            answer = self.ask(thread, **params, **more)
            assert answer.status_code == 200, answer.text
            body: dict[str, Any] = answer.json()
            yield body
            found = ((body.get("paging") or {}).get("next") or {}).get("after")
            if found is None or unquote(found) == after:
                return
            after = unquote(found)

    def rows(self, thread: str, **params: Any) -> list[Row]:
        """Give all rows of a listing."""
        return [row for page in self.pages(thread, **params) for row in page["results"]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Give a function that serves an account until the test is over."""
    opened: list[tuple[FakeHubSpot, Client]] = []

    def start(
        account: Account | None = None, contract: Contract | None = None, **more: Any
    ) -> tuple[FakeHubSpot, Client]:
        account = Account(size=20, now=NOW) if account is None else account
        hubspot = FakeHubSpot(account, contract, **more).__enter__()
        opened.append((hubspot, Client(hubspot)))
        return opened[-1]

    yield start
    for hubspot, client in opened:
        client.session.close()
        hubspot.__exit__(None, None, None)


def busy(account: Account, least: int = 5) -> str:
    """Give a live thread with some messages."""
    return next(t for t in account.live_ids() if len(account.history(t)) >= least)


def of_type(rows: list[Row], *kinds: str) -> list[Row]:
    """Give the rows of some types."""
    return [row for row in rows if row["type"] in kinds]


def at(text: str) -> datetime:
    """Read a moment."""
    return datetime.fromisoformat(text)


# The endpoints.


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_lists_messages_newest_first(serve: Serve, version: str) -> None:
    """Each version answers the account's history in the order that is asked for."""
    hubspot, client = serve()
    client.version = version
    for thread in hubspot.account.live_ids():
        truth = hubspot.account.history(thread)
        (page,) = client.pages(thread)
        assert page == {"results": truth[::-1]}
        assert client.rows(thread, sort="-createdAt") == truth[::-1]
        assert client.rows(thread, sort="createdAt") == truth
        moments = [at(row["createdAt"]) for row in truth]
        assert moments == sorted(moments)
        seen = hubspot.requests_for("messages")[-1]
        assert (seen.thread_id, seen.message_id) == (thread, None)
        assert seen.rows == len(truth)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_has_original_content(serve: Serve, version: str) -> None:
    """A message's text and richText are answered under its id, however it is made."""
    hubspot, client = serve()
    client.version = version
    shapes = Counter[str]()
    for thread in hubspot.account.live_ids():
        for row in of_type(hubspot.account.history(thread), "MESSAGE", "COMMENT"):
            answer = client.ask(thread, row["id"])
            assert answer.status_code == 200
            assert answer.json() == hubspot.account.original(thread, row["id"])
            assert answer.json().keys() <= {"text", "richText"}
            (*_, seen) = hubspot.requests
            assert (seen.endpoint, seen.message_id) == ("original-content", row["id"])
            shapes[":" if ":" in row["id"] else "-" if "-" in row["id"] else "hex"] += 1
    assert shapes.keys() == {":", "-", "hex"}


@pytest.mark.parametrize("endpoint", CHILDREN)
@pytest.mark.parametrize(
    ("token", "method", "status"),
    [
        ("wrong", "GET", 401),
        (UNSCOPED_TOKEN, "GET", 403),
        ("fake-token", "POST", 405),
        ("fake-token", "GET", 200),
    ],
)
def test_the_endpoints_need_the_token_and_a_get(
    serve: Serve, endpoint: str, token: str, method: str, status: int
) -> None:
    """A wrong token, a missing scope and another method are refused."""
    hubspot, client = serve()
    thread = busy(hubspot.account)
    (row, *_) = hubspot.account.history(thread)
    url = client.url + path_of("v3", endpoint, thread, row["id"])
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.session.request(method, url, headers=headers, timeout=20)
    assert answer.status_code == status


@pytest.mark.parametrize("endpoint", CHILDREN)
@pytest.mark.parametrize(("switch", "status"), [("missing", 404), ("forbidden", 403)])
def test_each_endpoint_can_be_closed(
    serve: Serve, endpoint: str, switch: str, status: int
) -> None:
    """An endpoint can be missing or lack its scope while the other answers."""
    closed: dict[str, Any] = {switch: (endpoint,)}
    hubspot, client = serve(contract=Contract(**closed))
    thread = busy(hubspot.account)
    message = hubspot.account.history(thread)[0]["id"]
    statuses = {
        "messages": client.ask(thread).status_code,
        "original-content": client.ask(thread, message).status_code,
    }
    assert statuses.pop(endpoint) == status
    assert set(statuses.values()) == {200}


@pytest.mark.parametrize(
    "params",
    [
        *({"limit": limit} for limit in (0, 101, "x")),
        *({"sort": sort} for sort in ("id", "updatedAt", "")),
        {"archived": "yes"},
        {"after": "garbage"},
        {"limit": ["1", "2"]},
        {"unheard": "1"},
        {"inboxId": "1"},
    ],
)
def test_a_parameter_that_is_refused_is_a_400(serve: Serve, params: Any) -> None:
    """Both endpoints refuse bad values and unknown parameters."""
    hubspot, client = serve()
    thread = busy(hubspot.account)
    message = hubspot.account.history(thread)[0]["id"]
    for answer in client.ask(thread, **params), client.ask(thread, message, **params):
        found = answer.status_code, answer.json()["category"]
        assert found == (400, "VALIDATION_ERROR")


def test_unknown_parameters_can_be_ignored(serve: Serve) -> None:
    """With `sibling_strict` off they have no effect; `property` has none anyway."""
    hubspot, client = serve(contract=Contract(sibling_strict=False))
    thread = busy(hubspot.account)
    truth = hubspot.account.history(thread)[::-1]
    assert client.rows(thread, unheard="1", property=["id", "type"]) == truth
    assert client.ask(thread, truth[0]["id"], unheard="1").status_code == 200


def test_property_can_narrow_the_rows(serve: Serve) -> None:
    """Where the contract says so, only the properties asked for are there."""
    hubspot, client = serve(contract=Contract(property_narrows=True))
    rows = client.rows(busy(hubspot.account), property=["type", "createdAt"])
    assert {frozenset(row) for row in rows} == {frozenset({"id", "type", "createdAt"})}


def test_pages_have_a_default_and_a_greatest_limit(serve: Serve) -> None:
    """Without a limit a page has the contract's default, and a greater one is a 400."""
    contract = Contract(messages_limit_default=2, messages_limit_max=4)
    hubspot, client = serve(contract=contract)
    thread = busy(hubspot.account)
    assert len(client.ask(thread).json()["results"]) == 2
    assert len(client.ask(thread, limit=4).json()["results"]) == 4
    assert client.ask(thread, limit=5).status_code == 400


@pytest.mark.parametrize(
    "contract",
    [
        Contract(cursor="offset"),
        Contract(cursor_encoded=True, last_page="echo"),
        Contract(empty_every=2, empty_run=2, short_pages=True),
        Contract(link="other_path", last_page="next_null"),
        Contract.awkward(nulls=False, signed_urls=False),
    ],
    ids=["offset", "echo", "gaps", "link", "awkward"],
)
@pytest.mark.parametrize("sort", ["createdAt", "-createdAt"])
def test_listings_are_complete_under_every_contract(
    serve: Serve, contract: Contract, sort: str
) -> None:
    """Each row is listed once and in order, however pages and cursors behave."""
    account = Account(3, shape=Shape(long_histories=1, items=40))
    _, client = serve(account, contract)
    for thread in account.live_ids():
        pages = list(client.pages(thread, sort=sort, limit=47))
        rows = [row for page in pages for row in page["results"]]
        truth = account.history(thread)
        assert rows == (truth if sort == "createdAt" else truth[::-1])
        assert len(pages) >= len(truth) / 47 > 1
        link = pages[0]["paging"]["next"].get("link", "")
        assert ("/v3/" in link) is (contract.link == "other_path")


def test_a_cursor_belongs_to_its_thread_and_order(serve: Serve) -> None:
    """A cursor is refused by another thread, another order and another list."""
    hubspot, client = serve()
    thread = busy(hubspot.account)
    other = next(each for each in hubspot.account.live_ids() if each != thread)
    cursor = client.ask(thread, limit=1).json()["paging"]["next"]["after"]
    assert client.ask(thread, limit=2, after=cursor).status_code == 200
    assert client.ask(other, after=cursor).status_code == 400
    assert client.ask(thread, after=cursor, sort="createdAt").status_code == 400
    url = client.url + path_of("v3", "inboxes")
    answer = client.session.get(url, params={"after": cursor}, timeout=20)
    assert answer.status_code == 400


def test_a_listing_can_loop(serve: Serve) -> None:
    """A listing repeats an earlier cursor where the contract says so."""
    hubspot, client = serve(contract=Contract(loop_at=2, loop_times=1))
    pages = list(client.pages(busy(hubspot.account), limit=1))
    assert [len(page["results"]) for page in pages] == [1, 1]


@pytest.mark.parametrize("cursor", ["key", "offset"])
def test_new_messages_come_at_the_end_of_an_ascending_listing(
    serve: Serve, cursor: Any
) -> None:
    """Rows that arrive while a listing is paged are its last ones."""
    hubspot, client = serve(contract=Contract(cursor=cursor))
    account = hubspot.account
    thread = busy(account)
    before = account.history(thread)
    new: list[str] = []

    def write(_: object) -> None:
        if len(new) < 3:
            new.append(account.message(thread))

    hubspot.before_any_request = write
    rows = client.rows(thread, sort="createdAt", limit=2)
    assert [row["id"] for row in rows] == [*(row["id"] for row in before), *new]
    assert len(new) == 3


@pytest.mark.parametrize("fault", [Fault.status(503), Fault.reset(), Fault.half_json()])
@pytest.mark.parametrize("on", CHILDREN)
def test_requests_meet_faults(serve: Serve, fault: Fault, on: Any) -> None:
    """A fault on an endpoint spoils its second request alone."""
    hubspot, client = serve()
    thread = busy(hubspot.account)
    message = hubspot.account.history(thread)[0]["id"] if on != "messages" else None
    hubspot.faults.add(fault, at=2, on=on)
    proper = client.ask(thread, message).json()
    with pytest.raises((requests.RequestException, AssertionError)):
        assert client.ask(thread, message).json() == proper
    assert client.ask(thread, message).json() == proper
    assert hubspot.requests_by_endpoint[on] == 3


def test_histories_can_be_read_by_other_processes(serve: Serve) -> None:
    """Other processes can read the histories of all threads, one row per line."""
    account = Account(30, shape=Shape(archived=0.2))
    _, client = serve(account)
    lines = client.session.get(f"{client.url}/_fake/messages", timeout=20).content
    rows = msgspec.json.Decoder().decode_lines(lines)
    assert rows == list(account.messages())
    assert {row["archived"] for row in rows} == {True, False}
    assert {row["conversationsThreadId"] for row in rows} == {
        thread["id"] for thread in account.threads()
    }


# Archived and unknown threads.


@pytest.mark.parametrize("unknown", ["404", "empty"])
@pytest.mark.parametrize(
    ("switch", "without", "with_it"),
    [
        ("required", "unknown", "rows"),
        ("optional", "rows", "rows"),
        ("forbidden", "rows", "unknown"),
    ],
)
def test_archived_threads_need_or_refuse_the_parameter(
    serve: Serve, switch: Any, without: str, with_it: str, unknown: Any
) -> None:
    """The effect of archived=true on an archived thread is a switch."""
    contract = Contract(messages_archived=switch, unknown_thread=unknown)
    hubspot, client = serve(contract=contract)
    account = hubspot.account
    thread = busy(account)
    live = account.history(thread)
    account.archive(thread)
    truth = account.history(thread)
    assert truth == [row | {"archived": True} for row in live]
    for answer, expected in (
        (client.ask(thread), without),
        (client.ask(thread, archived="true"), with_it),
    ):
        if expected == "unknown":
            expected = unknown  # noqa: PLW2901
        if expected == "404":
            assert answer.status_code == 404
            assert answer.json()["category"] == "OBJECT_NOT_FOUND"
        else:
            rows = truth[::-1] if expected == "rows" else []
            assert answer.json() == {"results": rows}
    account.restore(thread)
    assert client.rows(thread) == live[::-1]


@pytest.mark.parametrize("switch", ["required", "optional", "forbidden"])
def test_a_live_thread_has_no_archived_messages(serve: Serve, switch: Any) -> None:
    """For a live thread archived=true is an empty list under every contract."""
    hubspot, client = serve(contract=Contract(messages_archived=switch))
    for thread in hubspot.account.live_ids():
        assert client.ask(thread, archived="true").json() == {"results": []}


@pytest.mark.parametrize("unknown", ["404", "empty"])
@pytest.mark.parametrize("how", ["purged", "expired", "never there"])
def test_a_thread_that_is_gone(serve: Serve, how: str, unknown: Any) -> None:
    """Its list is a 404 or empty, its content a 404, and its truth a KeyError."""
    hubspot, client = serve(contract=Contract(unknown_thread=unknown))
    account = hubspot.account
    thread = busy(account)
    message = account.history(thread)[0]["id"]
    if how == "purged":
        account.purge(thread)
    elif how == "expired":
        account.archive(thread)
        account.clock.advance(days=31)
    else:
        thread = "17"
    for archived in ("true", "false"):
        answer = client.ask(thread, archived=archived)
        assert answer.status_code == (404 if unknown == "404" else 200)
        assert answer.json().get("results", []) == []
    assert client.ask(thread, message).status_code == 404
    for call in (
        lambda: account.history(thread),
        lambda: account.original(thread, message),
        lambda: account.comment(thread),
        lambda: account.late_mail(thread, 5),
        lambda: account.set_message_status(thread, message, "READ"),
    ):
        with pytest.raises(KeyError):
            call()


@pytest.mark.parametrize("thread", ["abc", "1.5", str(2**63)])
def test_a_thread_has_a_number(serve: Serve, thread: str) -> None:
    """An id that is not a 64-bit number is a 400."""
    _, client = serve()
    assert client.ask(thread).status_code == 400
    assert client.ask(thread, "x").status_code == 400


@pytest.mark.parametrize("allowed", [False, True])
def test_content_of_archived_threads_is_a_switch(serve: Serve, allowed: bool) -> None:
    """Messages of archived threads have original content or none."""
    hubspot, client = serve(contract=Contract(original_of_archived=allowed))
    account = hubspot.account
    thread = busy(account)
    message = account.message(thread)
    assert client.ask(thread, message).status_code == 200
    assert client.ask(thread, "0" * 32).status_code == 404
    account.archive(thread)
    assert client.ask(thread, message).status_code == (200 if allowed else 404)


# The histories of seeded threads.


def test_a_message_can_have_any_id_and_fields(serve: Serve) -> None:
    """An id with reserved characters is found under its encoded form."""
    hubspot, client = serve()
    thread, message = busy(hubspot.account), "a.b_c:d-e/f%3D ü?"
    sent = hubspot.account.message(thread, id=message, text="canary", richText=None)
    assert sent == message
    assert client.rows(thread)[0]["id"] == message
    hubspot.account.set_message_status(thread, message, "READ")
    assert client.rows(thread)[0]["status"] == {"statusType": "READ"}
    assert client.ask(thread, message).json()["text"].startswith("canary")


def test_events_may_not_be_listed(serve: Serve) -> None:
    """Where the contract says so, only messages and comments are listed."""
    hubspot, client = serve(contract=Contract(events_listed=False))
    for thread in hubspot.account.live_ids():
        truth = hubspot.account.history(thread)
        said = of_type(truth, "MESSAGE", "COMMENT")
        assert client.rows(thread, sort="createdAt", limit=2) == said
        assert client.rows(thread, limit=2) == said[::-1]


def test_histories_are_in_order_whatever_the_shape(serve: Serve) -> None:
    """Moments of mixed precision and offsets are ordered as moments, not as texts."""
    account = Account(200, shape=Shape.awkward())
    _, client = serve(account)
    unordered = 0
    for thread in account.live_ids():
        texts = [row["createdAt"] for row in client.rows(thread, sort="createdAt")]
        assert sorted(texts, key=at) == texts
        unordered += sorted(texts) != texts
    assert unordered


@pytest.mark.parametrize("nulls", [False, True])
def test_rows_have_exactly_the_fields_of_their_type(serve: Serve, nulls: bool) -> None:
    """Optional fields are absent, or null where the contract says so."""
    account = Account(300, seed=3)
    _, client = serve(account, Contract(nulls=nulls))
    met: dict[str, set[str]] = {kind: set() for kind in FIELDS}
    lacked: dict[str, set[str]] = {kind: set() for kind in FIELDS}
    for thread in account.live_ids():
        for row in client.rows(thread):
            kind = row["type"]
            always, optional = SHARED | FIELDS[kind], OPTIONAL[kind]
            given = {name for name, value in row.items() if value is not None}
            assert given - optional == always
            assert row.keys() == (always | optional if nulls else given)
            assert row["conversationsThreadId"] == thread
            met[kind] |= given & optional
            lacked[kind] |= optional - given
    events = {"updatedAt"}
    assert met["MESSAGE"] == OPTIONAL["MESSAGE"]
    assert lacked["MESSAGE"] == OPTIONAL["MESSAGE"] - {"updatedAt"}
    assert met["ASSIGNMENT"] == {"assignedFrom", "assignedTo"}
    assert lacked["THREAD_STATUS_CHANGE"] == lacked["THREAD_INBOX_CHANGE"] == events


@pytest.mark.parametrize("comments_count", [False, True])
@pytest.mark.parametrize("behind", [False, True])
def test_histories_agree_with_their_rows(behind: bool, comments_count: bool) -> None:
    """The last message, the end and the assignment are those of the thread's row."""
    shape = Shape(
        silent=0.1,
        newer=0.1,
        mail_dates_behind=behind,
        comments_count=comments_count,
        long_histories=0.02,
    )
    account = Account(600, shape=shape)
    later, mails = Counter[str](), 0
    for thread in account.threads():
        rows = account.history(thread["id"])
        messages = of_type(rows, "MESSAGE")
        latest = thread.get("latestMessageTimestamp")
        assert bool(messages) is (latest is not None)
        if latest is None:
            assert of_type(rows, "ASSIGNMENT", "THREAD_STATUS_CHANGE") == rows
        for name, way in (("Sent", "OUTGOING"), ("Received", "INCOMING")):
            newest = thread.get(f"latestMessage{name}Timestamp")
            found = [row for row in messages if row["direction"] == way]
            is_mail = thread["originalChannelId"] == "1002" and way == "INCOMING"
            if behind and is_mail and found:
                last = max(found, key=lambda row: row["updatedAt"])
                assert last["updatedAt"] == newest
                gap = at(newest) - at(last["createdAt"])
                assert timedelta(seconds=3) < gap < timedelta(seconds=8)
                assert all(len(row["createdAt"]) == 20 for row in found)
                mails += 1
            else:
                assert (found[-1]["createdAt"] if found else None) == newest
        if thread["status"] == "CLOSED":
            assert rows[-1]["newStatus"] == "CLOSED"
            assert rows[-1]["createdAt"] == thread["closedAt"]
        changes = [row["newStatus"] for row in rows if "newStatus" in row]
        assert changes == (["CLOSED", "OPEN"] * 99)[: len(changes)]
        later.update(row["type"] for row in rows if row["createdAt"] > (latest or ""))
        assigned = of_type(rows, "ASSIGNMENT")
        if assigned:
            assert assigned[-1].get("assignedTo") == thread.get("assignedTo")
        for before, after in pairwise(assigned):
            assert before.get("assignedTo") == after.get("assignedFrom")
        moved = of_type(rows, "THREAD_INBOX_CHANGE")
        assert not moved or moved[-1]["toInboxId"] == thread["inboxId"]
    assert bool(mails) is behind
    assert (later["COMMENT"] > 0) is not comments_count
    assert later["THREAD_STATUS_CHANGE"] > 300


def test_histories_are_always_the_same_and_fast() -> None:
    """A history depends on its thread alone and is made fast, also one of a million."""
    one, other = Account(200), Account(200, rows_kept=0)
    ids = one.live_ids()
    forward = [one.history(thread) for thread in ids]
    assert [other.history(thread) for thread in ids[::-1]] == forward[::-1]
    many = Account(1_000_000, rows_kept=0)
    begun = time.perf_counter()
    numbers = range(10**9, 10**9 + 10_000)
    ids = [str(number) for number in numbers if str(number) in many]
    sizes = [len(many.history(thread)) for thread in ids]
    assert len(sizes) > 200
    assert (time.perf_counter() - begun) / len(sizes) < 0.005


@pytest.mark.parametrize(
    ("shape", "least", "most", "longest"),
    [
        (Shape(long_histories=0), 3.6, 4.4, 60),
        (Shape(long_histories=0, items=12), 11, 13, 200),
        (Shape(long_histories=0, items=0), 2, 3.5, 4),
        (Shape(long_histories=1), 350, 500, 801),
    ],
)
def test_histories_have_a_length(
    shape: Shape, least: float, most: float, longest: int
) -> None:
    """The average number of rows is a switch, and some threads have hundreds."""
    account = Account(1000 if shape.long_histories == 0 else 60, shape=shape)
    sizes = [len(account.history(thread)) for thread in account.live_ids()]
    assert least < sum(sizes) / len(sizes) < most
    assert max(sizes) <= longest


def test_there_are_all_kinds_of_words_and_ids() -> None:
    """Texts, ids, types and attachments vary as they do in HubSpot."""
    account = Account(1000)
    rows = list(account.messages())
    messages = of_type(rows, "MESSAGE")
    texts = [row["text"] for row in messages]
    for piece in ("<p>", "&#xa0;", "🏃🏽\u200d♀️", "\u2028", "Email: canary", '"', "金"):
        assert any(piece in text for text in texts), piece
    assert any(not row["text"] and row["richText"] for row in messages)
    assert max(len(row.get("richText", "")) for row in messages) > 3_000
    shown = Counter(row["truncationStatus"] for row in messages)
    assert 0.14 < 1 - shown["NOT_TRUNCATED"] / len(messages) < 0.2
    assert shown.keys() > {"TRUNCATED", "TRUNCATED_TO_MOST_RECENT_REPLY"}
    assert {row["type"] for row in rows} == FIELDS.keys()
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["client"]["clientType"] for row in rows} == {
        *("HUBSPOT", "INTEGRATION", "SYSTEM")
    }
    assert {len(row["senders"]) for row in messages} == {1, 2}
    files = [file for row in messages for file in row["attachments"]]
    assert all(file["fileId"].isdecimal() for file in files)
    assert files


@pytest.mark.parametrize("unicode", [False, True])
def test_everything_personal_holds_the_canary(unicode: bool) -> None:
    """Texts, names, subjects and addresses can be found by one word."""
    shape = Shape(unicode=unicode, new_message_type=0.3, truncated=0.5)
    account = Account(300, shape=shape)
    found: list[str] = []
    for row in account.messages():
        found += [row["subject"]] if "subject" in row else []
        if "text" in row:
            content = account.original(row["conversationsThreadId"], row["id"])
            found += [*content.values()]
            found += [row[name] for name in ("text", "richText") if row.get(name)]
        for person in (*row["senders"], *row["recipients"]):
            found += [person["name"]] if "name" in person else []
            assert not person.get("actorId", "").startswith("E-")
            if "deliveryIdentifier" in person:
                found.append(person["deliveryIdentifier"]["value"])
        for file in row.get("attachments", ()):
            found += [file["name"], file["url"]]
    assert [text for text in found if "canary" not in text.lower()] == []
    assert len(found) > 1000


@pytest.mark.parametrize("share", [0, 1])
def test_truncated_messages_have_more_in_the_original(share: float) -> None:
    """The original begins with the listed text, and is longer if that is truncated."""
    account = Account(100, shape=Shape(truncated=share))
    for row in of_type(list(account.messages()), "MESSAGE"):
        content = account.original(row["conversationsThreadId"], row["id"])
        for name in ("text", "richText"):
            listed, full = row.get(name) or "", content.get(name, "")
            assert full.startswith(listed)
            assert (len(full) > len(listed) + 500) is (bool(listed) and share == 1)


def test_message_ids_can_be_shared() -> None:
    """With the switch some ids are in two threads, and never twice in one."""
    for shared in (False, True):
        account = Account(200, shape=Shape(shared_message_ids=shared))
        pairs = [
            (row["id"], row["conversationsThreadId"]) for row in account.messages()
        ]
        assert len(set(pairs)) == len(pairs)
        times = Counter(each for each, _ in pairs)
        assert (max(times.values()) > 1) is shared


def test_there_can_be_a_type_that_nobody_knows() -> None:
    """A share of histories has a row of a seventh type with an unknown field."""
    account = Account(300, shape=Shape(new_message_type=0.3))
    new = [row for row in account.messages() if row["type"] not in FIELDS]
    assert 60 < len(new) < 120
    assert {frozenset(row) for row in new} == {frozenset(SHARED | {"sentiment"})}


def test_signed_urls_differ_in_every_answer(serve: Serve) -> None:
    """Where the contract says so, the URL of an attachment is never the same."""
    account = Account(1)
    (thread,) = account.live_ids()
    file = {"type": "FILE", "url": "https://files.example/canary?signature=0"}
    account.message(thread, attachments=[file])
    _, client = serve(account, Contract(signed_urls=True))
    first, second = (client.rows(thread)[0]["attachments"][0]["url"] for _ in range(2))
    assert first != second
    assert account.history(thread)[-1]["attachments"] == [file]


def test_given_rows_have_histories() -> None:
    """Rows that a test adds have histories, even if their date-times are invalid."""
    account = Account.of(EXAMPLES)
    for example in EXAMPLES:
        rows = account.history(example["id"])
        assert rows[-1]["createdAt"] == example["closedAt"]
        newest = of_type(rows, "MESSAGE")[-1]
        assert newest["createdAt"] == example["latestMessageTimestamp"]
    closed_at = "2026-01-01T02:00:00+02:00"
    account.add({"id": "4", "status": "CLOSED", "closedAt": closed_at})
    (row,) = account.history("4")
    assert (row["newStatus"], row["createdAt"]) == ("CLOSED", closed_at)
    account.add({"id": "5", "latestMessageTimestamp": "soon", "createdAt": 7})
    (row,) = of_type(account.history("5"), "MESSAGE")
    assert row["createdAt"] == "1970-01-01T00:00:00.000Z"


# What happens in an account.


def test_events_are_appended(serve: Serve) -> None:
    """Each change of a thread appends a row to its history."""
    hubspot, client = serve()
    account = hubspot.account
    thread = account.create(inboxId="88", assignedTo="A-1")
    before = account.history(thread)
    account.message(thread, sent=True)
    account.close(thread)
    account.reopen(thread)
    account.assign(thread, "A-2")
    account.assign(thread, None)
    account.move(thread, 481939)
    account.comment(thread, text="canary note")
    account.mark_spam(thread)
    rows = client.rows(thread, sort="createdAt")
    new = rows[len(before) :]
    assert rows[: len(before)] == before
    assert rows == account.history(thread)
    assert [row["type"] for row in new] == [
        "MESSAGE",
        *["THREAD_STATUS_CHANGE"] * 2,
        *["ASSIGNMENT"] * 2,
        "THREAD_INBOX_CHANGE",
        "COMMENT",
    ]
    message, closed, opened, assigned, unassigned, moved, comment = new
    assert message["direction"] == "OUTGOING"
    assert (closed["newStatus"], opened["newStatus"]) == ("CLOSED", "OPEN")
    assert (assigned["assignedFrom"], assigned["assignedTo"]) == ("A-1", "A-2")
    assert (unassigned["assignedFrom"], "assignedTo" in unassigned) == ("A-2", False)
    assert (moved["fromInboxId"], moved["toInboxId"]) == ("88", "481939")
    assert comment["text"] == "canary note"


def test_a_new_thread_begins_with_one_message() -> None:
    """A new thread has one message, or an empty history."""
    account = Account()
    one = account.history(account.create())
    assert [row["type"] for row in of_type(one, "MESSAGE")] == ["MESSAGE"]
    assert account.history(account.create(latestMessageTimestamp=None)) == []


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("when", [None, "2025-12-31T23:59:00Z", "2020-01-01T00:00:00Z"])
def test_a_message_is_where_its_moment_is(when: str | None, sent: bool) -> None:
    """A message has the direction and the moment given, which may be in the past."""
    account = Account(20)
    thread = busy(account)
    found = account.message(thread, when, sent=sent)
    rows = account.history(thread)
    (row,) = [row for row in rows if row["id"] == found]
    assert row["direction"] == ("OUTGOING" if sent else "INCOMING")
    assert row["createdAt"] == (
        when or account.thread(thread)["latestMessageTimestamp"]
    )
    moments = [at(row["createdAt"]) for row in rows]
    assert moments == sorted(moments)
    assert (rows[0] is row) is (when is not None and when < "2021")


@pytest.mark.parametrize("counts", [False, True])
def test_comments_may_move_the_thread(counts: bool) -> None:
    """A comment moves latestMessageTimestamp only where the shape says so."""
    account = Account(20, shape=Shape(comments_count=counts))
    thread = busy(account)
    before = account.thread(thread)
    account.comment(thread)
    after = account.thread(thread)
    row = account.history(thread)[-1]
    assert row["type"] == "COMMENT"
    latest = row["createdAt"] if counts else before["latestMessageTimestamp"]
    assert after == before | {"latestMessageTimestamp": latest}
    assert (list(account.places())[-1] == thread) is counts


def test_a_late_mail_is_listed_before_older_rows(serve: Serve) -> None:
    """It moves the thread, although its createdAt is before rows already there."""
    hubspot, client = serve()
    account = hubspot.account
    thread = busy(account)
    account.close(thread)
    listed = client.rows(thread, sort="createdAt")
    mail = account.late_mail(thread, 30, subject="Canary late")
    rows = client.rows(thread, sort="createdAt")
    (row,) = [row for row in rows if row not in listed]
    assert row["id"] == mail
    assert rows.index(row) < len(rows) - 1
    assert (row["channelId"], row["subject"]) == ("1002", "Canary late")
    assert row["createdAt"] == "2025-12-31T23:59:30Z"
    latest = account.thread(thread)["latestMessageTimestamp"]
    assert row["updatedAt"] == latest > rows[-1]["createdAt"]


@pytest.mark.parametrize("status", ["READ", "FAILED"])
def test_the_status_of_a_message_changes(serve: Serve, status: Any) -> None:
    """The status and updatedAt move, and nothing else in the account."""
    hubspot, client = serve()
    account = hubspot.account
    thread = busy(account)
    message = account.message(thread, sent=True)
    before = client.rows(thread)
    threads = list(account.threads())
    account.set_message_status(thread, message, status)
    after = client.rows(thread)
    assert after[1:] == before[1:]
    assert after[0]["status"]["statusType"] == status
    assert ("failureDetails" in after[0]["status"]) is (status == "FAILED")
    assert after[0]["updatedAt"] > before[0]["updatedAt"]
    assert after[0].keys() == before[0].keys()
    assert list(account.threads()) == threads
    account.close(thread)
    closing = account.history(thread)[-1]["id"]
    for unknown in ("x", closing):
        with pytest.raises(KeyError):
            account.set_message_status(thread, unknown, status)


@pytest.mark.parametrize(
    "moved", ["2026-06-01T00:00:00.000Z", NOW, "2019-01-01T00:00:00Z"]
)
def test_a_row_that_is_changed_keeps_its_history_true(moved: str) -> None:
    """After latestMessageTimestamp is changed, the last message is at that moment."""
    account = Account(20)
    thread = busy(account)
    account.update(thread, latestMessageTimestamp=moved)
    messages = of_type(account.history(thread), "MESSAGE")
    assert messages[-1]["createdAt"] == moved
    account.add(account.thread(thread) | {"createdAt": moved})
    assert of_type(account.history(thread), "MESSAGE")[-1]["createdAt"] == moved


# Limits of a day.


@pytest.mark.parametrize(("limit", "used"), [(5, 0), (9, 4), (1_000_000, 999_995)])
def test_a_day_has_its_limit(serve: Serve, limit: int, used: int) -> None:
    """All endpoints and other apps share a limit, which the headers show."""
    contract = Contract(daily_limit=limit, daily_used=used)
    hubspot, client = serve(contract=contract)
    thread = busy(hubspot.account)
    message = hubspot.account.history(thread)[0]["id"]
    urls = [path_of("v3", name) for name in ("threads", "inboxes", "channels")]
    answers = [client.session.get(client.url + url, timeout=20) for url in urls]
    answers += [client.ask(thread), client.ask(thread, message)]
    assert {answer.status_code for answer in answers} == {200}
    prefix = "X-HubSpot-RateLimit-Daily"
    assert {answer.headers[prefix] for answer in answers} == {str(limit)}
    left = [answer.headers[f"{prefix}-Remaining"] for answer in answers]
    assert left == ["4", "3", "2", "1", "0"]
    refused = client.ask(thread)
    assert (refused.status_code, refused.json()["policyName"]) == (429, "DAILY")
    assert refused.headers[f"{prefix}-Remaining"] == "0"
    hubspot.begin_day()
    answer = client.ask(thread)
    assert answer.status_code == 200
    assert answer.headers[f"{prefix}-Remaining"] == str(limit - 1)


def test_a_day_may_have_no_limit(serve: Serve) -> None:
    """Without a limit there are no daily headers."""
    hubspot, client = serve(contract=Contract(daily_limit=0, daily_used=99))
    answer = client.ask(hubspot.account.live_ids()[0])
    assert answer.status_code == 200
    assert not [name for name in answer.headers if "Daily" in name]


def test_oauth_has_no_daily_headers(serve: Serve) -> None:
    """The limit applies to an OAuth app, too, but no header shows it."""
    app = OAuth()
    hubspot, client = serve(contract=Contract(daily_limit=1), oauth=app)
    form = {
        "grant_type": "refresh_token",
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "refresh_token": app.refresh_token,
    }
    url = f"{client.url}/oauth/v1/token"
    token = client.session.post(url, data=form, timeout=20).json()["access_token"]
    client.session.headers["Authorization"] = f"Bearer {token}"
    thread = hubspot.account.live_ids()[0]
    answers = [client.ask(thread), client.ask(thread)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert not [name for a in answers for name in a.headers if "Daily" in name]
