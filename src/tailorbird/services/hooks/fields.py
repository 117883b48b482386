"""Reading other people's JSON: whatever is not as documented is as if it were not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

Json = Mapping[str, Any]
Call = dict[str, Any]


def text(value: Json, *path: str) -> str:
    """Return a text, or a number's text, at a path; empty where there is none."""
    found = at(value, *path)
    if isinstance(found, str):
        return found.strip()
    is_number = isinstance(found, int) and not isinstance(found, bool)
    return str(found) if is_number else ""


def at(value: Any, *path: str) -> Any:
    """Return what lies at a path."""
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def inner(value: Json, *path: str) -> Json:
    """Return the object at a path, empty where there is none."""
    found = at(value, *path)
    return found if isinstance(found, Mapping) else {}


def items(value: Json, *path: str) -> list[Json]:
    """Return the objects of the list at a path."""
    found = at(value, *path)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def amount(value: Any) -> float | int | None:
    """Read an amount that may be written as text."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        exact = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    if not exact.is_finite() or abs(exact) >= Decimal("1e12"):
        return None
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def total(values: Iterable[Any]) -> float | int | None:
    """Add amounts up exactly; None where there is none."""
    found = [Decimal(str(one)) for one in map(amount, values) if one is not None]
    return amount(str(sum(found))) if found else None


def named(*parts: str) -> str:
    """Join an id of texts; empty where one is: what lacks its number would be that of everybody."""
    return "-".join(parts) if all(parts) else ""


def filled(**values: Any) -> dict[str, Any]:
    """Return the values that are there."""
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}
