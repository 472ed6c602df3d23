"""The fake HubSpot: an account served over real HTTP on loopback.

The server runs in a thread of its own with its own event loop, so that it can be used
from ordinary tests, and by several clients at once.
"""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import CIMultiDict

from .account import Account
from .actors import read_actors
from .contract import Contract
from .control import control
from .delivery import deliver
from .errors import (
    RefusalError,
    method_not_allowed,
    missing_scopes,
    not_found,
    unauthorized,
)
from .faults import Fault, FaultPlan
from .listing import Listing
from .messages import Messages, read_message_query, read_original
from .oauth import OAuth
from .paging import next_link
from .paths import CHILDREN, ENDPOINTS, method_of, paths_like
from .query import read_query
from .quota import Quota
from .responses import Response, dated
from .siblings import Siblings, read_sibling_query
from .traffic import Answer, SeenRequest

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from .paging import Page

TOKEN = "fake-token"
UNSCOPED_TOKEN = "fake-token-without-scope"

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class FakeHubSpot:
    """Serves an account from ``with`` to the end of the block."""

    def __init__(
        self,
        account: Account | None = None,
        contract: Contract | None = None,
        *,
        token: str = TOKEN,
        unscoped_token: str = UNSCOPED_TOKEN,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        faults: FaultPlan | None = None,
        oauth: OAuth | None = None,
    ) -> None:
        """Describe the server; port 0 is any free one.

        `unscoped_token` is known but may not read conversations. `monotonic` is the
        clock of limits, tokens and `SeenRequest.at`.
        """
        if host not in _LOOPBACK:
            message = f"a fake is for this machine alone, not for {host}"
            raise ValueError(message)
        self.account = Account() if account is None else account
        self.contract = contract or Contract()
        self.token = token
        self.unscoped_token = unscoped_token
        self.faults = faults or FaultPlan()
        """What goes wrong; rules may be added at any time."""
        self.oauth = oauth or OAuth()
        """The app whose access tokens are accepted beside `token`."""
        self.before_request: Callable[[int, SeenRequest], object] | None = None
        """Called with the number, from 1, of each request for threads, before its
        answer."""
        self.before_any_request: Callable[[SeenRequest], object] | None = None
        """Called with each request, also for access tokens, before its answer."""
        self._host = host
        self._port = port
        self._ssl_context = ssl_context
        self._monotonic = monotonic
        self._quota = Quota(monotonic)
        self._listing = Listing()
        self._siblings = Siblings()
        self._messages = Messages()
        self._requests: list[SeenRequest] = []
        self._numbers: Counter[str] = Counter()
        self._failures: list[Exception] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="fake-hubspot", daemon=True
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> Self:
        """Start the server; it answers when this returns."""
        self._thread.start()
        self._ready.wait()
        self._raise_failure()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the server; an error inside it is raised here, lest it go unseen."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if error is None:
            self._raise_failure()

    @property
    def url(self) -> str:
        """Where the API is: scheme, host and port, without a slash at the end."""
        scheme = "http" if self._ssl_context is None else "https"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self._port}"

    @property
    def requests(self) -> list[SeenRequest]:
        """Every request so far, in order; those to the control endpoints excepted."""
        return list(self._requests)

    @property
    def list_requests(self) -> list[SeenRequest]:
        """The requests for threads so far."""
        return self.requests_for("threads")

    @property
    def token_requests(self) -> list[SeenRequest]:
        """The requests for access tokens so far."""
        return self.requests_for("token")

    @property
    def sibling_requests(self) -> list[SeenRequest]:
        """The requests so far for anything but threads and access tokens."""
        main = {"threads", "token"}
        return [seen for seen in self.requests if seen.endpoint not in main]

    def requests_for(self, endpoint: str) -> list[SeenRequest]:
        """Give the requests for an endpoint so far; see `SeenRequest.endpoint`."""
        return [seen for seen in self.requests if seen.endpoint == endpoint]

    @property
    def requests_by_endpoint(self) -> dict[str, int]:
        """Count the requests for each endpoint, zeros included."""
        counts = Counter(seen.endpoint for seen in self.requests)
        return dict.fromkeys((*ENDPOINTS, *CHILDREN, "token", "other"), 0) | counts

    @property
    def stats(self) -> dict[str, int]:
        """Count the requests, the rows answered, the 429s, and the faults met."""
        seen = self.requests
        return {
            "requests": len(seen),
            "rows": sum(request.rows for request in seen),
            "throttled": sum(request.status == 429 for request in seen),
            "faults": sum(request.fault is not None for request in seen),
        }

    def revoke_tokens(self) -> None:
        """End all access tokens that were given out for the refresh token."""
        self.oauth.revoke()

    def begin_day(self) -> None:
        """Begin a new day, for which no request has been counted."""
        self._quota.begin_day()
        self.contract.daily_used = 0

    def forget(self) -> None:
        """Forget the requests so far; their numbers begin anew."""
        self._requests.clear()
        self._numbers.clear()

    def _raise_failure(self) -> None:
        if self._failures:
            raise self._failures[0]

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as failure:
            self._failures.append(failure)
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = web.Server(self._handle, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(
                runner, self._host, self._port, ssl_context=self._ssl_context
            )
            await site.start()
            self._port = runner.addresses[0][1]
            self._ready.set()
            await self._stop.wait()
        finally:
            for connection in server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
            await runner.cleanup()
            await asyncio.sleep(0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, text = request.raw_path.partition("?")
        if path.startswith("/_fake/"):
            return await control(request, path, self)
        seen = SeenRequest(
            method=request.method,
            path=path,
            params=parse_qsl(text, keep_blank_values=True),
            headers=CIMultiDict(request.headers),
            at=self._monotonic(),
        )
        self._requests.append(seen)
        self._numbers[seen.endpoint] += 1
        seen.number = self._numbers[seen.endpoint]
        seen.body = await request.read()
        try:
            return await self._reply(request, seen)
        except Exception as failure:
            if not isinstance(failure, ConnectionError):
                self._failures.append(failure)
            raise

    async def _reply(
        self, request: web.BaseRequest, seen: SeenRequest
    ) -> web.StreamResponse:
        if self.before_any_request is not None:
            self.before_any_request(seen)
        if self.before_request is not None and seen.endpoint == "threads":
            self.before_request(seen.number, seen)
        seen.fault = fault = self.faults.meet(seen)
        delay = self.contract.delay + (fault.delay if fault else 0)
        if delay:
            await asyncio.sleep(delay)
        answer = self._answer(seen, fault)
        seen.status = answer.status
        seen.rows = answer.rows if fault is None or fault.is_whole else 0
        if fault is not None:
            return await deliver(request, answer, fault)
        return Response(status=answer.status, body=answer.body, headers=answer.headers)

    def _answer(self, seen: SeenRequest, fault: Fault | None) -> Answer:
        if fault is not None and fault.answer is not None:
            answer = replace(fault.answer)
        else:
            try:
                if seen.for_token:
                    answer = self.oauth.answer(seen, self._monotonic)
                else:
                    answer = self._read(seen)
            except RefusalError as refusal:
                answer = Answer.of(refusal)
            if fault is not None and fault.edit is not None:
                answer.body = fault.edit(answer.body)
        answer.headers = dated(self.contract, self.account.clock) | answer.headers
        if not seen.for_token:
            oauth = self.oauth.knows(seen.token)
            limits = self._quota.headers(self.contract, oauth=oauth)
            answer.headers = limits | answer.headers
        if self.contract.gzip and "gzip" in seen.headers.get("Accept-Encoding", ""):
            answer.body = gzip.compress(answer.body, 1)
            answer.headers = answer.headers | {"Content-Encoding": "gzip"}
        return answer

    def _read(self, seen: SeenRequest) -> Answer:
        contract, endpoint = self.contract, seen.endpoint
        if seen.path not in paths_like(seen.path, contract.versions):
            raise not_found()
        if endpoint in contract.missing:
            raise not_found()
        if seen.method != method_of(endpoint):
            raise method_not_allowed(seen.method, method_of(endpoint))
        self._authorize(seen.token)
        if endpoint in contract.forbidden:
            raise missing_scopes()
        refusal = self._quota.take(contract)
        if refusal is not None:
            raise refusal
        if endpoint == "actors":
            return read_actors(seen, self.account, contract)
        if endpoint == "original-content":
            return read_original(seen, self.account, contract)
        page = self._page(seen)
        return Answer(200, page.content, rows=page.rows)

    def _page(self, seen: SeenRequest) -> Page:
        contract = self.contract

        def link(after: str) -> str:
            return next_link(self.url, seen.path, after, contract)

        if seen.endpoint == "threads":
            query = read_query(seen.params, contract)
            return self._listing.page(self.account, query, contract, link)
        if seen.endpoint == "messages":
            asked = read_message_query(seen, contract)
            return self._messages.page(self.account, asked, contract, link)
        sibling = read_sibling_query(seen.endpoint, seen.params, contract)
        return self._siblings.page(self.account.directory, sibling, contract, link)

    def _authorize(self, token: str) -> None:
        if token == self.token:
            return
        issued = self.oauth.knows(token)
        if issued:
            self.oauth.check(token, self._monotonic())
        if token == self.unscoped_token or (issued and not self.oauth.scoped):
            raise missing_scopes()
        if not issued:
            raise unauthorized()
