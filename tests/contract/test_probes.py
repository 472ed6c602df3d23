"""The probes name the switches that the fake was run with."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from tap_hubspot_threads import timestamps
from tests.contract.client import MOST_REQUESTS, ReadOnlyClient
from tests.contract.computed import COMPUTED
from tests.contract.facts import FACTS, read_all
from tests.contract.profiles import PROFILES, UNREAD, Profile, random_profile
from tests.contract.readings import Reading, differences, parse, table
from tests.contract.survey import Survey
from tests.contract.switches import CONSTANT, SWITCHES, expected, settings_of
from tests.fake_hubspot import Account, Contract, FakeHubSpot, Fault, Shape
from tests.fake_hubspot.errors import bad_request

if t.TYPE_CHECKING:
    from tests.support.harness import StillClock


DEPENDS_ON_DATA = {
    "kinds of actors with a row",
    "truncationStatus of messages",
    "IDs of messages",
    "ID of a message in several threads",
    "end of the other lists",
}
"""Facts of which a small account, or a small page, may show less."""


def readings_of(hubspot: FakeHubSpot) -> list[Reading]:
    client = ReadOnlyClient(hubspot.url, hubspot.token)
    try:
        return read_all(Survey(client))
    finally:
        client.close()


@pytest.mark.parametrize("name", PROFILES)
def test_the_readings_are_those_of_the_switches(clock: StillClock, name: str) -> None:
    """Every probe sees what the fake was told to do, and the tap is right under it."""
    profile = PROFILES[name]
    with FakeHubSpot(profile.account(), profile.contract) as hubspot:
        readings = readings_of(hubspot)
    found = {reading.fact: reading.text for reading in readings}
    wanted = expected(profile.contract, profile.shape)
    assert differences(wanted, found) == []
    assert [reading for reading in readings if not reading.is_right] == []
    assert found.keys() == FACTS.keys() == wanted.keys()
    assert len(hubspot.requests) <= MOST_REQUESTS
    assert {(seen.method, seen.endpoint == "actors") for seen in hubspot.requests} == {
        ("GET", False),
        ("POST", True),
    }


@pytest.mark.parametrize("seeds", [range(5)], ids=str)
def test_a_reading_is_right_or_cannot_be_told(clock: StillClock, seeds: range) -> None:
    """No set of switches and no size of an account makes a probe misread a fact."""
    for seed in seeds:
        check_a_random_profile(seed)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(5, 300))
def test_a_reading_is_right_or_cannot_be_told_in_a_long_search(
    clock: StillClock, seed: int
) -> None:
    """The same for many more."""
    check_a_random_profile(seed)


def check_a_random_profile(seed: int) -> None:
    profile = random_profile(seed)
    with FakeHubSpot(profile.account(), profile.contract) as hubspot:
        readings = readings_of(hubspot)
    wanted = expected(profile.contract, profile.shape)
    known = {reading.fact: reading.text for reading in readings if reading.is_known}
    exact = (SWITCHES.keys() | CONSTANT.keys()) & known.keys() - DEPENDS_ON_DATA
    assert differences({name: wanted[name] for name in exact}, known) == [], profile
    assert [reading for reading in readings if not reading.is_right] == [], profile
    assert len(hubspot.requests) <= MOST_REQUESTS


@pytest.mark.parametrize("name", PROFILES)
def test_a_table_gives_the_switches_back(name: str) -> None:
    """What a table says sets the fake so that it has the same readings."""
    profile = PROFILES[name]
    wanted = expected(profile.contract, profile.shape)
    text = table(Reading(fact, reading, "9 rows") for fact, reading in wanted.items())
    told = settings_of(parse(f"Seen in my account:\n\n{text}\n\n| more | text |"))
    switches = _switches(profile)
    assert told == {switch: switches[switch] for switch, _ in SWITCHES.values()}


def _switches(profile: Profile) -> dict[str, t.Any]:
    return dataclasses.asdict(profile.shape) | dataclasses.asdict(profile.contract)


def test_every_fact_has_one_source() -> None:
    """A fact belongs to one switch, to several, or to none."""
    groups = (SWITCHES.keys(), COMPUTED.keys(), CONSTANT.keys())
    assert sorted(name for group in groups for name in group) == sorted(FACTS)


def test_every_value_of_a_switch_is_read_in_some_profile() -> None:
    """So a probe that always says the same is found out."""
    runs = [_switches(profile) for profile in PROFILES.values()]
    for name, (switch, values) in SWITCHES.items():
        assert {run[switch] for run in runs} == values.keys(), name


def test_every_switch_of_the_fake_is_read_or_has_a_reason_not_to_be() -> None:
    """A new switch needs a probe, or a reason."""
    fields = {f.name for kind in (Contract, Shape) for f in dataclasses.fields(kind)}
    read = {switch for switch, _ in SWITCHES.values()}
    assert read | UNREAD.keys() == fields
    assert not read & UNREAD.keys()


@pytest.mark.parametrize(
    ("contract", "fact", "text"),
    [
        (
            {"loop_at": 2},
            "end of a list of threads",
            "a page with rows repeats a cursor, paging is missing",
        ),
        (
            {"messages_limit_max": 50},
            "limit=100 for messages",
            "refused with 400",
        ),
        (
            {"sibling_limit_max": 50},
            "limit=100 for the other lists",
            "refused with 400",
        ),
    ],
    ids=["loop", "messages", "other lists"],
)
def test_a_reading_that_the_tap_was_not_made_for_is_wrong(
    clock: StillClock, contract: dict[str, t.Any], fact: str, text: str
) -> None:
    """Such a reading fails the test of a real account."""
    account = Account(1_200, shape=Shape(archived=0.02, long_histories=0.1))
    with FakeHubSpot(account, Contract(**contract)) as hubspot:
        readings = {reading.fact: reading for reading in readings_of(hubspot)}
    assert readings[fact].text == text
    assert not readings[fact].is_right


@pytest.mark.parametrize(
    ("parameter", "value", "fact"),
    [
        ("limit", "500", "limit=500 for threads"),
        ("sort", "latestMessageTimestamp", "order by timestamp"),
        ("archived", "true", "archived=true for threads"),
    ],
)
def test_a_list_that_the_tap_needs_must_not_be_refused(
    clock: StillClock, parameter: str, value: str, fact: str
) -> None:
    """A refusal of what the tap sends is a reading that it was not made for."""
    refusal = Fault.refusal(bad_request("No", parameter=parameter))
    with FakeHubSpot(Account(60)) as hubspot:
        hubspot.faults.add(refusal, when=lambda seen: seen.param(parameter) == value)
        readings = {reading.fact: reading for reading in readings_of(hubspot)}
    assert readings[fact][1:] == ("refused with 400", "1 request", False)


def test_places_a_millisecond_early_do_not_make_the_bound_exclusive(
    clock: StillClock,
) -> None:
    """One thread at the place of its timestamp is enough to tell."""
    account = Account(60)
    for thread in list(account.places())[:20]:
        latest = str(account.thread(thread)["latestMessageTimestamp"])
        later = timestamps.shift(latest, milliseconds=1)
        account.message(thread, later, indexed=False)
    with FakeHubSpot(account) as hubspot:
        readings = {reading.fact: reading for reading in readings_of(hubspot)}
    name = "bound latestMessageTimestampAfter"
    assert readings[name][1:3] == ("inclusive", "1 thread")


def test_an_empty_last_page_is_not_an_echo(clock: StillClock) -> None:
    """An end that the fake has no switch for is described like any other."""
    with FakeHubSpot(Account(60), Contract(last_page="echo")) as hubspot:
        empty = Fault.json({"results": []})
        hubspot.faults.add(empty, when=lambda seen: seen.param("after"))
        readings = {reading.fact: reading for reading in readings_of(hubspot)}
    assert readings["end of a list of threads"].text == "paging is missing"


def test_an_empty_account_has_nothing_to_tell(clock: StillClock) -> None:
    """What takes data cannot be told, and nothing is wrong."""
    with FakeHubSpot(Account(0)) as hubspot:
        readings = readings_of(hubspot)
    assert [reading for reading in readings if not reading.is_right] == []
    unknown = {reading.fact for reading in readings if not reading.is_known}
    assert "bound latestMessageTimestampAfter" in unknown
    assert "comments move latestMessageTimestamp" in unknown


@pytest.mark.parametrize("status", ["missing", "forbidden"])
def test_an_endpoint_that_is_not_served_is_named(
    clock: StillClock, status: str
) -> None:
    """What the token cannot read cannot be told; the rest is read."""
    refused = ("inboxes", "channel-accounts", "actors", "messages")
    contract = Contract(**t.cast("t.Any", {status: refused}))
    with FakeHubSpot(Account(700), contract) as hubspot:
        readings = {reading.fact: reading for reading in readings_of(hubspot)}
    number = 404 if status == "missing" else 403
    name = "endpoints that the token can read"
    assert readings[name].text == (
        f"threads, channels, not inboxes ({number}), not channel-accounts ({number}), "
        f"not actors ({number}), not messages ({number})"
    )
    assert readings["bound latestMessageTimestampAfter"].text == "inclusive"
