"""Where the endpoints are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SIBLINGS = ("inboxes", "channels", "channel-accounts")
"""The lists beside that of the threads."""
ENDPOINTS = ("threads", *SIBLINGS, "actors")

_TAILS = {name: name for name in ENDPOINTS} | {"actors": "actors/batch/read"}


def path_of(version: str, endpoint: str = "threads") -> str:
    """Give the path of an endpoint in a version; ``v3`` has another word order."""
    tail = _TAILS[endpoint]
    if version == "v3":
        return f"/conversations/v3/conversations/{tail}"
    return f"/conversations/conversations/{version}/{tail}"


def paths_of(endpoint: str, versions: Iterable[str]) -> list[str]:
    """Give the paths of an endpoint in some versions; ``other`` has none."""
    return [path_of(v, endpoint) for v in versions] if endpoint in _TAILS else []


def endpoint_of(path: str) -> str:
    """Name the endpoint of a path, even if its version is wrong.

    The path of access tokens is ``token``, and any unknown path is ``other``.
    """
    if path.startswith("/oauth/"):
        return "token"
    path = path.rstrip("/")
    return next((n for n, tail in _TAILS.items() if path.endswith(f"/{tail}")), "other")


def method_of(endpoint: str) -> str:
    """Give the only method of an endpoint."""
    return "POST" if endpoint == "actors" else "GET"
