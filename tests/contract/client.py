"""The tap's client, as it may be let loose on somebody's account.

It only reads, stays below a tenth of the account's limit, sends a bounded number of
requests, and logs nothing.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import typing as t
from urllib.parse import urlsplit

from typing_extensions import override

from tap_hubspot_threads.client import HubSpotClient
from tap_hubspot_threads.errors import RequestRefused, RetriesExhausted
from tap_hubspot_threads.ratelimit import RateLimiter
from tests.contract.readings import CannotTell

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import requests

HUBSPOT = "https://api.hubapi.com"
BATCH = "/actors/batch/read"
MOST_REQUESTS = 150
TOKEN, URL = "HUBSPOT_LIVE_TOKEN", "HUBSPOT_LIVE_URL"

_MAX = "X-HubSpot-RateLimit-Max"
_REMAINING = "X-HubSpot-RateLimit-Remaining"
_INTERVAL = "X-HubSpot-RateLimit-Interval-Milliseconds"
_SMALLEST = {_MAX: "100", _REMAINING: "100", _INTERVAL: "10000"}
"""HubSpot's smallest limit, which holds until a response names the account's."""


class NotSent(Exception):
    """A request that this client does not send."""


class NotReadOnly(NotSent):
    """It might change something."""


class Stopped(NotSent):
    """The token was refused, or there was no response for too long."""


class TenthLimiter(RateLimiter):
    """Leaves nine tenths of the account's limit to others."""

    PART = 10

    def __init__(self, logger: logging.Logger) -> None:
        """Start with the smallest limit that HubSpot has."""
        super().__init__(logger)
        self._observe(_SMALLEST)

    @override
    def _observe(self, headers: Mapping[str, str]) -> None:
        try:
            share = max(1, int(headers[_MAX]) // self.PART)
            remaining = min(int(headers[_REMAINING]), share)
            interval = headers[_INTERVAL]
        except (KeyError, ValueError):
            return
        super()._observe(
            {_MAX: str(share), _REMAINING: str(remaining), _INTERVAL: interval}
        )


class Reply(t.NamedTuple):
    """A response: its status, its headers, and its JSON object if it was not an error.

    Attributes:
        path: The path that was asked for.
    """

    status: int
    body: dict[str, t.Any]
    headers: Mapping[str, str]
    path: str


class ReadOnlyClient(HubSpotClient):
    """Sends GET requests, and the one POST that reads: the batch of actors.

    Attributes:
        replies: The headers of every response.
    """

    def __init__(self, url: str, token: str) -> None:
        """Take the address of the API and a token. Nothing is requested yet."""
        logger = logging.getLogger(__name__)
        logger.disabled = True
        config = {
            "api_url": url,
            "access_token": token,
            "request_timeout": 30,
            "max_retry_seconds": 30,
            "max_parallel_requests": 1,
        }
        super().__init__(config, logger)
        self.limiter = TenthLimiter(logger)
        self.replies: list[Mapping[str, str]] = []
        self._status = 0
        self._is_stopped = False

    def ask(
        self,
        path: str,
        params: Mapping[str, t.Any] | None = None,
        *,
        inputs: Iterable[str] | None = None,
    ) -> Reply:
        """Return the response to a request, also if it is a refusal.

        Raises:
            CannotTell: If `MOST_REQUESTS` have been sent.
            NotSent: If the token was refused before.
            HubSpotError: If there is no response that can be used.
        """
        if self._is_stopped:
            raise Stopped
        try:
            if inputs is not None:
                body = self.post(path, {"inputs": list(inputs)}).body
            else:
                body = self.get(path, params or {}).body
        except RequestRefused as error:
            # A token that is refused once is not tried a hundred times.
            self._is_stopped = error.status == 401
            return Reply(error.status, {}, self.replies[-1], path)
        except RetriesExhausted:
            self._is_stopped = True
            raise
        return Reply(self._status, body, self.replies[-1], path)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    @override
    def _send(self, request: requests.Request) -> requests.Response:
        path = urlsplit(request.url).path
        is_batch = request.method == "POST" and path.endswith(BATCH)
        if not (path.startswith("/conversations/") and (is_batch or _is_get(request))):
            raise NotReadOnly
        if len(self.replies) >= MOST_REQUESTS:
            msg = f"{MOST_REQUESTS} requests have been sent"
            raise CannotTell(msg)
        self.replies.append({})
        response = super()._send(request)
        self.replies[-1] = response.headers
        self._status = response.status_code
        return response


def _is_get(request: requests.Request) -> bool:
    return request.method == "GET" and not request.data and not request.json


def address() -> str:
    """Return the address of HubSpot, or of the loopback server that is to replace it.

    Raises:
        ValueError: If HUBSPOT_LIVE_URL is not a loopback address.
    """
    url = os.environ.get(URL) or HUBSPOT
    parts = urlsplit(url)
    if url != HUBSPOT and not (
        parts.scheme in {"http", "https"}
        and not parts.username
        and _is_loopback(parts.hostname or "")
    ):
        msg = f"{URL} may only name a loopback address, such as http://127.0.0.1:8080"
        raise ValueError(msg)
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
