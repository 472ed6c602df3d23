"""One client for the whole tap: every request to HubSpot goes through it.

All streams share its connections, its credential and its view of HubSpot's limit.
"""

from __future__ import annotations

import os
import re
import ssl
import threading
import typing as t
from collections import Counter
from http import HTTPStatus
from importlib import metadata
from pathlib import Path

import backoff
import requests
import urllib3
from requests.adapters import HTTPAdapter

from tap_hubspot_threads import responses, retry, timestamps
from tap_hubspot_threads.auth import OAuthToken, StaticToken
from tap_hubspot_threads.errors import HubSpotError, TransientError
from tap_hubspot_threads.ratelimit import RateLimiter

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from backoff.types import Details

    from tap_hubspot_threads.auth import Credential
    from tap_hubspot_threads.responses import Answer

    Params: t.TypeAlias = Mapping[str, str]

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Environment variables for certificates; the first that is set counts."""


_MESSAGE_ID = re.compile(r"(?<=/messages/)[^/]+")
_HARMLESS = re.compile(r"[a-z-]*|v3|[0-9]{1,20}|[0-9]{4}-[0-9]{2}(-beta)?")


class DailyLimit(t.NamedTuple):
    """How many requests a day the account has, and how many are left today."""

    limit: int
    remaining: int


class HubSpotClient:
    """Sends requests to HubSpot's API. Safe to use from several threads.

    Attributes:
        began: HubSpot's time at the first response, from its ``Date`` header; None if
            it had none. In whole seconds, of which this is the beginning.
        now: The same at the latest response that had one.
        retry_budget: Seconds that one request may take, tries included.
        is_test: Whether this is `--test`, for which the budget is not a setting.
        limiter: Keeps all requests below HubSpot's limit.
        requests_sent: How many requests were answered, successfully or not, by the last
            part of their paths.
        daily: What the latest response said of the account's daily limit; None if none
            did. OAuth apps are not told.
    """

    CONNECT_TIMEOUT = 10.0
    """Seconds after which a connection attempt counts as failed."""

    def __init__(self, config: Mapping[str, t.Any], logger: logging.Logger) -> None:
        """Take the settings of the tap. Nothing is requested yet.

        Raises:
            HubSpotError: If the environment names certificates that cannot be read.
        """
        self._url = str(config["api_url"]).rstrip("/")
        self._timeout = (self.CONNECT_TIMEOUT, config["request_timeout"])
        self.retry_budget = config["max_retry_seconds"]
        self.is_test = False
        self._logger = logger
        self._session = _session(self._url, config["max_parallel_requests"])
        # Proxies and certificates.
        self._environment = self._session.merge_environment_settings(
            self._url, {}, None, None, None
        )
        self._credential = self._make_credential(config)
        self._lock = threading.Lock()
        self.began: str | None = None
        self.now: str | None = None
        self.limiter = RateLimiter(logger)
        self.requests_sent: Counter[str] = Counter()
        self.daily: DailyLimit | None = None

    def get(self, path: str, params: Params) -> Answer:
        """Send a GET request until it succeeds.

        Raises:
            HubSpotError: If it does not.
        """
        return self._with_retries(
            requests.Request("GET", self._url + path, params=params)
        )

    def post(self, path: str, json: object) -> Answer:
        """Send a POST request with a JSON body until it succeeds.

        Raises:
            HubSpotError: If it does not.
        """
        return self._with_retries(requests.Request("POST", self._url + path, json=json))

    def _make_credential(self, config: Mapping[str, t.Any]) -> Credential:
        if "access_token" in config:
            return StaticToken(config["access_token"])
        return OAuthToken(
            f"{self._url}/oauth/2026-03/token",
            config,
            send=self._send_form,
            logger=self._logger,
        )

    def _with_retries(self, request: requests.Request) -> Answer:
        attempt = backoff.on_exception(
            lambda: retry.waits(self.retry_budget, is_test=self.is_test),
            TransientError,
            jitter=None,  # the rules have their own
            on_backoff=self._report,
            logger=None,
        )(self._attempt)
        return attempt(request)

    def _report(self, details: Details) -> None:
        self._logger.warning(
            "%s; trying again in %.1f s", details.get("exception"), details["wait"]
        )

    def _attempt(self, request: requests.Request) -> Answer:
        response = self._send_limited(request)
        if response.status_code == HTTPStatus.UNAUTHORIZED and self._credential.renew(
            response.request
        ):
            response = self._send_limited(request)
        path = _without_ids(request.url.removeprefix(self._url))
        return responses.read(response, self._credential, path)

    def _send_limited(self, request: requests.Request) -> requests.Response:
        request.auth = self._credential
        self._credential.token()  # may take a request of its own
        with self.limiter.acquire() as observe:
            response = self._send(request)
            observe(response.headers)
        return response

    def _send_form(self, url: str, form: Mapping[str, str]) -> requests.Response:
        """Post a form to the token endpoint, which has no limit of its own.

        Raises:
            TransientError: If another try may help.
        """
        response = self._send(requests.Request("POST", url, data=form))
        if responses.is_transient(response.status_code):
            responses.raise_for_status(response, self._credential, url)
        return response

    def _send(self, request: requests.Request) -> requests.Response:
        """Send a request once.

        Raises:
            TransientError: If no complete response came back.
            HubSpotError: If the request could not even be tried.
        """
        request.headers = self._session.headers
        try:
            response = self._session.send(
                # Not `session.prepare_request`, which adds a password of a netrc file.
                request.prepare(),
                timeout=self._timeout,
                # The API does not redirect, and the credential goes to `api_url` only.
                allow_redirects=False,
                **self._environment,
            )
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
            requests.exceptions.InvalidHeader,  # the response's: ours are checked
            urllib3.exceptions.HTTPError,  # requests lets some of these through
        ) as error:
            msg = f"No answer from {self._url}: {_reason(error)}"
            # Not `from error`: its message may quote what the server sent.
            raise TransientError(msg, kind="no connection") from None
        except (requests.RequestException, OSError, TypeError, ValueError) as error:
            msg = (
                f"Cannot send a request to {self._url}: {_reason(error)}. Check the "
                "setting `api_url`, and the proxy and certificate variables of the "
                "environment"
            )
            raise HubSpotError(msg) from None
        with self._lock:
            self.requests_sent[request.url.rpartition("/")[2]] += 1
            self.daily = _daily_limit(response.headers) or self.daily
            date = timestamps.from_http_date(response.headers.get("Date"))
            self.now = date or self.now
            self.began = self.began or self.now
        return response


def _without_ids(path: str) -> str:
    """Return a path without the IDs of messages: they may hold a phone number."""
    parts = _MESSAGE_ID.sub("…", path).split("/")
    return "/".join(part if _HARMLESS.fullmatch(part) else "…" for part in parts)


def _daily_limit(headers: Mapping[str, str]) -> DailyLimit | None:
    try:
        limit = int(headers["X-HubSpot-RateLimit-Daily"])
        remaining = int(headers["X-HubSpot-RateLimit-Daily-Remaining"])
    except (KeyError, ValueError):
        return None
    return DailyLimit(limit, remaining) if limit > 0 else None


def _session(url: str, connections: int) -> requests.Session:
    """Return a pool of connections, one for each parallel request.

    ``requests`` reads proxies and certificates from the environment.
    """
    session = requests.Session()
    version = metadata.version("tap-hubspot-threads")
    session.headers["User-Agent"] = f"tap-hubspot-threads/{version}"
    session.headers["Accept"] = "application/json"
    pool = HTTPAdapter(pool_maxsize=connections)
    session.mount("https://", pool)
    session.mount("http://", pool)
    if url.startswith("http:"):
        # Only a loopback address, which no proxy can reach. A proxy would also see the
        # credential in clear text.
        session.trust_env = False
        return session
    for name in filter(os.environ.get, _CA_VARIABLES):
        _check_certificates(name, os.environ[name])
        # requests does not know SSL_CERT_FILE, which is OpenSSL's.
        session.verify = os.environ[name]
        break
    return session


def _check_certificates(name: str, path: str) -> None:
    places = {"capath": path} if Path(path).is_dir() else {"cafile": path}
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(**places)
    except (OSError, ValueError) as error:
        msg = (
            f"Cannot read the certificates in {path}, which the environment variable "
            f"`{name}` names: {_reason(error)}"
        )
        raise HubSpotError(msg) from error


def _reason(error: BaseException) -> str:
    """Describe an error by its innermost cause, without its arguments.

    The message of an error of ``requests`` holds the whole URL.
    """
    inner: BaseException | None = error
    reason = type(error).__name__
    seen: set[int] = set()
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        if isinstance(inner, OSError) and inner.strerror:
            reason = f"{type(error).__name__}, {inner.strerror}"
        following = inner.__cause__ or inner.__context__
        nested = [arg for arg in inner.args if isinstance(arg, BaseException)]
        inner = following or (nested[0] if nested else None)
    return reason
