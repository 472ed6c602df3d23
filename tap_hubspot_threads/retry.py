"""How long to wait for what, and when to stop waiting.

The rules read as a table. A wait is the rule's floor plus a random part of up to
its step, which doubles at each try (full jitter), up to a cap. Where HubSpot names
a time itself (``Retry-After``), that is the floor.
"""

from __future__ import annotations

import datetime as dt
import math
import random
import typing as t
from email.utils import parsedate_to_datetime

from tap_hubspot_threads.errors import GaveUp

if t.TYPE_CHECKING:
    from collections.abc import Generator

    from tap_hubspot_threads.errors import PassingFault


class Rule(t.NamedTuple):
    """What a fault means and how long it is waited out, in seconds.

    Attributes:
        floor: Waited at least, unless HubSpot names a time; infinite means that no
            wait within a run helps, so that the run stops at once.
        step: Bound of the random part on top at the first try.
        meaning: What the user should know about it.
    """

    floor: float
    step: float
    meaning: str


RULES: dict[str, Rule] = {
    # Refused, reset, cut in the middle, DNS, TLS, connect and read timeouts.
    "no connection": Rule(
        0,
        1,
        "check the network, the setting `api_url`, and the proxy and certificate "
        "variables of the environment",
    ),
    "not JSON": Rule(0, 1, "a proxy's page, or half an answer"),
    "408": Rule(0, 1, "HubSpot waited too long for the request"),
    "423": Rule(2, 1, "locked for a moment"),
    "429 SECONDLY": Rule(1, 0.5, "the limit of requests in a second is reached"),
    "429 TEN_SECONDLY_ROLLING": Rule(
        10, 1, "the limit of requests in ten seconds is reached"
    ),
    "429 DAILY": Rule(
        math.inf,
        0,
        "the account's daily limit is used up; HubSpot resets it at midnight in the "
        "time zone of the account",
    ),
    "429": Rule(10, 1, "a limit of requests is reached"),
    "477": Rule(30, 30, "HubSpot is moving the account, for up to 24 hours"),
    "5xx": Rule(0, 1, "a passing fault at HubSpot"),
}

LONGEST_STEP = 60.0


def waits(
    budget: float, draw: t.Callable[[float, float], float] = random.uniform
) -> Generator[float, PassingFault, None]:
    """Answer each fault of one request with the seconds to wait before the next try.

    It follows the protocol of ``backoff``'s wait generators: a first empty value,
    then one wait for each fault that is sent in.

    Args:
        budget: Seconds that may be spent waiting, over all tries of the request.
        draw: Picks a number between two; a test may choose it.

    Raises:
        GaveUp: If the next wait does not fit the budget. What was asked of the run
            is not done sooner by asking again too early.
    """
    spent = 0.0
    tries = 1
    fault: PassingFault = yield 0.0
    while True:
        rule = RULES[fault.kind]
        floor = rule.floor
        if fault.retry_after is not None and floor < math.inf:
            floor = fault.retry_after
        left = budget - spent
        if left <= 0 or floor > left:
            raise GaveUp(_last_words(fault, rule, tries, spent)) from fault
        step = min(rule.step * 2 ** (tries - 1), LONGEST_STEP)
        wait = min(floor + draw(0, step), left)
        spent += wait
        tries += 1
        fault = yield wait


def _last_words(fault: PassingFault, rule: Rule, tries: int, spent: float) -> str:
    message = f"{fault}: {rule.meaning}. Gave up after {tries} tries"
    if spent:
        message += f" and {spent:.0f} s of waiting"
    if fault.retry_after is not None:
        message += f"; HubSpot asks to wait {fault.retry_after:.0f} s"
    message += ". Run again later: the run goes on where it stopped"
    if rule.floor < math.inf:
        message += "; or raise the setting `max_retry_seconds`"
    return message


def retry_after(header: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, None without one.

    Both forms of RFC 9110 are read, seconds and a date; anything else counts as no
    header.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - dt.datetime.now(dt.UTC)).total_seconds())
