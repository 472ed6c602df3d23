"""Refusals in the form that HubSpot gives them."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

JSON_HEADERS = {"Content-Type": "application/json;charset=utf-8"}


class RefusalError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, category: str, message: str, **more: Any) -> None:
        """Describe it; `more` are further members of the body."""
        super().__init__(message)
        self.status = status
        self.headers: dict[str, str] = {}
        self.body: dict[str, Any] = {
            "status": "error",
            "message": message,
            "correlationId": str(uuid.uuid4()),
            "category": category,
            **more,
        }

    @property
    def content(self) -> bytes:
        """The body as JSON."""
        return msgspec.json.encode(self.body)


def bad_request(message: str, **context: str) -> RefusalError:
    """A parameter that HubSpot does not take."""
    error = {
        "message": message,
        "code": "INVALID_PARAMETER",
        "context": {name: [value] for name, value in context.items()},
    }
    return RefusalError(400, "VALIDATION_ERROR", message, errors=[error])


def not_found() -> RefusalError:
    """A path that HubSpot does not have."""
    return RefusalError(404, "OBJECT_NOT_FOUND", "resource not found")


def method_not_allowed(method: str, allowed: str = "GET") -> RefusalError:
    """A method that the path does not have."""
    refusal = RefusalError(
        405, "METHOD_NOT_ALLOWED", f"The method {method} is not allowed for this URL"
    )
    refusal.headers["Allow"] = allowed
    return refusal


def unauthorized() -> RefusalError:
    """A token that is missing or unknown."""
    return RefusalError(
        401,
        "INVALID_AUTHENTICATION",
        "Authentication credentials not found. This API supports OAuth 2.0 "
        "authentication and you can find more details at "
        "https://developers.hubspot.com/docs/methods/auth/oauth-overview",
    )


def expired() -> RefusalError:
    """An OAuth access token whose time is over."""
    return RefusalError(
        401,
        "EXPIRED_AUTHENTICATION",
        "The OAuth token used to make this call expired 5 second(s) ago.",
        context={"expire time": ["2026-01-01T00:00:00.000Z"]},
    )


def missing_scopes() -> RefusalError:
    """A token that may not read conversations."""
    message = (
        "This app hasn't been granted all required scopes to make this call. Read more "
        "about required scopes here: https://developers.hubspot.com/scopes."
    )
    error = {
        "message": "One or more of the following scopes are required.",
        "context": {"requiredGranularScopes": ["conversations.read"]},
    }
    return RefusalError(
        403,
        "MISSING_SCOPES",
        message,
        errors=[error],
        links={"scopes": "https://developers.hubspot.com/scopes"},
    )


def rate_limited(policy: str, message: str) -> RefusalError:
    """One request too many."""
    return RefusalError(
        429, "RATE_LIMITS", message, errorType="RATE_LIMIT", policyName=policy
    )
