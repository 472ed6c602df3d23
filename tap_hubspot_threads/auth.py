"""The two kinds of credential, and how each gets into a request.

Private-app tokens, service keys and OAuth access tokens are all sent as Bearer. An
OAuth app is given a refresh token instead, for which HubSpot hands out access tokens
of half an hour; see HubSpot's reference of ``/oauth/2026-03/token``.
"""

from __future__ import annotations

import re
import threading
import time
import typing as t

import msgspec
import requests
from typing_extensions import override

from tap_hubspot_threads.errors import PassingFault, RequestRefused, UnreadableAnswer

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

    Send: t.TypeAlias = Callable[[requests.PreparedRequest], "TokenAnswer"]

OAUTH_SETTINGS = ("client_id", "client_secret", "refresh_token")

TOKEN = re.compile(r"[\x21-\x7e]+")
"""What can stand in a header: anything else was copied wrongly."""

_REMEDIES = {
    "BAD_REFRESH_TOKEN": "the setting `refresh_token` is wrong or was revoked; "
    "authorize the app again and set the new one",
    "BAD_CLIENT_ID": "the setting `client_id` is not that of the app; copy it from "
    "the app's settings in HubSpot",
    "BAD_CLIENT_SECRET": "the setting `client_secret` is not that of the app; copy "
    "it from the app's settings in HubSpot",
    "BAD_HUB": "the app is not installed in the account, or the account is gone; "
    "authorize the app again and set the new `refresh_token`",
}
"""By the ``status`` of a failed refresh, as HubSpot's clients have met it."""


class TokenAnswer(t.NamedTuple):
    """What the token endpoint hands out; 0 and "" for what it does not say."""

    access_token: str
    expires_in: float
    refresh_token: str

    @classmethod
    def of(cls, response: requests.Response) -> TokenAnswer:
        """Read an answer of whatever status is not worth another try.

        Raises:
            PassingFault: If the status is 200 and the body is not JSON.
            RequestRefused: If there is another status.
            UnreadableAnswer: If there is no token in it.
        """
        try:
            body = msgspec.json.decode(response.content)
        except (msgspec.DecodeError, RecursionError) as error:
            if response.status_code == requests.codes.ok:
                msg = (
                    "HubSpot's token endpoint answered 200 with a body that is not JSON"
                )
                raise PassingFault(msg, kind="not JSON") from error
            body = None
        body = body if isinstance(body, dict) else {}
        if response.status_code != requests.codes.ok:
            raise _refusal(response.status_code, body.get("status"))
        token = body.get("access_token")
        if not isinstance(token, str) or not TOKEN.fullmatch(token):
            msg = (
                "HubSpot's token endpoint answered 200 without an `access_token`; "
                "check the setting `api_url`"
            )
            raise UnreadableAnswer(msg)
        rotated = body.get("refresh_token")
        return cls(
            access_token=token,
            expires_in=_lifetime(body.get("expires_in")),
            refresh_token=rotated if isinstance(rotated, str) else "",
        )


def _lifetime(seconds: object) -> float:
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        return float(seconds) if 0 < seconds <= _LONGEST_LIFETIME else 0.0
    return 0.0


_LONGEST_LIFETIME = 366 * 24 * 60 * 60


def _refusal(status_code: int, status: object) -> RequestRefused:
    remedy = _REMEDIES.get(status) if isinstance(status, str) else None
    named = f" {status}" if remedy else ""
    return RequestRefused(
        f"HubSpot refused to refresh the OAuth token (status {status_code}{named}). "
        f"Remedy: {remedy or f'check {OAuthToken.settings}'}"
    )


class Credential(requests.auth.AuthBase):
    """Puts an access token into the Authorization header of a request."""

    settings: t.ClassVar[str]
    """The settings to check when HubSpot does not accept the credential."""

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token()}"
        return request

    def token(self) -> str:
        """Return a token that should be valid now.

        Raises:
            HubSpotError: If none can be had.
        """
        raise NotImplementedError

    def renew(self, rejected: requests.PreparedRequest) -> bool:
        """Replace the token of a request that was answered with 401.

        Returns:
            Whether there is another token now, so that the request is worth a
            second try.
        """
        del rejected
        return False

    @property
    def secrets(self) -> list[str]:
        """The values that must not be shown anywhere."""
        raise NotImplementedError


class StaticToken(Credential):
    """A token that is valid until somebody revokes it."""

    settings = "the setting `access_token`"

    def __init__(self, token: str) -> None:
        """Keep the token."""
        self._token = token

    @override
    def token(self) -> str:
        return self._token

    @property
    @override
    def secrets(self) -> list[str]:
        return [self._token]


class OAuthToken(Credential):
    """Access tokens that are refreshed before they expire.

    It may be used from several threads: whoever comes first refreshes, the others
    wait for the result.
    """

    settings = "the settings `client_id`, `client_secret` and `refresh_token`"

    MARGIN = 120.0
    """Seconds before its expiry at which a token is not used any more.

    Longer than a request takes, so that no token expires on its way.
    """

    DEFAULT_LIFETIME = 1800.0
    """Seconds; what HubSpot documents, for an answer that does not say."""

    def __init__(
        self,
        endpoint: str,
        config: Mapping[str, t.Any],
        *,
        send: Send,
        logger: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the OAuth settings of a configuration; nothing is requested yet.

        Args:
            endpoint: URL that hands out access tokens.
            config: The settings.
            send: Sends a request to the endpoint by the retry policy.
            logger: Where it is said that the refresh token has changed.
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
            used = rejected.headers.get("Authorization")
            if used == f"Bearer {self._access_token}":
                self._refresh()
            return True

    @property
    @override
    def secrets(self) -> list[str]:
        return [*self._secrets]

    def _refresh(self) -> None:
        asked = self._clock()
        # Not through the session: it would sign the request with this credential.
        request = requests.Request(
            "POST",
            self._endpoint,
            headers={"Accept": "application/json"},
            data={"grant_type": "refresh_token", **self._form},
        ).prepare()
        answer = self._send(request)
        self._secrets |= {answer.access_token, answer.refresh_token} - {""}
        self._access_token = answer.access_token
        lifetime = answer.expires_in or self.DEFAULT_LIFETIME
        # Of a token that lives shorter than the margin, half its life is used.
        self._usable_until = asked + max(lifetime - self.MARGIN, lifetime / 2)
        if answer.refresh_token not in {"", self._form["refresh_token"]}:
            self._form["refresh_token"] = answer.refresh_token
            self._logger.warning(
                "HubSpot has replaced the refresh token. This run goes on with the "
                "new one; the setting `refresh_token` may not work any more, so "
                "authorize the app again and set the new one"
            )
