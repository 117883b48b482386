"""The Liquid environments: python-liquid with escaping, limits, and a note of what was missing."""

from __future__ import annotations

from contextvars import ContextVar
from decimal import Decimal, InvalidOperation
from io import StringIO
from typing import Any

from liquid import BoundTemplate, Environment, Mode, RenderContext, Undefined
from liquid.exceptions import OutputStreamLimitError
from liquid.filter import liquid_filter
from liquid.output import LimitedStringIO

LOOP_ITERATIONS_MAX = 10_000
OUTPUT_BYTES_MAX = 1_000_000
CONTEXT_DEPTH_MAX = 20

# Names that a template printed though the person has no such value.
missing_names: ContextVar[list[str] | None] = ContextVar("missing_names", default=None)

_SYMBOLS = {"GBP": "£", "EUR": "€", "USD": "$", "CHF": "CHF ", "JPY": "¥"}
_WITHOUT_CENTS = frozenset({"JPY"})


class RecordingUndefined(Undefined):
    """Renders as nothing and notes its name: a missing value never breaks a mail."""

    __slots__ = ()

    def __str__(self) -> str:
        names = missing_names.get()
        # The hint names the whole path: `traits.first_name is undefined`.
        name = (self.hint or str(self.name)).removesuffix(" is undefined").strip("'")
        if names is not None and name not in names:
            names.append(name)
        return ""


class MailOutput(LimitedStringIO):
    """Counts bytes as the library's own does, but writes plain ASCII without encoding it first."""

    def write(self, text: str) -> int:
        """Write, or stop at the limit."""
        self.size += len(text) if text.isascii() else len(text.encode())
        if self.size > self.limit:
            raise OutputStreamLimitError("output stream limit reached", token=None)
        return StringIO.write(self, text)


class MailContext(RenderContext):
    """Takes the short way to what most paths name: a key that an object has."""

    def get_item(self, obj: Any, key: Any) -> Any:
        """Return a part of a value; the library knows the rest of Liquid's rules."""
        if type(obj) is dict and type(key) is str and key in obj:
            return obj[key]
        return super().get_item(obj, key)


class MailTemplate(BoundTemplate):
    """A template with both."""

    context_class = MailContext

    def _get_buffer(self) -> StringIO:
        return MailOutput(limit=OUTPUT_BYTES_MAX)


class MailEnvironment(Environment):
    """Liquid for mails: limits on loops, output and nesting."""

    template_class = MailTemplate

    context_depth_limit = CONTEXT_DEPTH_MAX
    loop_iteration_limit = LOOP_ITERATIONS_MAX
    output_stream_limit = OUTPUT_BYTES_MAX


@liquid_filter
def money(value: Any, currency: Any = "GBP") -> str:
    """Write an amount with its currency: `{{ 12.5 | money: 'GBP' }}` is £12.50."""
    code = str(currency) if isinstance(currency, str) and currency else "GBP"
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return ""
    if not amount.is_finite():
        return ""
    places = 0 if code in _WITHOUT_CENTS else 2
    sign = "-" if amount < 0 else ""
    return f"{sign}{_SYMBOLS.get(code, code + ' ')}{abs(amount):,.{places}f}"


def environment(*, is_escaping: bool, is_lax: bool) -> MailEnvironment:
    """Return an environment; a lax one leaves out what fails instead of raising."""
    made = MailEnvironment(
        autoescape=is_escaping,
        tolerance=Mode.LAX if is_lax else Mode.STRICT,
        undefined=RecordingUndefined,
        strict_filters=not is_lax,
    )
    made.add_filter("money", money)
    return made
