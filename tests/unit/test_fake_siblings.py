"""The endpoints beside the threads keep the contract that other tests rely on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

import pytest
import requests

from tests.fake_hubspot import (
    ENDPOINTS,
    SIBLINGS,
    UNSCOPED_TOKEN,
    VERSIONS,
    Account,
    Contract,
    FakeHubSpot,
    Fault,
    FaultPlan,
    Shape,
    path_of,
)
from tests.fake_hubspot.__main__ import _make, _parser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, Any]
Serve: TypeAlias = "Callable[..., tuple[FakeHubSpot, Client]]"

NOW = "2026-01-01T00:00:00.000Z"
AGENT, GONE = "A-2620022", "A-1"
FIELDS = {
    "inboxes": {"id", "name", "type", "createdAt", "updatedAt", "archived"},
    "channels": {"id", "name"},
    "channel-accounts": {
        *("id", "name", "channelId", "inboxId", "active", "authorized", "archived"),
        "createdAt",
    },
}
OPTIONAL = {
    "inboxes": {"archivedAt"},
    "channels": set(),
    "channel-accounts": {"archivedAt", "deliveryIdentifier"},
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

    def at(self, endpoint: str) -> str:
        """Give the URL of an endpoint."""
        return self.url + path_of(self.version, endpoint)

    def ask(self, endpoint: str, **params: Any) -> requests.Response:
        """Send a proper request to any endpoint."""
        if endpoint == "actors":
            return self.actors(AGENT)
        return self.session.get(self.at(endpoint), params=params, timeout=20)

    def actors(self, *inputs: str) -> requests.Response:
        """Ask for actors."""
        body = {"inputs": inputs}
        return self.session.post(self.at("actors"), json=body, timeout=20)

    def pages(self, endpoint: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Give the body of each page of a listing."""
        after: str | None = None
        while True:
            more = {"after": after} if after else {}
            answer = self.ask(endpoint, **params, **more)
            assert answer.status_code == 200, answer.text
            body: dict[str, Any] = answer.json()
            yield body
            found = ((body.get("paging") or {}).get("next") or {}).get("after")
            if found is None or unquote(found) == after:
                return
            after = unquote(found)

    def rows(self, endpoint: str, **params: Any) -> list[Row]:
        """Give all rows of a listing."""
        pages = self.pages(endpoint, **params)
        return [row for page in pages for row in page["results"]]

    def ids(self, endpoint: str, **params: Any) -> list[str]:
        """Give the ids of a listing."""
        return [row["id"] for row in self.rows(endpoint, **params)]


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


# What the endpoints share with the threads.


@pytest.mark.parametrize("endpoint", SIBLINGS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_lists_everything(
    serve: Serve, version: str, endpoint: str
) -> None:
    """A list answers its total and the account's rows at the path of each version."""
    hubspot, client = serve()
    client.version = version
    (page,) = client.pages(endpoint)
    truth = hubspot.account.directory.rows(endpoint)
    assert page == {"total": len(truth), "results": truth}
    assert len(truth) > 3


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_reads_actors(serve: Serve, version: str) -> None:
    """A batch of known actors is complete, in the order of its inputs."""
    hubspot, client = serve()
    client.version = version
    body = client.actors("S-hubspot", AGENT).json()
    assert body.keys() == {"status", "results", "startedAt", "completedAt"}
    assert body["status"] == "COMPLETE"
    actor_row = hubspot.account.directory.actor_row
    assert body["results"] == [actor_row("S-hubspot"), actor_row(AGENT)]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_each_endpoint_has_one_method(serve: Serve, endpoint: str) -> None:
    """Actors are read by a POST alone, and everything else by a GET."""
    _, client = serve()
    wrong, right = ("GET", "POST") if endpoint == "actors" else ("POST", "GET")
    answer = client.session.request(wrong, client.at(endpoint), timeout=20)
    assert (answer.status_code, answer.headers["Allow"]) == (405, right)


@pytest.mark.parametrize(("token", "status"), [("wrong", 401), (UNSCOPED_TOKEN, 403)])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_endpoint_needs_the_token(
    serve: Serve, endpoint: str, token: str, status: int
) -> None:
    """A wrong token is a 401, and one without the scope a 403."""
    _, client = serve()
    assert client.ask(endpoint).status_code == 200
    client.session.headers["Authorization"] = f"Bearer {token}"
    assert client.ask(endpoint).status_code == status


@pytest.mark.parametrize(
    ("switch", "status", "category"),
    [("missing", 404, "OBJECT_NOT_FOUND"), ("forbidden", 403, "MISSING_SCOPES")],
)
@pytest.mark.parametrize("endpoint", ENDPOINTS[1:])
def test_one_endpoint_can_be_closed(
    serve: Serve, endpoint: str, switch: str, status: int, category: str
) -> None:
    """An endpoint can be missing or lack its scope while the others answer."""
    closed: dict[str, Any] = {switch: (endpoint,)}
    _, client = serve(contract=Contract(**closed))
    answers = {name: client.ask(name) for name in ENDPOINTS}
    refused = [name for name in ENDPOINTS if not answers[name].ok]
    assert refused == [endpoint]
    assert answers[endpoint].status_code == status
    assert answers[endpoint].json()["category"] == category


def test_all_endpoints_share_one_quota(serve: Serve) -> None:
    """Requests for anything count toward the same limits, which headers tell."""
    _, client = serve(contract=Contract(quota=len(ENDPOINTS)))
    answers = [client.ask(endpoint) for endpoint in ENDPOINTS]
    left = [int(a.headers["X-HubSpot-RateLimit-Remaining"]) for a in answers]
    assert left == [4, 3, 2, 1, 0]
    assert {client.ask(endpoint).status_code for endpoint in ENDPOINTS} == {429}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_answers_are_dated_and_compressed(serve: Serve, endpoint: str) -> None:
    """The Date header and gzip do not depend on the endpoint."""
    answer = serve(contract=Contract(gzip=True))[1].ask(endpoint)
    assert answer.headers["Date"] == "Thu, 01 Jan 2026 00:00:00 GMT"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.json()["results"]


# The lists.


@pytest.mark.parametrize(
    ("endpoint", "params"),
    [
        *((endpoint, {"after": "garbage"}) for endpoint in SIBLINGS),
        *((endpoint, {"limit": value}) for endpoint in SIBLINGS for value in (0, 101)),
        *((endpoint, {"sort": "size"}) for endpoint in SIBLINGS),
        *((endpoint, {"unheard": "1"}) for endpoint in SIBLINGS),
        ("inboxes", {"limit": ["1", "2"]}),
        ("inboxes", {"archived": "yes"}),
        ("inboxes", {"inboxId": "481939"}),
        ("channels", {"archived": "true"}),
        ("channels", {"sort": "createdAt"}),
        ("channels", {"defaultPageLength": "many"}),
        ("channel-accounts", {"inboxId": str(2**31)}),
        ("channel-accounts", {"channelId": ["1000", "x"]}),
    ],
)
def test_a_parameter_that_a_list_refuses_is_a_400(
    serve: Serve, endpoint: str, params: Any
) -> None:
    """A bad value, or a parameter of another endpoint, is refused."""
    answer = serve()[1].ask(endpoint, **params)
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")


def test_unknown_parameters_can_be_ignored(serve: Serve) -> None:
    """With `sibling_strict` off unknown parameters have no effect, as for threads."""
    _, client = serve(contract=Contract(sibling_strict=False))
    assert client.rows("channels", archived="true") == client.rows("channels") != []


def test_pages_have_a_default_and_a_greatest_limit(serve: Serve) -> None:
    """Without a limit a page has the contract's default, and a greater one is a 400."""
    contract = Contract(sibling_limit_default=2, sibling_limit_max=5)
    _, client = serve(contract=contract)
    assert len(client.ask("channels").json()["results"]) == 2
    assert len(client.ask("channels", limit=5).json()["results"]) == 5
    assert client.ask("channels", limit=6).status_code == 400
    assert len(client.ask("channels", defaultPageLength=4).json()["results"]) == 2


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("endpoint", SIBLINGS)
def test_rows_have_the_documented_fields(
    serve: Serve, endpoint: str, *, nulls: bool
) -> None:
    """Optional fields are absent, or null where the contract says so."""
    _, client = serve(contract=Contract(nulls=nulls))
    always, optional = FIELDS[endpoint], OPTIONAL[endpoint]
    rows = client.rows(endpoint)
    for row in rows:
        assert row.keys() - optional == always
        assert not nulls or row.keys() == always | optional
        assert not nulls or row.get("archivedAt") is None
    has = {row.get("deliveryIdentifier") is not None for row in rows}
    assert has == ({True, False} if endpoint == "channel-accounts" else {False})


@pytest.mark.parametrize(
    "contract",
    [
        Contract(cursor="offset"),
        Contract(cursor_encoded=True, last_page="echo", prev=True),
        Contract(empty_every=2, empty_run=2, short_pages=True),
        Contract(ids_as_text=True, last_page="next_null"),
        Contract.awkward(),
    ],
    ids=["offset", "echo", "gaps", "text", "awkward"],
)
@pytest.mark.parametrize("sort", [None, "-id", "name", ["-archived", "-name"]])
@pytest.mark.parametrize("endpoint", SIBLINGS)
def test_listings_are_complete_under_every_contract(
    serve: Serve, endpoint: str, contract: Contract, sort: Any
) -> None:
    """Each row is listed once, however pages and cursors behave."""
    if endpoint == "channels" and isinstance(sort, list):
        sort = ["name", "-id"]
    account = Account(now=NOW, shape=Shape(inboxes=9, unicode=True))
    _, client = serve(account, contract)
    pages = list(client.pages(endpoint, sort=sort, limit=3))
    listed = [row["id"] for page in pages for row in page["results"]]
    assert sorted(listed) == sorted(r["id"] for r in account.directory.rows(endpoint))
    assert len(pages) >= len(listed) / 3


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ([], lambda row: int(row["id"])),
        (["-updatedAt"], lambda row: [-ord(c) for c in row["updatedAt"]]),
        (["type", "-id"], lambda row: (row["type"], -int(row["id"]))),
        (["name"], lambda row: row["name"]),
    ],
    ids=["default", "descending", "two", "text"],
)
def test_lists_are_sorted_by_any_fields(serve: Serve, sort: Any, key: Any) -> None:
    """Several fields can be given, and each can descend."""
    hubspot, client = serve(Account(now=NOW, shape=Shape(inboxes=9)))
    truth = hubspot.account.directory.inbox_rows()
    assert client.rows("inboxes", sort=sort, limit=2) == sorted(truth, key=key)


def test_a_cursor_belongs_to_its_list(serve: Serve) -> None:
    """A cursor is refused by another list and with another filter or sort."""
    _, client = serve()
    cursor = client.ask("inboxes", limit=1).json()["paging"]["next"]["after"]
    assert client.ask("inboxes", limit=2, after=cursor).status_code == 200
    for endpoint in ("threads", *SIBLINGS[1:]):
        assert client.ask(endpoint, after=cursor).status_code == 400
    for more in ({"sort": "name"}, {"archived": "true"}):
        assert client.ask("inboxes", after=cursor, **more).status_code == 400


def test_a_list_can_loop(serve: Serve) -> None:
    """A list repeats an earlier cursor where the contract says so, by itself."""
    _, client = serve(contract=Contract(loop_at=2, loop_times=1))
    for endpoint in SIBLINGS:
        pages = list(client.pages(endpoint, limit=1))
        assert [len(page["results"]) for page in pages] == [1, 1]


def test_the_total_can_be_wrong(serve: Serve) -> None:
    """The total can differ from the number of rows, as in HubSpot's sample."""
    _, client = serve(contract=Contract(total_wrong=True))
    body = client.ask("channels").json()
    assert body["total"] == len(body["results"]) + 1


def test_the_last_page_can_have_paging(serve: Serve) -> None:
    """With `prev` every page but the first has paging, also the last one."""
    _, client = serve(contract=Contract(prev=True))
    first, *_, last = client.pages("channels", limit=4)
    assert first["paging"].keys() == {"next"}
    assert last["paging"].keys() == {"prev"}


# Inboxes, channels and channel accounts.


@pytest.mark.parametrize(
    ("endpoint", "archive"),
    [
        ("inboxes", "archive_inbox"),
        ("channel-accounts", "archive_channel_account"),
    ],
)
@pytest.mark.parametrize("means", ["only", "also"])
def test_archived_rows_are_listed_apart(
    serve: Serve, endpoint: str, archive: str, means: Any
) -> None:
    """The default listing is without them; archived=true adds them or has only them."""
    hubspot, client = serve(contract=Contract(archived_means=means))
    every = client.ids(endpoint)
    gone = every[1]
    getattr(hubspot.account.directory, archive)(gone)
    assert client.ids(endpoint) == [each for each in every if each != gone]
    found = client.rows(endpoint, archived="true")
    assert [row["id"] for row in found] == ([gone] if means == "only" else every)
    (row,) = [row for row in found if row["archived"]]
    assert row["archivedAt"] > row["createdAt"]


def test_inboxes_change(serve: Serve) -> None:
    """An inbox can be added, renamed, which moves updatedAt, and deleted."""
    hubspot, client = serve()
    directory = hubspot.account.directory
    before = client.rows("inboxes")
    new = directory.add_inbox("Nouveau", type="HELP_DESK")
    directory.rename_inbox(before[0]["id"], "Другая")
    directory.delete_inbox(before[1]["id"])
    after = {row["id"]: row for row in client.rows("inboxes")}
    assert after.keys() == {row["id"] for row in before} - {before[1]["id"]} | {new}
    renamed = after[before[0]["id"]]
    assert renamed["name"] == "Другая"
    assert renamed["updatedAt"] > before[0]["updatedAt"]
    assert (after[new]["name"], after[new]["type"]) == ("Nouveau", "HELP_DESK")


def test_channel_accounts_change(serve: Serve) -> None:
    """A channel account can be added, renamed and deleted."""
    hubspot, client = serve()
    directory = hubspot.account.directory
    first, second, *others = client.ids("channel-accounts")
    new = directory.add_channel_account("1009", "88", "Texts")
    directory.rename_channel_account(first, "Renamed")
    directory.delete_channel_account(second)
    after = {row["id"]: row for row in client.rows("channel-accounts")}
    assert after.keys() == {first, new, *others}
    assert after[first]["name"] == "Renamed"
    assert (after[new]["channelId"], after[new]["inboxId"]) == ("1009", "88")
    assert after[new]["deliveryIdentifier"]["type"] == "HS_PHONE_NUMBER"


@pytest.mark.parametrize(
    "params",
    [
        {"inboxId": "481939"},
        {"inboxId": ["481939", "519204"]},
        {"channelId": ["1002", "1007"]},
        {"channelId": "1002", "inboxId": ["519204"]},
    ],
)
def test_channel_accounts_are_filtered(serve: Serve, params: Any) -> None:
    """Several values of one filter add up, and two filters narrow each other."""
    hubspot, client = serve()
    truth = hubspot.account.directory.channel_account_rows()
    chosen = [
        row
        for row in truth
        if all(row[name] in values for name, values in params.items())
    ]
    assert client.rows("channel-accounts", **params) == chosen
    assert 0 < len(chosen) < len(truth)


def test_both_types_of_inboxes_are_there() -> None:
    """Ordinary inboxes and help desks are in one list."""
    for count in (2, 4, 9):
        directory = Account(shape=Shape(inboxes=count)).directory
        types = {row["type"] for row in directory.inbox_rows()}
        assert types == {"INBOX", "HELP_DESK"}


@pytest.mark.parametrize(
    ("lost", "least", "most"), [(0, 0, 0), (0.2, 1, 19), (1, 64, 64)]
)
def test_threads_point_to_lost_accounts(lost: float, least: int, most: int) -> None:
    """A share of the accounts of threads is listed nowhere, and nothing else is."""
    account = Account(5000, shape=Shape(inboxes=8, lost_accounts=lost))
    directory = account.directory
    threads = list(account.threads())
    listed = {row["id"]: row for row in directory.channel_account_rows()}
    used = {row["originalChannelAccountId"] for row in threads}
    assert len(used) == 64
    assert least <= len(used - listed.keys()) <= most
    assert any(int(number) > 2**32 for number in listed)
    for thread in threads:
        found = listed.get(thread["originalChannelAccountId"])
        if found is not None:
            assert found["channelId"] == thread["originalChannelId"]
            assert found["inboxId"] == thread["inboxId"]
    channels = {row["id"] for row in directory.channel_rows()}
    assert {row["originalChannelId"] for row in threads} < channels
    inboxes = {row["id"] for row in directory.inbox_rows()}
    assert {row["inboxId"] for row in threads} == inboxes


# Actors.


@pytest.mark.parametrize(
    ("ids", "kind", "always", "optional"),
    [
        (
            [f"A-{2_620_022 + 17 * n}" for n in range(26)],
            "AGENT",
            (),
            "name email avatar",
        ),
        ([f"V-{n}" for n in range(20)], "VISITOR", (), "name email avatar"),
        (["B-310422"], "BOT", ("name",), "avatar"),
        (["L-58021"], "LLM", ("name",), "avatar"),
        (["I-1160452"], "INTEGRATOR", ("name",), "avatar"),
        (["E-post@books.example", "E-a-b@c.example"], "EMAIL", ("email",), ""),
        (["S-hubspot"], "SYSTEM", (), ""),
    ],
)
@pytest.mark.parametrize("nulls", [False, True])
def test_actors_have_the_fields_of_their_type(
    serve: Serve, ids: list[str], kind: str, always: Any, optional: str, *, nulls: bool
) -> None:
    """Each type has its own fields; where they are optional some actors lack them."""
    _, client = serve(contract=Contract(nulls=nulls))
    rows = client.actors(*ids).json()["results"]
    assert [row["id"] for row in rows] == ids
    for row in rows:
        assert row["type"] == kind
        given = {name for name, value in row.items() if value is not None}
        assert given - set(optional.split()) == {"id", "type", *always}
        assert not nulls or row.keys() >= set(optional.split())
    if len(ids) > 2:
        for name in optional.split():
            assert {row.get(name) is None for row in rows} == {True, False}


def test_an_email_actor_is_split_at_the_first_dash(serve: Serve) -> None:
    """The address of an E- actor is all that follows."""
    row = serve()[1].actors("E-a-b@c-d.example").json()["results"][0]
    assert row["email"] == "a-b@c-d.example"


@pytest.mark.parametrize("how", ["errors_207", "errors_200", "missing"])
def test_unknown_actors_are_answered_in_three_ways(serve: Serve, how: Any) -> None:
    """They are errors in a 207, the same errors in a 200, or missing."""
    _, client = serve(contract=Contract(unknown_actors=how))
    unknown = [GONE, "2620022", "X-7", "A-x", "S-other"]
    answer = client.actors(GONE, AGENT, *unknown[1:])
    body = answer.json()
    assert answer.status_code == (207 if how == "errors_207" else 200)
    assert [row["id"] for row in body["results"]] == [AGENT]
    assert ("errors" in body) == ("numErrors" in body) == (how != "missing")
    for error in body.get("errors", ()):
        assert error.keys() >= {"status", "category", "message", "context"}
        assert error["context"] == {"ids": unknown}


def test_actors_can_come_in_another_order(serve: Serve) -> None:
    """With `actors_shuffled` the results are all there, in another order."""
    _, client = serve(contract=Contract(actors_shuffled=True))
    for asked in (["V-1", "V-2"], ["V-2", "V-1"], [f"V-{n}" for n in range(9)]):
        found = [row["id"] for row in client.actors(*asked).json()["results"]]
        assert found != asked
        assert sorted(found) == sorted(asked)


def test_an_actor_asked_for_twice_is_answered_once(serve: Serve) -> None:
    """Duplicates are accepted."""
    answer = serve()[1].actors(AGENT, AGENT)
    assert (answer.status_code, len(answer.json()["results"])) == (200, 1)


@pytest.mark.parametrize(("most", "status"), [(2, 400), (3, 200)])
def test_a_batch_has_a_greatest_size(serve: Serve, most: int, status: int) -> None:
    """One input more than the contract's limit is a 400."""
    _, client = serve(contract=Contract(actors_max=most))
    assert client.actors("V-1", "V-2", "V-3").status_code == status


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json; charset=utf-8", b'{"inputs":["V-1"]}', 200),
        ("text/plain", b'{"inputs":["V-1"]}', 415),
        (None, b'{"inputs":["V-1"]}', 415),
        *(
            ("application/json", body, 400)
            for body in (
                *(b"", b"{", b"\xff", b"null", b"[]", b'["V-1"]', b"{}"),
                *(b'{"inputs":[]}', b'{"inputs":null}', b'{"inputs":"V-1"}'),
                b'{"inputs":[{"id":"V-1"}]}',
            )
        ),
    ],
)
def test_a_malformed_batch_is_refused(
    serve: Serve, content_type: str | None, body: bytes, status: int
) -> None:
    """Another content type is a 415, and any body but a list of ids a 400."""
    _, client = serve()
    headers = {"Content-Type": content_type}
    answer = client.session.post(
        client.at("actors"), data=body, headers=headers, timeout=20
    )
    assert answer.status_code == status


def test_a_batch_has_no_parameters(serve: Serve) -> None:
    """A query parameter of actors is refused like an unknown one of a list."""
    _, client = serve()
    url, body = f"{client.at('actors')}?limit=1", {"inputs": [AGENT]}
    assert client.session.post(url, json=body, timeout=20).status_code == 400


def test_actors_change(serve: Serve) -> None:
    """An actor can be renamed, leave, and be added; the others stay."""
    hubspot, client = serve()
    directory = hubspot.account.directory
    other = "A-2620039"
    before = directory.actor_rows()
    directory.rename_actor(AGENT, "Zoë")
    directory.rename_actor("V-7", None)
    directory.remove_actor(other)
    directory.add_actor(GONE, name="New")
    found = client.actors(AGENT, "V-7", other, GONE).json()
    assert [row.get("name") for row in found["results"]] == ["Zoë", None, "New"]
    assert found["errors"][0]["context"] == {"ids": [other]}
    with pytest.raises(KeyError):
        directory.actor_row(other)
    after = {row["id"] for row in directory.actor_rows()}
    assert after == {row["id"] for row in before} - {other} | {"V-7", GONE}


@pytest.mark.parametrize("actor", ["E-post@books.example", "S-hubspot"])
def test_some_actors_have_no_name(actor: str) -> None:
    """To rename an actor of a type without names is a mistake of the test."""
    with pytest.raises(ValueError, match="no name"):
        Account().directory.rename_actor(actor, "x")


def test_threads_can_have_visitors_of_their_own(serve: Serve) -> None:
    """A share of threads is assigned to as many visitors, and nothing else changes."""
    plain = list(Account(2000).threads())
    account = Account(2000, shape=Shape(visitor_assignees=0.3))
    threads = list(account.threads())
    changed = [new for new, old in zip(threads, plain, strict=True) if new != old]
    visitors = {row["assignedTo"] for row in changed}
    assert len(visitors) == len(changed)
    assert 0.25 < len(changed) / len(threads) < 0.35
    for new, old in zip(threads, plain, strict=True):
        assert new | {"assignedTo": None} == old | {"assignedTo": None}
    texts = account.texts(map(int, account.live_ids()), tickets=False)
    assert all(text.count('"assignedTo"') < 2 for text in texts)
    _, client = serve(account)
    asked = sorted(visitors)[:100]
    rows = client.actors(*asked).json()["results"]
    assert [(row["id"], row["type"]) for row in rows] == [(v, "VISITOR") for v in asked]
    assert rows == [account.directory.actor_row(visitor) for visitor in asked]


@pytest.mark.parametrize("unicode", [False, True])
def test_everything_personal_holds_the_canary(*, unicode: bool) -> None:
    """Invented names, addresses and numbers can be found by one word."""
    directory = Account(shape=Shape(unicode=unicode, inboxes=9)).directory
    names = [row["name"] for row in directory.inbox_rows()]
    for row in directory.channel_account_rows():
        names += [row["name"], row.get("deliveryIdentifier", {}).get("value", "canary")]
    custom = [row for row in directory.channel_rows() if len(row["id"]) > 4]
    names += [row["name"] for row in custom]
    visitors = [directory.actor_row(f"V-{number}") for number in range(50)]
    for row in [*directory.actor_rows(), *visitors]:
        names += [row.get("name", "canary")]
        if row["type"] != "EMAIL":
            names += [row.get("email", "canary")]
    assert len(names) > 200
    assert [name for name in names if "canary" not in name.lower()] == []
    assert all(map(str.isascii, names)) is not unicode
    assert len(set(names)) > 150


# Requests and faults.


def test_requests_are_told_apart(serve: Serve) -> None:
    """Each request knows its endpoint and its number there."""
    hubspot, client = serve()
    met: list[str] = []
    threads: list[int] = []
    hubspot.before_any_request = lambda seen: met.append(seen.endpoint)
    hubspot.before_request = lambda number, _: threads.append(number)
    asked = ["threads", "inboxes", "threads", "actors", "inboxes", "channel-accounts"]
    for endpoint in asked:
        client.ask(endpoint)
    for path in ("/oauth/v1/token", "/oauth/v9/token", "/conversations/v9/things"):
        client.session.get(client.url + path, timeout=20)
    asked += ["token", "token", "other"]
    assert [seen.endpoint for seen in hubspot.requests] == asked == met
    assert [seen.number for seen in hubspot.requests] == [1, 1, 2, 1, 2, 1, 1, 2, 1]
    assert threads == [1, 2]
    assert [seen.number for seen in hubspot.list_requests] == [1, 2]
    assert len(hubspot.token_requests) == 2
    siblings = [seen.endpoint for seen in hubspot.sibling_requests]
    assert siblings == ["inboxes", "actors", "inboxes", "channel-accounts", "other"]
    assert len(hubspot.requests_for("inboxes")) == 2
    hubspot.forget()
    client.ask("inboxes")
    assert [seen.number for seen in hubspot.requests] == [1]


@pytest.mark.parametrize("version", ["v9", *VERSIONS])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_wrong_version_is_still_a_request_for_its_endpoint(
    serve: Serve, endpoint: str, version: str
) -> None:
    """A path that is not served is a 404 that counts for the endpoint it means."""
    hubspot, client = serve(contract=Contract(versions=("v9",)))
    client.version = version
    assert client.ask(endpoint).status_code == (200 if version == "v9" else 404)
    assert [seen.endpoint for seen in hubspot.requests] == [endpoint]


@pytest.mark.parametrize(
    ("on", "met"),
    [
        *((endpoint, [endpoint]) for endpoint in ENDPOINTS),
        ("both", ["threads"]),
        ("any", list(ENDPOINTS)),
    ],
)
def test_faults_are_on_an_endpoint(serve: Serve, on: Any, met: list[str]) -> None:
    """A rule counts the requests for the endpoint that it names."""
    plan = FaultPlan().add(Fault.status(503), at=2, on=on)
    _, client = serve(faults=plan)
    first = [client.ask(endpoint).status_code for endpoint in ENDPOINTS]
    second = {endpoint: client.ask(endpoint).status_code for endpoint in ENDPOINTS}
    assert set(first) == {200}
    assert [endpoint for endpoint in ENDPOINTS if second[endpoint] == 503] == met


def test_faults_are_on_threads_unless_told() -> None:
    """Requests for anything else do not use up a rule's chance or times."""
    plan = FaultPlan().add(Fault.status(503), times=1)
    with FakeHubSpot(Account(size=1), faults=plan) as hubspot:
        client = Client(hubspot)
        statuses = [client.ask(name).status_code for name in reversed(ENDPOINTS)]
        client.session.close()
    assert statuses == [200, 200, 200, 200, 503]


@pytest.mark.parametrize("fault", Fault.passing(), ids=lambda fault: fault.name)
def test_a_batch_meets_faults_and_can_be_sent_again(serve: Serve, fault: Fault) -> None:
    """A fault spoils a POST as it does a GET, and the next one answers the same."""
    hubspot, client = serve()
    proper = client.actors(AGENT, "V-1").json()["results"]
    hubspot.faults.add(fault, at=2, on="actors")
    with pytest.raises((requests.RequestException, KeyError)):
        client.actors(AGENT, "V-1").json()["results"]
    assert client.actors(AGENT, "V-1").json()["results"] == proper
    sent = [(seen.body, seen.rows) for seen in hubspot.requests_for("actors")]
    assert sent == [(sent[0][0], 2), (sent[0][0], 0), (sent[0][0], 2)]


def test_it_tells_other_processes_about_the_lists(serve: Serve) -> None:
    """The control endpoints give the rows of the lists and the counts of requests."""
    hubspot, client = serve()
    directory = hubspot.account.directory
    directory.archive_inbox("481939")
    client.ask("inboxes")
    client.ask("actors")
    truth = client.session.get(f"{client.url}/_fake/siblings", timeout=20).json()
    assert truth == {
        "inboxes": directory.inbox_rows(),
        "channels": directory.channel_rows(),
        "channel_accounts": directory.channel_account_rows(),
    }
    stats = client.session.get(f"{client.url}/_fake/stats", timeout=20).json()
    counts = {name: count for name, count in stats["by_endpoint"].items() if count}
    assert counts == {"inboxes": 1, "actors": 1}
    assert stats["requests"] == 2


def test_endpoints_are_closed_from_the_command_line() -> None:
    """Switches that hold names take several of them."""
    options = _parser().parse_args(["--missing", "actors", "channels"])
    assert _make(Contract, options).missing == ("actors", "channels")


def test_ids_and_times_have_the_form_of_hubspots() -> None:
    """Every id is a text of digits, and every time has a time zone."""
    directory = Account(shape=Shape.awkward(inboxes=9)).directory
    forms = set()
    for endpoint in SIBLINGS:
        for row in directory.rows(endpoint):
            assert row["id"].isdecimal()
            for name in row.keys() & {"createdAt", "updatedAt"}:
                assert datetime.fromisoformat(row[name]).tzinfo is not None
                forms.add(row[name][19:20])
    assert forms == {".", "Z"}
