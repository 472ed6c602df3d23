"""The orders that threads are listed in, and the bound of one of them."""

from __future__ import annotations

import itertools
import re
import typing as t
from collections import Counter

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.ordering import Frontier
from tests.contract.readings import CannotTell, fact, seen
from tests.contract.survey import LATEST

if t.TYPE_CHECKING:
    from tests.contract.listings import Row
    from tests.contract.readings import Seen
    from tests.contract.survey import Survey

_PRECISE = re.compile(r"(?!.*\.\d{4})")
"""Not finer than the milliseconds that a bound can have."""

_CANDIDATES, _ENOUGH = 6, 3
_NEAR = 30
"""Rows among which the one at the bound is looked for."""


@fact("bound latestMessageTimestampAfter", right=("inclusive", "exclusive"))
def bound(survey: Survey) -> Seen:
    """Measured as inclusive, documented as "after": the tap starts a bit early.

    A thread counts only if it is listed from a millisecond before its timestamp on, and
    not from a millisecond after it. Otherwise its place is another one. A place that is
    one millisecond before the timestamp looks like an exclusive bound, so one thread
    proves that the bound is inclusive, and several that it is not.
    """
    survey.oldest.needed()
    found: list[str] = []
    for row in _candidates(survey):
        moment = timestamps.normalize(row[LATEST])
        before, at, after = (
            _is_listed(survey, row, timestamps.shift(moment, milliseconds=by))
            for by in (-1, 0, 1)
        )
        if before and not after:
            found.append("inclusive" if at else "exclusive")
        if len(found) >= _ENOUGH:
            break
    if "inclusive" in found:
        return seen("inclusive", found.count("inclusive"), "thread")
    if len(found) < _ENOUGH:
        msg = "too few threads are at the place of their timestamps alone"
        raise CannotTell(msg)
    return seen("exclusive", len(found), "thread")


def _candidates(survey: Survey) -> list[Row]:
    """Choose settled threads that share their timestamp with no other one."""
    rows = [row for row in survey.oldest.rows if timestamps.of(row, LATEST)]
    counts = Counter(timestamps.of(row, LATEST) for row in rows)
    alone = [
        row
        for row in rows
        if counts[timestamps.of(row, LATEST)] == 1 and _PRECISE.match(row[LATEST])
    ]
    step = max(1, len(alone) // _CANDIDATES)
    return alone[step // 2 :: step][:_CANDIDATES]


def _is_listed(survey: Survey, row: Row, since: str) -> bool:
    listing = survey.by_time(since, limit=_NEAR, most=5, want=_NEAR // 2)
    return any(each.get("id") == row["id"] for each in listing.rows)


@fact(
    "order by timestamp",
    right=("ascending", "neighbors swapped", "rows newer than their places"),
)
def order_by_time(survey: Survey) -> Seen:
    """The tap expects some rows to be newer than their places."""
    if survey.oldest.refused:
        return seen(f"refused with {survey.oldest.refused}", 1, "request")
    survey.oldest.needed()
    pages = [
        [m for row in page.rows if (m := timestamps.of(row, LATEST))]
        for page in survey.oldest.pages
    ]
    moments = list(itertools.chain(*pages))
    frontier = Frontier()
    frontier.add_page(list(moments), settled_before="9")
    if len(moments) < 2:
        msg = "there are too few threads"
        raise CannotTell(msg)
    if moments == sorted(moments):
        order = "ascending"
    elif not frontier.is_in_order:
        order = "not sorted"
    elif (swapped := list(itertools.chain(*map(_swapped, pages)))) == sorted(swapped):
        order = "neighbors swapped"
    else:
        order = "rows newer than their places"
    return seen(order, len(moments), "row")


def _swapped(moments: list[str]) -> list[str]:
    """Return moments with neighbors that are in the wrong order swapped once."""
    ordered, place = list(moments), 1
    while place < len(ordered):
        if ordered[place - 1] > ordered[place]:
            ordered[place - 1 : place + 1] = ordered[place], ordered[place - 1]
            place += 1
        place += 1
    return ordered


@fact("order by ID", right=("as numbers", "as texts"))
def order_by_id(survey: Survey) -> Seen:
    """How HubSpot compares IDs; sweeps work with either."""
    ids = [str(row.get("id")) for row in survey.by_id.needed()]
    as_numbers = all(i.isdecimal() for i in ids) and ids == sorted(ids, key=int)
    as_texts = ids == sorted(ids)
    if as_numbers and as_texts:
        msg = "all IDs have as many digits"
        raise CannotTell(msg)
    kinds = (("as numbers", as_numbers), ("as texts", as_texts))
    kind = next((kind for kind, is_so in kinds if is_so), "in no order")
    return seen(kind, len(ids), "row")


@fact("threads without a message in timestamp order", right=("not listed", "last"))
def silent(survey: Survey) -> Seen:
    """Inferred as not listed, so sweeps look for them."""
    newest = survey.newest
    listed = [row for row in newest.rows if timestamps.of(row, LATEST) is None]
    # One that got a message between the two listings does not tell.
    with_message = {row.get("id") for row in newest.rows if timestamps.of(row, LATEST)}
    silent = [
        row
        for row in survey.by_id.rows
        if timestamps.of(row, LATEST) is None and row.get("id") not in with_message
    ]
    if not listed and not silent:
        msg = "every thread seen has a message"
        raise CannotTell(msg)
    # With one more, because HubSpot may swap neighbors.
    tail = newest.rows[-len(listed) - 1 :]
    is_last = sum(timestamps.of(row, LATEST) is None for row in tail) == len(listed)
    place = "last" if is_last else "among the others"
    return seen(place if listed else "not listed", len(silent or listed), "thread")


@fact("latestMessageTimestamp", right=("the later of sent and received", "others"))
def later_of_both(survey: Survey) -> Seen:
    """Documented as the later of the two. If not, comments may count."""
    ends = ("Sent", "Received")
    rows = [row for row in survey.threads if timestamps.of(row, LATEST)]
    if not rows:
        msg = "no thread has a message"
        raise CannotTell(msg)
    agrees = all(
        timestamps.of(row, LATEST)
        == max(timestamps.of(row, f"latestMessage{end}Timestamp") or "" for end in ends)
        for row in rows
    )
    found = "the later of sent and received" if agrees else "others"
    return seen(found, len(rows), "row")
