"""Charts as SVG: Vega-Lite, rendered without a browser.

An SVG holds no script and no address. Its colors are variables of the page's style, so
that they follow the reader's choice of light or dark.
"""

from __future__ import annotations

import typing as t
from xml.etree import ElementTree as ET

import vl_convert

if t.TYPE_CHECKING:
    Spec: t.TypeAlias = dict[str, t.Any]

WIDTH = 1030
"""Of a chart, in pixels, with its labels."""

SPARE = 24
"""To the right of everything."""

INK, MUTED, RULE, CARD = (f"var(--{name})" for name in ("ink", "muted", "rule", "card"))
FIRST, SECOND = "var(--first)", "var(--second)"
CONFIG: Spec = {
    "background": "transparent",
    "font": "Arial, 'Liberation Sans', Helvetica, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "gridColor": RULE,
        "labelColor": MUTED,
        "labelFlush": False,
        "labelFontSize": 13,
        "labelLimit": 0,
        "labelPadding": 8,
        "ticks": False,
        "title": None,
    },
    "axisY": {"labelColor": INK},
    "title": {"color": INK, "fontSize": 13, "fontWeight": "normal", "anchor": "start"},
    "text": {"color": INK, "fontSize": 13},
}
USELESS = ("aria-hidden", "font-family", "pointer-events", "role", "version")
"""Attributes that the page's style or the role of an image make useless."""


def render(spec: Spec, label: str) -> str:
    """Return a chart for a page.

    Args:
        spec: The specification. What it has in the channel `description` becomes a
            tooltip, for which a browser needs no script.
        label: What the chart is, for those who do not see it.
    """
    complete = spec | {"config": CONFIG, "padding": 8}
    # Nothing is fetched: the data is in the specification.
    svg = vl_convert.vegalite_to_svg(complete, allowed_base_urls=[])
    for name in ("xmlns", "xmlns:xlink"):  # needless within HTML
        head, _, rest = svg.partition(f' {name}="')
        svg = head + rest.partition('"')[2]
    root = ET.fromstring(svg)  # noqa: S314 - it was made here
    for element in root.iter():
        _simplify(element)
    # All charts have one scale, and room for labels that a browser draws wider.
    width = max(float(root.attrib["width"]) + SPARE, WIDTH)
    root.set("width", f"{width:.0f}")
    root.set("viewBox", f"0 0 {width:.0f} {root.attrib['height']}")
    root.set("role", "img")
    root.set("aria-label", label)
    return ET.tostring(root, encoding="unicode")


def _simplify(element: ET.Element) -> None:
    """Turn a description into a tooltip, and drop what has no effect."""
    text = element.attrib.pop("aria-label", None)
    kind = element.attrib.pop("aria-roledescription", None)
    for name in USELESS:
        element.attrib.pop(name, None)
    for name in ("opacity", "fill-opacity"):
        if element.get(name) == "1":
            del element.attrib[name]
    if text and kind not in {"axis", "text mark"}:
        title = ET.Element("title")
        title.text = text
        element.insert(0, title)
