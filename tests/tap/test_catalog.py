"""The catalog: what `--discover` offers, and what a selection does."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.fake_hubspot import Account, FakeHubSpot, Shape
from tests.support.harness import (
    FIELDS,
    TOKEN,
    by_id,
    discover,
    run_here,
    run_tap,
    select,
    settings,
)

SNAPSHOT = Path(__file__).parent.parent / "snapshots" / "catalog.json"
RENEWAL = f"python -m tap_hubspot_threads --discover > tests/snapshots/{SNAPSHOT.name}"

KEYS = {"id", "latestMessageTimestamp"}

FIELDS_OF_THE_API = {
    "archived",
    "assignedTo",
    "associatedContactId",
    "closedAt",
    "createdAt",
    "id",
    "inboxId",
    "latestMessageReceivedTimestamp",
    "latestMessageSentTimestamp",
    "latestMessageTimestamp",
    "originalChannelAccountId",
    "originalChannelId",
    "spam",
    "status",
    "threadAssociations",
}


FIELDS_OF_THE_OTHERS = {
    "inboxes": {
        "id",
        "name",
        "type",
        "createdAt",
        "updatedAt",
        "archived",
        "archivedAt",
    },
    "channels": {"id", "name"},
    "channel_accounts": {
        "id",
        "name",
        "channelId",
        "inboxId",
        "active",
        "authorized",
        "archived",
        "createdAt",
        "archivedAt",
        "deliveryIdentifier",
    },
    "actors": {"id", "type", "name", "email", "avatar"},
}


def entry(name: str = "threads") -> dict[str, t.Any]:
    """Return a stream of the catalog."""
    streams = {stream["tap_stream_id"]: stream for stream in discover()["streams"]}
    found: dict[str, t.Any] = streams[name]
    return found


def schema(name: str = "threads") -> dict[str, t.Any]:
    """Return the JSON schema of a stream."""
    found: dict[str, t.Any] = entry(name)["schema"]
    return found


def all_fields() -> list[t.Any]:
    """Return every field of every stream, nested ones too, with its schema."""
    found = []
    for stream in ("threads", *FIELDS_OF_THE_OTHERS):
        for name, field in schema(stream)["properties"].items():
            nested = field.get("properties", {}).items()
            fields = [(name, field), *((f"{name}.{k}", v) for k, v in nested)]
            found += [pytest.param(*each, id=f"{stream}.{each[0]}") for each in fields]
    return found


def test_the_catalog_is_as_it_was() -> None:
    """Columns in users' warehouses do not change by accident."""
    expected = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert discover() == expected, f"if this is meant: {RENEWAL}"


def test_the_stream_is_a_table_of_facts() -> None:
    """`threads` has the ID as its key and is replicated by the latest message."""
    stream = entry()
    assert stream["tap_stream_id"] == stream["stream"] == "threads"
    assert stream["key_properties"] == ["id"]
    assert stream["replication_key"] == "latestMessageTimestamp"
    assert stream["replication_method"] == "INCREMENTAL"


@pytest.mark.parametrize("name", FIELDS_OF_THE_OTHERS)
def test_the_other_streams_are_tables_of_facts(name: str) -> None:
    """They have the ID as their key, and are full tables with all documented fields."""
    stream = entry(name)
    assert stream["key_properties"] == ["id"]
    assert stream["replication_method"] == "FULL_TABLE"
    assert "replication_key" not in stream
    assert set(stream["schema"]["properties"]) == FIELDS_OF_THE_OTHERS[name]
    assert stream["schema"]["required"] == ["id"]


def test_the_fields_are_those_of_the_api_under_their_own_names() -> None:
    """The schema has exactly the fifteen fields of HubSpot's reference."""
    assert set(FIELDS) == FIELDS_OF_THE_API
    associations = schema()["properties"]["threadAssociations"]
    assert set(associations["properties"]) == {"associatedTicketId"}


@pytest.mark.parametrize(("name", "field"), all_fields())
def test_every_field_is_described(name: str, field: dict[str, t.Any]) -> None:
    """Each description is a sentence that a warehouse can show."""
    description = field["description"]
    assert description[0].isupper(), name
    assert description.endswith("."), name


@pytest.mark.parametrize(("name", "field"), all_fields())
def test_every_field_has_its_type(name: str, field: dict[str, t.Any]) -> None:
    """Ids are strings, moments have their format, and all but `id` may be null."""
    kinds = dict.fromkeys(("archived", "spam", "active", "authorized"), "boolean")
    kinds |= dict.fromkeys(("threadAssociations", "deliveryIdentifier"), "object")
    types = field["type"] if isinstance(field["type"], list) else [field["type"]]
    nullable = set() if name == "id" else {"null"}
    assert set(types) == {kinds.get(name, "string")} | nullable
    is_moment = name.endswith(("At", "Timestamp"))
    assert field.get("format") == ("date-time" if is_moment else None)


def test_only_the_id_is_required() -> None:
    """So a target makes every other column nullable."""
    assert schema()["required"] == ["id"]


def test_a_deselected_stream_is_not_read(tmp_path: Path) -> None:
    """No message but the state it was given, no request, and success."""
    catalog = select(streams=())
    state = {"bookmarks": {"threads": {"replication_key_value": "2024-01-01"}}}
    with FakeHubSpot(Account(size=5), token=TOKEN) as hubspot:
        config = settings(hubspot.url)
        output = run_tap(tmp_path, config, catalog=catalog, state=state)
        assert hubspot.requests == []
    assert output.code == 0, output.stderr
    assert output.states == [state]
    assert {message["type"] for message in output.messages} == {"STATE"}


@pytest.mark.parametrize("name", sorted(FIELDS_OF_THE_API - KEYS))
def test_a_deselected_field_is_not_written(name: str) -> None:
    """Every field except the keys can be left out; the others stay in order."""
    with FakeHubSpot(Account(size=3), token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url), catalog=select(name))
    (found,) = {tuple(row) for row in output.records}
    assert found == tuple(field for field in FIELDS if field != name)
    assert output.bookmark["replication_key_value"]


@pytest.mark.parametrize("inclusion", ["automatic", "available", "unsupported", None])
def test_the_keys_are_written_whatever_the_catalog_says(inclusion: str | None) -> None:
    """Without the keys, rows cannot be loaded and the next run cannot continue."""
    catalog = select(*FIELDS)
    for found in catalog["streams"][0]["metadata"]:
        if found["breadcrumb"] and found["breadcrumb"][-1] in KEYS:
            found["metadata"] |= {"inclusion": inclusion, "selected": False}
    account = Account(size=3)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url), catalog=catalog)
    expected = [{name: row[name] for name in KEYS} for row in account.threads()]
    assert by_id(output.records) == by_id(expected)
    assert output.bookmark["replication_key_value"]


def test_a_nested_field_can_be_deselected() -> None:
    """The object stays, but is empty if its only member is deselected."""
    account = Account(size=20, shape=Shape(tickets=1.0))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url), catalog=select("associatedTicketId"))
    assert [row["threadAssociations"] for row in output.records] == [{}] * 20


def test_the_schema_message_is_the_catalogs(tmp_path: Path) -> None:
    """The SCHEMA message has the same schema as the catalog."""
    with FakeHubSpot(Account(size=1), token=TOKEN) as hubspot:
        output = run_tap(tmp_path, settings(hubspot.url), catalog=select())
    first = output.messages[0]
    assert first["type"] == "SCHEMA"
    assert first["key_properties"] == ["id"]
    assert first["bookmark_properties"] == ["latestMessageTimestamp"]
    assert first["schema"]["properties"] == schema()["properties"]


@pytest.mark.parametrize("keys", [[], None, ["inboxId", "id"]])
def test_the_key_of_the_catalog_is_for_the_target(keys: list[str] | None) -> None:
    """An append-only table has none; the tap finds its rows by ID all the same."""
    catalog = select(streams=("threads", "actors"))
    for stream in catalog["streams"]:
        stream["key_properties"] = keys
        for found in stream["metadata"]:
            if not found["breadcrumb"]:
                found["metadata"]["table-key-properties"] = keys
    with FakeHubSpot(Account(size=20), token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url), catalog=catalog)
    assert sum(m.get("stream") == "threads" for m in output.messages) == 21


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"replication_key": "createdAt"}, "replication key of `threads`"),
        ({"replication_method": "LOG_BASED"}, "replication method of `threads`"),
    ],
)
def test_a_catalog_that_asks_for_the_impossible_is_refused(
    tmp_path: Path, change: dict[str, str], said: str
) -> None:
    """Another replication key or method would silently lose threads."""
    catalog = select()
    catalog["streams"][0] |= change
    with FakeHubSpot(Account(size=1), token=TOKEN) as hubspot:
        output = run_tap(tmp_path, settings(hubspot.url), catalog=catalog)
        assert hubspot.requests == []
    assert output.code == 1
    (line,) = output.errors
    assert said in line
    assert not output.messages
