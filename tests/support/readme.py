"""The fenced blocks of the documentation, and how their commands are run."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import typing as t

import pytest
import yaml

from tests.support.bootstrap import ROOT
from tests.support.meltano_project import environment

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.support.meltano_project import Project

needs_new_packages = pytest.mark.skipif(
    os.environ.get("TESTED_WITH") == "oldest",
    reason="a linter does not run with the wheel's oldest dependencies",
)

PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    )
}
"""The text of each page, by its path."""

TEXT = "\n".join(PAGES.values())


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: The word after its first fence.
        text: The text between the fences.
        page: The path of its page.
    """

    language: str
    text: str
    page: str = ""

    @property
    def script(self) -> str:
        """The lines that a user types after `$`, and their continuation lines."""
        lines = self.text.splitlines()
        typed = [
            line.removeprefix("$ ")
            for line in lines
            if line.startswith(("$ ", "    ", "  }"))
        ]
        return "\n".join(typed)

    @property
    def output(self) -> list[str]:
        """The lines of output that are shown; `[...]` stands for any lines."""
        return [
            line for line in self.text.splitlines() if not line.startswith(("$ ", " "))
        ]


BLOCKS = [
    Block(language, text, page)
    for page, content in PAGES.items()
    for language, text in re.findall(
        r"^```(\w*)\n(.*?)^```$", content, re.MULTILINE | re.DOTALL
    )
]


def block(language: str, containing: str, number: int = 0) -> Block:
    """Return the block of a language that contains a text, by default the first one."""
    found = [b for b in BLOCKS if b.language == language and containing in b.text]
    return found[number]


def config(containing: str) -> dict[str, t.Any]:
    """Return the tap's settings from the meltano.yml block that contains a text."""
    example = yaml.safe_load(block("yaml", containing).text)
    settings: dict[str, t.Any] = example["config"]
    return settings


def type_in(folder: Path, block: Block, **env: str) -> str:
    """Run a block's commands in a shell, and return what they print.

    `uv run` uses the environment of the tests, so it installs nothing.
    """
    uv = {"UV_PROJECT_ENVIRONMENT": sys.prefix, "UV_NO_SYNC": "true"}
    path = [os.path.dirname(sys.executable), os.environ["PATH"]]  # noqa: PTH120
    done = subprocess.run(
        ["bash", "-e", "-c", block.script],
        cwd=folder,
        env=environment() | uv | {"PATH": os.pathsep.join(path)} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def with_venv(project: Project) -> Path:
    """Give a copy of the project the `.venv` that its commands expect.

    It is the environment of the tests, so that nothing has to be installed again.
    """
    folder = project.root / ".venv"
    if not folder.exists():
        folder.mkdir()
        (folder / "bin").symlink_to(os.path.dirname(sys.executable))  # noqa: PTH120
        code = (
            "from tests.support import bootstrap as b; "
            "print(b._Environment()._fingerprint())"
        )
        made_from = subprocess.check_output(
            [sys.executable, "-c", code], cwd=project.root, text=True
        )
        (folder / "made-from").write_text(made_from.strip())
    return project.root


def is_shown(printed: str, shown: list[str]) -> bool:
    """Return whether lines were printed as shown, apart from how long a run took."""
    duration = re.compile(r"\d+\.\d s$")
    pattern = "".join(
        r"(?:.*\n)*" if line == "[...]" else re.escape(duration.sub("# s", line)) + "\n"
        for line in shown
    )
    text = re.sub(r"\d+\.\d s$", "# s", printed, flags=re.MULTILINE)
    return re.search(rf"^{pattern}\Z", text, re.MULTILINE) is not None
