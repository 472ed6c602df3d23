"""The two kinds of credential.

Private-app tokens, service keys and OAuth access tokens are all sent as Bearer tokens.
An OAuth app has a refresh token instead, for which HubSpot issues access tokens of half
an hour; see HubSpot's reference of ``/oauth/2026-03/token``.
"""

from __future__ import annotations

import re
import threading
import time
import typing as t

import msgspec
from requests.auth import AuthBase
from typing_extensions import override

from tap_hubspot_threads.errors import (
    CredentialRefused,
    InvalidResponse,
    TransientError,
)

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

    import requests

    SendForm: t.TypeAlias = Callable[[str, Mapping[str, str]], requests.Response]

OAUTH_SETTINGS = ("client_id", "client_secret", "refresh_token")

TOKEN = re.compile(r"[\x21-\x7e]+")
"""What fits into a header. Anything else was copied wrongly."""

_OK = 200
_LONGEST_LIFETIME = 366 * 24 * 60 * 60

_REMEDIES = {
    "BAD_REFRESH_TOKEN": "the setting `refresh_token` is wrong or was revoked; "
    "authorize the app again and set the new one",
    "BAD_CLIENT_ID": "the setting `client_id` is not the app's; copy it from the app's "
    "settings in HubSpot",
    "BAD_CLIENT_SECRET": "the setting `client_secret` is not the app's; copy it from "
    "the app's settings in HubSpot",
    "BAD_HUB": "the app is not installed in the account, or the account is gone; "
    "authorize the app again and set the new `refresh_token`",
}
"""By the ``status`` of a failed refresh, as HubSpot's public clients have met it."""


class Credential(AuthBase):
    """Puts an access token into the Authorization header of a request."""

    settings: t.ClassVar[str]
    """The settings to check if HubSpot rejects the credential."""

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token()}"
        return request

    def token(self) -> str:
        """Return a token that should be valid now.

        Raises:
            HubSpotError: If HubSpot refuses to issue one.
            TransientError: If it cannot be fetched at present.
        """
        raise NotImplementedError

    def renew(self, rejected: requests.PreparedRequest) -> bool:
        """Replace the token of a request that was answered with 401.

        Returns:
            Whether there is another token now, so that a second try makes sense.
        """
        del rejected
        return False

    @property
    def secrets(self) -> set[str]:
        """The values that must never be shown."""
        raise NotImplementedError


class StaticToken(Credential):
    """A token that stays valid until somebody revokes it."""

    settings = "the setting `access_token`"

    def __init__(self, token: str) -> None:
        """Keep the token."""
        self._token = token

    @override
    def token(self) -> str:
        return self._token

    @property
    @override
    def secrets(self) -> set[str]:
        return {self._token}


class OAuthToken(Credential):
    """Access tokens that are refreshed before they expire.

    Safe to use from several threads: one of them refreshes, the others wait for it.
    """

    settings = "the settings `client_id`, `client_secret` and `refresh_token`"

    MARGIN = 120.0
    """Seconds before its expiry at which a token is replaced: longer than a request
    takes, so that no token expires on its way."""

    DEFAULT_LIFETIME = 1800.0
    """Seconds, as documented. Applies if a response does not name a lifetime."""

    def __init__(
        self,
        endpoint: str,
        config: Mapping[str, t.Any],
        *,
        send: SendForm,
        logger: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the OAuth settings of a configuration. Nothing is requested yet.

        Args:
            endpoint: URL that issues access tokens.
            config: The settings.
            send: Posts a form to a URL once.
            logger: Where a changed refresh token is reported.
            clock: Seconds of a clock that never goes back.
        """
        self._endpoint = endpoint
        self._form = {name: str(config[name]) for name in OAUTH_SETTINGS}
        self._send = send
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._access_token = ""
        self._usable_until = 0.0
        self._secrets = set(self._form.values())

    @override
    def token(self) -> str:
        with self._lock:
            if not self._access_token or self._clock() >= self._usable_until:
                self._refresh()
            return self._access_token

    @override
    def renew(self, rejected: requests.PreparedRequest) -> bool:
        with self._lock:
            if rejected.headers.get("Authorization") == f"Bearer {self._access_token}":
                self._refresh()
            return True

    @property
    @override
    def secrets(self) -> set[str]:
        return set(self._secrets)

    def _refresh(self) -> None:
        asked_at = self._clock()
        body = _token_body(
            self._send(self._endpoint, {"grant_type": "refresh_token"} | self._form)
        )
        self._access_token = body["access_token"]
        lifetime = _lifetime(body.get("expires_in")) or self.DEFAULT_LIFETIME
        # A token that lives shorter than the margin is used for half of its life.
        self._usable_until = asked_at + max(lifetime - self.MARGIN, lifetime / 2)
        rotated = body.get("refresh_token")
        self._secrets |= {self._access_token}
        if isinstance(rotated, str) and rotated not in {
            "",
            self._form["refresh_token"],
        }:
            self._secrets |= {rotated}
            self._form["refresh_token"] = rotated
            self._logger.warning(
                "HubSpot has replaced the refresh token. This run continues with the "
                "new one, but the setting `refresh_token` may not work again: "
                "authorize the app again and set the new one"
            )


def _token_body(response: requests.Response) -> dict[str, t.Any]:
    """Read a response of the token endpoint whose status is not worth another try.

    Raises:
        TransientError: If the status is 200 and the body is not JSON.
        CredentialRefused: If there is another status.
        InvalidResponse: If there is no token in it.
    """
    body: object = None
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, RecursionError):
        if response.status_code == _OK:
            msg = "HubSpot's token endpoint answered 200 with a body that is not JSON"
            raise TransientError(msg, kind="not JSON") from None
    fields: dict[str, t.Any] = body if isinstance(body, dict) else {}
    if response.status_code != _OK:
        raise _refusal(response.status_code, fields.get("status"))
    token = fields.get("access_token")
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        msg = (
            "HubSpot's token endpoint answered 200 without an `access_token`; check "
            "the setting `api_url`"
        )
        raise InvalidResponse(msg)
    return fields


def _lifetime(seconds: object) -> float:
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        return float(seconds) if 0 < seconds <= _LONGEST_LIFETIME else 0.0
    return 0.0


def _refusal(status_code: int, status: object) -> CredentialRefused:
    remedy = _REMEDIES.get(status) if isinstance(status, str) else None
    named = f" {status}" if remedy else ""
    return CredentialRefused(
        f"HubSpot refused to refresh the OAuth token (status {status_code}{named}). "
        f"Remedy: {remedy or f'check {OAuthToken.settings}'}"
    )
