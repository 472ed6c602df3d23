"""Run the fake by itself: ``python -m tests.fake_hubspot --help``."""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import Field, fields
from threading import Event
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from .account import Account
from .contract import Contract
from .examples import EXAMPLES
from .faults import Fault, FaultPlan
from .oauth import OAuth
from .server import TOKEN, UNSCOPED_TOKEN, FakeHubSpot
from .shape import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve an account until SIGTERM or SIGINT."""
    options = _parser().parse_args(arguments)
    shape = _make(Shape, options)
    contract = _make(Contract, options)
    if options.examples:
        account = Account.of(EXAMPLES, now=options.now, shape=shape)
    else:
        account = Account(
            options.size,
            options.seed,
            options.now,
            options.years,
            shape,
            rows_kept=options.rows_kept,
        )
    faults = FaultPlan(options.seed)
    if options.fault_rate:
        faults.add(*Fault.passing(), probability=options.fault_rate, on="any")
    account.prepare()
    over = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with FakeHubSpot(
        account,
        contract,
        token=options.token,
        unscoped_token=options.unscoped_token,
        port=options.port,
        faults=faults,
        oauth=_make(OAuth, options),
    ) as hubspot:
        print(hubspot.url, flush=True)
        over.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fake_hubspot",
        description="Serve a fake HubSpot account on this machine. One line with its "
        "URL is printed when it answers; SIGTERM or SIGINT ends it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--size", type=int, default=5000, help="number of threads")
    add("--seed", type=int, default=7, help="seed of the threads and of all chance")
    add("--years", type=float, default=3.0, help="years that the threads cover")
    add("--now", help="present of the account, RFC 3339", metavar="DATE-TIME")
    add(
        "--rows-kept",
        type=int,
        default=200_000,
        help="largest account whose rows stay in memory, which is faster",
    )
    add("--examples", action="store_true", help="HubSpot's two published rows instead")
    add("--port", type=int, default=0, help="port on 127.0.0.1; 0 for a free one")
    add("--token", default=TOKEN, help="the token that is accepted")
    add(
        "--unscoped-token",
        default=UNSCOPED_TOKEN,
        help="a token that lacks the scope conversations.read",
    )
    add("--awkward", action="store_true", help="begin with every awkward switch on")
    add(
        "--fault-rate",
        type=float,
        default=0.0,
        help="share of requests that meet a passing fault of any kind",
    )
    for kind in (Shape, Contract, OAuth):
        group = parser.add_argument_group(f"{kind.__name__}: {_purpose(kind)}")
        hints = get_type_hints(kind, include_extras=True)
        for switch in fields(kind):
            if switch.init and switch.name != "seed":
                _add_switch(group, switch, *get_args(hints[switch.name]))
    return parser


def _purpose(kind: type) -> str:
    return str(kind.__doc__).splitlines()[0].rstrip(".")


def _add_switch(group: Any, switch: Field[Any], hint: Any, fact: str) -> None:
    option = f"--{switch.name.replace('_', '-')}"
    more: dict[str, Any] = {"type": hint, "metavar": "N"}
    if hint is bool:
        more = {"action": argparse.BooleanOptionalAction}
    elif hint == tuple[str, ...]:
        more = {"nargs": "+", "metavar": "NAME"}
    elif get_args(hint):
        more = {"choices": get_args(hint)}
    group.add_argument(
        option,
        default=argparse.SUPPRESS,
        help=f"{fact} (default: {switch.default})",
        **more,
    )


def _make(kind: Any, options: argparse.Namespace) -> Any:
    """Make a shape or a contract of the options that were given."""
    given = vars(options)
    names = {switch.name for switch in fields(kind)}
    changes = {name: value for name, value in given.items() if name in names}
    for name, value in changes.items():
        if isinstance(value, list):
            changes[name] = tuple(value)
    make = getattr(kind, "awkward", kind) if options.awkward else kind
    return make(**changes)


if __name__ == "__main__":
    sys.exit(main())
