"""A fake HubSpot for tests: its "list threads" endpoint over real HTTP, with state.

It is strict where HubSpot's contract is known and switchable where it is not, so that a
client which is right against every setting of it has nothing left to hope for.

    account = Account(size=5000, seed=7)
    with FakeHubSpot(account, Contract(last_page="echo")) as hubspot:
        requests.get(f"{hubspot.url}/conversations/...", headers=...)
        account.close(account.live_ids()[0])

`Shape` says what the data look like, `Contract` how the endpoint answers, `FaultPlan`
what goes wrong, and `OAuth` which access tokens can be had. The same server runs by
itself with ``python -m tests.fake_hubspot``.
"""

from .account import EXAMPLES, Account
from .clock import Clock
from .contract import VERSIONS, Contract
from .faults import Fault, FaultPlan
from .oauth import OAUTH_VERSIONS, OAuth
from .server import TOKEN, UNSCOPED_TOKEN, FakeHubSpot, path_of
from .shape import Shape
from .traffic import SeenRequest

__all__ = [
    "EXAMPLES",
    "OAUTH_VERSIONS",
    "TOKEN",
    "UNSCOPED_TOKEN",
    "VERSIONS",
    "Account",
    "Clock",
    "Contract",
    "FakeHubSpot",
    "Fault",
    "FaultPlan",
    "OAuth",
    "SeenRequest",
    "Shape",
    "path_of",
]
