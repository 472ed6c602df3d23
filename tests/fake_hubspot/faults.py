"""Faults of HubSpot and of networks, and the plan of which request meets which."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from .errors import RefusalError, rate_limited, unauthorized
from .traffic import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from .traffic import SeenRequest

Break = Literal["none", "reset", "close", "chunked"]
Endpoint = Literal[
    "threads",
    "inboxes",
    "channels",
    "channel-accounts",
    "actors",
    "messages",
    "original-content",
    "token",
]
_GROUPS: dict[str, tuple[str, ...] | None] = {"both": ("threads", "token"), "any": None}

_HTML = (
    b"<!DOCTYPE html>\n<html><head><title>Error</title></head>"
    b"<body><h1>HubSpot is not available</h1></body></html>\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one request; made with one of the class methods."""

    name: str
    answer: Answer | None = None
    """Sent instead of the proper answer, which is then not even looked up."""
    edit: Callable[[bytes], bytes] | None = None
    """Changes the body of the proper answer."""
    breaks: Break = "none"
    """How the connection ends: by RST, by FIN, or by FIN without the last chunk."""
    sent: float = 1.0
    """Share of the body that is sent before that; negative: not even the headers."""
    delay: float = 0.0
    """Seconds before the headers."""
    pause: float = 0.0
    """Seconds after each of the pieces of the body."""
    pieces: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether the proper answer arrives all the same."""
        return self.answer is None and self.edit is None and self.breaks == "none"

    @classmethod
    def status(
        cls,
        status: int,
        body: bytes = _HTML,
        headers: dict[str, str] | None = None,
        *,
        retry_after: float | str | datetime | None = None,
    ) -> Self:
        """Any status with any body, HTML unless told otherwise."""
        headers = {"Content-Type": "text/html;charset=utf-8"} | (headers or {})
        return cls._refused(str(status), Answer(status, body, headers), retry_after)

    @classmethod
    def refusal(
        cls, refusal: RefusalError, retry_after: float | str | datetime | None = None
    ) -> Self:
        """A refusal with HubSpot's body."""
        policy = refusal.body.get("policyName")
        name = f"{refusal.status} {policy}" if policy else str(refusal.status)
        return cls._refused(name, Answer.of(refusal), retry_after)

    @classmethod
    def _refused(
        cls, name: str, answer: Answer, retry_after: float | str | datetime | None
    ) -> Self:
        if isinstance(retry_after, datetime):
            retry_after = format_datetime(retry_after.astimezone(UTC), usegmt=True)
        if retry_after is not None:
            answer.headers["Retry-After"] = str(retry_after)
            name = f"{name} Retry-After {retry_after}"
        return cls(name=name, answer=answer)

    @classmethod
    def rate_limit(
        cls,
        policy: str = "TEN_SECONDLY_ROLLING",
        retry_after: float | str | datetime | None = None,
    ) -> Self:
        """A 429 of a policy: TEN_SECONDLY_ROLLING, SECONDLY or DAILY."""
        message = f"You have reached your {policy.lower()} limit."
        return cls.refusal(rate_limited(policy, message), retry_after)

    @classmethod
    def unauthorized(cls) -> Self:
        """A 401, as when a token has just ended."""
        return cls.refusal(unauthorized())

    @classmethod
    def locked(cls) -> Self:
        """A 423: locked for a moment."""
        return cls.refusal(RefusalError(423, "LOCKED", "The resource is locked"))

    @classmethod
    def moving(cls, retry_after: float | str | datetime | None = 1) -> Self:
        """A 477: the account is being moved to another region."""
        message = "Account is being migrated between data centers"
        return cls.refusal(
            RefusalError(477, "MIGRATION_IN_PROGRESS", message), retry_after
        )

    @classmethod
    def redirect(cls, location: str, status: int = 302) -> Self:
        """A redirect, which must not be followed with a credential."""
        return cls.status(status, b"", {"Location": location})

    @classmethod
    def reset(cls) -> Self:
        """A connection that is reset before any answer."""
        return cls(name="reset", breaks="reset", sent=-1, answer=Answer(0, b""))

    @classmethod
    def disconnect(cls) -> Self:
        """A connection that is closed before any answer."""
        return cls(name="disconnect", breaks="close", sent=-1, answer=Answer(0, b""))

    @classmethod
    def reset_midway(cls, sent: float = 0.5) -> Self:
        """A connection that is reset in the middle of the body."""
        return cls(name=f"reset at {sent:.0%}", breaks="reset", sent=sent)

    @classmethod
    def cut(cls, sent: float = 0.5) -> Self:
        """A body that ends before its Content-Length."""
        return cls(name=f"cut at {sent:.0%}", breaks="close", sent=sent)

    @classmethod
    def cut_chunked(cls, sent: float = 0.5) -> Self:
        """A chunked body that ends without its last chunk."""
        return cls(name=f"chunks cut at {sent:.0%}", breaks="chunked", sent=sent)

    @classmethod
    def slow(cls, seconds: float) -> Self:
        """A proper answer that comes late."""
        return cls(name="slow", delay=seconds)

    @classmethod
    def hang(cls) -> Self:
        """No answer as long as anybody waits."""
        return cls(name="hang", delay=86_400.0)

    @classmethod
    def dribble(cls, pause: float, pieces: int = 10) -> Self:
        """A proper answer whose body comes in pieces with pauses between them."""
        return cls(name="dribble", pause=pause, pieces=pieces)

    @classmethod
    def html(cls) -> Self:
        """HTML with the status 200."""
        return cls.status(200)

    @classmethod
    def half_json(cls, share: float = 0.5) -> Self:
        """A complete answer whose body is the beginning of a proper one."""
        return cls(name="half json", edit=lambda body: body[: int(len(body) * share)])

    @classmethod
    def content(cls, body: bytes, content_type: str = "application/json") -> Self:
        """Any bytes with the status 200."""
        answer = Answer(200, body, {"Content-Type": content_type})
        return cls(name="content", answer=answer)

    @classmethod
    def json(cls, value: Any) -> Self:
        """Any JSON with the status 200."""
        return cls.content(msgspec.json.encode(value))

    @classmethod
    def without_results(cls) -> Self:
        """JSON that is an object without results."""
        return cls.json({"total": 0})

    @classmethod
    def edited(cls, change: Callable[[dict[str, Any]], Any]) -> Self:
        """A proper answer in which a function has changed the decoded body in place."""

        def edit(body: bytes) -> bytes:
            decoded = msgspec.json.decode(body)
            change(decoded)
            return msgspec.json.encode(decoded)

        return cls(name="edited", edit=edit)

    @classmethod
    def passing(cls) -> list[Self]:
        """Give one of each quick fault that a client rides out by trying again."""
        return [
            cls.rate_limit("TEN_SECONDLY_ROLLING"),
            cls.rate_limit("SECONDLY"),
            cls.locked(),
            cls.moving(),
            *(cls.status(status) for status in (500, 502, 503, 504, 520, 524)),
            cls.status(503, retry_after=1),
            cls.reset(),
            cls.disconnect(),
            cls.reset_midway(),
            cls.cut(),
            cls.cut_chunked(),
            cls.html(),
            cls.half_json(),
        ]


@dataclass(slots=True, kw_only=True)
class _Rule:
    faults: Sequence[Fault]
    numbers: range | None
    when: Callable[[SeenRequest], object] | None
    probability: float
    times: int | None
    endpoints: tuple[str, ...] | None

    def matches(self, seen: SeenRequest) -> bool:
        return (
            self.times != 0
            and (self.endpoints is None or seen.endpoint in self.endpoints)
            and (self.numbers is None or seen.number in self.numbers)
            and (self.when is None or bool(self.when(seen)))
        )


@dataclass(slots=True)
class FaultPlan:
    """Says which request meets which fault; the first rule that applies does."""

    seed: int = 0
    _rules: list[_Rule] = field(default_factory=list, init=False)
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Begin the chance of this plan."""
        self._chance = random.Random(self.seed)

    def add(
        self,
        *faults: Fault,
        at: int | range | None = None,
        since: int | None = None,
        when: Callable[[SeenRequest], object] | None = None,
        probability: float = 1.0,
        times: int | None = None,
        on: Endpoint | Literal["both", "any"] = "threads",
    ) -> Self:
        """Let requests meet one of `faults`, which chance chooses where there are more.

        Args:
            faults: What they meet.
            at: Number of the request, from 1, or a range of numbers.
            since: Number of the first one of all requests from there on.
            when: Tells from the request whether it is meant.
            probability: Share of the requests meant that meet it.
            times: How many meet it in all; None for no end.
            on: The endpoint whose requests are meant, each being numbered by itself;
                both threads and access tokens; or any.

        Returns:
            The plan itself, so that rules can be chained.
        """
        numbers = at if isinstance(at, range) else None
        if isinstance(at, int):
            numbers = range(at, at + 1)
        if since is not None:
            numbers = range(since, 2**62)
        rule = _Rule(
            faults=faults,
            numbers=numbers,
            when=when,
            probability=probability,
            times=times,
            endpoints=_GROUPS.get(on, (on,)),
        )
        self._rules.append(rule)
        return self

    def clear(self) -> None:
        """Drop all rules."""
        self._rules.clear()

    def meet(self, seen: SeenRequest) -> Fault | None:
        """Give what a request meets."""
        for rule in self._rules:
            if not rule.matches(seen) or self._chance.random() >= rule.probability:
                continue
            if rule.times is not None:
                rule.times -= 1
            return self._chance.choice(rule.faults)
        return None
