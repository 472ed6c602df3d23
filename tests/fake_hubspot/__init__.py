"""A fake HubSpot for tests: conversations over real HTTP, with state.

It has the list of threads, and beside it the lists of inboxes, channels and channel
accounts, the batch that reads actors, and the messages of each thread. It is strict
where HubSpot's contract is known and switchable where it is not, so that a client which
is right against every setting of it has nothing left to hope for.

    account = Account(size=5000, seed=7)
    with FakeHubSpot(account, Contract(last_page="echo")) as hubspot:
        requests.get(f"{hubspot.url}/conversations/...", headers=...)
        account.close(account.live_ids()[0])
        account.directory.rename_inbox("481939", "Sales")

`Shape` says what the data look like, `Contract` how the endpoints answer, `FaultPlan`
what goes wrong, and `OAuth` which access tokens can be had. The same server runs by
itself with ``python -m tests.fake_hubspot``.
"""

from .account import Account
from .clock import Clock
from .contract import VERSIONS, Contract
from .directory import Directory
from .examples import EXAMPLES
from .faults import Fault, FaultPlan
from .oauth import OAUTH_VERSIONS, OAuth
from .paths import CHILDREN, ENDPOINTS, SIBLINGS, path_of
from .server import TOKEN, UNSCOPED_TOKEN, FakeHubSpot
from .shape import Shape
from .traffic import SeenRequest

__all__ = [
    "CHILDREN",
    "ENDPOINTS",
    "EXAMPLES",
    "OAUTH_VERSIONS",
    "SIBLINGS",
    "TOKEN",
    "UNSCOPED_TOKEN",
    "VERSIONS",
    "Account",
    "Clock",
    "Contract",
    "Directory",
    "FakeHubSpot",
    "Fault",
    "FaultPlan",
    "OAuth",
    "SeenRequest",
    "Shape",
    "path_of",
]
