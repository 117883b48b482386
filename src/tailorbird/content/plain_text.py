"""The plain-text part of a mail, made from its HTML: paragraphs, lists, links kept."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_SKIPPED = frozenset({"head", "style", "script", "title", "template"})
_BLOCKS = frozenset(
    {"p", "div", "tr", "table", "h1", "h2", "h3", "h4", "ul", "ol", "hr", "section"}
)
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all", re.IGNORECASE)
_SPACES = re.compile(r"[ \t]+")
_EMPTY_LINES = re.compile(r"\n{3,}")
_VOID = frozenset({"br", "img", "hr", "meta", "link", "input", "col", "area", "base", "wbr"})


def plain_text(html: str) -> str:
    """Return readable text; hidden parts (such as the preheader) and images are left out.

    Liquid in the HTML stays as it is, so a template's text can be made before it is rendered.
    """
    parser = _TextParser()
    parser.feed(html)
    parser.close()
    return tidy_text("".join(parser.pieces).replace("\u200c", "").replace("\xa0", " "))


def tidy_text(text: str) -> str:
    """Trim lines and leave at most one empty line between paragraphs."""
    lines = [_SPACES.sub(" ", line).strip() for line in text.split("\n")]
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip() + "\n"


class _TextParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._stack: list[tuple[str, bool]] = []
        self._hidden = 0
        self._link = ""
        self._link_start = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        is_hidden = tag in _SKIPPED or bool(_HIDDEN.search(values.get("style") or ""))
        if tag not in _VOID:
            self._stack.append((tag, is_hidden))
            self._hidden += is_hidden
        if self._hidden:
            return
        if tag == "br":
            self.pieces.append("\n")
        elif tag == "hr":
            self.pieces.append("\n\n--\n\n")
        elif tag == "li":
            self.pieces.append("\n- ")
        elif tag in _BLOCKS:
            self.pieces.append("\n")
        elif tag in ("td", "th"):
            self.pieces.append(" ")
        elif tag == "a":
            self._link = values.get("href") or ""
            self._link_start = len(self.pieces)

    def handle_endtag(self, tag: str) -> None:
        if all(name != tag for name, _ in self._stack):
            return
        while self._stack:
            name, is_hidden = self._stack.pop()
            self._hidden -= is_hidden
            if name == tag:
                break
        if self._hidden:
            return
        if tag == "a":
            label = "".join(self.pieces[self._link_start :]).strip()
            if self._link and self._link != label:
                self.pieces.append(f" ({self._link})" if label else self._link)
            self._link = ""
        elif tag in ("p", "h1", "h2", "h3", "h4", "table"):
            self.pieces.append("\n\n")
        elif tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(re.sub(r"\s+", " ", data))
