"""The stream `actors`: whoever the rows of a run mention."""

from __future__ import annotations

import itertools
import json
import random
import typing as t

import pytest

from tap_hubspot_threads.actors import ActorsStream
from tap_hubspot_threads.errors import HubSpotError
from tap_hubspot_threads.seen import SeenIds
from tests.fake_hubspot import Account, Contract, FakeHubSpot, Fault, Shape
from tests.fake_hubspot.errors import RefusalError, bad_request
from tests.support.harness import (
    TOKEN,
    Output,
    StillClock,
    run_command_here,
    run_here,
    run_tap,
    select,
    settings,
    start_tap,
    written,
)
from tests.tap.test_trust import batches, rows_of

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Row: t.TypeAlias = dict[str, t.Any]

STREAMS = ("threads", "actors")
CUSTOMERS = ("V-", "E-")
EVERYBODY = {"include_visitors": True}


def run(hubspot: FakeHubSpot, **more: t.Any) -> Output:
    """Read threads and actors."""
    state = more.pop("state", None)
    config = settings(hubspot.url, **more)
    return run_here(config, catalog=select(streams=STREAMS), state=state)


def actors_of(output: Output) -> list[Row]:
    """Return the records of actors, in their order."""
    return [
        m["record"]
        for m in output.messages
        if m["type"] == "RECORD" and m["stream"] == "actors"
    ]


def mentioned(rows: Iterable[Row], *, customers: bool = False) -> set[str]:
    """Return the actors that some threads are assigned to."""
    ids = {row["assignedTo"] for row in rows if row.get("assignedTo")}
    return {i for i in ids if customers or not i.startswith(CUSTOMERS)}


def truth(account: Account, ids: Iterable[str]) -> dict[str, Row]:
    """Return what the tap should write for some actors."""
    kinds = {"A": "AGENT", "B": "BOT", "E": "EMAIL", "I": "INTEGRATOR"}
    kinds |= {"L": "LLM", "S": "SYSTEM", "V": "VISITOR"}
    rows = {}
    for identity in ids:
        try:
            row = account.directory.actor_row(identity)
        except KeyError:
            row = {"id": identity, "type": kinds[identity[0]]}
        rows[identity] = written(row, ActorsStream.schema)
    return rows


def missing_at_states(output: Output, customers: bool = False) -> set[str]:
    """Return the actors of written threads that a later STATE finds missing."""
    missing: set[str] = set()
    seen: set[str] = set()
    asked: set[str] = set()
    for message in output.messages:
        if message["type"] == "RECORD":
            record = message["record"]
            if message["stream"] == "actors":
                seen.add(record["id"])
            else:
                asked |= mentioned([record], customers=customers)
        elif message["type"] == "STATE":
            missing |= asked - seen
    return missing


CONTRACTS = {
    "207": Contract(unknown_actors="errors_207"),
    "errors in a 200": Contract(unknown_actors="errors_200", nulls=True),
    "silently missing": Contract(unknown_actors="missing", actors_shuffled=True),
    "small batches": Contract(actors_max=7),
    "awkward": Contract.awkward(),
}


@pytest.mark.parametrize("customers", [False, True])
@pytest.mark.parametrize("name", CONTRACTS)
def test_everybody_who_is_mentioned_is_written_once(name: str, customers: bool) -> None:
    """Each with all fields, and customers only if the setting says so."""
    shape = Shape(visitor_assignees=0.3, unicode=True)
    account = Account(size=600, shape=shape)
    for identity in sorted(mentioned(account.threads()))[::5]:
        account.directory.remove_actor(identity)
    with FakeHubSpot(account, CONTRACTS[name], token=TOKEN) as hubspot:
        output = run(
            hubspot,
            include_visitors=customers,
            page_size=50,
            max_parallel_requests=4,
            sweep_interval_hours=12,
        )
    rows = actors_of(output)
    ids = mentioned(account.threads(), customers=customers)
    assert len(ids) > (100 if customers else 20)
    assert {row["id"]: row for row in rows} == truth(account, ids)
    assert len(rows) == len(ids)
    assert missing_at_states(output, customers) == set()


def test_an_hourly_run_reads_only_the_actors_of_its_threads() -> None:
    """Two threads with a new message are two actors, in one request."""
    account = Account(size=600)
    account.clock.advance(hours=1)
    account.create()  # the newest one, which each run reads again
    account.clock.advance(hours=1)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot)
        account.clock.advance(hours=1)
        for identity in ("A-2620022", "A-2620039"):
            thread = account.create(assignedTo=identity)
            account.message(thread)
        hubspot.forget()
        second = run(hubspot, state=first.states[-1], lookback_seconds=0)
        (request,) = hubspot.requests_for("actors")
    assert {row["id"] for row in actors_of(second)} == {"A-2620022", "A-2620039"}
    assert json.loads(request.body) == {"inputs": ["A-2620022", "A-2620039"]}


def test_a_sweep_brings_the_actors_of_the_rows_that_it_writes() -> None:
    """A thread that is assigned to somebody else without a message is found by it."""
    account = Account(size=60, shape=Shape(unassigned=1.0))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        first = run(hubspot)
        account.assign(account.live_ids()[0], "A-2620022")
        hourly = run(hubspot, state=first.states[-1])
        swept = run(hubspot, state=hourly.states[-1], sweep_interval_hours=1)
    assert actors_of(first) == actors_of(hourly) == []
    assert [row["id"] for row in actors_of(swept)] == ["A-2620022"]


def test_batches_are_as_large_as_hubspot_takes() -> None:
    """A page of threads with 250 visitors takes three requests, each actor in one."""
    account = Account(size=250, shape=Shape(visitor_assignees=1.0))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        run(hubspot, **EVERYBODY)
        sizes = [
            len(json.loads(seen.body)["inputs"])
            for seen in hubspot.requests_for("actors")
        ]
    assert sizes == [100, 100, 50]


def test_an_id_that_hubspot_rejects_does_not_hide_the_others() -> None:
    """A batch with it is divided until it is alone, and it counts as unknown."""
    account = Account(size=600)
    rejected = "A-2620022"

    def reject(seen: t.Any) -> bool:
        return rejected in json.loads(seen.body)["inputs"]

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        refusal = Fault.refusal(bad_request("no such actor"))
        hubspot.faults.add(refusal, when=reject, on="actors")
        output = run(hubspot)
    expected = truth(account, mentioned(account.threads()))
    expected[rejected] |= dict.fromkeys(("name", "email", "avatar"))
    assert {row["id"]: row for row in actors_of(output)} == expected


def test_an_endpoint_that_rejects_everybody_replaces_no_name(tmp_path: Path) -> None:
    """Then nobody is taken for unknown; the run writes the threads and fails."""
    account = Account(size=60)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        refusal = Fault.refusal(bad_request("Invalid input JSON"))
        hubspot.faults.add(refusal, on="actors")
        output = run_command_here(
            tmp_path, settings(hubspot.url), catalog=select(streams=STREAMS)
        )
    assert output.code == 1
    (line,) = output.errors
    assert "`actors`" in line
    assert not actors_of(output)
    assert len(output.records) == 60


@pytest.mark.parametrize("times", [1, None])
def test_an_actor_who_is_missing_for_a_moment_keeps_the_name(times: int | None) -> None:
    """Errors other than "not found" are asked for again, and make nobody unknown."""
    account = Account(size=60)

    def drop(content: t.Any) -> None:
        row = content["results"].pop()
        error = {"category": "INTERNAL_ERROR", "context": {"ids": [row["id"]]}}
        content |= {"numErrors": 1, "errors": [error]}

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(Fault.edited(drop), on="actors", times=times)
        output = run(hubspot)
    ids = mentioned(account.threads())
    found = {row["id"]: row for row in actors_of(output)}
    assert found.items() <= truth(account, ids).items()
    assert len(found) == len(ids) - (times is None)


@pytest.mark.parametrize("times", [1, None])
def test_a_batch_that_is_not_complete_makes_nobody_unknown(times: int | None) -> None:
    """HubSpot's reference names states in which it has no results yet."""
    account = Account(size=60)

    def delay(content: t.Any) -> None:
        content |= {"status": "PENDING", "results": []}

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(Fault.edited(delay), on="actors", times=times)
        output = run(hubspot)
    found = {row["id"]: row for row in actors_of(output)}
    assert found == (truth(account, mentioned(account.threads())) if times else {})


def test_an_address_in_an_error_of_hubspots_is_not_quoted(tmp_path: Path) -> None:
    """The ID of an e-mail actor holds it."""
    account = Account()
    account.create(assignedTo="E-canary@books.example")
    body = RefusalError(409, "CONFLICT", "Cannot resolve E-canary@books.example now")
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(Fault.refusal(body), on="actors")
        output = run_command_here(
            tmp_path,
            settings(hubspot.url, **EVERYBODY),
            catalog=select(streams=STREAMS),
        )
    (line,) = output.errors
    assert "Cannot resolve *** now" in line
    assert "canary" not in output.stderr


def test_unknown_actors_are_counted_in_one_warning(tmp_path: Path) -> None:
    """The warning names none of them."""
    account = Account(size=600)
    gone = sorted(mentioned(account.threads()))[:7]
    for identity in gone:
        account.directory.remove_actor(identity)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_command_here(
            tmp_path,
            settings(hubspot.url, page_size=50),
            catalog=select(streams=STREAMS),
        )
    (warning,) = [line for line in output.warnings if "ctor" in line]
    assert warning.endswith(": 7")
    assert not any(identity in output.stderr for identity in gone)


def test_answers_that_nobody_asked_for_are_left_out() -> None:
    """Rows without an ID, with another one, or twice, change nothing."""
    account = Account(size=60)

    def spoil(content: t.Any) -> None:
        rows = content["results"]
        content["results"] = [None, {"type": "AGENT"}, *rows, *rows, {"id": "A-1"}]

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(Fault.edited(spoil), on="actors")
        output = run(hubspot)
    ids = mentioned(account.threads())
    assert {row["id"]: row for row in actors_of(output)} == truth(account, ids)
    assert len(actors_of(output)) == len(ids)


@pytest.mark.parametrize("body", [b"{}", b'{"results": null}', b"[]"])
def test_an_answer_that_is_no_batch_ends_the_run(body: bytes) -> None:
    """It is never taken for one in which everybody is unknown."""
    with FakeHubSpot(Account(size=60), token=TOKEN) as hubspot:
        hubspot.faults.add(Fault(name="another body", edit=lambda _: body), on="actors")
        with pytest.raises(HubSpotError):
            run(hubspot)


def test_a_field_of_assigned_to_that_is_no_actor_is_ignored() -> None:
    """Only what has the form of an ID is asked for."""
    account = Account()
    for value in ("", "A", "A-", "nobody", "a-1"):
        account.create(assignedTo=value)
    account.create(assignedTo="A-2620022")
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run(hubspot, **EVERYBODY)
    assert [row["id"] for row in actors_of(output)] == ["A-2620022"]


@pytest.mark.parametrize("everybody", [False, True])
def test_a_kind_of_actor_that_hubspot_adds_is_reported(
    tmp_path: Path, everybody: bool
) -> None:
    """It may be a customer, so only its first letter is said; it has no type."""
    account = Account()
    account.create(assignedTo="C-777")
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_command_here(
            tmp_path,
            settings(hubspot.url, include_visitors=everybody),
            catalog=select(streams=STREAMS),
        )
    assert any(line.endswith("`include_visitors`: C") for line in output.warnings)
    assert "C-777" not in output.stderr
    stub = dict.fromkeys(ActorsStream.schema["properties"]) | {"id": "C-777"}
    assert actors_of(output) == [stub] * everybody


@pytest.mark.parametrize("change", ["stream", "setting", "nothing"])
def test_actors_that_are_asked_for_later_come_with_a_sweep(change: str) -> None:
    """If the stream or the visitors are turned on, a sweep is due to find them all."""
    account = Account(size=60, shape=Shape(visitor_assignees=0.3))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, sweep_interval_hours=12)
        before = select(streams=("threads",) if change == "stream" else STREAMS)
        first = run_here(config, catalog=before)
        config["include_visitors"] = change == "setting"
        catalog = select(streams=STREAMS)
        second = run_here(config, catalog=catalog, state=first.states[-1])
        third = run_here(config, catalog=catalog, state=second.states[-1])
    ids = mentioned(account.threads(), customers=change == "setting")
    found = {row["id"] for row in actors_of(first) + actors_of(second)}
    assert found == ids
    assert (len(second.records) > 60) is (change != "nothing")
    assert len(third.records) < 30


def test_actors_are_found_though_the_field_is_deselected() -> None:
    """The catalog decides which columns are written, not whom the rows mention."""
    account = Account(size=60)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        catalog = select("assignedTo", streams=STREAMS)
        output = run_here(settings(hubspot.url), catalog=catalog)
    assert {row["id"] for row in actors_of(output)} == mentioned(account.threads())


def test_selected_alone_it_ends_with_one_line(tmp_path: Path) -> None:
    """There is nothing to read without a stream that mentions actors."""
    with FakeHubSpot(Account(size=60), token=TOKEN) as hubspot:
        output = run_command_here(
            tmp_path, settings(hubspot.url), catalog=select(streams=("actors",))
        )
        assert not hubspot.requests
    assert output.code == 0
    (line,) = output.warnings
    assert "select `threads`" in line


def test_threads_alone_ask_for_nobody() -> None:
    """The stream can be deselected."""
    with FakeHubSpot(Account(size=60), token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url), catalog=select())
        assert not hubspot.requests_for("actors")
    assert not actors_of(output)


@pytest.mark.parametrize("switch", ["missing", "forbidden"])
def test_a_refusal_ends_the_run_when_all_threads_are_written(
    tmp_path: Path, switch: str
) -> None:
    """One request is enough to know it; one line names the stream."""
    account = Account(size=600)
    contract = Contract()
    setattr(contract, switch, ("actors",))
    with FakeHubSpot(account, contract, token=TOKEN) as hubspot:
        output = run_command_here(
            tmp_path,
            settings(hubspot.url, page_size=50, sweep_interval_hours=12),
            catalog=select(streams=STREAMS),
        )
        assert len(hubspot.requests_for("actors")) == 1
    assert output.code == 1
    (line,) = output.errors
    assert "`actors`" in line
    assert {row["id"] for row in output.records} == {r["id"] for r in account.threads()}
    assert output.bookmark["sweep_began_at"]


@pytest.mark.parametrize("readers", [1, 8])
@pytest.mark.parametrize("at", [1, 3, 9])
def test_a_fault_that_passes_costs_no_actor(
    readers: int, at: int, clock: StillClock
) -> None:
    """A POST is tried again as a GET is: it changes nothing."""
    account = Account(size=500, shape=Shape(visitor_assignees=1.0))
    ids = mentioned(account.threads(), customers=True)
    for fault in Fault.passing():
        with FakeHubSpot(account, token=TOKEN, monotonic=clock) as hubspot:
            hubspot.faults.add(fault, at=at, on="actors")
            output = run(
                hubspot,
                page_size=50,
                max_retry_seconds=100,
                max_parallel_requests=readers,
                **EVERYBODY,
            )
            assert len([seen for seen in hubspot.requests if seen.fault]) == 1
        assert {row["id"] for row in actors_of(output)} == ids
        assert len(actors_of(output)) == len(ids)


@pytest.mark.parametrize("readers", [1, 8])
@pytest.mark.parametrize("at", [1, 3, 9])
def test_a_fault_that_lasts_leaves_no_actor_out(
    tmp_path: Path, readers: int, at: int
) -> None:
    """STATE covers only threads whose actors are written; the next run has the rest."""
    account = Account(size=500, shape=Shape(visitor_assignees=1.0))
    config: t.Any = {"page_size": 50, "max_parallel_requests": readers, **EVERYBODY}
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        hubspot.faults.add(Fault.status(500), since=at, on="actors")
        failed = run_command_here(
            tmp_path,
            settings(hubspot.url, max_retry_seconds=0, **config),
            catalog=select(streams=STREAMS),
        )
        hubspot.faults.clear()
        state = failed.states[-1] if failed.states else None
        again = run(hubspot, state=state, **config)
    assert failed.code == 1
    (line,) = failed.errors
    assert "actors/batch/read" in line
    assert missing_at_states(failed, customers=True) == set()
    ids = {row["id"] for row in actors_of(failed) + actors_of(again)}
    assert ids == mentioned(account.threads(), customers=True)


def test_a_run_that_is_killed_anywhere_leaves_no_actor_out(tmp_path: Path) -> None:
    """Whatever was printed by then, the next run brings the actors of the rest."""
    account = Account(size=400, shape=Shape(visitor_assignees=0.5))
    ids = mentioned(account.threads(), customers=True)
    config: t.Any = {"page_size": 25, "max_parallel_requests": 4, **EVERYBODY}
    chance = random.Random(12)
    with FakeHubSpot(account, Contract(delay=0.002), token=TOKEN) as hubspot:
        for _ in range(6):
            process = start_tap(
                tmp_path,
                settings(hubspot.url, **config),
                catalog=select(streams=STREAMS),
            )
            assert process.stdout is not None
            lines = list(itertools.islice(process.stdout, chance.randrange(1, 700)))
            process.kill()
            process.communicate()
            killed = Output.parse(b"".join(lines), -9)
            assert missing_at_states(killed, customers=True) == set()
            state = killed.states[-1] if killed.states else None
            again = run(hubspot, state=state, **config)
            assert {r["id"] for r in actors_of(killed) + actors_of(again)} == ids


def test_with_batch_files_actors_precede_the_state(tmp_path: Path) -> None:
    """A STATE covers no thread whose actors are in no file yet."""
    account = Account(size=500, shape=Shape(visitor_assignees=1.0))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run(
            hubspot, page_size=50, batch_config=batches(tmp_path, 120), **EVERYBODY
        )
    asked: set[str] = set()
    found: set[str] = set()
    for message in output.messages:
        assert message["type"] != "RECORD"
        if message["type"] == "BATCH":
            for row in rows_of(message):
                if message["stream"] == "actors":
                    found.add(row["id"])
                else:
                    asked |= mentioned([row], customers=True)
        elif message["type"] == "STATE":
            assert asked <= found
    assert asked == mentioned(account.threads(), customers=True)


def test_names_and_addresses_are_only_in_their_own_rows(tmp_path: Path) -> None:
    """Not in logs, STATE, errors, or the rows of other streams."""
    account = Account(size=300, shape=Shape(visitor_assignees=0.5))
    faults = [Fault.status(500), Fault.rate_limit("SECONDLY"), Fault.half_json()]
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        for number, fault in enumerate(faults):
            hubspot.faults.add(fault, at=2 * number + 1, on="any")
        output = run_tap(
            tmp_path,
            settings(hubspot.url, max_retry_seconds=60, **EVERYBODY),
            catalog=None,
            env={"LOGLEVEL": "DEBUG"},
        )
        hubspot.faults.clear()
        hubspot.faults.add(Fault.edited(lambda c: c.pop("results")), on="actors")
        failed = run_tap(
            tmp_path,
            settings(hubspot.url, **EVERYBODY),
            catalog=None,
            env={"LOGLEVEL": "DEBUG"},
        )
    assert (output.code, failed.code) == (0, 1)
    assert "canary" in json.dumps(actors_of(output)).lower()
    for text in (output.stderr, failed.stderr, json.dumps(output.states)):
        assert "canary" not in text.lower()
    threads = [m for m in output.messages if m.get("stream") == "threads"]
    assert "canary" not in json.dumps(threads).lower()


@pytest.mark.parametrize("readers", [4, 8])
def test_the_output_is_the_same_with_any_number_of_readers(readers: int) -> None:
    """All streams, in the same order, message by message."""
    account = Account(size=3_000, shape=Shape(visitor_assignees=0.2))
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        outputs = [
            run_here(
                settings(
                    hubspot.url, page_size=20, max_parallel_requests=n, **EVERYBODY
                ),
                catalog=None,
                began=1_790_000_000_000,
            )
            for n in (1, readers)
        ]
    for output in outputs:
        for message in output.messages:
            message.pop("time_extracted", None)
    assert outputs[0].messages == outputs[1].messages


@pytest.mark.parametrize(
    "make",
    [
        lambda n, _: str(51 + 50 * n),
        lambda _, chance: str(chance.randrange(10**11)),
    ],
    ids=["dense", "sparse"],
)
def test_the_ids_of_a_million_visitors_stay_small(
    make: Callable[[int, random.Random], str],
) -> None:
    """They take less than 16 MB, whatever the account's IDs look like."""
    seen = SeenIds()
    chance = random.Random(3)
    seen.update(make(n, chance) for n in range(1_000_000))
    assert len(seen._numbers) > 999_000
    assert len(seen._numbers.serialize()) < 16_000_000
