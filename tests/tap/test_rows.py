"""How a row is written, whatever HubSpot puts into it."""

from __future__ import annotations

import logging
import re
import typing as t

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_hubspot_threads.errors import InvalidResponse
from tap_hubspot_threads.records import RecordReader
from tap_hubspot_threads.schemas import THREAD
from tests.fake_hubspot import EXAMPLES, Account, Contract, FakeHubSpot, Shape
from tests.support import harness
from tests.support.harness import (
    FIELDS,
    TOKEN,
    by_id,
    run_here,
    run_tap,
    select,
    written,
)

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.support.harness import Output, Row

WORDS = "words of a customer"
MOMENT_FIELDS = tuple(
    name for name, field in THREAD["properties"].items() if "format" in field
)


def row(number: int = 1, **fields: t.Any) -> Row:
    """Return an ordinary row with some fields changed."""
    return {
        "id": str(1000 + number),
        "createdAt": "2024-03-11T15:00:00.000Z",
        "latestMessageTimestamp": f"2024-03-11T15:06:{number % 60:02}.000Z",
        "status": "OPEN",
        "archived": False,
    } | fields


def run(*rows: Row, state: t.Any = None, **more: t.Any) -> Output:
    """Run the tap on an account of these rows, those without a message last."""
    contract = Contract(silent_last=True)
    with FakeHubSpot(Account.of(rows), contract, token=TOKEN) as hubspot:
        return run_here(harness.settings(hubspot.url, **more), state=state)


def run_one(**fields: t.Any) -> Row:
    """Run the tap on one row with some fields changed, and return what it wrote."""
    (record,) = run(row(**fields)).records
    return record


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the logged warnings."""
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


def test_the_published_examples_arrive_as_they_are() -> None:
    """HubSpot's own two rows arrive field by field, with null for missing fields."""
    output = run(*EXAMPLES)
    assert by_id(output.records) == {r["id"]: written(r) for r in EXAMPLES}
    assert [tuple(record) for record in output.records] == [FIELDS, FIELDS]


@pytest.mark.parametrize("field", MOMENT_FIELDS)
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("2024-03-11T15:06:22.889Z", "2024-03-11T15:06:22.889Z"),
        ("2024-03-11T15:06:22Z", "2024-03-11T15:06:22.000Z"),
        ("2024-03-11T15:06:22.8Z", "2024-03-11T15:06:22.800Z"),
        ("2024-03-11T15:06:22.889999Z", "2024-03-11T15:06:22.889Z"),
        ("2024-03-11T15:06:22.889+00:00", "2024-03-11T15:06:22.889Z"),
        ("2024-03-11T01:06:22.889-14:00", "2024-03-11T15:06:22.889Z"),
    ],
)
def test_a_moment_is_written_in_one_form(field: str, sent: str, expected: str) -> None:
    """The precision and offset of HubSpot's values do not reach the warehouse."""
    assert run_one(**{field: sent})[field] == expected


@pytest.mark.parametrize("field", MOMENT_FIELDS)
@pytest.mark.parametrize("sent", ["", None])
def test_an_empty_moment_is_null(
    field: str, sent: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty value causes no warning."""
    assert run_one(**{field: sent})[field] is None
    assert warnings_of(caplog) == []


@pytest.mark.parametrize("field", MOMENT_FIELDS)
@pytest.mark.parametrize(
    "sent",
    [
        WORDS,
        f"2024-03-11T15:06:22Z {WORDS}",
        "2024-02-30T00:00:00.000Z",
        "9999-12-31T23:59:59.999-14:00",
        "1710169582889",
        1710169582889,
        17.5,
        True,
        [WORDS],
        {"moment": WORDS},
    ],
    ids=repr,
)
def test_what_is_no_moment_is_null_and_reported(
    field: str, sent: t.Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning names the thread and the field, but does not show the content."""
    assert run_one(**{field: sent})[field] is None
    (warning,) = warnings_of(caplog)
    assert "1001" in warning
    assert f"`{field}`" in warning
    assert WORDS not in caplog.text
    assert str(sent) == "True" or str(sent) not in warning


@pytest.mark.parametrize("sent", [WORDS, "", None, 17, {"a": 1}], ids=repr)
def test_the_bookmark_stays_at_an_unreadable_timestamp(sent: t.Any) -> None:
    """The row is written, and only the rows next to it move the bookmark."""
    output = run(row(1), row(2, latestMessageTimestamp=sent), row(3))
    expected = [row(1), row(2, latestMessageTimestamp=None), row(3)]
    assert by_id(output.records) == {r["id"]: written(r) for r in expected}
    found = output.bookmark["replication_key_value"]
    assert found == row(3)["latestMessageTimestamp"]


def test_the_bookmark_of_the_run_before_outlives_unreadable_timestamps() -> None:
    """A run that reads no timestamp at all keeps its bookmark."""
    reached = "2024-03-11T15:00:00.000Z"
    bookmark = {"replication_key": "latestMessageTimestamp"}
    state = {"bookmarks": {"threads": bookmark | {"replication_key_value": reached}}}
    output = run(row(1, latestMessageTimestamp=WORDS), state=state)
    assert len(output.records) == 1
    assert output.bookmark["replication_key_value"] == reached


def test_unreadable_values_do_not_flood_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After a hundred warnings for a field, the total is reported once, at the end."""
    output = run(*(row(n, closedAt=WORDS) for n in range(130)))
    assert [record["closedAt"] for record in output.records] == [None] * 130
    *single, last = warnings_of(caplog)
    assert len(single) == 100
    assert "`closedAt`" in last
    assert "130" in last


def test_an_unknown_field_is_left_out_and_named_once_a_run(tmp_path: Path) -> None:
    """However many rows, pages and listings have it: one warning, without content."""
    account = Account.of(
        [row(n, channelMood=WORDS, priority={"level": WORDS}) for n in range(40)]
    )
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = harness.settings(hubspot.url, page_size=7, sweep_interval_hours=1)
        output = run_tap(tmp_path, config)
    assert output.code == 0
    assert {tuple(record) for record in output.records} == {FIELDS}
    (warning,) = output.warnings
    assert "`channelMood`" in warning
    assert "`priority`" in warning
    assert WORDS not in output.stderr


def test_an_unknown_field_that_comes_later_is_named_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each name has its own warning, and only one."""
    run(row(1, mood=1), row(2, mood=1, taste=1), row(3, taste=1, mood=1))
    first, second = warnings_of(caplog)
    assert "`mood`" in first
    assert "`taste`" in second
    assert "`mood`" not in second


def test_a_deselected_field_is_not_unknown(caplog: pytest.LogCaptureFixture) -> None:
    """The warning is about HubSpot, not about the user's choice."""
    with FakeHubSpot(Account(size=5), token=TOKEN) as hubspot:
        catalog = select("inboxId", "threadAssociations")
        run_here(harness.settings(hubspot.url), catalog=catalog)
    assert warnings_of(caplog) == []


@pytest.mark.parametrize("status", ["OPEN", "SNOOZED", "wartet 🕰", ""])
def test_any_status_passes_through(
    status: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A status that HubSpot adds later is written like the current ones."""
    assert run_one(status=status)["status"] == status
    assert warnings_of(caplog) == []


def test_ids_as_numbers_are_the_same_ids() -> None:
    """A number instead of digits changes no column and no key, in any listing."""
    names = ("inboxId", "associatedContactId", "originalChannelId")
    numbers = row(1) | dict.fromkeys(names, 2**53 + 1) | {"id": 1001}
    texts = row(2) | dict.fromkeys(names, str(2**53 + 1))
    (first, second) = run(numbers, texts, sweep_interval_hours=1).records
    assert first["id"] == "1001"
    assert [first[name] for name in names] == [second[name] for name in names]


@pytest.mark.parametrize("nulls", [True, False])
def test_absent_and_null_are_the_same(*, nulls: bool) -> None:
    """HubSpot leaves out missing values; the column is null."""
    account = Account(size=60, shape=Shape(unassigned=0.5))
    with FakeHubSpot(account, Contract(nulls=nulls), token=TOKEN) as hubspot:
        output = run_here(harness.settings(hubspot.url))
    assert {tuple(record) for record in output.records} == {FIELDS}
    assert by_id(output.records) == {r["id"]: written(r) for r in account.threads()}


def test_a_row_of_nothing_but_its_id_is_a_row() -> None:
    """All other fields can be missing at once."""
    (record,) = run({"id": "7"}).records
    assert record == dict.fromkeys(FIELDS) | {"id": "7", "archived": False}


@pytest.mark.parametrize(
    ("sent", "expected", "warned"),
    [
        ({"associatedTicketId": "5"}, {"associatedTicketId": "5"}, None),
        ({"associatedTicketId": 5}, {"associatedTicketId": "5"}, None),
        ({"associatedTicketId": None}, {"associatedTicketId": None}, None),
        ({}, {"associatedTicketId": None}, None),
        (None, None, None),
        ([], None, "`threadAssociations`"),
        (WORDS, None, "`threadAssociations`"),
        (5, None, "`threadAssociations`"),
        (
            {"associatedTicketId": [WORDS]},
            {"associatedTicketId": None},
            "`threadAssociations.associatedTicketId`",
        ),
        (
            {"associatedTicketId": "5", "deal": WORDS},
            {"associatedTicketId": "5"},
            "`threadAssociations.deal`",
        ),
    ],
    ids=repr,
)
def test_associations_are_an_object_or_null(
    sent: t.Any, expected: t.Any, warned: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Associations in another form are left out, and a warning names their place."""
    assert run_one(threadAssociations=sent)["threadAssociations"] == expected
    found = warnings_of(caplog)
    assert len(found) == (warned is not None)
    assert all(warned is not None and warned in warning for warning in found)
    assert WORDS not in caplog.text


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ("spam", "true"),
        ("spam", 1),
        ("archived", WORDS),
        ("assignedTo", {"id": WORDS}),
        ("status", False),
        ("inboxId", 17.5),
        ("associatedContactId", [WORDS]),
    ],
)
def test_a_value_of_another_type_is_null_and_reported(
    field: str, sent: t.Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A target never receives a value that the schema does not allow."""
    record, found = read({"id": "1001", field: sent}, caplog)
    assert record[field] is None
    (warning,) = found
    assert "1001" in warning
    assert f"`{field}`" in warning
    assert WORDS not in warning


def test_an_id_that_is_no_number_is_not_quoted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The value could be anything, even private text."""
    record, found = read({"id": WORDS, "closedAt": WORDS}, caplog)
    assert record["id"] == WORDS
    (warning,) = found
    assert WORDS not in warning


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "a text",
        17,
        [],
        {},
        {"id": None},
        {"id": ""},
        {"id": {}},
        {"id": []},
        {"id": True},
        {"id": 17.5},
        {"ID": "17"},
    ],
    ids=repr,
)
def test_a_row_without_an_id_is_an_error(
    sent: t.Any, caplog: pytest.LogCaptureFixture
) -> None:
    """No row is written that a target could not identify."""
    with pytest.raises(InvalidResponse, match=r"without `id`|not an object"):
        read(sent, caplog)


def reader(logger: logging.Logger) -> RecordReader:
    """Return a reader of all fields."""
    return RecordReader(
        THREAD,
        stream="threads",
        key="id",
        is_selected=lambda _: True,
        logger=logger,
    )


def read(
    sent: t.Any, caplog: pytest.LogCaptureFixture
) -> tuple[dict[str, t.Any], list[str]]:
    """Read a single row; return the record and the warnings."""
    caplog.clear()
    record = reader(logging.getLogger("tests.rows")).read(sent)
    return record, warnings_of(caplog)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.datetimes().map(lambda moment: moment.isoformat() + "Z")
    | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,15}[Z+-]?", fullmatch=True)
    | st.sampled_from(["OPEN", "CLOSED", "", "0", "-1", "A-2620022"])
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*FIELDS, "associatedTicketId", ""]) | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
names = st.sampled_from([*FIELDS, "associatedTicketId", "mood"]) | st.text(max_size=5)
likely_rows = st.dictionaries(names, anything, max_size=18).flatmap(
    lambda fields: st.one_of(
        st.just(fields),
        st.builds(
            lambda identity: fields | {"id": identity},
            st.integers(0, 10**20) | st.integers(0).map(str) | scalars,
        ),
    )
)

VALIDATOR = jsonschema.Draft202012Validator(THREAD | {"additionalProperties": False})
FIXED_WIDTH = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z")


@given(st.lists(likely_rows | anything, max_size=4))
@settings(max_examples=200, deadline=None)
def test_any_json_is_a_record_of_the_schema_or_an_unreadable_answer(
    rows: list[t.Any],
) -> None:
    """No row crashes a run, and none reaches a target in another form."""
    quiet = logging.getLogger("quiet")
    quiet.setLevel(logging.CRITICAL)
    read_row = reader(quiet).read
    for sent in rows:
        try:
            record = read_row(sent)
        except InvalidResponse:
            continue
        VALIDATOR.validate(record)
        assert tuple(record) == FIELDS
        assert record["id"]
        for name in MOMENT_FIELDS:
            value = record[name]
            assert value is None or FIXED_WIDTH.fullmatch(value), name
