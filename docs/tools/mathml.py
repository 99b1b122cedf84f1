"""Turn formulas into MathML when the site is built: browsers draw it themselves, without scripts or fonts to fetch."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(content: str, **_: Any) -> str:
    """Replace every formula that `pymdownx.arithmatex` has marked in a page."""
    return FORMULA.sub(formula, content)


def formula(found: re.Match[str]) -> str:
    """Return one formula as MathML, a row of its own where it was one."""
    _, bracket, latex = found.groups()
    return convert(html.unescape(latex), display="block" if bracket == "[" else "inline")
