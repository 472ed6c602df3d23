"""The private names of singer-sdk that the tap uses, and whether they have moved.

``python -m tests.support.private_names`` prints a line for each. It imports nothing of
the tap, which cannot start where an import has moved.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import typing as t
from importlib.metadata import version

from tests.support.bootstrap import ROOT

SDK = "singer_sdk."
WHERE = ROOT / "tap_hubspot_threads" / "sdk.py"
"""The only module of the tap that may use them."""

IS_SET = "set in __init__"
IS_CLASS = "a class"
IS_CLASS_PROPERTY = "a class property"

NAMES: dict[str, str] = {
    "configuration._dict_config.parse_environment_config": (
        "(config_schema, prefix, dotenv_path=None)"
    ),
    "helpers._batch.BatchConfig": IS_CLASS,
    "helpers._classproperty.classproperty": IS_CLASS,
    "plugin_base.PluginBase._config": IS_SET,
    "plugin_base.PluginBase._env_var_config": IS_CLASS_PROPERTY,
    "plugin_base.PluginBase._env_var_prefix": IS_CLASS_PROPERTY,
    "plugin_base.PluginBase._validate_config": "(self, *, raise_errors=True)",
    "streams.core.Stream._sync_batches": "(self, batch_config, context=None)",
    "streams.core.Stream._sync_records": "(self, context=None, *, write_messages=True)",
    "streams.core.Stream._write_batch_message": "(self, encoding, manifest)",
    "streams.core.Stream._write_schema_message": "(self)",
    "tap_base.Tap._handle_termination": "(self, signum, frame)",
}
"""Each name, and what the tap expects there: parameters, or one of the words above.

What they stand in for, should a public seam appear: settings that are checked without
quoting them (`_validate_config`, `_config`), an environment that is read as text
(`_env_var_config` and what it is made of), signals that are left to the command
(`_handle_termination`), whole pages instead of single records (`_sync_records`,
`_sync_batches` and the type of its argument), and messages that go out when the tap
decides (`_write_schema_message`, `_write_batch_message`). `Stream.sync` calls the last
four, but it is final. In 0.55, `Stream.get_record_batches` and `PluginBase._terminate`
are new, and serve none of these.
"""


def uses(name: str) -> list[str]:
    """Return where the tap uses a name, such as ``BaseTap.writer, line 40``."""
    last = name.rpartition(".")[2]
    found: list[str] = []

    def visit(node: ast.AST, place: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = place
            if isinstance(child, ast.ClassDef | ast.FunctionDef):
                inner = f"{place}.{child.name}" if place else child.name
            if last in _names_of(child):
                found.append(f"{inner or 'the imports'}, line {child.lineno}")  # type: ignore[attr-defined]
            visit(child, inner)

    visit(ast.parse(WHERE.read_text(encoding="utf-8")), "")
    return found


def _names_of(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Attribute):
        return {node.attr}
    if isinstance(node, ast.FunctionDef):
        return {node.name}
    if isinstance(node, ast.ImportFrom):
        return {alias.name for alias in node.names}
    return set()


def found_at(name: str) -> str:
    """Return what the installed singer-sdk has at a name, in the words of `NAMES`."""
    module, _, rest = name.rpartition(".")
    owner: t.Any
    try:
        owner = importlib.import_module(SDK + module)
    except ModuleNotFoundError:
        module, _, of_class = module.rpartition(".")
        try:
            owner = getattr(importlib.import_module(SDK + module), of_class, None)
        except ModuleNotFoundError:
            owner = None
    if owner is None:
        return "nothing"
    there = inspect.getattr_static(owner, rest, None)
    if there is None:
        is_set = rf"\bself\.{rest}(:[^=\n]+)? = "
        source = inspect.getsource(owner) if inspect.isclass(owner) else ""
        return IS_SET if re.search(is_set, source) else "nothing"
    if inspect.isclass(there):
        return IS_CLASS
    if inspect.isfunction(there):
        signature = inspect.signature(there)
        return str(
            signature.replace(
                parameters=[
                    parameter.replace(annotation=parameter.empty)
                    for parameter in signature.parameters.values()
                ],
                return_annotation=signature.empty,
            )
        )
    kind = type(there).__name__
    return IS_CLASS_PROPERTY if kind == "classproperty" else f"a {kind}"


def line(name: str) -> tuple[bool, str]:
    """Return whether a name is where the tap expects it, and a line that says so."""
    expected, found = NAMES[name], found_at(name)
    places = f"{WHERE.name}: {'; '.join(uses(name))}"
    if found == expected:
        return True, f"as expected  {SDK}{name}: {expected}. {places}"
    return False, f"HAS MOVED    {SDK}{name}: {found}, not {expected}. {places}"


def main() -> int:
    """Print a line for each name, and return 1 if one of them has moved."""
    print(f"Private names of singer-sdk {version('singer-sdk')}:")
    lines = [line(name) for name in NAMES]
    print(*(text for _, text in lines), sep="\n", flush=True)
    return 0 if all(is_there for is_there, _ in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
