"""What the tap relies on in the SDK: its test suite, private names and stock paths."""

from __future__ import annotations

import ast
import gzip
import hashlib
import importlib
import inspect
import json
import re
import signal
import typing as t
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import jsonschema
import pytest
from singer_sdk import Stream, Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.plugin_base import PluginBase, SingerCommand
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from typing_extensions import override

from tap_hubspot_threads.errors import RequestRefused
from tap_hubspot_threads.tap import TapHubSpotThreads
from tests.fake_hubspot import Account, Contract, FakeHubSpot, SeenRequest, Shape
from tests.support.harness import (
    FIELDS,
    TOKEN,
    Output,
    by_id,
    captured_stdout,
    run_here,
    select,
    settings,
    written,
)
from tests.support.private_names import NAMES, SDK, WHERE, line
from tests.support.private_names import main as check_private_names

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.harness import Message, Row

SUITE_SETTINGS = settings("https://unused.invalid", page_size=100)

StandardSuite: t.Any = get_tap_test_class(
    TapHubSpotThreads,
    config=SUITE_SETTINGS,
    # Nobody mentions an actor where each list is requested once.
    suite_config=SuiteConfig(
        max_records_limit=250, ignore_no_records_for_streams=["actors"]
    ),
    parse_env_config=False,
)


class TestStandardSuite(StandardSuite):  # type: ignore[misc]
    """The SDK's own tests for every tap."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def account(cls) -> Iterator[None]:
        """Serve an account in which every column has a value somewhere."""
        account = Account(size=400, shape=Shape(tickets=1.0))
        account.directory.archive_inbox("481939")
        account.directory.archive_channel_account("148664")
        contract = Contract(archived_means="also")
        with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
            SUITE_SETTINGS["api_url"] = hubspot.url  # the suite holds this very dict
            yield


# Private names: where they are used, and what the tap relies on.

PACKAGE = "tap_hubspot_threads."
BASES = {
    "auth": ["authenticators"],
    "cli": ["plugin_base"],
    "paging": ["pagination"],
    "streams": ["streams.core", "streams.rest"],
    "tap": ["plugin_base", "tap_base"],
    "threads": ["streams.core", "streams.rest"],
}
"""The SDK modules whose classes a module of the tap inherits from."""


def private_names(module: str) -> set[str]:
    """Return the attributes and methods with one leading underscore in a module."""
    source = inspect.getsource(importlib.import_module(module))
    nodes = list(ast.walk(ast.parse(source)))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    bodies = [node.body for node in nodes if isinstance(node, ast.ClassDef)]
    names |= {x.name for body in bodies for x in body if isinstance(x, ast.FunctionDef)}
    return {name for name in names if name.startswith("_") and name[1] != "_"}


@pytest.mark.parametrize("module", BASES)
def test_private_names_of_the_sdk_are_used_in_one_place(module: str) -> None:
    """Only `sdk.py` reads, sets or overrides private names of the SDK."""
    of_the_sdk = {n for base in BASES[module] for n in private_names(SDK + base)}
    assert private_names(PACKAGE + module) & of_the_sdk == set()


@pytest.mark.parametrize(
    "path",
    sorted(Path(inspect.getfile(TapHubSpotThreads)).parent.glob("*.py")),
    ids=lambda path: path.stem,
)
def test_private_modules_of_the_sdk_are_imported_in_one_place(path: Path) -> None:
    """A module with an underscore can disappear in the SDK's next version."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    imported = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    imported += [
        alias.name
        for node in nodes
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    hidden = [name for name in imported if name.startswith(SDK) and "._" in name]
    assert hidden == [] or path.stem == "sdk"


def test_every_private_name_is_in_the_table() -> None:
    """The table has what `sdk.py` uses of the SDK, and nothing else.

    A name of the tap's own that the SDK takes as well is also found here.
    """
    modules = ["streams.core", "streams.rest", "tap_base", "plugin_base"]
    of_the_sdk = {name for module in modules for name in private_names(SDK + module)}
    used = private_names(f"{PACKAGE}sdk") & of_the_sdk
    nodes = ast.walk(ast.parse(WHERE.read_text(encoding="utf-8")))
    imported = {
        f"{node.module}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom) and "._" in (node.module or "")
        for alias in node.names
    }
    attributes = {name for name in NAMES if "._" not in name.rpartition(".")[0]}
    assert used == {name.rpartition(".")[2] for name in attributes}
    assert imported == {SDK + name for name in NAMES.keys() - attributes}


@pytest.mark.parametrize("name", NAMES)
def test_a_private_name_is_where_the_tap_expects_it(name: str) -> None:
    """If the SDK moves a name or changes its parameters, the failure says which."""
    is_there, said = line(name)
    assert is_there, said


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("streams.core.Stream._write_schema_message", "nothing, not (self)"),
        ("plugin_base.PluginBase._config", "a property, not set in __init__"),
        ("helpers._classproperty.classproperty", "nothing, not a class"),
        ("tap_base.Tap._handle_termination", "(self), not (self, signum, frame)"),
    ],
)
def test_a_private_name_that_has_moved_is_reported(
    name: str,
    found: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line names it, what is there now, and where the tap uses it."""
    assert check_private_names() == 0
    assert "HAS MOVED" not in capsys.readouterr().out
    last = name.rpartition(".")[2]
    if last == "classproperty":
        monkeypatch.delattr("singer_sdk.helpers._classproperty.classproperty")
    elif last == "_config":
        monkeypatch.setattr(PluginBase, last, property(dict), raising=False)
    elif last == "_handle_termination":
        monkeypatch.setattr(Tap, last, lambda self: None)  # noqa: ARG005
    else:
        monkeypatch.delattr(Stream, last)
    assert check_private_names() == 1
    moved = [x for x in capsys.readouterr().out.splitlines() if "HAS MOVED" in x]
    assert len(moved) == 1
    assert moved[0].startswith(f"HAS MOVED    singer_sdk.{name}: {found}. sdk.py: ")
    assert re.search(r"(the imports|Base(Tap|Stream)\.\w+), line \d+$", moved[0])


class Numbers(Stream):
    """Two rows."""

    name = "numbers"
    schema: t.ClassVar[dict[str, t.Any]] = {
        "properties": {"id": {"type": "integer"}, "at": {"type": "string"}}
    }
    primary_keys: t.Sequence[str] = ("id",)
    replication_key: str | None = "at"

    @override
    def get_records(self, context: object) -> Iterator[Row]:
        del context
        yield {"id": 1, "at": "a"}
        yield {"id": 2, "at": "b"}


class Probe(Tap):
    """A tap that contains nothing but the SDK."""

    name = "tap-probe"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = {
        "properties": {"a_number": {"type": "string"}}
    }
    checked: t.ClassVar[list[tuple[dict[str, t.Any], bool]]] = []

    @override
    def discover_streams(self) -> list[Numbers]:
        return [Numbers(self)]

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        self.checked.append((dict(self._config), raise_errors))
        self._config["completed"] = True
        return []


def messages(stdout: bytes) -> list[Message]:
    """Return the Singer messages in a run's output."""
    return [json.loads(line) for line in stdout.splitlines()]


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Restore the signal handlers of the test process."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_settings_are_checked_and_completed_before_anything_else() -> None:
    """`_validate_config` receives `_config`, and its additions take effect."""
    Probe.checked.clear()
    tap = Probe(config={"a": 1})
    Probe(config={"b": 2}, validate_config=False)
    assert Probe.checked == [({"a": 1}, True), ({"b": 2}, False)]
    assert dict(tap.config) == {"a": 1, "completed": True}


def test_the_environment_is_read_as_the_class_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`_env_var_config` is read from the class, and adds to the configuration."""

    class FromElsewhere(Probe):
        @override
        @classproperty
        def _env_var_config(cls) -> dict[str, t.Any]:  # noqa: N805
            return {"prefix": cls._env_var_prefix}

    tap = FromElsewhere(config={"a": 1}, parse_env_config=True)
    assert tap.config["prefix"] == "TAP_PROBE_"
    monkeypatch.setenv("TAP_PROBE_A_NUMBER", "1.5")
    schema = {"properties": {"a_number": {"type": "string"}, "other": {}}}
    assert parse_environment_config(schema, "TAP_PROBE_") == {"a_number": "1.5"}


def test_signals_go_to_the_tap() -> None:
    """The SDK installs `_handle_termination` for both signals when it creates a tap."""
    tap = Probe()
    for number in (signal.SIGINT, signal.SIGTERM):
        assert signal.getsignal(number) == tap._handle_termination


def test_the_command_is_the_sdks() -> None:
    """The tap's command is derived from the SDK's, with all its options."""
    command = TapHubSpotThreads.get_singer_command()
    stock = Probe.get_singer_command()
    assert isinstance(command, SingerCommand)
    assert [p.opts for p in command.params] == [p.opts for p in stock.params]


# Stock paths: what users of the SDK expect of every tap.


def batches(directory: Path, size: int) -> dict[str, t.Any]:
    """Return the setting for compressed files with some rows each."""
    return {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": directory.as_uri()},
        "batch_size": size,
    }


def rows_of(message: Message) -> list[Row]:
    """Return the rows in the files of a BATCH message."""
    paths = [Path(url2pathname(urlsplit(url).path)) for url in message["manifest"]]
    texts = [gzip.decompress(path.read_bytes()) for path in paths]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def batched(output: Output, account: Account) -> list[Row]:
    """Return the rows of all files, and check at each STATE that none is missing."""
    found: list[Row] = []
    for message in output.messages:
        if message["type"] == "BATCH":
            found += rows_of(message)
        elif message["type"] == "STATE":
            bookmark = message["value"]["bookmarks"]["threads"]
            reached = bookmark.get("replication_key_value", "")
            below = {
                row["id"]
                for row in account.threads()
                if row.get("latestMessageTimestamp", "9") < reached
            }
            assert below <= by_id(found).keys()
    return found


@pytest.mark.parametrize("size", [1, 7, 10, 50, 60, 1000])
def test_batch_files_hold_exactly_the_rows(tmp_path: Path, size: int) -> None:
    """For any file size, every thread is written once, and STATE is never ahead."""
    account = Account(size=50, shape=Shape(tied=0.5, tie_size=5, tickets=0.5))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(
            hubspot.url, page_size=7, batch_config=batches(tmp_path, size)
        )
        output = run_here(config)
    found = batched(output, account)
    assert len(found) == 50
    assert by_id(found) == {row["id"]: written(row) for row in account.threads()}
    assert output.records == []
    assert {message["type"] for message in output.messages} == {
        "SCHEMA",
        "BATCH",
        "STATE",
    }
    newest = max(row["latestMessageTimestamp"] for row in account.threads())
    assert output.bookmark["replication_key_value"] == newest


def test_batch_files_lack_what_is_deselected(tmp_path: Path) -> None:
    """A deselected column is not in the files either."""
    account = Account(size=10, shape=Shape(tickets=1.0))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, batch_config=batches(tmp_path, 10))
        output = run_here(config, catalog=select("assignedTo", "associatedTicketId"))
    kept = set(FIELDS) - {"assignedTo"}
    found = batched(output, account)
    assert {frozenset(row) for row in found} == {frozenset(kept)}
    assert [row["threadAssociations"] for row in found] == [{}] * 10


def test_an_interrupted_run_of_batches_goes_on_behind_its_files(tmp_path: Path) -> None:
    """The next run reads rows again that were not in a file."""
    account = Account(size=100)
    with FakeHubSpot(account, token=TOKEN) as hubspot:

        def revoke(number: int, _: SeenRequest) -> None:
            hubspot.token = TOKEN if number < 6 else "another"

        hubspot.before_request = revoke
        config = settings(hubspot.url, page_size=10, batch_config=batches(tmp_path, 25))
        with captured_stdout() as stdout, pytest.raises(RequestRefused):
            TapHubSpotThreads(config=dict(config), catalog=select()).sync_all()
        first = Output.parse(stdout.getvalue(), 1)
        hubspot.token = TOKEN
        hubspot.before_request = None
        hubspot.forget()
        second = run_here(config, state=first.states[-1])
        bound = hubspot.requests[0].param("latestMessageTimestampAfter")
    assert bound is not None
    assert bound > "2020"
    rows = batched(first, account)
    assert len(rows) == 30  # whole pages, as soon as there are enough for a file
    rows += [row for m in second.messages if m["type"] == "BATCH" for row in rows_of(m)]
    assert by_id(rows) == {row["id"]: written(row) for row in account.threads()}


def test_batches_and_stream_maps_are_refused_together(tmp_path: Path) -> None:
    """The files would contain in clear text what a map should hide."""
    config = settings(
        "https://unused.invalid",
        batch_config=batches(tmp_path, 10),
        stream_maps={"threads": {"assignedTo": "md5(assignedTo)"}},
    )
    with pytest.raises(ConfigValidationError) as refusal:
        TapHubSpotThreads(config=config)
    (line,) = refusal.value.errors
    assert "`batch_config`" in line
    assert "`stream_maps`" in line


def test_stream_maps_rename_hash_and_filter() -> None:
    """The output never shows what a map hides, and the run continues as usual."""
    account = Account(size=40, shape=Shape(closed=0.5))
    maps = {
        "__alias__": "conversations",
        "__filter__": "status == 'OPEN'",
        "contact": "md5(associatedContactId)",
        "associatedContactId": "__NULL__",
        "latestMessageTimestamp": "__NULL__",
    }
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, stream_maps={"threads": maps}, page_size=9)
        output = run_here(config)
        plain = run_here(settings(hubspot.url))
    rows = {r["id"]: r for r in account.threads() if r["status"] == "OPEN"}
    assert {r["id"]: r["contact"] for r in output.records} == {
        identity: hashlib.md5(row["associatedContactId"].encode()).hexdigest()
        for identity, row in rows.items()
    }
    dropped = {"associatedContactId", "latestMessageTimestamp"}
    for record in output.records:
        assert not record.keys() & dropped
        assert rows[record["id"]]["associatedContactId"] not in record.values()
    streams = {m["stream"] for m in output.messages if m["type"] != "STATE"}
    assert streams == {"conversations"}
    assert output.bookmark == plain.bookmark


@pytest.mark.parametrize("tickets", [0.0, 0.5, 1.0])
def test_flattened_records_have_the_columns_of_the_schema(tickets: float) -> None:
    """A thread without a ticket has the ticket's column, with null."""
    account = Account(size=20, shape=Shape(tickets=tickets))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, flattening_enabled=True, flattening_max_depth=1)
        output = run_here(config)
    columns = output.messages[0]["schema"]["properties"].keys()
    assert "threadAssociations__associatedTicketId" in columns
    assert {frozenset(row) for row in output.records} == {frozenset(columns)}


def test_every_record_is_valid_by_its_schema_message() -> None:
    """Targets validate rows against the SCHEMA message, some of them strictly."""
    account = Account(size=300, shape=Shape.awkward(tie_size=50))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url, sweep_interval_hours=1))
    schema, *_ = [m for m in output.messages if m["type"] == "SCHEMA"]
    strict = schema["schema"] | {"additionalProperties": False}
    validator = jsonschema.Draft202012Validator(
        strict, format_checker=jsonschema.FormatChecker()
    )
    assert len(output.records) >= 300
    for record in output.records:
        validator.validate(record)


@pytest.mark.parametrize(
    ("catalog", "asked"),
    [
        (select(), "TICKET"),
        (select("threadAssociations"), None),
        (select("status"), "TICKET"),
    ],
    ids=["all", "without associations", "without another"],
)
def test_tickets_are_asked_for_if_selected(
    catalog: dict[str, t.Any] | None, asked: str | None
) -> None:
    """HubSpot leaves out associations unless they are requested."""
    with FakeHubSpot(Account(size=20), token=TOKEN) as hubspot:
        config = settings(hubspot.url, page_size=6, sweep_interval_hours=1)
        run_here(config, catalog=catalog)
        found = {request.param("association") for request in hubspot.requests}
    assert found == {asked}


def test_a_field_that_the_catalog_lacks_is_not_asked_for() -> None:
    """A catalog of an earlier version, or one cut down by hand, decides the columns."""
    catalog = select()
    stream, *_ = catalog["streams"] = catalog["streams"][:1]
    del stream["schema"]["properties"]["threadAssociations"]
    stream["metadata"] = [
        entry
        for entry in stream["metadata"]
        if "threadAssociations" not in entry["breadcrumb"]
    ]
    with FakeHubSpot(Account(size=5), token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url), catalog=catalog)
        (request,) = hubspot.requests
    assert request.param("association") is None
    expected = set(FIELDS) - {"threadAssociations"}
    assert {frozenset(record) for record in output.records} == {frozenset(expected)}
    assert output.messages[0]["schema"]["properties"].keys() == expected
