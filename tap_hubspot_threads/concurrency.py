"""Jobs in threads, results in order."""

from __future__ import annotations

import queue
import threading
import time
import typing as t
from collections import deque
from functools import partial

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

T = t.TypeVar("T")

_END = object()


class Job(t.Generic[T]):
    """A function call in another thread."""

    POLL = 0.1
    """Seconds. Python runs a signal's handler only between two waits of the main
    thread, so no wait of the main thread may be longer."""

    def __init__(self, call: Callable[[], T]) -> None:
        """Describe the call. A `WorkerPool` runs it."""
        self._call = call
        self._done = threading.Event()
        self._result: T | None = None
        self._error: Exception | None = None
        self.is_cancelled = False

    def run(self) -> None:
        """Make the call, and keep its result or its error."""
        try:
            if not self.is_cancelled:
                self._result = self._call()
        except Exception as error:  # noqa: BLE001 - raised where the result is due
            self._error = error
        self._done.set()

    def result(self) -> T:
        """Wait for the call to end, and return its result or raise its error."""
        while not self._done.wait(self.POLL):
            pass
        if self._error is not None:
            raise self._error
        return t.cast("T", self._result)


class WorkerPool:
    """A fixed number of threads that run jobs, first come, first served.

    The threads are daemons: one that waits for HubSpot does not keep the process alive.
    """

    PATIENCE = 0.2
    """Seconds to wait for the threads at the end. A request may take longer."""

    def __init__(self, workers: int) -> None:
        """Start no thread yet; that is what ``with`` is for."""
        self.workers = workers
        self._jobs: queue.SimpleQueue[Job[t.Any] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{n}", daemon=True)
            for n in range(workers)
        ]

    def __enter__(self) -> t.Self:
        """Start the threads."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let each thread end after the job it is running, and wait a moment."""
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + self.PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def submit(self, call: Callable[[], T]) -> Job[T]:
        """Run a function in one of the threads as soon as one is free."""
        job = Job(call)
        self._jobs.put(job)
        return job

    def in_order(self, calls: Iterable[Callable[[], T]], *, ahead: int) -> Iterator[T]:
        """Run functions side by side, and yield their results in the order given.

        The next function is taken from the iterable only when there is room for it. So
        a generator of functions can take earlier results into account.

        Args:
            calls: The functions.
            ahead: How many may be running or finished beyond the result that is due.

        Raises:
            Exception: What a function raised, after the results of those before it.
        """
        calls = iter(calls)
        pending: deque[Job[T]] = deque()
        try:
            while True:
                while len(pending) < ahead and (call := next(calls, None)) is not None:
                    pending.append(self.submit(call))
                if not pending:
                    return
                yield pending.popleft().result()
        finally:
            for job in pending:
                job.is_cancelled = True

    def prefetch(self, items: Iterator[T]) -> Iterator[T]:
        """Yield the items of an iterator, computing the next one while one is used.

        Raises:
            Exception: What the iterator raised, after the items before it.
        """
        step = partial(next, items, _END)
        job = self.submit(step)
        while (item := job.result()) is not _END:
            job = self.submit(step)
            yield t.cast("T", item)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            del job  # and with it the result, while the next job is waited for
