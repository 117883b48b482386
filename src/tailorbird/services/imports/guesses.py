"""What the values of a column look like: their type, and how sure that is. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tailorbird.services.imports import values

ADDRESS, PHONE = "address", "phone"
# Of so large a share of the values a type has to be true: some cells of a table are always odd.
SHARE_MIN = 0.98
_EARLIEST, _LATEST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"\+?[\d ()./-]{7,}")
_NUMBER = re.compile(r"[-+]?(0|[1-9]\d{0,14})(\.\d+)?|[-+]?\.\d+")
_PRICE = re.compile(r"[$€£¥]? ?-?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?")
_DECIMAL_COMMA = re.compile(r"-?(\d{1,3}(\.\d{3})+|\d+),\d{1,2}")
_TRUTHS = frozenset((*values.YES, *values.NO)) - {"1", "0"}
# Forms of instants that exports use, those first that say most. Two orders of day and month are
# told apart only by a day above 12.
FORMS = (
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%m/%d/%y %H:%M",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%m/%d/%y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%Y-%m-%d %H:%M:%S %z",
    "%b %d, %Y %I:%M %p",
    "%b %d, %Y",
    "%d %b %Y",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What a column holds. `type` is one of the mapping's, or address or phone.

    `share` of the values that are there are so; `filled` of the rows have one. `form` belongs to a
    timestamp; `others` are forms that fit as well.
    """

    type: str
    share: float
    filled: float
    form: str = ""
    others: tuple[str, ...] = ()
    has_offset: bool = True
    distinct: tuple[str, ...] = ()


def guess(found: Sequence[Any]) -> Guess:
    """Return what the values of a column look like; None and empty texts are missing."""
    present = [one for one in found if one is not None and one != ""]
    filled = len(present) / len(found) if found else 0.0
    if not present:
        return Guess(type="text", share=0.0, filled=0.0)
    few = tuple(sorted({str(one) for one in present[:2_000]}))
    distinct = few if len(few) <= 12 else ()
    texts = [one for one in present if isinstance(one, str)]
    if len(texts) < len(present):
        return Guess(type=_native(present), share=1.0, filled=filled, distinct=distinct)
    texts = [one.strip() for one in texts]
    if all(len(one) == 8 and one.isdecimal() for one in texts):
        days = _instants(texts, filled)
        if days is not None:
            return days
    for name, is_one in _KINDS:
        share = sum(map(is_one, texts)) / len(texts)
        if share >= SHARE_MIN:
            return Guess(type=name, share=share, filled=filled, distinct=distinct)
    return _instants(texts, filled) or Guess(
        type="text", share=1.0, filled=filled, distinct=distinct
    )


def _native(present: Sequence[Any]) -> str:
    if all(isinstance(one, datetime) for one in present):
        return "timestamp"
    return "number" if all(isinstance(one, (int, float)) for one in present) else "text"


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


def _is_truth(text: str) -> bool:
    return text.lower() in _TRUTHS


_KINDS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    (ADDRESS, _matches(_ADDRESS)),
    ("boolean", _is_truth),
    ("number", _matches(_NUMBER)),
    ("price", _matches(_PRICE)),
    ("decimal_comma", _matches(_DECIMAL_COMMA)),
)


def instants(texts: Sequence[str]) -> Guess | None:
    """Return how a column that is named like a time writes instants, numbers included."""
    found = _instants([text.strip() for text in texts if text.strip()], 1.0)
    if found is not None:
        return found
    for form, low, high in (("unix", 8, 10), ("unix_ms", 12, 13), ("unix_us", 15, 16)):
        if texts and all(one.isdecimal() and low < len(one) + 1 <= high + 1 for one in texts):
            return Guess(type="timestamp", share=1.0, filled=1.0, form=form)
    return None


def _instants(texts: Sequence[str], filled: float) -> Guess | None:
    if not texts:
        return None
    for form in ("", *FORMS):
        read = values.timestamp(form)
        good = sum(_is_instant(read, text) for text in texts)
        if good / len(texts) >= SHARE_MIN:
            later = FORMS[FORMS.index(form) + 1 :] if form else ()
            others = tuple(
                other
                for other in later
                if all(_is_instant(values.timestamp(other), text) for text in texts[:200])
            )
            return Guess(
                type="timestamp",
                share=good / len(texts),
                filled=filled,
                form=form,
                others=others,
                has_offset=all(_has_offset(text) for text in texts[:200]),
            )
    return None


def _is_instant(read: values.Convert, text: str) -> bool:
    if len(text) < 8:
        return False  # a short number is no date
    try:
        moment = datetime.fromisoformat(read(text))
    except ValueError:
        return False
    return _EARLIEST <= moment <= _LATEST


def _has_offset(text: str) -> bool:
    return text.endswith(("Z", "UTC")) or re.search(r"[-+]\d\d:?\d\d$", text) is not None
