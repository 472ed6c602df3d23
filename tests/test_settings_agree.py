"""The settings are the same wherever they are written down."""

from __future__ import annotations

import json
import re
import tomllib
import typing as t

import pytest
import yaml

from tap_hubspot_threads.settings import SETTINGS
from tap_hubspot_threads.tap import TapHubSpotThreads
from tests.bootstrap import ROOT

if t.TYPE_CHECKING:
    Setting: t.TypeAlias = dict[str, t.Any]

OWN: dict[str, Setting] = SETTINGS.to_dict()["properties"]
ALL: dict[str, Setting] = TapHubSpotThreads.settings_schema()["properties"]
PREFIX = "TAP_HUBSPOT_THREADS_"

PROJECT: dict[str, t.Any] = yaml.safe_load((ROOT / "meltano.yml").read_text())
[EXTRACTOR] = [
    plugin
    for plugin in PROJECT["plugins"]["extractors"]
    if plugin["name"] == TapHubSpotThreads.name
]
PLUGIN: dict[str, t.Any] = yaml.safe_load((ROOT / "plugin.yaml").read_text())
MELTANO: dict[str, Setting] = {s["name"]: s for s in EXTRACTOR["settings"]}


def type_of(setting: Setting) -> str:
    """Return a setting's one type beside null."""
    types = setting["type"]
    [name] = {types} if isinstance(types, str) else set(types) - {"null"}
    return str(name)


def kind_of(setting: Setting) -> str:
    """Return what Meltano is to call a setting's type."""
    if "enum" in setting:
        return "options"
    if setting.get("format") == "date-time":
        return "date_iso8601"
    # Meltano 4.4 cannot write a `decimal` from the environment into the tap's file.
    return {"number": "string"}.get(type_of(setting), type_of(setting))


def in_text(setting: Setting) -> str:
    """Return a setting's default as it is written in the environment and the README."""
    default = setting.get("default")
    if default is None or isinstance(default, str):
        return default or ""
    return json.dumps(default)


def test_meltano_has_them_all() -> None:
    """meltano.yml declares every setting of the tap, the SDK's included."""
    assert sorted(MELTANO) == sorted(ALL)
    assert list(MELTANO)[: len(OWN)] == list(OWN)


@pytest.mark.parametrize("name", ALL)
def test_meltano_kind(name: str) -> None:
    """A setting has the same kind, choices and secrecy in meltano.yml."""
    there, here = MELTANO[name], ALL[name]
    assert there["kind"] == kind_of(here)
    choices = [option["value"] for option in there.get("options", [])]
    assert choices == [value for value in here.get("enum", []) if value is not None]
    assert there.get("sensitive", False) is here.get("secret", False)
    assert there["label"]
    assert there["description"]


@pytest.mark.parametrize("name", OWN)
def test_meltano_texts(name: str) -> None:
    """A setting of the tap's own has the same default and texts in meltano.yml."""
    there, here = MELTANO[name], OWN[name]
    assert there.get("value") == here.get("default")
    assert there["label"] == here["title"]
    assert there["description"] == here["description"]


def test_meltano_asks_for_what_is_needed() -> None:
    """Each way to log in is a group that Meltano asks for, and holds all secrets."""
    groups: list[list[str]] = EXTRACTOR["settings_group_validation"]
    secrets = {name for name, setting in OWN.items() if setting.get("secret")}
    assert {name for group in groups for name in group} == secrets


def test_meltano_capabilities() -> None:
    """Both extractors have the capabilities that the tap tells."""
    told = sorted(capability.value for capability in TapHubSpotThreads.capabilities)
    for extractor in PROJECT["plugins"]["extractors"]:
        assert sorted(extractor["capabilities"]) == told


def test_plugin_definition() -> None:
    """plugin.yaml describes the very extractor of meltano.yml, for other projects."""
    # Where it comes from is another matter, and `meltano add` takes no schema.
    here = {k: v for k, v in EXTRACTOR.items() if k not in {"pip_url", "load_schema"}}
    assert {key: PLUGIN[key] for key in here} == here
    assert PLUGIN.keys() - here.keys() == {
        "domain_url",
        "keywords",
        "maintenance_status",
        "pip_url",
        "plugin_type",
        "repo",
        "variant",
    }
    distribution = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert PLUGIN["pip_url"] == distribution["name"]
    assert PLUGIN["executable"] in distribution["scripts"]


def test_demo_has_the_same_loader() -> None:
    """The demo's loader is installed as the real one is."""
    loaders = {loader["name"]: loader for loader in PROJECT["plugins"]["loaders"]}
    real, demo = loaders["target-duckdb"], loaders["target-duckdb-demo"]
    for key in ("pip_url", "python", "executable"):
        assert demo[key] == real[key]


def test_env_example() -> None:
    """.env.example has a line with the default of each setting, in the same order."""
    text = (ROOT / ".env.example").read_text()
    lines = re.findall(rf"^(?:# )?{PREFIX}(\w+)=(.*)$", text, re.MULTILINE)
    assert lines == [(name.upper(), in_text(OWN[name])) for name in OWN]


def test_readme() -> None:
    """The README's table has each setting with its type, secrecy and default."""
    rows = re.findall(
        r"^\| `(\w+)` \| (.+?) \| (.*?) \| .+ \|$",
        (ROOT / "README.md").read_text(),
        re.MULTILINE,
    )
    expected = []
    for name, setting in OWN.items():
        kind = {"array": "list"}.get(type_of(setting), type_of(setting))
        if "enum" in setting:
            kind = " or ".join(f"`{value}`" for value in setting["enum"] if value)
        elif setting.get("format") == "date-time":
            kind = "date-time"
        if setting.get("secret"):
            kind += ", secret"
        default = in_text(setting)
        expected.append((name, kind, f"`{default}`" if default else ""))
    assert [row for row in rows if row[0] in OWN] == expected
