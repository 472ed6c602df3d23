"""The settings: what each is, and whether a configuration can be run with."""

from __future__ import annotations

import ipaddress
import json
import re
import typing as t
from decimal import Decimal
from urllib.parse import urlsplit

from singer_sdk import typing as th
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from tap_hubspot_threads import timestamps

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError

    Config: t.TypeAlias = dict[str, t.Any]

SETTINGS = th.PropertiesList(
    th.Property(
        "access_token",
        th.StringType,
        secret=True,
        title="Access token",
        description="Private-app token, service key or OAuth access token with the "
        "scope `conversations.read`. Needed for everything but `--about` and "
        "`--discover`.",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Threads whose last message is older are left out. Without a "
        "time zone it is read as UTC. Without a start date all threads are "
        "extracted.",
    ),
    th.Property(
        "lookback_seconds",
        th.IntegerType(minimum=0),
        default=300,
        title="Overlap in seconds",
        description="How far below the bookmark an incremental run reads again, for "
        "threads that HubSpot shows a little late.",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=500),
        default=500,
        title="Threads per request",
        description="From 1 to 500, HubSpot's documented maximum.",
    ),
    th.Property(
        "api_version",
        th.StringType(pattern=r"^(v3|\d{4}-\d{2}(-beta)?)$"),
        default="2026-09-beta",
        title="API version",
        description="`v3` or a dated version, `YYYY-MM` or `YYYY-MM-beta`.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        default="https://api.hubapi.com",
        title="API address",
        description="Where HubSpot is. Must be https; http is only accepted for a "
        "loopback address, to test against a server of your own.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0),
        default=60,
        title="Request timeout in seconds",
        description="How long HubSpot may keep silent in the middle of an answer "
        "before the request is tried again.",
    ),
    th.Property(
        "max_retry_seconds",
        th.NumberType(minimum=0),
        default=600,
        title="Longest wait for one request in seconds",
        description="How long a run may wait for one request in all, when HubSpot or "
        "the network has a passing fault. Then the run fails, and goes on from there "
        "when it is started again.",
    ),
)

_TOKEN = re.compile(r"[\x21-\x7e]+")


def complete(config: Config, schema: dict[str, t.Any]) -> list[str]:
    """Complete a configuration in place; return what is wrong with it.

    Empty values count as not set: an environment variable of a scheduler, or a
    secret that does not exist there, arrives as an empty text. Text is converted
    where another type is wanted, since environment variables are always text.

    Args:
        config: The settings as they were given. Defaults are filled in.
        schema: JSON schema of all settings, the SDK's own included.

    Returns:
        A line for each problem: the setting, what is wrong, what would be right.
        Never the value, which may be a secret.
    """
    properties = schema["properties"]
    for name, value in list(config.items()):
        if value is None or (isinstance(value, str) and not value.strip()):
            del config[name]
        elif isinstance(value, str) and name in properties:
            config[name] = _converted(value.strip(), properties[name])
        elif isinstance(value, Decimal):  # how the SDK reads fractions from a file
            config[name] = float(value)
    for name, setting in properties.items():
        if "default" in setting:
            config.setdefault(name, setting["default"])

    errors = DEFAULT_JSONSCHEMA_VALIDATOR(schema).iter_errors(config)
    wrong = {_setting(error): _explain(error, properties) for error in errors}
    checks = {
        "access_token": _check_token,
        "api_url": _check_url,
        "start_date": _check_date,
    }
    for name, check in checks.items():
        if name in config and name not in wrong:
            wrong.update((name, problem) for problem in check(config[name]))
    if "access_token" not in config:
        wrong["access_token"] = (
            "is missing; set it to a private-app token, a service key or an OAuth "
            "access token with the scope `conversations.read`"
        )
    return [f"Setting `{name}` {problem}" for name, problem in sorted(wrong.items())]


def unknown(config: Config, schema: dict[str, t.Any]) -> list[str]:
    """Return the names in a configuration that are no settings of this tap."""
    return sorted(config.keys() - schema["properties"].keys())


def _converted(text: str, setting: dict[str, t.Any]) -> t.Any:  # noqa: ANN401
    types = setting.get("type", "string")
    types = {types} if isinstance(types, str) else set(types)
    if "string" in types:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return {"true": True, "false": False}.get(text.lower(), text)
    return value


def _setting(error: ValidationError) -> str:
    return str(error.absolute_path[0]) if error.absolute_path else "config"


def _explain(error: ValidationError, properties: dict[str, t.Any]) -> str:
    rules = properties.get(_setting(error), {})
    types = rules.get("type", [])
    wanted = [types] if isinstance(types, str) else [x for x in types if x != "null"]
    text = f"must be {' or '.join(_ARTICLES.get(x, x) for x in wanted)}"
    low, high = rules.get("minimum"), rules.get("maximum")
    if low is not None:
        text += f" from {low} to {high}" if high is not None else f" of {low} or more"
    elif "exclusiveMinimum" in rules:
        text += f" greater than {rules['exclusiveMinimum']}"
    if "enum" in rules:
        text += f", one of {', '.join(str(x) for x in rules['enum'] if x is not None)}"
    if "description" in rules:
        text += f". {rules['description']}"
    return text


_ARTICLES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


def _check_token(token: str) -> Iterator[str]:
    if not _TOKEN.fullmatch(token):
        yield "holds characters that no token has, such as a space; copy it again"


def _check_date(date: str) -> Iterator[str]:
    try:
        timestamps.normalize(date)
    except ValueError:
        yield "must be a date-time such as 2024-01-31T00:00:00Z"


def _check_url(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        parts.port  # noqa: B018 - raises where the port is no number
    except ValueError:
        yield "must be an address such as https://api.hubapi.com"
        return
    safe = {"https"} if not _is_loopback(host) else {"https", "http"}
    if not host or parts.scheme not in safe:
        yield (
            "must begin with https:// so that the credential is not sent in clear; "
            "http:// is only accepted for a loopback address"
        )
    elif parts.username or parts.password or parts.query or parts.fragment:
        yield "must hold nothing but https://, the host, a port and a path"
    elif re.search(r"[\s{}\\]", url):
        yield "holds a character that an address cannot have"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
