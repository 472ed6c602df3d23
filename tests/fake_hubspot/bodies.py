"""The text of messages, in every form that has been seen.

All text, names and addresses of customers that are invented here contain "canary"
in upper or lower case, so that a test can search logs for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from random import Random

    from .entry import Row

_SIGNATURE = (
    '<div style="margin:0;font-family:Helvetica,Arial,sans-serif;font-size:13px">'
    '<table cellpadding="0" cellspacing="0"><tbody>'
    + "".join(
        f'<tr><td style="padding:0 12px 4px 0;color:#{n:02}5577">Canary line {n}</td>'
        f'<td><a href="https://books.example/canary/{n}?utm_source=mail&amp;n={n}">'
        f"books.example/{n}</a></td></tr>"
        for n in range(24)
    )
    + "</tbody></table></div>"
)
_QUOTED = "\n\nOn Monday, canary@books.example wrote:\n" + "".join(
    f"> Canary line {n} of what was written before, quoted in full below\n"
    for n in range(24)
)
_QUOTED_RICH = (
    "<blockquote>"
    + "".join(f"<p>Canary line {n} of what was quoted</p>" for n in range(24))
    + "</blockquote>"
)
_TRUNCATED = ("TRUNCATED_TO_MOST_RECENT_REPLY", "TRUNCATED")


class Body(NamedTuple):
    """The text of one message, plain and rich."""

    text: str
    rich: str | None


_BODIES = (
    Body("Canary asks: where is order {n}?", None),
    Body("Thanks, canary {n}.\nSee you", "<p>Thanks, canary {n}.<br>See you</p>"),
    Body("Hallo 🏃🏽\u200d♀️ Canary {n}, schöne Grüße 👍", None),
    Body("", '<div dir="auto">Canary {n} wrote only &lt;rich&gt; text</div>'),
    Body("Canary&#xa0;{n} &amp; co:&#xa0;50&#xa0;%", "<p>Canary&#xa0;{n} &amp; co</p>"),
    Body('First\u2028second\u2029canary {n} \\ "quoted" \t\x7f', None),
    Body("<p>Canary <b>{n}</b></p><br>in the wrong field", "<p>Canary <b>{n}</b></p>"),
    Body("Regards, Canary {n}", "<p>Regards, Canary {n}</p>" + _SIGNATURE),
    Body("«Канарейка» 金丝雀 canary {n}", "<p>«Канарейка» canary {n}</p>"),
)
_FORM = Body(
    "First name: Canary\nEmail: canary.{n}@books.example\nMessage: Call me: now", None
)


def body_of(chance: Random, number: int, *, form: bool = False) -> Body:
    """Draw the text of a message."""
    body = _FORM if form else _BODIES[int(chance.random() * len(_BODIES))]
    name = str(number)
    rich = body.rich
    return Body(
        body.text.replace("{n}", name),
        None if rich is None else rich.replace("{n}", name),
    )


def truncation(chance: Random, share: float) -> str:
    """Draw the truncationStatus of a message."""
    if chance.random() >= share:
        return "NOT_TRUNCATED"
    return _TRUNCATED[int(chance.random() * 2)]


def original_of(row: Row) -> Row:
    """Give the full text of a message, including what its row leaves out."""
    is_cut = row.get("truncationStatus") in _TRUNCATED
    more = {"text": _QUOTED, "richText": _QUOTED_RICH}
    return {name: row[name] + more[name] * is_cut for name in more if row.get(name)}
