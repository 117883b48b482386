"""`templates/NAME.liquid`, `.html` or `.mjml`: front matter between `---` lines, then the body.

The front matter is YAML. The Liquid in both is not looked into here: `content` checks that, and is
handed in by the caller.
"""

from __future__ import annotations

import re
from email.utils import parseaddr

from tailorbird.workspace.definitions import TemplateDefinition
from tailorbird.workspace.sections import Section, compose
from tailorbird.workspace.source import Source

KEYS = ("subject", "preheader", "from", "reply_to", "text")
BODY_KINDS = {"liquid": "html", "html": "html", "mjml": "mjml"}

_FENCE = re.compile(r"^---[ \t]*$", re.MULTILINE)
_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")


def read_template(source: Source, name: str, ending: str) -> TemplateDefinition | None:
    """Read a template; what is wrong is noted in the source."""
    fences = list(_FENCE.finditer(source.text))
    if len(fences) < 2 or source.text[: fences[0].start()].strip():
        source.note(
            "a template begins with its subject between two lines `---`",
            "Write `---`, `subject: Hello`, `---`, and then the body.",
            offset=0,
            length=3,
        )
        return None
    body_start = fences[1].end() + 1
    root = compose(source, source.text[: fences[1].start()])
    if root is None:
        return None
    section = Section(source, root, "a template", KEYS)
    subject = section.required("subject", "Welcome to our shop")
    body = source.text[body_start:]
    if not body.strip():
        source.note(
            "this template has no body", "Write it below the second `---`.", offset=body_start
        )
    from_name, from_address = _sender(section)
    if subject is None:
        return None
    return TemplateDefinition(
        name=name,
        subject=subject.value.strip(),
        preheader=section.text("preheader"),
        body=body,
        body_kind=BODY_KINDS[ending],
        text=section.scalar_text("text"),
        from_name=from_name,
        from_address=from_address,
        reply_to=_reply_to(section),
        path=source.path,
        body_line=source.text.count("\n", 0, body_start) + 1,
    )


def _sender(section: Section) -> tuple[str, str]:
    scalar = section.scalar("from")
    if scalar is None:
        return "", ""
    name, address = parseaddr(scalar.value.strip())
    if not _ADDRESS.fullmatch(address):
        scalar.note(
            f"`{scalar.value}` is not a sender",
            "Write `from: Corner shop <hello@shop.example>`, or leave it out to use "
            "the [sender] of tailorbird.toml.",
        )
        return "", ""
    return name, address


def _reply_to(section: Section) -> str:
    scalar = section.scalar("reply_to")
    if scalar is None:
        return ""
    address = scalar.value.strip()
    if not _ADDRESS.fullmatch(address):
        scalar.note(f"`{address}` is not an e-mail address", "Write `reply_to: help@shop.example`.")
    return address
