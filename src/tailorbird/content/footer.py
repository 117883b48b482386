"""The footer that marketing mail must have: added where a template's own lacks a part of it."""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape

from tailorbird.content.render import Rendered

_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
_NO_WORD = re.compile(r"\W+")
_TAGS = re.compile(r"<[^>]*>")


def with_footer(rendered: Rendered, unsubscribe_url: str, postal_address: str) -> Rendered:
    """Return the mail with the unsubscribe link and the postal address in both parts.

    What is there stays as it is; what was added is noted in `fallbacks`.
    """
    html_lacks = _lacking(rendered.html, unsubscribe_url, postal_address)
    text_lacks = _lacking(rendered.text, unsubscribe_url, postal_address)
    if not html_lacks and not text_lacks:
        return rendered
    html, text = rendered.html, rendered.text
    if html_lacks:
        html = _before_end(html, _html_of(html_lacks, unsubscribe_url, postal_address))
    if text_lacks:
        text = f"{text.rstrip()}\n\n{_text_of(text_lacks, unsubscribe_url, postal_address)}\n"
    lacking = " and ".join(sorted(html_lacks | text_lacks))
    return replace(
        rendered,
        html=html,
        text=text,
        fallbacks=(*rendered.fallbacks, f"footer: the template shows no {lacking}, it was added"),
    )


_LINK, _ADDRESS = "unsubscribe link", "postal address"


def _lacking(source: str, unsubscribe_url: str, postal_address: str) -> set[str]:
    lacks = set()
    if unsubscribe_url not in source:
        lacks.add(_LINK)
    is_shown = postal_address in source or escape(postal_address) in source
    # Authors break an address over lines and style its parts: then only its words are compared.
    if not is_shown and _words(postal_address) not in _words(_TAGS.sub(" ", source)):
        lacks.add(_ADDRESS)
    return lacks


def _words(text: str) -> str:
    return _NO_WORD.sub("", text.replace("&amp;", "").replace("&#39;", "")).lower()


def _html_of(lacks: set[str], unsubscribe_url: str, postal_address: str) -> str:
    lines = []
    if _ADDRESS in lacks:
        lines.append("<br>".join(escape(line) for line in postal_address.splitlines()))
    if _LINK in lacks:
        lines.append(f'<a href="{escape(unsubscribe_url)}" style="color:#666">Unsubscribe</a>')
    return (
        '<div style="padding:24px;text-align:center;font:13px/1.6 Helvetica,Arial,sans-serif;'
        f'color:#666">{"<br>".join(lines)}</div>'
    )


def _text_of(lacks: set[str], unsubscribe_url: str, postal_address: str) -> str:
    lines = []
    if _ADDRESS in lacks:
        lines.append(postal_address)
    if _LINK in lacks:
        lines.append(f"Unsubscribe: {unsubscribe_url}")
    return "\n".join(lines)


def _before_end(html: str, block: str) -> str:
    ends = list(_BODY_END.finditer(html))
    position = ends[-1].start() if ends else len(html)
    return html[:position] + block + html[position:]
