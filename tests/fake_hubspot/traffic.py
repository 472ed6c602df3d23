"""What arrives at the server and what it sends back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import JSON_HEADERS, RefusalError
from .paths import endpoint_of, ids_of

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from .faults import Fault


@dataclass(slots=True)
class SeenRequest:
    """A request as it arrived, and how it was answered."""

    method: str
    path: str
    params: list[tuple[str, str]]
    """The parameters in their order, decoded once."""
    headers: CIMultiDict[str]
    """The headers, which are found in upper and lower case."""
    at: float
    """When it arrived, by the server's clock: ``time.monotonic()`` unless told."""
    number: int = 0
    """Its number among the requests for its endpoint, from 1."""
    body: bytes = b""
    status: int = 0
    """Status of the answer; 0 until there is one, and where none was given."""
    rows: int = 0
    """Number of rows in the answer."""
    fault: Fault | None = None
    """What the request met instead of a proper answer."""

    @property
    def endpoint(self) -> str:
        """What it asked for, see `endpoint_of`: threads, actors, token, ..."""
        return endpoint_of(self.path)

    @property
    def thread_id(self) -> str | None:
        """The thread whose messages it asked for, if it did."""
        return ids_of(self.path)[0]

    @property
    def message_id(self) -> str | None:
        """The message whose original content it asked for, if it did."""
        return ids_of(self.path)[1]

    @property
    def for_token(self) -> bool:
        """Whether it asked for an access token."""
        return self.endpoint == "token"

    @property
    def token(self) -> str:
        """The bearer token that it was sent with, empty where there is none."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""

    def param(self, name: str) -> str | None:
        """Give the first value of a parameter."""
        return next((value for key, value in self.params if key == name), None)


@dataclass(slots=True)
class Answer:
    """What is to be sent."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON_HEADERS))
    rows: int = 0

    @classmethod
    def of(cls, refusal: RefusalError) -> Answer:
        """Give the answer that a refusal is."""
        return cls(refusal.status, refusal.content, JSON_HEADERS | refusal.headers)
