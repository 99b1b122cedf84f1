"""Turn formulas into MathML when the site is built: browsers draw it themselves, with no script to fetch or to run."""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ET
from typing import Any

from latex2mathml.converter import convert_to_element

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(content: str, **_: Any) -> str:
    """Replace every formula that `pymdownx.arithmatex` has marked in a page."""
    return FORMULA.sub(formula, content)


def formula(found: re.Match[str]) -> str:
    """Return one formula as MathML, a row of its own where it was one."""
    _, bracket, latex = found.groups()
    display = bracket == "["
    root = convert_to_element(html.unescape(latex), display="block" if display else "inline")
    for element in root.iter():
        parts = list(element)
        first, last = (parts[0].text or "", parts[-1].text or "") if parts else ("", "")
        if display and element.tag == "msub" and first.isalpha() and len(first) > 1:  # max over a, which goes below
            element.tag = "munder"
        elif element.tag == "msup" and last == "&#x02032;":  # a prime, which is raised as it is
            element.tag = "mrow"
            parts[-1].tag = "mo"
            parts[-1].set("lspace", "0")
            parts[-1].set("rspace", "0")
        elif element.tag == "mo" and element.text == "&#x02016;":  # a norm, which is as high as its letters
            element.set("stretchy", "false")
    return html.unescape(ET.tostring(root, encoding="unicode"))
