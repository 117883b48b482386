"""Renders a template for one person, with a fallback at every level.

A missing value prints nothing and is noted. A part that fails is rendered again without what
failed, and the fallback is noted. Only where even that is impossible does rendering give up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from typing import Any

from liquid.exceptions import LiquidError, ResourceLimitError
from mjml import mjml2html

from tailorbird.base.names import nearest
from tailorbird.base.problems import Problem, TailorbirdError
from tailorbird.content.environment import MailEnvironment, environment, missing_names
from tailorbird.content.plain_text import plain_text, tidy_text
from tailorbird.workspace.definitions import TemplateDefinition

_PREHEADER = (
    '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all;font-size:1px;'
    'line-height:1px;color:transparent">{text}{padding}</div>'
)
# Keeps mail readers from showing the body's first words behind a short preheader.
_PADDING = "&#847;&zwnj;&nbsp;" * 60

_BODY = re.compile(r"<body", re.IGNORECASE)

_HTML = environment(is_escaping=True, is_lax=False)
_HTML_LAX = environment(is_escaping=True, is_lax=True)
_TEXT = environment(is_escaping=False, is_lax=False)
_TEXT_LAX = environment(is_escaping=False, is_lax=True)


class RenderProblem(TailorbirdError):
    """A template could not be rendered at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A mail's content; `missing`: values printed as nothing, `fallbacks`: parts that failed."""

    subject: str
    preheader: str
    html: str
    text: str
    missing: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = field(default=())


class Renderer:
    """One template, parsed once, MJML compiled once."""

    def __init__(self, definition: TemplateDefinition) -> None:
        self.definition = definition
        body, text = sources_of(definition)
        self._subject = _part("subject", definition.subject, _TEXT, _TEXT_LAX)
        self._preheader = _part("preheader", definition.preheader, _TEXT, _TEXT_LAX)
        self._body = _part("body", body, _HTML, _HTML_LAX)
        # The text is made from the template once, its Liquid intact, not from every mail's HTML.
        self._is_text_own = bool(definition.text.strip())
        self._text = _part("text", text, _TEXT, _TEXT_LAX)

    def render(self, scope: Mapping[str, Any]) -> Rendered:
        """Render all parts for one person.

        Raises:
            RenderProblem: the body fails even without its failing parts, and there is no text.
        """
        names: list[str] = []
        fallbacks: list[str] = []
        token = missing_names.set(names)
        try:
            subject = " ".join(self._subject(scope, fallbacks).split())
            preheader = " ".join(self._preheader(scope, fallbacks).split())
            html, text = self._bodies(scope, fallbacks)
        finally:
            missing_names.reset(token)
        if not subject:
            workspace = scope.get("workspace") or {}
            subject = str(workspace.get("name") or "A message for you")
            fallbacks.append("subject: it came out empty, the workspace's name stands in")
        if preheader:
            html = _with_preheader(html, preheader)
        return Rendered(
            subject=subject,
            preheader=preheader,
            html=html,
            text=tidy_text(text),
            missing=tuple(names),
            fallbacks=tuple(fallbacks),
        )

    def _bodies(self, scope: Mapping[str, Any], fallbacks: list[str]) -> tuple[str, str]:
        """Return HTML and text; the author's own text stands in for a body that fails."""
        try:
            html = self._body(scope, fallbacks)
        except RenderProblem as problem:
            if not self._is_text_own:
                raise
            text = self._text(scope, fallbacks)
            fallbacks.append(f"{problem}; the plain text stands in")
            paragraphs = "".join(f"<p>{escape(one)}</p>" for one in text.split("\n\n"))
            return f"<!doctype html><html><body>{paragraphs}</body></html>", text
        # What fails in the body fails in the text made from it: it is noted once.
        return html, self._text(scope, fallbacks if self._is_text_own else [])


@lru_cache(maxsize=512)
def renderer_of(definition: TemplateDefinition) -> Renderer:
    """Return the renderer of a template, made once."""
    return Renderer(definition)


def html_of(definition: TemplateDefinition) -> str:
    """Return the body's HTML with its Liquid untouched; MJML is compiled here.

    Raises:
        RenderProblem: the MJML cannot be compiled.
    """
    if definition.body_kind != "mjml":
        return definition.body
    try:
        return str(mjml2html(definition.body, disable_comments=True))
    except (ValueError, OSError) as problem:
        raise RenderProblem(
            f"the MJML of {definition.path or definition.name}: {problem}"
        ) from None


def sources_of(definition: TemplateDefinition) -> tuple[str, str]:
    """Return the HTML and the text of a template with their Liquid untouched.

    Raises:
        RenderProblem: the MJML cannot be compiled.
    """
    body = html_of(definition)
    return body, definition.text if definition.text.strip() else plain_text(body)


def check_template(definition: TemplateDefinition) -> list[Problem]:
    """Return what is wrong with a template's Liquid and MJML, with places."""
    problems: list[Problem] = []
    try:
        html_of(definition)
    except RenderProblem as problem:
        problems.append(
            Problem(
                message=str(problem),
                mend="Check that every mj- element is closed and lies where MJML allows it.",
                file=definition.path,
                line=definition.body_line,
                column=1,
            )
        )
    parts = (
        ("subject", definition.subject, 0),
        ("preheader", definition.preheader, 0),
        ("text", definition.text, 0),
        ("body", definition.body, definition.body_line),
    )
    for name, source, first_line in parts:
        try:
            parsed = _HTML.from_string(source)
        except LiquidError as fault:
            problems.append(_problem_of(fault, definition, name, source, first_line))
            continue
        problems += [
            _unknown_filter(one, definition, name, source, first_line)
            for one in sorted(set(parsed.filter_names()) - set(_HTML.filters))
        ]
    return problems


def _problem_of(
    fault: LiquidError, definition: TemplateDefinition, part: str, source: str, first_line: int
) -> Problem:
    line, column, excerpt = 1, 1, ""
    token = getattr(fault, "token", None)
    start = getattr(token, "start_index", None)
    if isinstance(start, int) and 0 <= start <= len(source):
        line = source.count("\n", 0, start) + 1
        column = start - (source.rfind("\n", 0, start) + 1) + 1
        excerpt = source.split("\n")[line - 1]
    return Problem(
        message=f"the Liquid of the {part}: {fault.args[0] if fault.args else fault}",
        mend="Close every {% if %} and {% for %}, and write filters that Liquid knows.",
        file=definition.path,
        line=first_line + line - 1 if first_line else 0,
        column=column if first_line else 0,
        excerpt=excerpt if first_line else "",
    )


def _unknown_filter(
    word: str, definition: TemplateDefinition, part: str, source: str, first_line: int
) -> Problem:
    start = max(source.find(word), 0)
    close = nearest(word, _HTML.filters)
    return Problem(
        message=f"the Liquid of the {part} uses a filter `{word}` that does not exist",
        mend=f"Did you mean `{close}`?" if close else "See the list of filters in Liquid's manual.",
        file=definition.path,
        line=first_line + source.count("\n", 0, start) if first_line else 0,
        column=start - source.rfind("\n", 0, start) if first_line else 0,
        length=len(word),
        excerpt=source[source.rfind("\n", 0, start) + 1 :].split("\n")[0] if first_line else "",
    )


def _part(
    name: str, source: str, strict: MailEnvironment, lax: MailEnvironment
) -> Callable[[Mapping[str, Any], list[str]], str]:
    if not source:
        return lambda scope, fallbacks: ""
    try:
        template = strict.from_string(source)
    except LiquidError as fault:
        first_fault = fault_line(fault)
        template = None
    lenient = lax.from_string(source)

    def render(scope: Mapping[str, Any], fallbacks: list[str]) -> str:
        try:
            if template is not None:
                return template.render(**scope)
            fallbacks.append(f"{name}: {first_fault}")
        except ResourceLimitError as fault:
            # Leaving out what fails would leave a mail of any length, cut anywhere.
            raise RenderProblem(f"{name}: {fault_line(fault)}") from None
        except LiquidError as fault:
            fallbacks.append(f"{name}: {fault_line(fault)}")
        try:
            return lenient.render(**scope)
        except LiquidError as fault:
            raise RenderProblem(f"{name}: {fault_line(fault)}") from None

    return render


def fault_line(fault: LiquidError) -> str:
    """Return what a Liquid error says, without its picture of the source."""
    return str(fault).split("\n", 1)[0]


def _with_preheader(html: str, preheader: str) -> str:
    block = _PREHEADER.format(text=escape(preheader), padding=_PADDING)
    body = _BODY.search(html)
    end = html.find(">", body.start()) + 1 if body else 0
    return html[:end] + block + html[end:]
