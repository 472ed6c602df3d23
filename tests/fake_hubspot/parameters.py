"""Query parameters, read one at a time and refused as HubSpot refuses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .errors import RefusalError

INT32 = 2**31
INT64 = 2**63


def refused(name: str, rule: str) -> RefusalError:
    """Refuse a parameter for a rule that it breaks."""
    return bad_request(f"{name} {rule}", parameter=name)


def by_name(params: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Collect the values of each parameter."""
    values: dict[str, list[str]] = {}
    for name, value in params:
        values.setdefault(name, []).append(value)
    return values


def single(values: dict[str, list[str]], names: Iterable[str]) -> dict[str, str]:
    """Give the first value of each parameter; those of `names` may have one only."""
    for name in names:
        if len(values.get(name, ())) > 1:
            raise refused(name, "must be given once")
    return {name: given[0] for name, given in values.items()}


def choice(one: dict[str, str], name: str, choices: Sequence[str]) -> str | None:
    """Read a parameter that has some possible values."""
    value = one.get(name)
    if value is not None and value not in choices:
        raise refused(name, f"must be one of: [{', '.join(choices)}]")
    return value


def integer(value: str, name: str, limit: int) -> str:
    """Read a number of limited size."""
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and -limit <= int(value) < limit):
        raise refused(name, f"must be an integer below {limit}")
    return str(int(value))


def page_limit(one: dict[str, str], default: int, most: int) -> int:
    """Read the largest number of rows that a page may have."""
    limit = int(integer(one["limit"], "limit", INT32)) if "limit" in one else default
    if not 1 <= limit <= most:
        raise refused("limit", f"must be between 1 and {most}")
    return limit
