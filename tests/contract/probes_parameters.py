"""Versions, endpoints and parameters."""

from __future__ import annotations

import typing as t

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.streams import endpoint_path
from tests.contract.readings import CannotTell, fact, seen
from tests.contract.survey import LATEST, NO_ACTOR, VERSION

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.contract.readings import Seen
    from tests.contract.survey import Survey

ACCEPTED, REFUSED, IGNORED = "accepted", "refused with 400", "ignored"
VERSIONS = (VERSION, "2026-09", "v3")


def answered(status: int, other: str = ACCEPTED) -> str:
    """Describe a status."""
    return other if status in {200, 207} else f"refused with {status}"


@fact("versions of the API", right=VERSIONS)
def versions(survey: Survey) -> Seen:
    """Which versions are served. The tap's default has to be one of them."""
    paths = {version: endpoint_path(version, "threads") for version in VERSIONS}
    served = [
        version
        for version, path in paths.items()
        if survey.client.ask(path, {"limit": "1"}).status == 200
    ]
    if VERSION not in served:
        return seen([f"without {VERSION}", *served], len(paths), "request")
    return seen(served, len(paths), "request")


@fact("endpoints that the token can read")
def endpoints(survey: Survey) -> Seen:
    """Which streams the token is good for; each can be refused by itself."""
    names = ("threads", "inboxes", "channels", "channel-accounts")
    statuses = {name: survey.ask(name, limit="1").status for name in names}
    path = endpoint_path(VERSION, "actors/batch/read")
    somebody = survey.actor_ids[:1] or [NO_ACTOR]
    statuses["actors"] = survey.client.ask(path, inputs=somebody).status
    if survey.histories:
        statuses["messages"] = survey.histories[0].listing.refused or 200
    found = [name for name, status in statuses.items() if status in {200, 207}]
    refused = [f"not {n} ({s})" for n, s in statuses.items() if n not in found]
    return seen([*found, *refused], len(statuses), "request")


@fact("limit=501 for threads")
def limit_above(survey: Survey) -> Seen:
    """500 is the documented maximum, which the tap never exceeds."""
    reply = survey.ask("threads", limit="501")
    rows = len(reply.body.get("results", ()))
    more = f"{ACCEPTED}, {'501' if rows == 501 else 'at most 500'} rows"
    return seen(answered(reply.status, more), 1, "request")


@fact("unknown parameter of threads")
def unknown_parameter(survey: Survey) -> Seen:
    """Measured as ignored, so a typo would be silent."""
    status = survey.ask("threads", limit="1", noSuchParameter="1").status
    return seen(answered(status, IGNORED), 1, "request")


@fact("unknown parameter of inboxes")
def unknown_parameter_of_inboxes(survey: Survey) -> Seen:
    """Unknown for the other lists."""
    status = survey.ask("inboxes", limit="1", noSuchParameter="1").status
    return seen(answered(status, IGNORED), 1, "request")


@fact("sort by timestamp without a bound")
def sort_without_bound(survey: Survey) -> Seen:
    """Refused with 400, as documented; the tap always sends both."""
    status = survey.ask("threads", limit="1", sort=LATEST).status
    return seen(answered(status), 1, "request")


@fact("archived threads sorted by timestamp")
def archived_by_time(survey: Survey) -> Seen:
    """Unknown; the tap lists archived threads by ID."""
    bound = {f"{LATEST}After": timestamps.EPOCH, "archived": "true"}
    status = survey.ask("threads", limit="1", sort=LATEST, **bound).status
    return seen(answered(status), 1, "request")


@fact("several inboxId in one request")
def several_inboxes(survey: Survey) -> Seen:
    """Not allowed since 2024; the tap sends a sequence of requests per inbox."""
    ids = [str(row.get("id")) for row in survey.names["inboxes"].needed()]
    if len(ids) < 2:
        msg = "there is one inbox"
        raise CannotTell(msg)
    status = survey.ask("threads", limit="1", inboxId=ids[:2]).status
    return seen(answered(status), 1, "request")


@fact("threadStatus without associatedContactId", right=("filters", IGNORED))
def status_alone(survey: Survey) -> Seen:
    """Reported as ignored at times, so the tap also checks the rows."""
    first = survey.by_id.needed()[:20]
    statuses = {row.get("status") for row in first}
    asked = "OPEN" if statuses - {"OPEN"} else "CLOSED"
    if not statuses - {asked}:
        msg = "all threads have the same status"
        raise CannotTell(msg)
    listing = survey.read(
        "threads", most=8, want=20, sort="id", limit="100", threadStatus=asked
    )
    rows = listing.needed()
    others = any(row.get("status") != asked for row in rows)
    return seen(IGNORED if others else "filters", len(rows), "row")


def consistent(found: Iterable[str], lacking: str) -> list[str]:
    """Return the readings that were found, in order.

    Raises:
        CannotTell: If there are none.
    """
    if not (known := sorted(set(found))):
        raise CannotTell(lacking)
    return known
