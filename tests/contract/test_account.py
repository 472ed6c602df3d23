"""A real account: which readings it shows, and whether the tap is right under them.

Only `-m live` runs this, with a token in HUBSPOT_LIVE_TOKEN. It reads; see `client`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import typing as t
import warnings

import pytest

from tap_hubspot_threads.errors import HubSpotError
from tests.contract.client import TOKEN, ReadOnlyClient, address
from tests.contract.facts import FACTS
from tests.contract.readings import read
from tests.contract.summary import PROPERTY
from tests.contract.survey import Survey

if t.TYPE_CHECKING:
    from collections.abc import Iterator

# One group, so that one process sends all requests and knows how many there were.
pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]


@contextlib.contextmanager
def nothing_logged() -> Iterator[None]:
    """Keep all libraries from logging or warning: they would quote responses."""
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest) -> Iterator[Survey | str]:
    """Return the account that the token belongs to, or why it cannot be read."""
    is_asked_for = "live" in request.config.getoption("markexpr")
    token = os.environ.get(TOKEN)
    if not (is_asked_for and token):
        pytest.skip(f"To read an account, set {TOKEN} to its token and use `-m live`.")
    try:
        client = ReadOnlyClient(address(), token)
    except ValueError as error:
        yield str(error)
        return
    survey = Survey(client)
    with nothing_logged():
        problem = _problem(survey)
    yield problem or survey
    client.close()


def _problem(survey: Survey) -> str:
    """Return why the account cannot be read at all; empty if it can."""
    try:
        status = survey.ask("threads", limit="1").status
    except HubSpotError as error:
        return f"HubSpot could not be asked ({type(error).__name__})"
    if status in {401, 403}:
        return (
            f"HubSpot answered with {status}: {TOKEN} needs a token with the scope "
            "`conversations.read`"
        )
    return ""


def test_the_account_can_be_read(account: Survey | str) -> None:
    """If not, one sentence says why."""
    if isinstance(account, str):
        pytest.fail(account, pytrace=False)


@pytest.mark.parametrize("name", FACTS)
def test_the_tap_is_right_under_what_is_seen(
    account: Survey | str, name: str, request: pytest.FixtureRequest
) -> None:
    """No fact has a reading that the tap was not made for."""
    if isinstance(account, str):
        pytest.skip("The account cannot be read.")
    with nothing_logged():
        reading = read(FACTS[name], account)
    request.node.user_properties.append((PROPERTY, list(reading)))
    if not reading.is_right:
        pytest.fail(f"{name}: {reading.text}", pytrace=False)
