"""The streams that give names to IDs: inboxes, channels, channel accounts."""

from __future__ import annotations

import typing as t

import pytest

from tests.fake_hubspot import Account, Contract, FakeHubSpot, Fault, Shape
from tests.support.harness import (
    TOKEN,
    Output,
    StillClock,
    run_command_here,
    run_here,
    select,
    settings,
    written,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fake_hubspot import SeenRequest

    Row: t.TypeAlias = dict[str, t.Any]
    Table: t.TypeAlias = dict[str, Row]

STREAMS: dict[str, t.Any] = {
    "inboxes": "inboxes",
    "channels": "channels",
    "channel_accounts": "channel-accounts",
}
"""Each stream with the last part of its path."""

WITH_ARCHIVED = ("inboxes", "channel_accounts")

INBOX = "481939"
VERSIONS = {"emit_activate_version_messages": True}


def run(hubspot: FakeHubSpot, *names: str, **more: t.Any) -> Output:
    """Read some of the streams, all three unless told otherwise."""
    state = more.pop("state", None)
    catalog = select(streams=names or tuple(STREAMS))
    return run_here(settings(hubspot.url, **more), catalog=catalog, state=state)


def rows_of(output: Output, name: str) -> list[Row]:
    """Return the records of a stream, in their order."""
    return [
        m["record"]
        for m in output.messages
        if m["type"] == "RECORD" and m["stream"] == name
    ]


def table(name: str, *outputs: Output) -> Table:
    """Return what a target that obeys ACTIVATE_VERSION holds after some runs."""
    rows: dict[str, tuple[Row, int | None]] = {}
    for message in (m for output in outputs for m in output.messages):
        if message.get("stream") != name:
            continue
        if message["type"] == "RECORD":
            record = message["record"]
            rows[record["id"]] = record, message.get("version")
        elif message["type"] == "ACTIVATE_VERSION":
            version = message["version"]
            rows = {i: row for i, row in rows.items() if row[1] == version}
    return {identity: row for identity, (row, _) in rows.items()}


def truth(account: Account, name: str) -> Table:
    """Return what the account holds, as the tap should write it."""
    schemas = {s["tap_stream_id"]: s["schema"] for s in select()["streams"]}
    rows = account.directory.rows(STREAMS[name])
    return {row["id"]: written(row, schemas[name]) for row in rows}


def archived_in_part(account: Account) -> None:
    """Archive an inbox and some channel accounts."""
    account.directory.archive_inbox(INBOX)
    for row in account.directory.channel_account_rows()[::3]:
        account.directory.archive_channel_account(row["id"])


CONTRACTS = {
    "plain": Contract(),
    "awkward": Contract.awkward(moves=0),
    "offsets": Contract(cursor="offset", sibling_limit_max=100),
    "only archived": Contract(archived_means="only", nulls=True),
    "archived as well": Contract(archived_means="also"),
    "text order": Contract(ids_as_text=True, short_pages=True),
}


@pytest.mark.parametrize("versions", [False, True])
@pytest.mark.parametrize("name", CONTRACTS)
def test_each_table_is_the_accounts(name: str, versions: bool) -> None:
    """All rows, live and archived, with all fields, in the first run and the next."""
    account = Account(shape=Shape(inboxes=40, unicode=True, timestamps="mixed"))
    more = {"emit_activate_version_messages": versions}
    with FakeHubSpot(account, CONTRACTS[name], token=TOKEN) as hubspot:
        archived_in_part(account)
        first = run(hubspot, **more)
        account.directory.rename_inbox("519204", "Another name")
        account.directory.add_inbox("A new one")
        second = run(hubspot, state=first.states[-1], **more)
    for stream in STREAMS:
        assert table(stream, first, second) == truth(account, stream)
        assert len(rows_of(first, stream)) == len(table(stream, first)) > 1


def test_a_row_that_both_listings_have_is_written_once() -> None:
    """Whatever `archived=true` means, no row comes twice in a run."""
    account = Account()
    with FakeHubSpot(account, Contract(archived_means="also"), token=TOKEN) as hubspot:
        archived_in_part(account)
        output = run(hubspot)
    for name in STREAMS:
        ids = [row["id"] for row in rows_of(output, name)]
        assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", STREAMS)
def test_what_is_deleted_disappears(name: str) -> None:
    """With ACTIVATE_VERSION, a target deletes what HubSpot no longer lists."""
    account = Account()
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot, **VERSIONS)
        account.directory.delete_inbox(INBOX)
        account.directory.delete_channel_account("148663")
        del account.directory._channels[1000]
        second = run(hubspot, state=first.states[-1], **VERSIONS)
    assert len(table(name, first)) == len(truth(account, name)) + 1
    assert table(name, first, second) == truth(account, name)


@pytest.mark.parametrize("versions", [False, True])
def test_versions_are_sent_only_if_asked_for(versions: bool) -> None:
    """ACTIVATE_VERSION follows the last row of each table, or is not there at all."""
    with FakeHubSpot(Account(), token=TOKEN) as hubspot:
        output = run(hubspot, emit_activate_version_messages=versions)
    for name in STREAMS:
        kinds = [m["type"] for m in output.messages if m.get("stream") == name]
        assert kinds[-1] == ("ACTIVATE_VERSION" if versions else "RECORD")
        assert kinds.count("ACTIVATE_VERSION") == versions


def test_versions_increase_though_the_clock_is_set_back() -> None:
    """A target deletes the rows of lower versions."""
    with FakeHubSpot(Account(), token=TOKEN) as hubspot:
        config = settings(hubspot.url, **VERSIONS)
        catalog = select(streams=("inboxes",))
        outputs: list[Output] = []
        for began in (1_790_000_000_000, 1_780_000_000_000):
            state = outputs[-1].states[-1] if outputs else None
            outputs.append(run_here(config, catalog=catalog, state=state, began=began))
    versions = [
        m["version"]
        for output in outputs
        for m in output.messages
        if m["type"] == "ACTIVATE_VERSION"
    ]
    assert versions == [1_790_000_000, 1_790_000_001]


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("cut", ["short", "empty"])
def test_a_listing_that_was_cut_short_deletes_nothing(
    tmp_path: Path, name: str, cut: str
) -> None:
    """If HubSpot says that there is more than it sends, no row is deleted."""
    account = Account()

    def shorten(content: t.Any) -> None:
        content["results"] = content["results"][:-1] if cut == "short" else []
        if cut == "empty":
            content["total"] = 0

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot, name, **VERSIONS)
        hubspot.faults.add(Fault.edited(shorten), on=STREAMS[name])
        second = run_command_here(
            tmp_path,
            settings(hubspot.url, **VERSIONS),
            catalog=select(streams=(name,)),
            state=first.states[-1],
        )
    assert second.code == 0
    assert table(name, first, second).keys() == truth(account, name).keys()
    assert len(second.warnings) == 1
    assert "no row is deleted" in second.warnings[0]


def archive_inbox(account: Account) -> None:
    """Put an inbox into the trash."""
    account.directory.archive_inbox(INBOX)


def restore_inbox(account: Account) -> None:
    """Take an inbox out of the trash."""
    rows = {row["id"]: row for row in account.directory.inbox_rows()}
    row = rows[INBOX] | {"archived": False, "archivedAt": None}
    account.directory.add_inbox(**row)


def by_place(row: Row) -> tuple[bool, int]:
    """Order the archived rows first, by their IDs."""
    return not row["archived"], int(row["id"])


MOVES: dict[str, tuple[Callable[[Account], object], Callable[[Account], None]]] = {
    "archived": (len, archive_inbox),
    "restored": (
        archive_inbox,
        restore_inbox,
    ),
}


@pytest.mark.parametrize("means", ["only", "also"])
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("at", [2, 3, 4])
def test_a_row_that_moves_between_the_listings_is_not_deleted(
    move: str, means: t.Any, at: int
) -> None:
    """An inbox that enters or leaves the trash meanwhile has its last state."""
    account = Account()
    before, meanwhile = MOVES[move]
    before(account)
    contract = Contract(archived_means=means)
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        first = run(hubspot, "inboxes", **VERSIONS)

        def act(seen: SeenRequest) -> None:
            if seen.endpoint == "inboxes" and seen.number == at:
                meanwhile(account)

        hubspot.forget()
        hubspot.before_any_request = act
        second = run(hubspot, "inboxes", state=first.states[-1], **VERSIONS)
        hubspot.before_any_request = None
    found = table("inboxes", first, second)
    assert found.keys() == truth(account, "inboxes").keys()
    if (move, at) != ("restored", 4):  # after the last listing of what is live
        assert found == truth(account, "inboxes")


def test_a_row_that_is_skipped_as_another_goes_is_not_deleted() -> None:
    """Where cursors count rows, a page misses one if an earlier row is deleted."""
    account = Account()
    for _ in range(120):
        identity = account.directory.add_channel_account("1002", INBOX)
        account.directory.archive_channel_account(identity)
    with FakeHubSpot(account, Contract(cursor="offset"), token=TOKEN) as hubspot:
        first = run(hubspot, "channel_accounts", **VERSIONS)

        gone = iter([min(rows_of(first, "channel_accounts"), key=by_place)["id"]])

        def delete(seen: SeenRequest) -> None:
            if seen.param("archived") and seen.param("after"):
                for identity in gone:
                    account.directory.delete_channel_account(identity)

        hubspot.before_any_request = delete
        second = run(hubspot, "channel_accounts", state=first.states[-1], **VERSIONS)
    found = table("channel_accounts", first, second)
    living = truth(account, "channel_accounts")
    assert {key: found.get(key) for key in living} == living


def test_a_row_that_no_listing_shows_for_a_moment_is_not_deleted() -> None:
    """As where the index lags behind an inbox that moves; there is a second round."""
    account = Account()

    def hide(content: t.Any) -> None:
        rows = content["results"]
        content["results"] = [row for row in rows if row["id"] != INBOX]
        content["total"] = len(content["results"])

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot, "inboxes", **VERSIONS)
        hubspot.faults.add(Fault.edited(hide), on="inboxes", times=2)
        second = run(hubspot, "inboxes", state=first.states[-1], **VERSIONS)
    assert table("inboxes", first, second) == truth(account, "inboxes")
    assert len(hubspot.requests_for("inboxes")) == 8


@pytest.mark.parametrize("name", STREAMS)
def test_a_list_that_fails_for_good_does_not_keep_the_threads_out(
    tmp_path: Path, name: str
) -> None:
    """The threads come first, and their STATE is written."""
    with FakeHubSpot(Account(size=30), token=TOKEN) as hubspot:
        hubspot.faults.add(Fault.status(500), on=STREAMS[name])
        config = settings(hubspot.url, max_retry_seconds=0)
        output = run_command_here(tmp_path, config, catalog=None)
    assert output.code == 1
    assert len(rows_of(output, "threads")) == 30
    assert output.bookmark["replication_key_value"]
    (line,) = output.errors
    assert STREAMS[name] in line


@pytest.mark.parametrize("name", STREAMS)
def test_half_an_emoji_in_a_name_costs_no_row(name: str) -> None:
    """HubSpot may cut a text in the middle of a character; JSON can express that."""
    account = Account()

    def cut(body: bytes) -> bytes:
        return body.replace(b'"name":"', b'"name":"\\ud83d ')

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(Fault(name="cut", edit=cut), on=STREAMS[name])
        output = run(hubspot, name)
    expected = {
        identity: row | {"name": f"? {row['name']}"}
        for identity, row in truth(account, name).items()
    }
    assert table(name, output) == expected


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize(
    ("switch", "remedy"), [("missing", "404"), ("forbidden", "403")]
)
def test_a_stream_that_is_refused_ends_the_run_last(
    tmp_path: Path, name: str, switch: str, remedy: str
) -> None:
    """Everything else is written, with its STATE; then one line names the stream."""
    account = Account(size=30)
    contract = Contract()
    setattr(contract, switch, (STREAMS[name],))
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_command_here(tmp_path, settings(hubspot.url), catalog=None)
    assert output.code == 1
    (line,) = output.errors
    assert line.startswith(f"The run continued without `{name}`: ")
    assert remedy in line
    assert "deselect" in line
    assert not rows_of(output, name)
    for other in STREAMS.keys() - {name}:
        assert table(other, output) == truth(account, other)
    assert len(rows_of(output, "threads")) == 30
    assert rows_of(output, "actors")
    assert output.bookmark["replication_key_value"]


@pytest.mark.parametrize("name", STREAMS)
def test_a_refused_stream_deletes_nothing(tmp_path: Path, name: str) -> None:
    """Without a whole list there is no ACTIVATE_VERSION."""
    account = Account()
    with FakeHubSpot(account, Contract(last_page="echo"), token=TOKEN) as hubspot:
        first = run(hubspot, **VERSIONS)
        hubspot.faults.add(Fault.status(403), at=2, on=STREAMS[name])
        hubspot.forget()
        second = run_command_here(
            tmp_path,
            settings(hubspot.url, **VERSIONS),
            catalog=select(streams=(name,)),
            state=first.states[-1],
        )
    assert second.code == 1
    assert len(rows_of(second, name)) > 1
    assert table(name, first, second) == truth(account, name)


def test_a_wrong_token_ends_the_run_at_once(tmp_path: Path) -> None:
    """No other stream can be read with it either."""
    with FakeHubSpot(Account(size=30), token="another") as hubspot:
        output = run_command_here(tmp_path, settings(hubspot.url), catalog=None)
        assert len(hubspot.requests) == 1
    assert output.code == 1
    assert len(output.errors) == 1


@pytest.mark.parametrize("name", [*STREAMS, "actors"])
def test_a_deselected_stream_costs_no_request(name: str) -> None:
    """Off means off."""
    others = {*STREAMS, "threads", "actors"} - {name}
    with FakeHubSpot(Account(size=30), token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url), catalog=select(streams=others))
        assert not hubspot.requests_for(STREAMS.get(name, name))
        for other in others:
            assert hubspot.requests_for(STREAMS.get(other, other))
    assert name not in {m.get("stream") for m in output.messages}


def test_a_run_in_which_nothing_changed_sends_seven_requests() -> None:
    """One for threads and one for their actors, five for the small tables."""
    account = Account(size=2_000)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run_here(settings(hubspot.url), catalog=None)
        hubspot.forget()
        run_here(settings(hubspot.url), catalog=None, state=first.states[-1])
        counts = hubspot.requests_by_endpoint
    assert {name: count for name, count in counts.items() if count} == {
        "inboxes": 2,
        "channels": 1,
        "channel-accounts": 2,
        "threads": 1,
        "actors": 1,
    }


@pytest.mark.parametrize("name", STREAMS)
def test_unknown_fields_and_unreadable_values_cost_no_row(
    tmp_path: Path, name: str
) -> None:
    """They are reported without their contents, as for threads."""
    account = Account()

    def spoil(content: t.Any) -> None:
        for row in content["results"]:
            row |= {"mood": "canary", "name": ["canary"]}

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(Fault.edited(spoil), on=STREAMS[name])
        output = run_command_here(
            tmp_path, settings(hubspot.url), catalog=select(streams=(name,))
        )
    expected = {i: row | {"name": None} for i, row in truth(account, name).items()}
    assert table(name, output) == expected
    assert any("`mood`" in line for line in output.warnings)
    assert any("`name`" in line for line in output.warnings)
    assert "canary" not in output.stderr.lower()


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("at", [1, 2])
def test_a_fault_that_passes_costs_no_row(
    name: str, at: int, clock: StillClock
) -> None:
    """Any page of the small tables is tried again, as those of threads are."""
    account = Account(shape=Shape(inboxes=30))
    archived_in_part(account)
    contract = Contract(last_page="echo")
    for fault in Fault.passing():
        with FakeHubSpot(account, contract, token=TOKEN, monotonic=clock) as hubspot:
            hubspot.faults.add(fault, at=at, on=STREAMS[name])
            output = run(hubspot, name, max_retry_seconds=100)
            assert len([seen for seen in hubspot.requests if seen.fault]) == 1
        assert table(name, output) == truth(account, name)
