"""The readings that several switches of the fake decide."""

from __future__ import annotations

import typing as t

from tests.contract.probes_names import NOT_FOUND as CATEGORY
from tests.contract.probes_parameters import ACCEPTED, REFUSED, VERSIONS
from tests.contract.readings import CANNOT_TELL, NONE
from tests.fake_hubspot import ENDPOINTS, Contract, Shape

if t.TYPE_CHECKING:
    from collections.abc import Callable

ACCEPTANCE = {True: ACCEPTED, False: REFUSED}
NULLS = {True: "null", False: "absent"}

_ENDPOINTS = (*ENDPOINTS, "messages")


def _refused(contract: Contract) -> dict[str, int]:
    statuses = dict.fromkeys(contract.forbidden, 403)
    statuses |= dict.fromkeys(contract.missing, 404)
    return {each: statuses[each] for each in _ENDPOINTS if each in statuses}


def _middle(contract: Contract, _: Shape) -> str:
    kinds = ["empty"] if contract.empty_every else []
    return ", ".join(
        [*kinds, *(["full", "short"] if contract.short_pages else ["full"])]
    )


def _order(contract: Contract, shape: Shape) -> str:
    if shape.newer or contract.newer_last:
        return "rows newer than their places"
    return "neighbors swapped" if contract.swapped else "ascending"


def _limit(contract: Contract, _: Shape) -> str:
    if not contract.quota_headers:
        return f"{CANNOT_TELL}: no response names it"
    most = contract.quota or 1_000_000
    return f"{most} in {contract.quota_window_seconds:g} s"


def _forms(shape: Shape) -> str:
    if shape.timestamps == "fraction":
        return "milliseconds"
    more = ["another offset", "finer than milliseconds"] * (shape.timestamps == "mixed")
    return ", ".join(sorted([*more, "milliseconds", "no fraction"]))


def _full(number: int) -> Callable[[Contract, Shape], str]:
    def reading(contract: Contract, _: Shape) -> str:
        full = f"{number} rows"
        return "fewer rows although more follow" if contract.short_pages else full

    return reading


COMPUTED: dict[str, Callable[[Contract, Shape], str]] = {
    "headers on the daily limit": lambda contract, _: (
        "Daily, Daily-Remaining"
        if contract.quota_headers and contract.daily_limit
        else NONE
    ),
    "limit of requests": _limit,
    "versions of the API": lambda contract, _: ", ".join(
        version for version in VERSIONS if version in contract.versions
    ),
    "endpoints that the token can read": lambda contract, _: ", ".join(
        [e for e in _ENDPOINTS if e not in _refused(contract)]
        + [f"not {e} ({s})" for e, s in _refused(contract).items()]
    ),
    "batch of 100 actors": lambda contract, _: ACCEPTANCE[contract.actors_max >= 100],
    "pages in the middle of a list of threads": _middle,
    "limit=500 for threads": _full(500),
    "limit=100 for messages": _full(100),
    "rows of a page of threads without limit": lambda contract, _: (
        f"{CANNOT_TELL}: pages are short"
        if contract.short_pages
        else f"{contract.default_limit} rows"
    ),
    "order by timestamp": _order,
    "latestMessageTimestamp": lambda _, shape: (
        "others" if shape.comments_count else "the later of sent and received"
    ),
    "date-times of threads": lambda _, shape: _forms(shape),
    "date-times of messages": lambda _, shape: (
        ", ".join(sorted({*_forms(shape).split(", "), "no fraction"}))
        if shape.mail_dates_behind
        else _forms(shape)
    ),
    "threadAssociations without a ticket": lambda contract, _: (
        "{}" if contract.bare_associations else NULLS[contract.nulls]
    ),
    "category of the error for unknown actors": lambda contract, _: (
        f"{CANNOT_TELL}: there is no error"
        if contract.unknown_actors == "missing"
        else CATEGORY
    ),
    "channel accounts of threads": lambda _, shape: (
        "some not listed" if shape.lost_accounts else "all listed"
    ),
    "unknown fields of threads": lambda _, shape: (
        "channelMood" if shape.new_field else NONE
    ),
    "unknown fields of messages": lambda contract, shape: (
        "sentiment" if shape.new_message_type and contract.events_listed else NONE
    ),
    "unknown types of messages": lambda contract, shape: (
        "SENTIMENT_CHANGE"
        if shape.new_message_type and contract.events_listed
        else NONE
    ),
    "unknown statuses of threads": lambda _, shape: (
        NONE
        if not shape.new_status
        else "an unusual name"
        if shape.unicode
        else "SNOOZED"
    ),
}
"""The readings of facts that several switches decide."""
