"""One request to HubSpot: its address, credential, faults and answer."""

from __future__ import annotations

import os
import ssl
import threading
import typing as t
from functools import cached_property
from http import HTTPStatus
from importlib import metadata
from pathlib import Path
from urllib.parse import quote, quote_plus

import backoff
import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter
from singer_sdk.streams.rest import PageContext
from typing_extensions import override

from tap_hubspot_threads import retry
from tap_hubspot_threads.ahead import ReadAhead, chain
from tap_hubspot_threads.auth import OAuthToken, StaticToken, TokenAnswer
from tap_hubspot_threads.errors import HubSpotError, PassingFault, RequestRefused
from tap_hubspot_threads.pace import Pace
from tap_hubspot_threads.pagination import Page, PageToken
from tap_hubspot_threads.sdk import SeamedStream

if t.TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from backoff.types import Details
    from singer_sdk.streams.rest import HTTPRequest

    from tap_hubspot_threads.ahead import Rows
    from tap_hubspot_threads.auth import Credential
    from tap_hubspot_threads.pagination import Listing

RETRIED_STATUSES = frozenset({408, 423, 429, 477})
"""Besides all of 5xx. 423 and 477 are HubSpot's own, from its error reference."""

_Asked = t.TypeVar("_Asked")
_Got = t.TypeVar("_Got")


class HubSpotStream(SeamedStream[PageToken]):
    """A stream whose pages come from HubSpot's API.

    Limits, statuses and headers are from HubSpot's API usage guidelines and error
    reference.
    """

    CONNECT_TIMEOUT = 10.0
    """Seconds until a connection counts as failed."""

    allow_redirects = False
    """The API does not redirect, and a credential goes to `api_url` only."""

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["api_url"]).rstrip("/")

    @cached_property
    def credential(self) -> Credential:
        """The credential that the settings name."""
        if "access_token" in self.config:
            return StaticToken(self.config["access_token"])
        return OAuthToken(
            f"{self.url_base}/oauth/2026-03/token",
            self.config,
            send=self._retrying(self._exchange),
            logger=self.logger,
        )

    @property
    @override
    def authenticator(self) -> Credential:
        return self.credential

    @cached_property
    @override
    def user_agent(self) -> str:
        return f"tap-hubspot-threads/{metadata.version('tap-hubspot-threads')}"

    @cached_property
    @override
    def requests_session(self) -> requests.Session:
        """The one pool of connections, with room for one of each reader."""
        session = super().requests_session
        pool = HTTPAdapter(pool_maxsize=self.config["max_parallel_requests"])
        session.mount("https://", pool)
        session.mount("http://", pool)
        return session

    @property
    @override
    def http_headers(self) -> dict[str, str]:
        return {"Accept": "application/json"}

    @override
    def get_http_request(self, *, page: PageContext[PageToken]) -> HTTPRequest:
        request = super().get_http_request(page=page)
        token = page.next_page_token
        if token is not None:
            request.params |= token.listing.params
            request.params["after"] = token.after
        request.params["limit"] = self.config["page_size"]
        return request

    def pages(
        self, listing: Listing, *, before: str | None = None, until: str | None = None
    ) -> Iterator[Rows]:
        """Yield the rows of a listing by pages, read with as many requests as is set.

        Args:
            listing: What to list.
            before: Rows from this moment on are of no use; they may come or not.
            until: About where a listing in timestamp order ends, if it may be read
                in parallel.

        Raises:
            HubSpotError: If a page cannot be had.
        """
        readers = self.config["max_parallel_requests"]
        fetch = self._retrying(self._fetch)
        # Made by this thread, before several might each make their own.
        _ = self.requests_session, self.credential, self.pace, self._surroundings
        counting = threading.Lock()
        with self.get_http_request_counter() as counter:

            def counted(token: PageToken) -> Page:
                page = fetch(token)
                with counting:
                    counter.increment()
                return page

            if readers == 1:
                yield from chain(counted, listing, self.logger)
            else:
                yield from ReadAhead(
                    counted,
                    listing,
                    page_size=self.config["page_size"],
                    readers=readers,
                    before=before,
                    until=until,
                    logger=self.logger,
                )

    def _retrying(self, attempt: Callable[[_Asked], _Got]) -> Callable[[_Asked], _Got]:
        """Return a function that makes attempts until one has no passing fault."""
        return backoff.on_exception(
            self.backoff_wait_generator,
            PassingFault,
            jitter=None,  # the policy has its own
            on_backoff=self.backoff_handler,
            logger=None,
        )(attempt)

    @override
    def backoff_wait_generator(self) -> Generator[float, t.Any, None]:
        return retry.waits(self.config["max_retry_seconds"])

    @override
    def backoff_handler(self, details: Details) -> None:
        self.logger.warning(
            "%s; trying again in %.1f s", details.get("exception"), details["wait"]
        )

    def _fetch(self, token: PageToken) -> Page:
        response = self._ask(token)
        if response.status_code == HTTPStatus.UNAUTHORIZED and self.credential.renew(
            response.request
        ):
            response = self._ask(token)
        self.validate_response(response)
        return Page.of(response)

    def _ask(self, token: PageToken) -> requests.Response:
        request = self._prepared(token)
        with self.pace.turn() as learn:
            response = self._send(request)
            learn(response.headers)
        return response

    @cached_property
    def pace(self) -> Pace:
        """What keeps all requests of the stream below HubSpot's limit."""
        return Pace(self.logger)

    def _prepared(self, token: PageToken) -> requests.PreparedRequest:
        page = PageContext(stream_context=None, next_page_token=token)
        request = self.get_http_request(page=page)
        return self.build_prepared_request(
            method=request.method,
            url=request.url,
            params=request.encode_params(),
            headers=request.headers,
        )

    def _exchange(self, request: requests.PreparedRequest) -> TokenAnswer:
        """Ask the token endpoint once."""
        response = self._send(request)
        if self._is_passing(response.status_code):
            self.validate_response(response)
        return TokenAnswer.of(response)

    def _send(self, request: requests.PreparedRequest) -> requests.Response:
        """Send a request once.

        Raises:
            PassingFault: If no whole answer came back.
            HubSpotError: If the request could not even be tried.
        """
        session = self.requests_session
        try:
            return session.send(
                request,
                timeout=(self.CONNECT_TIMEOUT, self.config["request_timeout"]),
                allow_redirects=self.allow_redirects,
                **self._surroundings,
            )
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
            requests.exceptions.InvalidHeader,  # of the answer: ours are checked
            urllib3.exceptions.HTTPError,  # requests passes some on as they are
        ) as error:
            msg = f"No answer from {self.url_base}: {_reason(error)}"
            # Not `from error`: its message may quote what the server sent.
            raise PassingFault(msg, kind="no connection") from None
        except (requests.RequestException, OSError, TypeError, ValueError) as error:
            msg = (
                f"Cannot send a request to {self.url_base}: {_reason(error)}. Check "
                "the setting `api_url`, and the proxy and certificate variables of "
                "the environment"
            )
            raise HubSpotError(msg) from None

    @cached_property
    def _surroundings(self) -> dict[str, t.Any]:
        """What the environment says about proxies and certificates.

        A prepared request skips what ``requests`` usually reads from there.

        Raises:
            HubSpotError: If the certificates that it names cannot be read.
        """
        settings = dict(
            self.requests_session.merge_environment_settings(
                self.url_base, {}, None, None, None
            )
        )
        if self.url_base.startswith("http:"):
            # Only for this machine, which is not reached through another one; and a
            # proxy would see the credential in clear.
            return settings | {"proxies": {}}
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            if path := os.environ.get(name):
                _check_certificates(name, path)
                # requests does not know the last one, which is OpenSSL's.
                settings["verify"] = path
                break
        return settings

    @override
    def validate_response(self, response: requests.Response) -> None:
        status = response.status_code
        if status == HTTPStatus.OK:
            return
        message = self.response_error_message(response)
        if self._is_passing(status):
            raise PassingFault(
                message,
                kind=_kind(response),
                retry_after=retry.retry_after(response.headers.get("Retry-After")),
            )
        raise RequestRefused(f"{message}. Remedy: {self._remedy(status)}")

    @staticmethod
    def _is_passing(status: int) -> bool:
        return status in RETRIED_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR

    def _remedy(self, status: int) -> str:
        match status:
            case HTTPStatus.BAD_REQUEST:
                return "check the settings against the README"
            case HTTPStatus.UNAUTHORIZED:
                return (
                    f"check {self.credential.settings}: the credential is wrong, "
                    "expired or revoked"
                )
            case HTTPStatus.FORBIDDEN:
                return (
                    "give the scope `conversations.read` to the app or key behind "
                    f"{self.credential.settings}"
                )
            case HTTPStatus.NOT_FOUND:
                return (
                    "check the setting `api_version`: HubSpot does not serve threads "
                    "under this path"
                )
            case _:
                return "check the setting `api_url`"

    @override
    def response_error_message(self, response: requests.Response) -> str:
        """Name the status with HubSpot's category, message and correlation id.

        Nothing else of the body: it may hold a customer's words.
        """
        error = _error_body(response)
        parts = [
            f"{name} {self._without_secrets(error[name])}"
            for name in ("category", "message", "correlationId", "policyName")
            if isinstance(error.get(name), str)
        ]
        said = f" ({'; '.join(parts)})" if parts else ""
        return f"HubSpot answered with status {response.status_code}{said}"

    def _without_secrets(self, text: str) -> str:
        text = "".join(c for c in " ".join(text.split()) if c.isprintable())
        # The longest first: one secret may be the beginning of another.
        for secret in sorted(self.credential.secrets, key=len, reverse=True):
            for form in (secret, quote(secret, safe=""), quote_plus(secret)):
                text = text.replace(form, "***")
        return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


_LONGEST_QUOTE = 300


def _check_certificates(name: str, path: str) -> None:
    places = {"capath": path} if Path(path).is_dir() else {"cafile": path}
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(**places)
    except (OSError, ValueError) as error:
        msg = (
            f"The certificates in {path}, which the environment variable `{name}` "
            f"names, cannot be read: {_reason(error)}"
        )
        raise HubSpotError(msg) from error


def _kind(response: requests.Response) -> str:
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        policy = _error_body(response).get("policyName")
        named = f"429 {policy}"
        return named if named in retry.RULES else "429"
    named = str(response.status_code)
    return named if named in retry.RULES else "5xx"


def _error_body(response: requests.Response) -> dict[str, t.Any]:
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _reason(error: BaseException) -> str:
    """Say what went wrong, by the innermost cause and without its arguments.

    The message of a requests exception holds the whole URL.
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
