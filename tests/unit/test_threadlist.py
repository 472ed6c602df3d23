"""The threads whose histories are to be read."""

from __future__ import annotations

import typing as t

import pytest

from tap_hubspot_threads.errors import InvalidResponse
from tap_hubspot_threads.threadlist import ThreadList

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    Row: t.TypeAlias = dict[str, t.Any]

IDS: tuple[t.Any, ...] = ("7", "007", "ä\n,", 8, "99999999999999999999")


def rows(count: int) -> Iterator[Row]:
    """Yield threads as HubSpot lists them."""
    for n in range(count):
        identity = IDS[n] if n < len(IDS) else str(n)
        yield {"id": identity, "archived": n % 2 == 0, "status": "OPEN"}


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1_700])
def test_a_list_gives_back_what_was_listed(count: int) -> None:
    """In its order, with IDs of any kind; the rest of a row is not kept."""
    threads = ThreadList(rows(count))
    assert len(threads) == count
    found = list(threads)
    assert [row["id"] for row in found] == [row["id"] for row in rows(count)]
    assert [row["archived"] for row in found] == [n % 2 == 0 for n in range(count)]
    assert not any("status" in row for row in found)
    assert len(threads) == 0


def test_the_greatest_id_is_that_of_the_numbers() -> None:
    """One with more digits than HubSpot's is not taken for a number."""
    assert ThreadList(rows(5)).greatest_id == 8
    assert ThreadList(rows(0)).greatest_id == 0


def test_an_error_comes_behind_the_threads_before_it() -> None:
    """So a list that always fails at the same place does not stop everything."""

    def failing() -> Iterator[Row]:
        yield from rows(700)
        msg = "no page"
        raise InvalidResponse(msg)

    threads = iter(ThreadList(failing()))
    assert len([next(threads) for _ in range(700)]) == 700
    with pytest.raises(InvalidResponse, match="no page"):
        next(threads)


def test_a_list_is_small() -> None:
    """A million threads take some megabytes."""
    threads = ThreadList(
        {"id": str(10**10 + 37 * n), "archived": False} for n in range(50_000)
    )
    assert sum(map(len, threads._pages)) < 15 * 50_000
