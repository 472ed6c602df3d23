"""The README's fenced blocks, to be run as a reader would."""

from __future__ import annotations

import re
import typing as t

import yaml

from tests.bootstrap import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return all fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def block(language: str, containing: str) -> str:
    """Return the one fenced block of a language that contains a text."""
    [found] = [text for text in blocks(language) if containing in text]
    return found


def config(containing: str) -> dict[str, t.Any]:
    """Return the tap's settings from the one block for meltano.yml with a text."""
    settings: dict[str, t.Any] = yaml.safe_load(block("yaml", containing))["config"]
    return settings
