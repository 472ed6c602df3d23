"""Whether the tap can run with a configuration, and what is wrong with it if not."""

from __future__ import annotations

import ipaddress
import json
import math
import re
import typing as t
from decimal import Decimal
from urllib.parse import urlsplit

import requests
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.auth import OAUTH_SETTINGS, TOKEN

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from jsonschema import ValidationError

    Config: t.TypeAlias = dict[str, t.Any]
    Problems: t.TypeAlias = dict[str, str]


def complete(config: Config, schema: dict[str, t.Any]) -> list[str]:
    """Complete a configuration in place, and return what is wrong with it.

    An empty value counts as not set: an environment variable of a scheduler, or a
    secret that does not exist there, arrives as an empty text. Text is converted if
    another type is expected, because environment variables are always text.

    Args:
        config: The settings as they were given. Defaults are filled in.
        schema: JSON schema of all settings, including the SDK's own.

    Returns:
        A line for each problem: the setting, what is wrong, what would be right. Never
        the value, which may be a secret.
    """
    properties = schema["properties"]
    _clean(config, properties)
    errors = DEFAULT_JSONSCHEMA_VALIDATOR(schema).iter_errors(config)
    wrong = {_setting(error): _explain(error, properties) for error in errors}
    sound = {name: None if name in wrong else config[name] for name in config}
    for check in _CHECKS:
        wrong = check(sound) | wrong
    return [f"Setting `{name}` {problem}" for name, problem in sorted(wrong.items())]


def unknown(config: Config, schema: dict[str, t.Any]) -> list[str]:
    """Return the names in a configuration that are not settings of this tap."""
    return sorted(config.keys() - schema["properties"].keys())


def _clean(config: Config, properties: dict[str, t.Any]) -> None:
    for name, value in list(config.items()):
        types = properties.get(name, {}).get("type", "string")
        if value in (None, []) or (isinstance(value, str) and not value.strip()):
            del config[name]
        elif isinstance(value, str):
            config[name] = _convert(value.strip(), types)
        else:
            config[name] = _plain(value)
    for name, setting in properties.items():
        if "default" in setting:
            config.setdefault(name, setting["default"])


def _convert(text: str, types: str | list[str]) -> t.Any:  # noqa: ANN401
    """Read a text as a value of another type, if that is what is expected."""
    if "string" in types:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        if "array" in types:
            return _plain([part.strip() for part in text.split(",")])
        return {"true": True, "false": False}.get(text.lower(), text)
    return _plain([value] if "array" in types and isinstance(value, int) else value)


def _plain(value: t.Any) -> t.Any:  # noqa: ANN401
    """Return a number as an int if it is whole, else as a float.

    The SDK reads fractions from a file as Decimal, and HubSpot takes no `limit=50.0`.
    In a list, digits are a number: IDs are text in HubSpot's answers.
    """
    if isinstance(value, list):
        return [
            int(item)
            if isinstance(item, str) and item.isascii() and item.isdigit()
            else _plain(item)
            for item in value
        ]
    if isinstance(value, (Decimal, float)) and math.isfinite(value):
        return int(value) if value == int(value) else float(value)
    return value


def _setting(error: ValidationError) -> str:
    return str(error.absolute_path[0]) if error.absolute_path else "config"


def _explain(error: ValidationError, properties: dict[str, t.Any]) -> str:
    rules = properties.get(_setting(error), {})
    types = rules.get("type", [])
    wanted = [types] if isinstance(types, str) else [x for x in types if x != "null"]
    text = f"must be {' or '.join(_ARTICLES.get(x, x) for x in wanted)}"
    low, high = rules.get("minimum"), rules.get("maximum")
    if "enum" in rules:
        text = f"must be {' or '.join(str(x) for x in rules['enum'] if x is not None)}"
    elif "pattern" in rules:
        return f"must be one of the forms that exist. {rules['description']}"
    elif "items" in rules:
        text = "must be a list of IDs, which are whole numbers"
    elif low is not None:
        text += f" from {low} to {high}" if high is not None else f" of {low} or more"
    elif "exclusiveMinimum" in rules:
        text += f" greater than {rules['exclusiveMinimum']}"
        text += f" and at most {high}" if high is not None else ""
    if "description" in rules:
        text += f". {rules['description']}"
    return text


_ARTICLES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


def _check_credential(config: Config) -> Problems:
    oauth = [name for name in OAUTH_SETTINGS if name in config]
    token = config.get("access_token")
    if "access_token" not in config and oauth:
        return {
            name: f"is missing; OAuth needs it in addition to {' and '.join(oauth)}"
            for name in OAUTH_SETTINGS
            if name not in oauth
        }
    if "access_token" not in config:
        return {
            "access_token": "is missing; set it to a private-app token, a service key "
            "or an OAuth access token with the scope `conversations.read`, or set "
            "`client_id`, `client_secret` and `refresh_token`"
        }
    if oauth:
        return {
            "access_token": f"cannot be combined with {' and '.join(oauth)}; remove "
            "one or the other"
        }
    if token is not None and not TOKEN.fullmatch(token):
        return {
            "access_token": "contains a character that no token has, such as a space; "
            "copy it again"
        }
    return {}


def _check_numbers(config: Config) -> Problems:
    return {
        name: "must be a finite number"
        for name, value in config.items()
        if isinstance(value, float | Decimal) and not math.isfinite(value)
    }


def _check_flattening(config: Config) -> Problems:
    if config.get("flattening_enabled") and "flattening_max_depth" not in config:
        return {"flattening_max_depth": "is missing; `flattening_enabled` needs it"}
    return {}


def _check_batches(config: Config) -> Problems:
    # BATCH files skip the maps, and a masked column would be written in clear text; see
    # https://github.com/meltano/sdk/issues/1117. Their rows carry no version either, so
    # a target would delete all of them as rows of an earlier one.
    reasons = {
        "stream_maps": "BATCH files would skip them",
        "emit_activate_version_messages": "a target would delete the rows of BATCH "
        "files",
    }
    batches = config.get("batch_config")
    for other, reason in reasons.items():
        if batches and config.get(other):
            return {
                "batch_config": f"cannot be combined with `{other}`, because {reason}; "
                "remove one of them"
            }
    known = {"encoding", "storage", "batch_size"}
    if batches and not {"encoding", "storage"} <= batches.keys() <= known:
        return {"batch_config": "must be an object with `encoding` and `storage`"}
    return {}


def _check_date(config: Config) -> Problems:
    if config.get("start_date") and timestamps.of(config, "start_date") is None:
        return {"start_date": "must be a date-time such as 2024-01-31T00:00:00Z"}
    return {}


def _check_url(config: Config) -> Problems:
    url = config.get("api_url") or "https://api.hubapi.com"
    example = "must be a URL such as https://api.hubapi.com"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        host.encode("idna")
    except (UnicodeError, ValueError):
        return {"api_url": example}
    safe = {"https", "http"} if _is_loopback(host) else {"https"}
    if not host or parts.scheme not in safe:
        return {
            "api_url": "must begin with https:// so that the credential is not sent in "
            "clear text; http:// is accepted for a loopback address only"
        }
    if parts.username or parts.password or parts.query or parts.fragment:
        return {
            "api_url": "must be https:// and a host, optionally with a port and a path"
        }
    try:
        requests.Request("GET", url).prepare()
    except (requests.RequestException, UnicodeError):
        return {"api_url": example}
    if re.search(r"[\s{}\\]", url):
        return {"api_url": "contains a character that a URL cannot have"}
    return {}


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_contact(config: Config) -> Problems:
    # HubSpot's rules, which it would enforce with a 400.
    if "associated_contact_id" not in config:
        return {}
    if "inbox_ids" in config:
        return {
            "associated_contact_id": "cannot be combined with `inbox_ids`; remove one "
            "of them"
        }
    if "thread_status" not in config:
        return {"thread_status": "is missing; `associated_contact_id` needs it"}
    return {}


_CHECKS: tuple[Callable[[Config], Problems], ...] = (
    _check_credential,
    _check_numbers,
    _check_flattening,
    _check_date,
    _check_url,
    _check_contact,
    _check_batches,
)
