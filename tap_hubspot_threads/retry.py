"""How long to wait after which error, and when to give up.

A wait is the rule's floor plus a random part of up to its step, which doubles with each
try (full jitter) up to a cap. If HubSpot names a time (``Retry-After``), that time
replaces the floor.
"""

from __future__ import annotations

import datetime as dt
import math
import random
import time
import typing as t

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.errors import RetriesExhausted

if t.TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tap_hubspot_threads.errors import TransientError


class Rule(t.NamedTuple):
    """What an error means and how long to wait for it to pass, in seconds.

    Attributes:
        floor: The least wait. Infinite if no wait within a run helps.
        step: Upper bound of the random part at the first try.
        meaning: What the user should know about the error.
    """

    floor: float
    step: float
    meaning: str


RULES: dict[str, Rule] = {
    # Refused, reset or cut connections, DNS, TLS, connect and read timeouts.
    "no connection": Rule(
        0,
        1,
        "check the network, the setting `api_url`, and the proxy and certificate "
        "variables of the environment",
    ),
    "not JSON": Rule(0, 1, "this is a proxy's page or half a response"),
    "408": Rule(0, 1, "HubSpot waited too long for the request"),
    "423": Rule(2, 1, "the account is locked for a moment"),
    "429 SECONDLY": Rule(1, 0.5, "the limit of requests per second is reached"),
    "429 DAILY": Rule(
        math.inf,
        0,
        "the account's daily limit is used up; HubSpot resets it at midnight in the "
        "account's time zone",
    ),
    "429": Rule(10, 1, "the limit of requests in ten seconds is reached"),
    "477": Rule(30, 30, "HubSpot is moving the account, for up to 24 hours"),
    "5xx": Rule(0, 1, "this is a transient error at HubSpot"),
}

LONGEST_STEP = 60.0


def waits(
    budget: float,
    *,
    is_test: bool = False,
    draw: Callable[[float, float], float] = random.uniform,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[float, TransientError, None]:
    """Answer each error of one request with the seconds to wait before the next try.

    This is a wait generator as ``backoff`` expects it: it yields once before the first
    try, and then receives each error and yields a wait.

    Args:
        budget: Seconds that the request may take in all, tries included.
        is_test: Whether this is `--test`, in which nothing is resumed.
        draw: Picks a number between two.
        clock: Seconds of a clock that never goes back.

    Raises:
        RetriesExhausted: If the next wait does not fit into the budget.
    """
    began = clock()
    tries = 1
    error: TransientError = yield 0.0
    while True:
        rule = RULES[error.kind]
        floor = rule.floor
        if error.retry_after is not None and floor < math.inf:
            floor = error.retry_after
        spent = clock() - began
        left = budget - spent
        if left <= 0 or floor > left:
            words = _last_words(error, rule, tries, spent, is_test=is_test)
            raise RetriesExhausted(words) from error
        step = min(rule.step * 2 ** (tries - 1), LONGEST_STEP)
        tries += 1
        error = yield min(floor + draw(0, step), left)


def _last_words(
    error: TransientError, rule: Rule, tries: int, spent: float, *, is_test: bool
) -> str:
    message = f"{error}: {rule.meaning}. Gave up after {tries} tries"
    if spent >= 1:
        message += f" in {spent:.0f} s"
    if error.retry_after is not None:
        message += f"; HubSpot asks to wait {error.retry_after:.0f} s"
    if is_test:
        return f"{message}. `--test` gives up early; run it again later"
    message += ". Run again later: the next run resumes where this one stopped"
    if rule.floor < math.inf:
        message += "; or raise the setting `max_retry_seconds`"
    return message


def retry_after(header: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for; None if unreadable.

    Not urllib3's parser: it cuts the 24 hours of a 477 to six, and reads a 99th of
    January.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    moment = timestamps.from_http_date(text)
    if moment is None:
        return None
    return max(0.0, dt.datetime.fromisoformat(moment).timestamp() - time.time())
