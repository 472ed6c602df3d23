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


def schema() -> dict[str, t.Any]:
    """Return the stream's JSON schema."""
    (stream,) = discover()["streams"]
    found: dict[str, t.Any] = stream["schema"]
    return found


def all_fields() -> list[tuple[str, dict[str, t.Any]]]:
    """Return every field, including nested ones, with its schema."""
    found = []
    for name, field in schema()["properties"].items():
        found.append((name, field))
        found += [(f"{name}.{k}", v) for k, v in field.get("properties", {}).items()]
    return found


def test_the_catalog_is_as_it_was() -> None:
    """Columns in users' warehouses do not change by accident."""
    expected = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert discover() == expected, f"if this is meant: {RENEWAL}"


def test_the_stream_is_a_table_of_facts() -> None:
    """The one stream has the key `id` and replicates by the latest message."""
    (stream,) = discover()["streams"]
    assert stream["tap_stream_id"] == stream["stream"] == "threads"
    assert stream["key_properties"] == ["id"]
    assert stream["replication_key"] == "latestMessageTimestamp"
    assert stream["replication_method"] == "INCREMENTAL"


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
    """IDs are strings, moments have a format, and all fields but `id` can be null."""
    kinds = {"archived": "boolean", "spam": "boolean", "threadAssociations": "object"}
    types = field["type"] if isinstance(field["type"], list) else [field["type"]]
    nullable = set() if name == "id" else {"null"}
    assert set(types) == {kinds.get(name, "string")} | nullable
    is_moment = name.endswith(("At", "Timestamp"))
    assert field.get("format") == ("date-time" if is_moment else None)


def test_only_the_id_is_required() -> None:
    """So a target makes every other column nullable."""
    assert schema()["required"] == ["id"]


def test_a_deselected_stream_is_not_read(tmp_path: Path) -> None:
    """The run sends no request, only writes the state it was given, and succeeds."""
    catalog = discover()
    for entry in catalog["streams"][0]["metadata"]:
        if not entry["breadcrumb"]:
            entry["metadata"]["selected"] = False
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
    for entry in catalog["streams"][0]["metadata"]:
        if entry["breadcrumb"] and entry["breadcrumb"][-1] in KEYS:
            entry["metadata"] |= {"inclusion": inclusion, "selected": False}
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
