"""The headers of every response that came during all other probes."""

from __future__ import annotations

import typing as t

from tap_hubspot_threads import timestamps
from tests.contract.readings import NONE, CannotTell, fact, seen

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.contract.readings import Seen
    from tests.contract.survey import Survey

_LIMIT = "X-HubSpot-RateLimit-"


@fact("headers on the limit in 10 seconds", right=("Max, Remaining, Interval", NONE))
def limit_headers(survey: Survey) -> Seen:
    """The tap takes the limit from these headers, and does without them."""
    names = {
        "Max": "Max",
        "Remaining": "Remaining",
        "Interval": "Interval-Milliseconds",
    }
    return _headers(survey, names)


@fact("headers on the daily limit", right=("Daily, Daily-Remaining", NONE))
def daily_headers(survey: Survey) -> Seen:
    """`messages` leaves a reserve of the daily limit, if HubSpot tells it."""
    return _headers(survey, {"Daily": "Daily", "Daily-Remaining": "Daily-Remaining"})


def _headers(survey: Survey, names: dict[str, str]) -> Seen:
    replies = _replies(survey)
    found = {
        ", ".join(n for n, tail in names.items() if f"{_LIMIT}{tail}" in reply)
        for reply in replies
    }
    return seen(sorted(each or NONE for each in found), len(replies), "response")


@fact("limit of requests")
def limit(survey: Survey) -> Seen:
    """The limit that the headers name; nine tenths of it are left to others."""
    replies = _replies(survey)
    found = set()
    for reply in replies:
        try:
            most = int(reply[f"{_LIMIT}Max"])
            interval = int(reply[f"{_LIMIT}Interval-Milliseconds"]) / 1000
        except (KeyError, ValueError):
            continue
        found.add(f"{most} in {interval:g} s")
    if not found:
        msg = "no response names it"
        raise CannotTell(msg)
    return seen(sorted(found), len(replies), "response")


@fact("Date header", right=("in every response", "missing", "unreadable"))
def date(survey: Survey) -> Seen:
    """HubSpot's clock, by which bookmarks are set."""
    replies = _replies(survey)
    found = set()
    for reply in replies:
        text = reply.get("Date")
        is_readable = timestamps.from_http_date(text) is not None
        readable = "in every response" if is_readable else "unreadable"
        found.add("missing" if text is None else readable)
    return seen(sorted(found), len(replies), "response")


def _replies(survey: Survey) -> list[Mapping[str, str]]:
    if not survey.client.replies:
        survey.ask("threads", limit="1")
    return [reply for reply in survey.client.replies if reply]
