"""Arbitrary responses: no traceback, no hang, and no false success.

``FUZZ_EXAMPLES`` is the number of examples for each test.
"""

from __future__ import annotations

import copy
import gzip
import json
import os
import re
import typing as t

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fake_hubspot import Account, FakeHubSpot, Fault, OAuth
from tests.support import harness
from tests.support.harness import FIELDS, TOKEN, Output, StillClock, Wire, by_id, http

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
CANARY = "the-words-of-a-customer"
PAGE, PAGES = 5, 3
MOST_REQUESTS = 150
"""More than a listing with a hundred empty pages, at which a run stops."""
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \| [A-Z]+ *\| [\w.-]+ *\| .*")

fuzzed = settings(max_examples=EXAMPLES, deadline=None)


class Bench:
    """A server, a clock that does not move, and a directory, for many runs."""

    def __init__(self, hubspot: FakeHubSpot, clock: StillClock, path: Path) -> None:
        rows = sorted(
            hubspot.account.threads(), key=lambda row: row["latestMessageTimestamp"]
        )
        self.hubspot = hubspot
        self.clock = clock
        self.path = path
        self.ids = [row["id"] for row in rows]
        self.bodies = [
            json.dumps(page(rows, number)).encode() for number in range(1, PAGES + 1)
        ]

    def run(self, *, app: bool = False) -> Output:
        """Run once, and check what every run guarantees."""
        make = harness.oauth_settings if app else _with_token
        output = self.check(make(self.hubspot, page_size=PAGE, max_retry_seconds=60))
        assert len(self.hubspot.requests) <= MOST_REQUESTS
        return output

    def check(self, config: dict[str, t.Any]) -> Output:
        """Run with a configuration, and check what every run guarantees."""
        self.clock.waits.clear()
        output = harness.run_command_here(self.path, config)
        assert len(self.clock.waits) < MOST_REQUESTS
        assert output.code in {0, 1}
        assert len(output.errors) == output.code
        for line in output.stderr.removesuffix("\n").split("\n"):
            assert LINE.fullmatch(line), line
            assert line.isprintable()
            assert len(line) < 2_000
        for words in ("should not happen", "Traceback", TOKEN, CANARY):
            assert words not in output.stderr
        return output

    def fresh(self) -> FakeHubSpot:
        """Return the server in its initial state."""
        self.clock.now += 3_600
        self.hubspot.faults.clear()
        self.hubspot.forget()
        self.hubspot.oauth = OAuth()
        return self.hubspot


def _with_token(hubspot: FakeHubSpot, **more: t.Any) -> dict[str, t.Any]:
    return harness.settings(hubspot.url, **more)


def page(rows: list[dict[str, t.Any]], number: int) -> dict[str, t.Any]:
    """Return a page as HubSpot would send it, with a cursor to the next one."""
    body: dict[str, t.Any] = {"results": rows[(number - 1) * PAGE : number * PAGE]}
    if number < PAGES:
        body["paging"] = {"next": {"after": f"cursor-{number + 1}"}}
    return body


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Serve three pages of threads, with no real waits."""
    clock = StillClock()
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        FakeHubSpot(
            Account(size=PAGE * PAGES), token=TOKEN, monotonic=clock
        ) as hubspot,
    ):
        clock.share_with_tap(monkeypatch)
        yield Bench(hubspot, clock, tmp_path_factory.mktemp("fuzz"))


# Bodies.

TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            CANARY,
            TOKEN,
            "",
            "\x00",
            "\r\n",
            "\u2028",
            "NaN",
            "9" * 30,
            "-1",
            "١٢",
            "1_0",
        ]
    ),
)
NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**19, 10**400]),
    st.floats(allow_nan=False, allow_infinity=False),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
NAMES = st.one_of(
    st.text(max_size=10),
    st.sampled_from(
        ["results", "paging", "next", "after", "id", "latestMessageTimestamp", "a\nb"]
    ),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)
    ),
    max_leaves=12,
)

ROWS = st.dictionaries(st.one_of(NAMES, st.sampled_from(FIELDS)), JSON, max_size=4)
PAGE_LIKE = st.fixed_dictionaries(
    {
        "results": st.lists(
            st.one_of(
                JSON,
                st.builds(lambda row, id_: row | {"id": id_}, ROWS, SCALARS),
                st.builds(lambda row, id_: row | {"id": str(id_)}, ROWS, st.integers()),
            ),
            max_size=3,
        )
    },
    optional={
        "paging": st.one_of(
            JSON,
            st.builds(lambda after: {"next": {"after": after}}, SCALARS),
        )
    },
)


def dumped(value: t.Any) -> bytes:
    """Return JSON, even for numbers that are too long for Python to print."""
    return msgspec.json.encode(_printable(value))


def _printable(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {str(name): _printable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_printable(each) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return msgspec.Raw(str(value).encode())
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value


def is_page(value: t.Any) -> bool:
    """Return whether a response is a page of threads that HubSpot could send."""
    return isinstance(value, dict) and isinstance(value.get("results"), list)


@fuzzed
@given(body=st.binary(max_size=200), at=st.sampled_from([1, 2]), lasts=st.booleans())
@example(body=b"", at=1, lasts=True)
@example(body=b"\xef\xbb\xbf{}", at=2, lasts=False)
@example(body=b"[" * 100_000, at=1, lasts=True)
@example(body=b'{"results": [' + b'{"id": ' * 50_000, at=2, lasts=True)
@example(body=b'"\\ud800"', at=2, lasts=False)
@example(body=b"9" * 5000, at=1, lasts=False)
@example(body=b'{"results": []} trailing', at=2, lasts=False)
def test_any_bytes_as_an_answer(
    bench: Bench, body: bytes, at: int, *, lasts: bool
) -> None:
    """Either every thread is written after retries, or the run fails."""
    hubspot = bench.fresh()
    hubspot.faults.add(Fault.content(body), at=range(at, 2**62 if lasts else at + 1))
    output = bench.run()
    if b"\\ud" in body.lower():
        return  # half a character can be read; the example shows that it is harmless
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        assert output.code == lasts
    else:
        assert output.code == 1 or is_page(value)
        return
    if not lasts:
        assert [row["id"] for row in output.records] == bench.ids
    else:
        assert [row["id"] for row in output.records] == bench.ids[: (at - 1) * PAGE]


@fuzzed
@given(
    value=st.one_of(JSON, PAGE_LIKE), at=st.sampled_from([1, 2]), lasts=st.booleans()
)
@example(value={"results": None}, at=2, lasts=True)
@example(value={"results": [], "paging": {"next": {"after": "x"}}}, at=1, lasts=True)
@example(value={"results": [{"id": 10**400}]}, at=1, lasts=True)
@example(value={"results": [{"id": "1"}, {"id": 1.5}]}, at=2, lasts=False)
@example(value={"results": [{"id": "1", "a\nb | ERROR | c": 1}]}, at=1, lasts=False)
@example(value={"results": [{"id": "1", "\u2028": 1}]}, at=1, lasts=False)
@example(value={"results": [{"id": "1\u2028"}]}, at=1, lasts=False)
@example(value={"results": [{"id": "1", "n" * 9_000: 1}]}, at=1, lasts=False)
@example(
    value={"results": [{"id": "1", f"name {n}": 1} for n in range(500)]},
    at=1,
    lasts=False,
)
def test_any_json_as_an_answer(
    bench: Bench, value: t.Any, at: int, *, lasts: bool
) -> None:
    """What is not a page is an error, and is never taken for "no threads"."""
    hubspot = bench.fresh()
    fault = Fault.content(dumped(value))
    hubspot.faults.add(fault, at=range(at, 2**62 if lasts else at + 1))
    output = bench.run()
    written = [row["id"] for row in output.records]
    before = bench.ids[: (at - 1) * PAGE]
    assert written[: len(before)] == before
    if not is_page(value):
        assert output.code == 1
        assert written == before
        assert len(hubspot.requests) == at
    elif output.code == 0:
        given_ids = {str(row["id"]) for row in value["results"]}
        assert given_ids <= set(written)


def places(value: t.Any, *path: t.Any) -> Iterator[tuple[t.Any, ...]]:
    """Yield the path to every value in JSON."""
    yield path
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for name, each in inner:
            yield from places(each, *path, name)


GONE = object()


def changed(body: dict[str, t.Any], way: tuple[t.Any, ...], new: t.Any) -> t.Any:
    """Replace the value at a path in a page; `GONE` removes it."""
    if not way:
        return None if new is GONE else new
    whole: t.Any = copy.deepcopy(body)
    place = whole
    for name in way[:-1]:
        place = place[name]
    if new is GONE:
        del place[way[-1]]
    else:
        place[way[-1]] = new
    return whole


@fuzzed
@given(data=st.data(), at=st.sampled_from([1, 2, PAGES]))
def test_a_page_with_something_else_in_it(
    bench: Bench, data: st.DataObject, at: int
) -> None:
    """All rows of the page are written, with null for unreadable values, or none is."""
    body = json.loads(bench.bodies[at - 1])
    way = data.draw(st.sampled_from([*places(body)]))
    new = data.draw(st.one_of(st.just(GONE), JSON))
    other = changed(body, way, new)
    hubspot = bench.fresh()
    # The server's own cursor, unless that is what is changed.
    cursors = hubspot.contract.cursor_bound
    assert cursors

    def edit(proper: dict[str, t.Any]) -> None:
        ours = copy.deepcopy(other)
        if is_page(ours) and way[:1] != ("paging",) and "paging" in proper:
            ours["paging"] = proper["paging"]
        proper.clear()
        proper["whole"] = ours

    fault = Fault.edited(edit)
    whole = Fault(
        name="changed",
        edit=lambda text: dumped(
            msgspec.json.decode(t.cast("Callable[[bytes], bytes]", fault.edit)(text))[
                "whole"
            ]
        ),
    )
    hubspot.faults.add(whole, at=at)
    output = bench.run()
    written = [row["id"] for row in output.records]
    before = bench.ids[: (at - 1) * PAGE]
    assert written[: len(before)] == before
    if output.code == 1:
        assert written in (before, bench.ids[: at * PAGE]) or way[:1] == ("results",)
        return
    assert is_page(other)
    meant = [str(row["id"]) for row in other["results"]]
    assert set(before) | set(meant) <= set(written)
    if way[:1] != ("paging",) and way:
        assert set(bench.ids[at * PAGE :]) <= set(written)


# Arbitrary bytes on the network.

VALUES = st.one_of(
    st.integers(-5, 70_000).map(lambda n: str(n).encode()),
    st.sampled_from(
        [
            b"gzip",
            b"deflate",
            b"br",
            b"zstd",
            b"gzip, gzip",
            b"chunked",
            b"chunked, gzip",
            b"close",
            b"keep-alive",
            b"1" + b"0" * 400,
            b"9" * 5000,
            b"1.5",
            b"inf",
            b"nan",
            b"1_000",
            b"\xd9\xa1",
            b"Wed, 21 Oct 2015 07:28:00 GMT",
            b"Wed, 21 Oct 9999 07:28:00 GMT",
            b"Mon, 1 Jan 99999999999999999999 00:00:00 GMT",
            b"http://[",
            b"https://elsewhere.example/",
            b"text/html; charset=nonsense",
            b"a=b; Max-Age=x; Expires=y",
            CANARY.encode(),
        ]
    ),
    st.binary(max_size=40).filter(lambda value: b"\n" not in value),
)
HEADERS = st.tuples(
    st.one_of(
        st.sampled_from(
            [
                b"Content-Length",
                b"Content-Encoding",
                b"Content-Type",
                b"Transfer-Encoding",
                b"Retry-After",
                b"X-HubSpot-RateLimit-Max",
                b"X-HubSpot-RateLimit-Remaining",
                b"X-HubSpot-RateLimit-Interval-Milliseconds",
                b"X-HubSpot-RateLimit-Daily-Remaining",
                b"Location",
                b"Set-Cookie",
                b"Connection",
                b"Trailer",
                b"Upgrade",
            ]
        ),
        st.binary(max_size=10).filter(lambda name: b"\n" not in name),
    ),
    VALUES,
).map(b": ".join)
STATUSES = st.one_of(
    st.sampled_from(["200 OK", "200", "429 Too Many", "477 Moving", "503 No", "302 x"]),
    st.integers(-1, 1_000).map(str),
    st.text(max_size=10),
)


def run_over_the_wire(bench: Bench, odd: bytes, at: int, *, lasts: bool) -> Output:
    """Answer one request, or all from one on, with bytes, and check the rest."""

    def answer(number: int, request: bytes) -> bytes:
        if number == at or (lasts and number > at):
            return odd
        cursor = re.search(rb"[?&]after=cursor-(\d+)", request)
        return http(bench.bodies[int(cursor[1]) - 1 if cursor else 0])

    bench.fresh()
    with Wire(answer) as wire:
        config = harness.settings(wire.url, page_size=PAGE, max_retry_seconds=60)
        output = bench.check(config)
        assert len(wire.requests) <= MOST_REQUESTS
    return output


@fuzzed
@given(
    odd=st.one_of(
        st.binary(max_size=100),
        st.binary(max_size=60).map(lambda rest: b"HTTP/1.1 " + rest),
        st.binary(max_size=60).map(lambda rest: b"HTTP/1.1 200 OK\r\n" + rest),
    ),
    at=st.sampled_from([1, 2]),
    lasts=st.booleans(),
)
@example(odd=b"", at=1, lasts=True)
@example(odd=b"HTTP/1.1 200 OK\r\n\r\n", at=1, lasts=True)
@example(odd=b"HTTP/1.1 100 Continue\r\n\r\n" * 50, at=2, lasts=False)
@example(odd=b"HTTP/1.1 200 OK\r\nA: b" + b"c" * 70_000, at=1, lasts=False)
@example(odd=b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200, at=1, lasts=False)
@example(odd=b"HTTP/0.9 200 OK\r\n\r\n", at=1, lasts=False)
@example(odd=b"SSH-2.0-OpenSSH_9.9\r\n", at=1, lasts=True)
@example(odd=b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", at=1, lasts=False)
def test_any_bytes_over_the_wire(
    bench: Bench, odd: bytes, at: int, *, lasts: bool
) -> None:
    """Whatever does not speak HTTP is a fault, transient or permanent."""
    output = run_over_the_wire(bench, odd, at, lasts=lasts)
    written = [row["id"] for row in output.records]
    if output.code == 0:
        assert written == bench.ids
    else:
        assert written == bench.ids[: (at - 1) * PAGE]


@fuzzed
@given(
    status=STATUSES,
    headers=st.lists(HEADERS, max_size=4),
    form=st.sampled_from(["page", "compressed", "chunked", "nothing"]),
    at=st.sampled_from([1, 2]),
    lasts=st.booleans(),
)
@example(
    status="200 OK",
    headers=[
        b"X-HubSpot-RateLimit-Max: 1" + b"0" * 400,
        b"X-HubSpot-RateLimit-Remaining: 5",
        b"X-HubSpot-RateLimit-Interval-Milliseconds: 10000",
    ],
    form="page",
    at=1,
    lasts=False,
)
@example(
    status="200 OK",
    headers=[
        b"X-HubSpot-RateLimit-Max: 1",
        b"X-HubSpot-RateLimit-Remaining: -" + b"9" * 400,
        b"X-HubSpot-RateLimit-Interval-Milliseconds: 60000",
    ],
    form="page",
    at=1,
    lasts=False,
)
@example(
    status="503 No",
    headers=[b"Retry-After: " + b"9" * 5000],
    form="page",
    at=2,
    lasts=False,
)
@example(
    status="302 Found", headers=[b"Location: http://["], form="page", at=1, lasts=True
)
def test_any_status_and_headers(
    bench: Bench, status: str, headers: list[bytes], form: str, at: int, *, lasts: bool
) -> None:
    """Whatever they contain, all rows are written or the run fails."""
    body = bench.bodies[at - 1]
    lines = [*headers]
    if form == "compressed":
        body = gzip.compress(body)
        lines.append(b"Content-Encoding: gzip")
    elif form == "chunked":
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        lines.append(b"Transfer-Encoding: chunked")
    elif form == "nothing":
        body = b""
    first = b"HTTP/1.1 " + status.replace("\n", " ").encode("utf-8", "replace")
    odd = b"\r\n".join([first, *lines, b"", body])
    output = run_over_the_wire(bench, odd, at, lasts=lasts)
    written = [row["id"] for row in output.records]
    if output.code == 0:
        # A page that repeats forever is still a page of the account.
        assert set(written) == set(bench.ids) or (lasts and written)
    elif lasts:
        assert set(written) <= set(bench.ids)  # the same page, until detected
    else:
        assert written == bench.ids[: len(written)]


# The token endpoint.

TOKEN_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "access_token": st.one_of(SCALARS, st.just("fake-token-of-nobody")),
        "expires_in": st.one_of(SCALARS, JSON),
        "refresh_token": st.one_of(SCALARS, JSON),
        "token_type": SCALARS,
        "status": SCALARS,
        "error": JSON,
        "message": st.text(max_size=30),
    },
)


@fuzzed
@given(
    body=st.one_of(st.binary(max_size=60), JSON.map(dumped), TOKEN_FIELDS.map(dumped)),
    status=st.one_of(
        st.sampled_from([200, 200, 200, 400, 401, 429, 503]), st.integers(200, 599)
    ),
    retry_after=st.one_of(st.none(), st.integers(0, 10**6), st.just("soon")),
    lasts=st.booleans(),
)
@example(
    body=b'{"access_token": "a", "expires_in": 1' + b"0" * 400 + b"}",
    status=200,
    retry_after=None,
    lasts=True,
)
@example(body=b'{"access_token": ""}', status=200, retry_after=None, lasts=True)
@example(body=b'["BAD_HUB"]', status=400, retry_after=None, lasts=True)
def test_anything_from_the_token_endpoint(
    bench: Bench, body: bytes, status: int, retry_after: t.Any, *, lasts: bool
) -> None:
    """Either the run gets a valid token and writes every thread, or it fails."""
    hubspot = bench.fresh()
    fault = Fault.status(
        status,
        body,
        {"Content-Type": "application/json"},
        retry_after=retry_after,
    )
    hubspot.faults.add(fault, times=None if lasts else 1, on="token")
    output = bench.run(app=True)
    written = [row["id"] for row in output.records]
    assert written == ([] if output.code else bench.ids)
    assert output.code or hubspot.oauth.issued or TOKEN.encode() in body
    app = hubspot.oauth
    for secret in (app.client_secret, app.refresh_token, *app.issued):
        assert secret not in output.stderr
    assert len(by_id(output.records)) == len(written)
