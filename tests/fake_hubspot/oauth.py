"""OAuth: access tokens for a refresh token, and how that fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import parse_qsl

import msgspec

from .errors import RefusalError, expired, method_not_allowed, not_found
from .traffic import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .traffic import SeenRequest

Rotation = Literal["never", "lenient", "strict"]
Failure = Literal[
    "none", "BAD_REFRESH_TOKEN", "BAD_CLIENT_ID", "BAD_CLIENT_SECRET", "BAD_HUB"
]

OAUTH_VERSIONS = ("2026-03", "2026-09", "v1", "v3")

_MESSAGES = {
    "BAD_GRANT_TYPE": ("unsupported_grant_type", "missing or unknown grant_type"),
    "BAD_CLIENT_ID": ("invalid_client", "missing or unknown client id"),
    "BAD_CLIENT_SECRET": ("invalid_client", "missing or invalid client secret"),
    "BAD_REFRESH_TOKEN": ("invalid_grant", "missing or invalid refresh token"),
    "BAD_HUB": ("invalid_grant", "the hub is not active"),
}


@dataclass(kw_only=True)
class OAuth:
    """An app that an account has installed; may be changed between two requests."""

    client_id: Annotated[str, "the app's client id"] = "fake-client-id"
    client_secret: Annotated[str, "the app's client secret"] = "fake-client-secret"
    refresh_token: Annotated[
        str,
        "the refresh token that is valid; rotation changes it",
    ] = "fake-refresh-token"
    expires_in: Annotated[int, "seconds that an access token is said to live"] = 1800
    lifetime: Annotated[
        float,
        "seconds that it does live; 0 for what is said",
    ] = 0.0
    rotation: Annotated[
        Rotation,
        "whether a refresh brings another refresh token, and whether older ones are "
        "then refused (strict)",
    ] = "never"
    failure: Annotated[Failure, "how every refresh fails"] = "none"
    scoped: Annotated[bool, "access tokens may read conversations"] = True

    issued: list[str] = field(default_factory=list, init=False)
    """Every access token that was given out, in order."""
    _ends: dict[str, float] = field(default_factory=dict, init=False)
    _older: set[str] = field(default_factory=set, init=False)

    def answer(self, seen: SeenRequest, monotonic: Callable[[], float]) -> Answer:
        """Answer a request for a token."""
        if seen.path not in {f"/oauth/{version}/token" for version in OAUTH_VERSIONS}:
            raise not_found()
        if seen.method != "POST":
            raise method_not_allowed(seen.method, "POST")
        kind = seen.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind != "application/x-www-form-urlencoded":
            raise RefusalError(415, "UNSUPPORTED_MEDIA_TYPE", f"not a form: {kind}")
        status = self._status(dict(parse_qsl(seen.body.decode(errors="replace"))))
        if status is not None:
            error, message = _MESSAGES[status]
            refusal = RefusalError(400, "VALIDATION_ERROR", message)
            refusal.body |= {
                "status": status,
                "error": error,
                "error_description": message,
            }
            raise refusal
        return self._issue(monotonic())

    def knows(self, token: str) -> bool:
        """Whether a token was given out here, be it expired."""
        return token in self._ends

    def check(self, token: str, now: float) -> None:
        """Refuse an access token whose time is over."""
        if now >= self._ends[token]:
            raise expired()

    def revoke(self) -> None:
        """End all access tokens that were given out."""
        self._ends = dict.fromkeys(self._ends, float("-inf"))

    def _status(self, form: dict[str, str]) -> str | None:
        if self.failure != "none":
            return self.failure
        if form.get("grant_type") != "refresh_token":
            return "BAD_GRANT_TYPE"
        if form.get("client_id") != self.client_id:
            return "BAD_CLIENT_ID"
        if form.get("client_secret") != self.client_secret:
            return "BAD_CLIENT_SECRET"
        if form.get("refresh_token") not in {self.refresh_token, *self._older}:
            return "BAD_REFRESH_TOKEN"
        return None

    def _issue(self, now: float) -> Answer:
        number = len(self.issued) + 1
        access_token = f"fake-access-token-{number}"
        self.issued.append(access_token)
        self._ends[access_token] = now + (self.lifetime or self.expires_in)
        if self.rotation != "never":
            if self.rotation == "lenient":
                self._older.add(self.refresh_token)
            self.refresh_token = f"fake-rotated-token-{number}"
        content = {
            "token_type": "bearer",
            "refresh_token": self.refresh_token,
            "access_token": access_token,
            "expires_in": self.expires_in,
        }
        return Answer(200, msgspec.json.encode(content))
