"""The virtual environment that the demo and the tests run in.

It is made with the standard library and pip alone, in ``.venv``, from the pins in
``constraints.txt``, and made again only when something it depends on has changed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
import typing as t
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PINS = ROOT / "tests" / "constraints.txt"
OLDEST_PYTHON = (3, 11)

_BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
_PYTHON = _BIN / ("python.exe" if os.name == "nt" else "python")
_STAMP = VENV / "made-from"


def run(*command: str, env: dict[str, str] | None = None) -> t.NoReturn:
    """Become a command of the environment, in the project's folder."""
    _make()
    os.chdir(ROOT)
    arguments = [str(_BIN / command[0]), *command[1:]]
    # The tests and the demo start many processes. Each would compile all that it
    # imports where this is set, as in some images of CI.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(env or {})}
    if os.name == "nt":  # where a process cannot become another one
        sys.exit(subprocess.call(arguments, env=environment))
    # Signals then reach the command itself, and nothing is left behind.
    os.execve(arguments[0], arguments, environment)


def _make() -> None:
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(
            "Python {}.{} or later is needed, this is {}.{}.".format(
                *OLDEST_PYTHON, *sys.version_info
            )
        )
    wanted = _fingerprint()
    made = _STAMP.read_text() if _STAMP.is_file() else None
    if made == wanted:
        return
    if VENV.exists() and made is None:
        sys.exit(f"{VENV} was not made by this command. Move it out of the way first.")
    print("Installing the pinned requirements into .venv ...", file=sys.stderr)
    started = time.monotonic()
    if Path(sys.prefix) != VENV:  # else this very process runs from it
        venv.create(VENV, clear=True, symlinks=os.name != "nt")
    _STAMP.write_text("unfinished")
    # pip alone takes ten times as long as with uv, which Meltano needs anyway.
    with tempfile.TemporaryDirectory() as folder:
        only_uv = Path(folder, "uv.txt")
        only_uv.write_text(_pin_of("uv"))
        _pip("install", "--quiet", "--require-hashes", "--no-deps", "-r", str(only_uv))
    uv = [str(_BIN / "uv"), "pip", "install", "--quiet", "--python", str(_PYTHON)]
    _check([*uv, "--require-hashes", "--no-deps", "-r", str(PINS)])
    _check([*uv, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    _STAMP.write_text(wanted)
    print(f"... done in {time.monotonic() - started:.0f} s.", file=sys.stderr)


def _fingerprint() -> str:
    """Everything that the environment is made from, the interpreter's own included."""
    parts = [PINS.read_bytes(), (ROOT / "pyproject.toml").read_bytes()]
    parts.append(f"{sys.version_info[:2]} {VENV}".encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _pin_of(name: str) -> str:
    """The lines of one package: ``name==version \\``, then its hashes."""
    pin = re.search(
        rf"^{name}==.*?(?=^[A-Za-z0-9]|\Z)", PINS.read_text(), re.MULTILINE | re.DOTALL
    )
    assert pin, f"{PINS} holds no {name}"
    return pin[0]


def _pip(*args: str) -> None:
    if importlib.util.find_spec("pip") is None:
        sys.exit(f"{sys.executable} has no pip, which is needed to begin with.")
    _check([sys.executable, "-m", "pip", "--python", str(_PYTHON), *args])


def _check(command: list[str]) -> None:
    code = subprocess.call(command, cwd=ROOT)
    if code:
        sys.exit(f"Installing failed ({' '.join(command[:3])} ended with {code}).")
