"""Where the endpoints are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

SIBLINGS = ("inboxes", "channels", "channel-accounts")
"""The lists beside that of the threads."""
ENDPOINTS = ("threads", *SIBLINGS, "actors")
CHILDREN = ("messages", "original-content")
"""The endpoints of one thread, and of one of its messages."""

_TAILS = {name: name for name in ENDPOINTS} | {"actors": "actors/batch/read"}
_CHILD = re.compile(
    r"/(threads/(?P<thread>[^/]+)/messages"
    r"(?:/(?P<message>[^/]+)/original-content)?)/?"
)


def path_of(
    version: str,
    endpoint: str = "threads",
    thread_id: str = "",
    message_id: str = "",
) -> str:
    """Give the path of an endpoint in a version; ``v3`` has another word order."""
    if endpoint in CHILDREN:
        tail = f"threads/{quote(thread_id, safe='')}/messages"
        if endpoint == "original-content":
            tail += f"/{quote(message_id, safe='')}/original-content"
    else:
        tail = _TAILS[endpoint]
    return _base(version) + tail


def paths_like(path: str, versions: Iterable[str]) -> list[str]:
    """Give the equivalent paths in some versions; none if the path is unknown.

    Ids stay encoded as they are.
    """
    child = _child(path)
    tail = _TAILS.get(endpoint_of(path)) if child is None else child[1]
    return [] if tail is None else [_base(version) + tail for version in versions]


def endpoint_of(path: str) -> str:
    """Name the endpoint of a path, even if its version is wrong.

    The path of access tokens is ``token``, and any unknown path is ``other``.
    """
    if path.startswith("/oauth/"):
        return "token"
    child = _child(path)
    if child is not None:
        return CHILDREN[child["message"] is not None]
    path = path.rstrip("/")
    return next((n for n, tail in _TAILS.items() if path.endswith(f"/{tail}")), "other")


def ids_of(path: str) -> tuple[str | None, str | None]:
    """Give the thread and the message that a path names."""
    child = _child(path)
    if child is None:
        return None, None
    thread, message = child["thread"], child["message"]
    return unquote(thread), None if message is None else unquote(message)


def method_of(endpoint: str) -> str:
    """Give the only method of an endpoint."""
    return "POST" if endpoint == "actors" else "GET"


def _base(version: str) -> str:
    if version == "v3":
        return "/conversations/v3/conversations/"
    return f"/conversations/conversations/{version}/"


def _child(path: str) -> re.Match[str] | None:
    found = _CHILD.search(path)
    return found if found and found.end() == len(path) else None
