"""What a scheduler has: fresh clones, the workflow's own command, and a state store."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import typing as t

import requests
import yaml

from tests.support.bootstrap import ROOT
from tests.support.meltano_project import PARTS, environment

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKFLOW = ROOT / ".github" / "workflows" / "extract.yml"
AWS = {
    "AWS_ACCESS_KEY_ID": "an-id-for-tests",
    "AWS_SECRET_ACCESS_KEY": "a-key-for-tests",
    "AWS_REGION": "eu-west-1",
}


def clone(target: Path) -> Path:
    """Make a fresh clone of the working tree, as if it were committed."""
    command = ["git", "clone", "--quiet", "--no-tags", ROOT.as_uri(), str(target)]
    in_git = (ROOT / ".git").exists() and shutil.which("git") is not None
    if not in_git or subprocess.call(command):
        shutil.rmtree(target, ignore_errors=True)
        for part in (*PARTS, ".github"):
            copy(ROOT / part, target / part)
        return target
    changed = subprocess.check_output(
        ["git", "ls-files", "-z", "--modified", "--others", "--exclude-standard"],
        cwd=ROOT,
        text=True,
    )
    for name in filter(None, changed.split("\0")):
        if (ROOT / name).exists():
            copy(ROOT / name, target / name)
        else:
            (target / name).unlink(missing_ok=True)
    return target


def copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder without compiled Python files."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


@dataclasses.dataclass
class Job:
    """The extract step of the workflow, as a runner would start it.

    Attributes:
        command: Its `run`.
        env: Its `env`, including expressions.
    """

    command: str
    env: dict[str, str]

    @classmethod
    def of_workflow(cls) -> Job:
        """Read it from the workflow file."""
        workflow = yaml.safe_load(WORKFLOW.read_text())
        [step] = [s for s in workflow["jobs"]["extract"]["steps"] if "run" in s]
        return cls(step["run"], {k: str(v) for k, v in step["env"].items()})

    def start(
        self, clone: Path, values: dict[str, str], *options: str, **env: str
    ) -> subprocess.Popen[str]:
        """Start it in a clone. Its log is in ``stdout``.

        Args:
            clone: The folder into which the runner checked out the repository.
            values: The repository's secrets and variables.
            options: Further arguments of the script.
            env: Other environment variables of the machine.
        """

        def value_of(expression: re.Match[str]) -> str:
            return values.get(expression[1], "")

        pattern = r"\$\{\{ (?:secrets|vars)\.(\w+) \}\}"
        own = {k: re.sub(pattern, value_of, v) for k, v in self.env.items()}
        return subprocess.Popen(
            ["bash", "-e", "-c", " ".join([self.command, *options])],
            cwd=clone,
            env=as_on_a_runner() | env | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )


def as_on_a_runner() -> dict[str, str]:
    """Return the environment without AWS variables and the log format of the demo."""
    return {
        name: value
        for name, value in environment().items()
        if not name.startswith("AWS_") and name != "MELTANO_CLI_LOG_CONFIG"
    }


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    """Wait until a run ends with an exit code, and return its log."""
    try:
        log, _ = process.communicate(timeout=240)
    finally:
        with contextlib.suppress(ProcessLookupError):  # all of its processes have ended
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == code, log
    return log


@dataclasses.dataclass
class S3:
    """A local S3 server with one bucket.

    Attributes:
        url: Its address.
        bucket: The bucket's name.
    """

    url: str
    bucket: str
    _session: requests.Session

    @classmethod
    @contextlib.contextmanager
    def serve(cls, bucket: str) -> Iterator[S3]:
        """Serve it on loopback until the end of the block, in a separate process."""
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process, requests.Session() as session:
            try:
                log = process.stderr
                assert log is not None
                url = next(line.split()[-1] for line in log if "Running on" in line)
                # Any credential works: the server requires a signature, but ignores it.
                session.headers["Authorization"] = (
                    "AWS4-HMAC-SHA256 "
                    "Credential=anybody/20260101/us-east-1/s3/aws4_request, "
                    "SignedHeaders=host, Signature=0"
                )
                session.put(f"{url}/{bucket}").raise_for_status()
                threading.Thread(target=log.read, daemon=True).start()
                yield cls(url, bucket, session)
            finally:
                process.terminate()

    def objects(self) -> dict[str, t.Any]:
        """Return the contents of the bucket: JSON by key."""
        listed = self._session.get(f"{self.url}/{self.bucket}?list-type=2")
        keys = re.findall(r"<Key>(.+?)</Key>", listed.text)
        return {
            key: self._session.get(f"{self.url}/{self.bucket}/{key}").json()
            for key in keys
        }
