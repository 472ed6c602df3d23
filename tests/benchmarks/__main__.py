"""Compare the tap with a stock SDK tap and a hand-written loop.

Usage: python -m tests.benchmarks [--rounds N] [--cases NAME ...]

Each case has a fake HubSpot in a separate process. The contestants take turns, so that
other activity on the machine affects all of them. The results are medians. The tables
are written into README.md in this folder.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime as dt
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from functools import partial
from importlib import metadata
from pathlib import Path

import requests

from tests.fake_hubspot import Account
from tests.support.harness import select

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

README = Path(__file__).with_name("README.md")
TOKEN = "fake-token"
NOW = "2026-11-01T00:00:00Z"
PER_WINDOW, WINDOW = 190, 10.0


@dataclasses.dataclass(frozen=True)
class Contestant:
    """A command to measure.

    Attributes:
        name: Its name in the table.
        command: Module or program, and its arguments; settings follow them.
        settings: Settings other than address and token.
        streams: What the tap reads. If it reads messages, only their rows count.
    """

    name: str
    command: tuple[str, ...]
    settings: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    streams: tuple[str, ...] = ()


PYTHON = sys.executable
STOCK = Contestant("a: stock SDK tap", (PYTHON, "-m", "tests.benchmarks.stock"))
CHILD = Contestant(
    "a: stock SDK tap, child stream",
    (PYTHON, "-m", "tests.benchmarks.stock_messages"),
    streams=("threads", "messages"),
)
LOOP = Contestant("b: requests + json", (PYTHON, "-m", "tests.benchmarks.loop"))
CHANGES = {"sweep_interval_hours": 0}


EVERYTHING = ("inboxes", "channels", "channel_accounts", "threads", "actors")


def tap(
    name: str, streams: tuple[str, ...] = ("threads",), **settings: t.Any
) -> Contestant:
    """Return the tap with some settings; by default, it only reads changes."""
    program = str(Path(PYTHON).with_name("tap-hubspot-threads"))
    return Contestant(f"tap, {name}", (program,), CHANGES | settings, streams)


ONE = tap("1 request", max_parallel_requests=1)
FOUR = tap("4 requests (default)")
EIGHT = tap("8 requests", max_parallel_requests=8)
MESSAGES = {
    workers: tap(
        f"threads and messages, {workers} requests",
        ("threads", "messages"),
        include_messages=True,
        max_parallel_requests=workers,
    )
    for workers in (1, 4, 8, 16)
}
FIRST = tap("first load with its sweep", sweep_interval_hours=12)


@dataclasses.dataclass(frozen=True)
class Case:
    """An account, how it is served, and who reads it.

    Attributes:
        title: Its name in the table.
        size: Number of threads.
        server: Switches of the fake.
        contestants: The commands that take turns.
        changes: How many of the newest threads are to be found; None for all.
        rounds: How often they are read at most.
    """

    title: str
    size: int
    server: tuple[str, ...]
    contestants: tuple[Contestant, ...]
    changes: int | None = None
    rounds: int | None = None


CASES = {
    "no-delay": Case(
        "100,000 threads, no delay", 100_000, (), (STOCK, LOOP, ONE, FOUR, EIGHT)
    ),
    "delay": Case(
        "100,000 threads, 100 ms a request",
        100_000,
        ("--delay", "0.1"),
        (LOOP, FOUR, EIGHT),
    ),
    "first-load": Case(
        "The whole first load of 100,000 threads, 100 ms a request",
        100_000,
        ("--delay", "0.1", "--archived", "0.01"),
        (LOOP, FIRST),
    ),
    "million": Case(
        "1,000,000 threads, no delay",
        1_000_000,
        ("--rows-kept", "1000000"),
        (LOOP, FOUR),
    ),
    "quota": Case(
        f"{PER_WINDOW} requests in {WINDOW:.0f} s, no delay, 100,000 threads by 200",
        100_000,
        ("--quota", str(PER_WINDOW), "--quota-window", "rolling"),
        (tap("8 requests, pages of 200", max_parallel_requests=8, page_size=200),),
    ),
    "names": Case(
        f"100,000 threads by 32 colleagues and 40,000 visitors, {PER_WINDOW} requests "
        f"in {WINDOW:.0f} s",
        100_000,
        (
            *("--visitor-assignees", "0.4", "--unassigned", "0"),
            *("--quota", str(PER_WINDOW), "--quota-window", "rolling"),
        ),
        (
            tap("threads alone"),
            tap("all streams", EVERYTHING),
            tap("all streams, with visitors", EVERYTHING, include_visitors=True),
        ),
    ),
    "hourly": Case(
        "An hourly run that finds 50 changes, no delay",
        100_000,
        (),
        (STOCK, LOOP, FOUR, tap("all streams", EVERYTHING)),
        changes=50,
    ),
    "messages": Case(
        "The messages of 20,000 threads, no delay",
        20_000,
        (),
        (CHILD, MESSAGES[1], MESSAGES[4]),
    ),
    "messages-long": Case(
        # Observed in accounts: 13, 32 and 38.
        "The messages of 2,000 threads, some 20 each, no delay",
        2_000,
        ("--items", "20"),
        (CHILD, MESSAGES[1], MESSAGES[4]),
    ),
    "messages-delay": Case(
        "The messages of 20,000 threads, 100 ms a request",
        20_000,
        ("--delay", "0.1"),
        (MESSAGES[4], MESSAGES[8], MESSAGES[16]),
        rounds=1,
    ),
    "messages-quota": Case(
        f"The messages of 20,000 threads, {PER_WINDOW} requests in {WINDOW:.0f} s",
        20_000,
        ("--quota", str(PER_WINDOW), "--quota-window", "rolling"),
        (MESSAGES[8],),
        rounds=1,
    ),
}


class Measure(t.NamedTuple):
    """What one run used: seconds, megabytes, and the server's counts."""

    wall: float
    cpu: float
    memory: float
    requests: int
    throttled: int
    rows: int


@contextlib.contextmanager
def serving(case: Case) -> Iterator[str]:
    """Serve a case's account in another process, and yield its address."""
    command = [PYTHON, "-m", "tests.fake_hubspot", "--size", str(case.size)]
    command += ["--now", NOW, "--token", TOKEN, *case.server]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


def run(contestant: Contestant, url: str, since: str | None, folder: Path) -> Measure:
    """Run a contestant once, until it ends.

    Raises:
        RuntimeError: If it fails.
    """
    if contestant is LOOP:
        arguments = [url, TOKEN, *([since] if since else [])]
    else:
        config = {"access_token": TOKEN, "api_url": url} | contestant.settings
        arguments = ["--config", _file(folder / "config.json", config)]
        if contestant.streams and contestant is not CHILD:
            catalog = select(streams=contestant.streams)
            arguments += ["--catalog", _file(folder / "catalog.json", catalog)]
        if since:
            mark = {"replication_key": "latestMessageTimestamp"}
            mark["replication_key_value"] = since
            state = {"bookmarks": {"threads": mark}}
            arguments += ["--state", _file(folder / "state.json", state)]
    before = _counted(url)
    out, log = folder / "out", folder / "log"
    with out.open("wb") as stdout, log.open("wb") as stderr:
        began = time.perf_counter()
        process = subprocess.Popen(
            [*contestant.command, *arguments], stdout=stdout, stderr=stderr
        )
        memory = 0
        while True:
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            memory = max(memory, _peak(process.pid))
            time.sleep(0.005)
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        msg = f"{contestant.name} failed: {log.read_text()[-500:]}"
        raise RuntimeError(msg)
    after = _counted(url)
    counted = "messages" if "messages" in contestant.streams else "threads"
    marks = [b'"type":"RECORD"', f'"stream":"{counted}"'.encode()]
    if contestant is LOOP:
        marks = [b'"associatedContactId"']
    with out.open("rb") as lines:
        rows = sum(all(mark in line for mark in marks) for line in lines)
    return Measure(
        wall,
        used.ru_utime + used.ru_stime,
        memory / 1024,
        after["requests"] - before["requests"],
        after["throttled"] - before["throttled"],
        rows,
    )


def _file(path: Path, content: dict[str, t.Any]) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def _peak(pid: int) -> int:
    """Return the most memory that a process used, in kilobytes.

    Its ``rusage`` is of no use: it starts with the value of the parent process.
    """
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1])
    return 0


def _counted(url: str) -> dict[str, int]:
    counts: dict[str, int] = requests.get(f"{url}/_fake/stats", timeout=60).json()
    return counts


def measure(case: Case, rounds: int) -> list[str]:
    """Measure a case, and return its part of the table."""
    since = None
    if case.changes is not None:
        rows = Account(case.size, now=NOW).threads()
        moments = sorted(row["latestMessageTimestamp"] for row in rows)
        since = moments[-case.changes]
    results: dict[str, list[Measure]] = {}
    with serving(case) as url, tempfile.TemporaryDirectory() as folder:
        if case.rounds != 1:
            # The server generates each row once.
            run(case.contestants[-1], url, None, Path(folder))
        for number in range(min(rounds, case.rounds or rounds)):
            for contestant in case.contestants:
                if "quota" in " ".join(case.server):
                    time.sleep(WINDOW + 1)  # no two runs share a window
                one = run(contestant, url, since, Path(folder))
                results.setdefault(contestant.name, []).append(one)
                print(f"{number + 1}: {contestant.name}: {one}", file=sys.stderr)
    medians = {
        name: Measure(*map(statistics.median, zip(*runs, strict=True)))
        for name, runs in results.items()
    }
    return [
        f"### {case.title}",
        "",
        _conditions(min(rounds, case.rounds or rounds)),
        "",
        *_table(medians),
        *_of_the_latency(case, medians),
        *_of_the_quota(case, medians),
    ]


def _table(medians: dict[str, Measure]) -> list[str]:
    columns = (
        "wall",
        "of (a)",
        "of (b)",
        "CPU",
        "of (a)",
        "of (b)",
        "peak",
        "requests",
        "429s",
        "rows",
    )
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'--:|' * len(columns)}"]
    a = medians.get(STOCK.name) or medians.get(CHILD.name)
    b = medians.get(LOOP.name)
    for name, it in medians.items():
        ratios = (
            f"{of / base:.2f}" if base else ""
            for of, base in (
                (it.wall, a and a.wall),
                (it.wall, b and b.wall),
                (it.cpu, a and a.cpu),
                (it.cpu, b and b.cpu),
            )
        )
        wall_a, wall_b, cpu_a, cpu_b = ratios
        lines.append(
            f"| {name} | {it.wall:.2f} s | {wall_a} | {wall_b} | {it.cpu:.2f} s "
            f"| {cpu_a} | {cpu_b} | {it.memory:.0f} MB | {it.requests:,.0f} "
            f"| {it.throttled:.0f} | {it.rows:,.0f} |"
        )
    return [*lines, ""]


def _of_the_latency(case: Case, medians: dict[str, Measure]) -> list[str]:
    """Return how long the requests would take at least, side by side."""
    if "--delay" not in case.server:
        return []
    delay = float(case.server[case.server.index("--delay") + 1])
    lines = []
    for contestant in case.contestants:
        workers = contestant.settings.get("max_parallel_requests")
        if workers:
            it = medians[contestant.name]
            least = it.requests * delay / workers
            lines.append(
                f"- {contestant.name}: {it.requests:,.0f} requests of {delay} s, "
                f"{workers} at once, take {least:.1f} s; measured: {it.wall:.1f} s"
            )
    return [*lines, ""] if lines else []


def _of_the_quota(case: Case, medians: dict[str, Measure]) -> list[str]:
    """Return how many requests a run sent per rate-limit window, startup included."""
    if "--quota" not in case.server:
        return []
    lines = []
    for name, it in medians.items():
        sent = it.requests / it.wall * WINDOW
        share = f"{sent / PER_WINDOW:.0%} of the quota"
        lines.append(f"- {name}: {sent:.0f} requests in {WINDOW:.0f} s, {share}")
    return [*lines, ""]


def start_up(rounds: int) -> list[str]:
    """Measure how long a run takes before its first request."""
    program = str(Path(PYTHON).with_name("tap-hubspot-threads"))
    commands = {
        'python -c "import singer_sdk"': [PYTHON, "-c", "import singer_sdk"],
        "tap-hubspot-threads --about": [program, "--about"],
        "tap-hubspot-threads --discover": [program, "--discover"],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(2 * rounds):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            taken[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    base = next(iter(medians.values()))
    lines = ["### Start-up", "", _conditions(2 * rounds), ""]
    lines += ["| | wall | of the import |", "|---|--:|--:|"]
    lines += [f"| `{n}` | {m:.2f} s | {m / base:.2f} |" for n, m in medians.items()]
    return [*lines, ""]


def _conditions(rounds: int) -> str:
    """Return one line about the runs, the machine and the versions."""
    packages = ("singer-sdk", "requests", "urllib3", "msgspec")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    runs = "One run" if rounds == 1 else f"Medians of {rounds} runs"
    return (
        f"{runs} in {dt.datetime.now(dt.UTC):%B %Y}. {os.cpu_count()} cores "
        f"({platform.machine()}), {platform.system()}, Python "
        f"{platform.python_version()}, {versions}."
    )


SECTIONS: dict[str, Callable[[int], list[str]]] = {
    **{name: partial(measure, case) for name, case in CASES.items()},
    "start-up": start_up,
}


def main() -> None:
    """Run the requested cases, and put their tables into the README."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--cases", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    options = parser.parse_args()
    for name in options.cases:
        title, *table = SECTIONS[name](options.rounds)
        print("\n".join([title, *table]))
        _put(title, "\n".join(table))


def _put(title: str, table: str) -> None:
    """Put a table into the README, in the place of the one with its title."""
    head, *parts = re.split(
        r"^(### .*)$", README.read_text("utf-8"), flags=re.MULTILINE
    )
    tables = dict(zip(parts[::2], parts[1::2], strict=True)) | {title: table}
    text = [
        head,
        *(f"{title}\n\n{table.strip()}\n\n" for title, table in tables.items()),
    ]
    README.write_text("".join(text).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
