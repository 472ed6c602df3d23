"""What a response means: its JSON, or the error it stands for.

Statuses and error bodies are from HubSpot's error reference.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import typing as t
from http import HTTPStatus
from urllib.parse import quote, quote_plus

import msgspec

from tap_hubspot_threads import retry
from tap_hubspot_threads.errors import InvalidResponse, RequestRefused, TransientError

if t.TYPE_CHECKING:
    import requests

    from tap_hubspot_threads.auth import Credential

RETRIED_STATUSES = frozenset({408, 423, 429, 477})
"""In addition to every 5xx. 423 and 477 are HubSpot's own."""

_LONGEST_QUOTE = 300
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
_ADDRESS = re.compile(r"\S+@\S+")
"""An email address, which can be part of an actor's ID."""


class Answer(t.NamedTuple):
    """The JSON object of a successful response.

    Attributes:
        body: The object.
        fetched_at: When it arrived, by this machine's clock.
    """

    body: dict[str, t.Any]
    fetched_at: dt.datetime


def read(response: requests.Response, credential: Credential, path: str) -> Answer:
    """Return the answer of a response with status 200, or 207 for a batch.

    Args:
        response: The response.
        credential: What must not be quoted from it, and its settings.
        path: What was asked for, for the error message.

    Raises:
        TransientError: If another try may help.
        RequestRefused: If the status is final.
        InvalidResponse: If the body is JSON but not an object.
    """
    if response.status_code not in {HTTPStatus.OK, HTTPStatus.MULTI_STATUS}:
        raise_for_status(response, credential, path)
    fetched_at = dt.datetime.now(dt.UTC)
    try:
        body = _decode(response.content)
    except (ValueError, RecursionError):
        # A proxy's page, or a connection that was cut without a sign of it.
        msg = "HubSpot answered 200 with a body that is not JSON"
        raise TransientError(msg, kind="not JSON") from None
    if not isinstance(body, dict):
        msg = (
            "HubSpot answered 200 with JSON that is not an object with a list of "
            "`results`; check the settings `api_url` and `api_version`"
        )
        raise InvalidResponse(msg)
    return Answer(body, fetched_at)


def _decode(content: bytes) -> t.Any:  # noqa: ANN401
    """Read JSON. Half of an emoji, as where a text was cut, becomes a question mark.

    Raises:
        ValueError: If it is not JSON.
    """
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        if not _HALF_CHARACTER.search(content):
            raise
        text = json.dumps(json.loads(content.decode()), ensure_ascii=False)
        return msgspec.json.decode(text.encode(errors="replace"))


def is_transient(status: int) -> bool:
    """Return whether a status may be gone at the next try."""
    return status in RETRIED_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def raise_for_status(
    response: requests.Response, credential: Credential, path: str
) -> t.NoReturn:
    """Raise the error that a response other than 200 stands for.

    Raises:
        TransientError: If another try may help.
        RequestRefused: If it would not.
    """
    status = response.status_code
    quoted = _quoted(response, credential)
    message = f"HubSpot answered with status {status} for {path}{quoted}"
    if is_transient(status):
        raise TransientError(
            message,
            kind=_kind(response),
            retry_after=retry.retry_after(response.headers.get("Retry-After")),
        )
    remedy = _remedy(status, credential)
    raise RequestRefused(f"{message}. Remedy: {remedy}", status=status)


def _remedy(status: int, credential: Credential) -> str:
    match status:
        case HTTPStatus.BAD_REQUEST:
            return "check the settings against the documentation"
        case HTTPStatus.UNAUTHORIZED:
            return (
                f"check {credential.settings}: the credential is wrong, expired or "
                "revoked"
            )
        case HTTPStatus.FORBIDDEN:
            return (
                "grant the scope `conversations.read` to the app or key behind "
                f"{credential.settings}"
            )
        case HTTPStatus.NOT_FOUND:
            return "check the setting `api_version`: HubSpot does not serve this path"
        case _:
            return "check the setting `api_url`"


def _kind(response: requests.Response) -> str:
    named = str(response.status_code)
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        policy = f"{named} {_error_body(response).get('policyName')}"
        return policy if policy in retry.RULES else named
    return named if named in retry.RULES else "5xx"


def _error_body(response: requests.Response) -> dict[str, t.Any]:
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _quoted(response: requests.Response, credential: Credential) -> str:
    """Quote HubSpot's category, message and correlation ID.

    Nothing else in the body is quoted: it may hold a customer's words.
    """
    error = _error_body(response)
    parts = [
        f"{name} {_redacted(error[name], credential.secrets)}"
        for name in ("category", "message", "correlationId", "policyName")
        if isinstance(error.get(name), str)
    ]
    return f" ({'; '.join(parts)})" if parts else ""


def _redacted(text: str, secrets: set[str]) -> str:
    text = "".join(c for c in " ".join(text.split()) if c.isprintable())
    text = _ADDRESS.sub("***", text)
    # The longest first, because one secret may be the beginning of another.
    for secret in sorted(secrets, key=len, reverse=True):
        for form in (secret, quote(secret, safe=""), quote_plus(secret)):
            text = text.replace(form, "***")
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"
