"""All facts, in the order of the table: importing a module of probes registers its."""

from __future__ import annotations

import typing as t

from tests.contract import (
    probes_headers,
    probes_messages,
    probes_names,
    probes_order,
    probes_pages,
    probes_parameters,
    probes_rows,
)
from tests.contract.readings import FACTS, read

if t.TYPE_CHECKING:
    from tests.contract.readings import Reading
    from tests.contract.survey import Survey

__all__ = ["FACTS", "read_all"]

_MODULES = (
    probes_order,
    probes_pages,
    probes_parameters,
    probes_rows,
    probes_messages,
    probes_names,
    probes_headers,  # which look at the responses to all others
)

for _module in _MODULES:
    for _name, _fact in list(FACTS.items()):
        if _fact.probe.__module__ == _module.__name__:
            FACTS[_name] = FACTS.pop(_name)


def read_all(survey: Survey) -> list[Reading]:
    """Read every fact of an account."""
    return [read(fact, survey) for fact in FACTS.values()]
