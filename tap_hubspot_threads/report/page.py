"""The report as one HTML page that holds everything it shows."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import typing as t
from importlib import resources

import jinja2
from markupsafe import Markup, escape

from tap_hubspot_threads.report import charts, formats
from tap_hubspot_threads.report.metrics import GROUPS, Metric

if t.TYPE_CHECKING:
    from tap_hubspot_threads.report.contents import Report
    from tap_hubspot_threads.report.metrics import Result

MOST_ROWS = {"waiting_now": 100}
"""The most rows in a table, of metrics that can have a row for each thread."""

LEGENDS = {
    "first_response_by_inbox": "answered within",
    "first_response_business_hours": "answered within",
    "first_response_by_channel": "answered within",
    "first_response_by_week": "answered within",
    "time_to_resolution": "closed within",
}


@dataclasses.dataclass(frozen=True)
class Section:
    """A metric on the page."""

    result: Result

    @property
    def chart(self) -> Markup:
        """Return its chart. Every text in it has been escaped."""
        return Markup(charts.draw(self.result))  # noqa: S704

    @property
    def explanation(self) -> list[Markup]:
        """Return the first sentence of its explanation, and the rest."""
        text = str(escape(self.result.metric.explanation))
        text = re.sub(r"`(.*?)`", r"<code>\1</code>", text)
        text = re.sub(r"(\w+)\.sql", _linked, text)
        return [Markup(part) for part in re.split(r"(?<=\.) ", text, maxsplit=1)]  # noqa: S704

    @property
    def legend(self) -> dict[str, str]:
        """Return what each color stands for, if there are two."""
        if verb := LEGENDS.get(self.result.metric.name):
            return {"first": f"half {verb} (median)", "second": f"90% {verb}"}
        return {}

    @property
    def rows(self) -> list[dict[str, t.Any]]:
        """Return the rows of the table."""
        return self.result.rows[: MOST_ROWS.get(self.result.metric.name)]

    @property
    def more(self) -> int:
        """Return how many rows the table leaves out."""
        return len(self.result.rows) - len(self.rows)


def _linked(name: re.Match[str]) -> str:
    """Return a link to the section of another metric."""
    return f'<a href="#{name[1]}">{escape(Metric.load(name[1]).title)}</a>'


def render(report: Report) -> str:
    """Return the page. Its policy allows no script, and no request to anywhere."""
    files = resources.files(__package__)
    # Without indentation and line breaks, which a browser does not need.
    style = re.sub(r"\n\s*", "", (files / "page.css").read_text(encoding="utf-8"))
    digest = hashlib.sha256(style.encode()).digest()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    source = (files / "page.html").read_text(encoding="utf-8")
    groups: dict[str, list[Section]] = {}
    for heading, names in GROUPS.items():
        shown = [report.results[name] for name in names if name in report.results]
        if shown:
            groups[heading] = [Section(result) for result in shown]
    return environment.from_string(source).render(
        report=report,
        formats=formats,
        style=Markup(style),  # noqa: S704
        style_hash=f"sha256-{base64.b64encode(digest).decode()}",
        groups=groups,
    )
