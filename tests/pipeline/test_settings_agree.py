"""All files that list the settings agree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import typing as t

import pytest
import yaml

from tap_hubspot_threads.tap import TapHubSpotThreads
from tests.support import definitions
from tests.support.bootstrap import ROOT
from tests.support.definitions import ALL, MAIN, OWN
from tests.support.readme import block

if t.TYPE_CHECKING:
    from pathlib import Path

PROJECT: dict[str, t.Any] = yaml.safe_load((ROOT / "meltano.yml").read_text())
PLUGIN: dict[str, t.Any] = yaml.safe_load((ROOT / "plugin.yaml").read_text())
PLUGINS = [
    (kind, plugin) for kind, plugins in PROJECT["plugins"].items() for plugin in plugins
]

with_the_projects_sdk = pytest.mark.skipif(
    os.environ.get("TESTED_WITH") == "beyond",
    reason="the files are generated with an SDK that the project allows",
)


def lock_of(kind: str, plugin: dict[str, t.Any]) -> Path:
    """Return the path at which Meltano looks for a plugin's definition."""
    name = plugin.get("inherit_from", plugin["name"])
    variant = f"--{plugin['variant']}" if "variant" in plugin else ""
    return ROOT / "plugins" / kind / f"{name}{variant}.lock"


@with_the_projects_sdk
def test_the_generated_files_are_up_to_date(tmp_path: Path) -> None:
    """The command changes no file, so it was run after the last change of a setting."""
    shutil.copy(ROOT / "README.md", tmp_path)
    python, *arguments = block("console", "tests.support.definitions").script.split()
    assert python == ".venv/bin/python"
    command = [sys.executable, *arguments, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    written = done.stdout.splitlines()
    assert len(written) == 4
    for path in tmp_path.rglob("*"):
        if path.is_file():
            name = path.relative_to(tmp_path)
            assert path.read_bytes() == (ROOT / name).read_bytes(), name
            assert str(path) in written


def test_the_definition_has_every_setting() -> None:
    """Meltano's definition has all settings and their texts, the tap's own first."""
    settings = {setting["name"]: setting for setting in PLUGIN["settings"]}
    assert sorted(settings) == sorted(ALL)
    assert list(settings)[: len(OWN)] == list(OWN)
    for name, setting in settings.items():
        assert setting["label"]
        assert setting["description"]
        assert setting.get("sensitive", False) is ALL[name].get("secret", False)
    for name, setting in OWN.items():
        assert settings[name].get("value") == setting.get("default")
        assert settings[name]["description"] == setting["description"]


def test_the_definition_asks_for_what_is_needed() -> None:
    """Each way to authenticate is a group, and together the groups are the secrets."""
    groups: list[list[str]] = PLUGIN["settings_group_validation"]
    secrets = {name for name, setting in OWN.items() if setting.get("secret")}
    assert {name for group in groups for name in group} == secrets


def test_the_definition_names_the_distribution() -> None:
    """Meltano installs and starts what pyproject.toml builds."""
    distribution = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert PLUGIN["pip_url"] == distribution["name"] == TapHubSpotThreads.name
    assert PLUGIN["executable"] in distribution["scripts"]
    told = {capability.value for capability in TapHubSpotThreads.capabilities}
    # An SDK that is not generated with may add some, and must take none away.
    assert set(PLUGIN["capabilities"]) <= told


def test_the_main_settings_exist() -> None:
    """The README's first table has ten settings, and each exists."""
    assert len(MAIN) == 10
    assert set(MAIN) <= set(OWN)


@pytest.mark.parametrize(
    ("kind", "plugin"), PLUGINS, ids=[plugin["name"] for _, plugin in PLUGINS]
)
def test_every_plugin_is_locked(kind: str, plugin: dict[str, t.Any]) -> None:
    """Each plugin has a lock file, so Meltano does not look it up on its Hub."""
    lock = json.loads(lock_of(kind, plugin).read_text())
    assert lock["plugin_type"] == kind
    assert lock["name"] == plugin.get("inherit_from", plugin["name"])
    assert lock.get("variant") == plugin.get("variant")
    # The tap itself is the only plugin that this project installs from its own source.
    if "pip_url" in plugin and lock["name"] != TapHubSpotThreads.name:
        assert lock["pip_url"] == plugin["pip_url"]


def test_no_lock_file_is_left_over() -> None:
    """Each lock file belongs to a plugin of the project."""
    used = {lock_of(kind, plugin) for kind, plugin in PLUGINS}
    assert set((ROOT / "plugins").rglob("*.lock")) == used


def test_the_definition_is_the_same_for_other_projects() -> None:
    """plugin.yaml has the same content as this project's lock file."""
    [extractor] = [p for k, p in PLUGINS if p["name"] == TapHubSpotThreads.name]
    assert json.loads(lock_of("extractors", extractor).read_text()) == PLUGIN


@with_the_projects_sdk
def test_the_definition_is_that_of_the_settings() -> None:
    """plugin.yaml has the settings and capabilities that the tap tells of itself."""
    assert definitions.plugin_definition() == PLUGIN
