"""The batch that reads actors by their ids."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from .errors import RefusalError, bad_request
from .people import optional_fields
from .traffic import Answer

if TYPE_CHECKING:
    from .account import Account
    from .contract import Contract
    from .entry import Row
    from .traffic import SeenRequest


def read_actors(seen: SeenRequest, account: Account, contract: Contract) -> Answer:
    """Answer a request; an actor that is asked for twice is answered once."""
    if seen.params and contract.sibling_strict:
        name = seen.params[0][0]
        message = f"{name} is not a parameter of this endpoint"
        raise bad_request(message, parameter=name)
    asked = list(dict.fromkeys(_inputs(seen, contract)))
    started = account.clock.text
    rows: list[Row] = []
    unknown: list[str] = []
    for actor_id in asked:
        try:
            rows.append(_shown(account.directory.actor_row(actor_id), contract))
        except KeyError:
            unknown.append(actor_id)
    if contract.actors_shuffled:
        rows = _shuffled(rows, contract)
    content: dict[str, Any] = {
        "status": "COMPLETE",
        "results": rows,
        "startedAt": started,
        "completedAt": account.clock.text,
    }
    status = 200
    if unknown and contract.unknown_actors != "missing":
        content |= {"numErrors": 1, "errors": [_error(unknown)]}
        status = 207 if contract.unknown_actors == "errors_207" else 200
    return Answer(status, msgspec.json.encode(content), rows=len(rows))


def _inputs(seen: SeenRequest, contract: Contract) -> list[str]:
    """Read the body of a request, or refuse it."""
    kind = seen.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusalError(415, "UNSUPPORTED_MEDIA_TYPE", "the body must be JSON")
    try:
        inputs = msgspec.json.decode(seen.body)["inputs"]
    except (msgspec.DecodeError, ValueError, KeyError, TypeError):
        raise bad_request("Invalid input JSON", parameter="inputs") from None
    if not isinstance(inputs, list) or not all(isinstance(one, str) for one in inputs):
        raise bad_request("inputs must be a list of strings", parameter="inputs")
    if not 1 <= len(inputs) <= contract.actors_max:
        message = f"inputs must have between 1 and {contract.actors_max} elements"
        raise bad_request(message, parameter="inputs")
    return inputs


def _shown(row: Row, contract: Contract) -> Row:
    return dict.fromkeys(optional_fields(row["type"])) | row if contract.nulls else row


def _shuffled(rows: list[Row], contract: Contract) -> list[Row]:
    """Give rows in another order than theirs, always the same one."""
    other = sorted(
        rows, key=lambda row: zlib.crc32(f"{contract.seed}:{row['id']}".encode())
    )
    return rows[::-1] if other == rows else other


def _error(unknown: list[str]) -> dict[str, Any]:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": "Could not get some actors, they may be deleted or not exist.",
        "context": {"ids": unknown},
        "errors": [],
        "links": {},
    }
