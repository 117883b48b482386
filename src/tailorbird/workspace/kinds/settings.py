"""`tailorbird.toml`: who sends, from where, and within which limits."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from tailorbird.base.names import nearest
from tailorbird.events.identifiers import LENGTH_MAX
from tailorbird.events.standardise import country, currency
from tailorbird.workspace.definitions import WorkspaceSettings
from tailorbird.workspace.durations import parse_time_of_day
from tailorbird.workspace.kinds.settings_table import SETTINGS, Setting
from tailorbird.workspace.source import Source

_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")
# A bucket's name, and at least one folder: nothing else may lie beside a lake.
_OBJECTS = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.=-]+)+/?", re.ASCII)
_NAME = re.compile(r"[^\r\n]{1,200}")
_PLACE_OF_ERROR = re.compile(r"^(.*) \(at line (\d+), column (\d+)\)$")


_TABLES = tuple(dict.fromkeys(setting.table for setting in SETTINGS if setting.table))
_WORDS = {str: "a text", int: "a whole number", bool: "true or false", list: "a list of texts"}


def read_settings(source: Source) -> WorkspaceSettings:
    """Read the settings; faults are noted in the source, and defaults stand in their place."""
    try:
        raw = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        _note_syntax(source, str(error))
        return WorkspaceSettings()
    except RecursionError:
        source.note("the file is nested too deeply", "Use tables and plain values.")
        return WorkspaceSettings()
    values: dict[str, Any] = {}
    _note_unknown(source, raw)
    for setting in SETTINGS:
        table = raw.get(setting.table, {}) if setting.table else raw
        if isinstance(table, Mapping) and setting.key in table:
            value = _checked(source, setting, table[setting.key])
            if value is not None:
                values[setting.field] = value
    if ("quiet_from_minute" in values) != ("quiet_until_minute" in values):
        given = "quiet_from" if "quiet_from_minute" in values else "quiet_until"
        other = "quiet_until" if given == "quiet_from" else "quiet_from"
        _note(source, "mail", given, f"`{given}` needs `{other}`", f'Add `{other} = "08:00"`.')
        values.pop("quiet_from_minute", None)
        values.pop("quiet_until_minute", None)
    return WorkspaceSettings(**values)


def _note_syntax(source: Source, text: str) -> None:
    found = _PLACE_OF_ERROR.match(text)
    message = found[1] if found else text.removesuffix(" (at end of document)")
    offset = source.offset_of(int(found[2]), int(found[3])) if found else len(source.text)
    source.note(
        f"this is not valid TOML: {message[:1].lower()}{message[1:]}",
        'Write `key = "value"`, with texts in double quotes.',
        offset=offset,
    )


def _note_unknown(source: Source, raw: Mapping[str, Any]) -> None:
    names = [setting.key for setting in SETTINGS if not setting.table]
    for key, value in raw.items():
        if key in _TABLES and isinstance(value, Mapping):
            known = [setting.key for setting in SETTINGS if setting.table == key]
            for inner in value:
                if inner not in known:
                    _note_unknown_key(source, key, inner, known)
        elif key in _TABLES:
            _note(source, "", key, f"`{key}` is a table", f"Write `[{key}]` on its own line.")
        elif key not in names:
            _note_unknown_key(source, "", key, [*names, *_TABLES])


def _note_unknown_key(source: Source, table: str, key: str, known: list[str]) -> None:
    close = nearest(key, known)
    elsewhere = next((one for one in SETTINGS if one.key == key), None)
    hint = f"Did you mean `{close}`? " if close else ""
    if elsewhere is not None and elsewhere.table != table:
        hint = (
            f"It belongs under `[{elsewhere.table}]`. "
            if elsewhere.table
            else "Move it to the top. "
        )
    place = f"[{table}]" if table else "tailorbird.toml"
    _note(source, table, key, f"{place} has no key `{key}`", f"{hint}Known: {', '.join(known)}.")


def _checked(source: Source, setting: Setting, value: Any) -> Any:
    """Return the value in the form that the settings hold, or None after noting what is wrong."""
    is_right = type(value) is setting.kind
    if is_right and setting.kind is list:
        is_right = all(isinstance(item, str) for item in value)
    if not is_right:
        return _refuse(source, setting, f"`{setting.name}` must be {_WORDS[setting.kind]}")
    check = _CHECKS.get(setting.field)
    if check is None:
        return value
    checked, complaint = check(value)
    return checked if complaint is None else _refuse(source, setting, complaint)


def _refuse(source: Source, setting: Setting, complaint: str) -> None:
    mend = f"For example `{setting.key} = {setting.example}`."
    _note(source, setting.table, setting.key, complaint, mend)


def _check_zone(value: str) -> tuple[Any, str | None]:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        return None, f"`{value}` is not a time zone"
    return value, None


def _check_country(value: str) -> tuple[Any, str | None]:
    if not value:
        return value, None
    found = country(value)
    return found, None if found else f"`{value}` is no country of ISO 3166"


def _check_currencies(value: list[str]) -> tuple[Any, str | None]:
    found = [currency(one) for one in value]
    unknown = [one for one, code in zip(value, found, strict=True) if code is None]
    if unknown:
        return None, f"`{unknown[0]}` is no currency of ISO 4217"
    return tuple(dict.fromkeys(found)), None


def _check_path(value: str) -> tuple[Any, str | None]:
    if "\0" in value or len(value) > 1_000:
        return None, "a path has at most 1,000 characters, and no NUL"
    return value, None


def _check_web_url(value: str) -> tuple[Any, str | None]:
    if _has_host(value, ("http", "https")):
        return value.rstrip("/"), None
    return None, f"`{value}` is not a web address"


def _check_smtp_url(value: str) -> tuple[Any, str | None]:
    if _has_host(value, ("smtp", "smtps", "smtp+starttls")):
        return value, None
    # The value may hold a password, so it is not shown.
    return None, "`smtp_url` is not an address of a mail server"


def _has_host(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_address(value: str) -> tuple[Any, str | None]:
    if not value or _ADDRESS.fullmatch(value):
        return value, None
    return None, f"`{value}` is not an e-mail address"


def _check_addresses(value: list[str]) -> tuple[Any, str | None]:
    for address in value:
        if not _ADDRESS.fullmatch(address):
            return None, f"`{address}` is not an e-mail address"
    return tuple(value), None


def _check_count(value: int) -> tuple[Any, str | None]:
    return (value, None) if 1 <= value <= 100 else (None, f"{value} is not between 1 and 100")


def _check_limit(value: int) -> tuple[Any, str | None]:
    return (value, None) if 0 <= value <= 1000 else (None, f"{value} is not between 0 and 1000")


def _check_megabytes(value: int) -> tuple[Any, str | None]:
    is_right = 0 <= value <= 10_000_000
    return (value, None) if is_right else (None, f"{value} is not between 0 and 10000000")


def _check_days(value: int) -> tuple[Any, str | None]:
    return (value, None) if 1 <= value <= 3650 else (None, f"{value} is not between 1 and 3650")


def _check_many_days(value: int) -> tuple[Any, str | None]:
    return (value, None) if 0 <= value <= 36500 else (None, f"{value} is not between 0 and 36500")


def _check_seconds(value: int) -> tuple[Any, str | None]:
    return (value, None) if 1 <= value <= 86400 else (None, f"{value} is not between 1 and 86400")


def _check_people(value: int) -> tuple[Any, str | None]:
    return (value, None) if 0 <= value <= 10**6 else (None, f"{value} is not between 0 and 1000000")


def _check_hours(value: int) -> tuple[Any, str | None]:
    return (value, None) if 1 <= value <= 720 else (None, f"{value} is not between 1 and 720")


def _check_lake(value: str) -> tuple[Any, str | None]:
    if not value or _OBJECTS.fullmatch(value):
        return value.rstrip("/"), None
    return None, f"{value!r} is not s3://BUCKET/PREFIX"


def _check_some_megabytes(value: int) -> tuple[Any, str | None]:
    return (value, None) if 1 <= value <= 2000 else (None, f"{value} is not between 1 and 2000")


def _check_percent(value: int) -> tuple[Any, str | None]:
    return (value, None) if 0 <= value <= 50 else (None, f"{value} is not between 0 and 50")


def _check_anonymous_ids(value: int) -> tuple[Any, str | None]:
    # With none at all, visitors would be nobody and their events refused.
    return (value, None) if 1 <= value <= 1000 else (None, f"{value} is not between 1 and 1000")


def _check_blocked(value: list[str]) -> tuple[Any, str | None]:
    for one in value:
        if not one.strip() or len(one) > LENGTH_MAX:
            return None, f"a blocked value has 1 to {LENGTH_MAX} characters"
    return tuple(dict.fromkeys(one.strip().lower() for one in value)), None


def _check_line(value: str) -> tuple[Any, str | None]:
    if not value or _NAME.fullmatch(value):
        return value, None
    return None, "a name is one line of at most 200 characters"


def _check_time(value: str) -> tuple[Any, str | None]:
    try:
        return parse_time_of_day(value), None
    except ValueError as error:
        return None, str(error)


def _check_unknown(value: str) -> tuple[Any, str | None]:
    if value in ("keep", "resend"):
        return value, None
    return None, f"{value!r} is neither keep nor resend"


_CHECKS: dict[str, Any] = {
    "name": _check_line,
    "timezone": _check_zone,
    "base_url": _check_web_url,
    "from_name": _check_line,
    "from_address": _check_address,
    "smtp_url": _check_smtp_url,
    "marketing_per_day": _check_count,
    "quiet_from_minute": _check_time,
    "quiet_until_minute": _check_time,
    "unknown": _check_unknown,
    "external_ids_max": _check_limit,
    "anonymous_ids_max": _check_anonymous_ids,
    "emails_max": _check_limit,
    "phones_max": _check_limit,
    "devices_max": _check_limit,
    "blocked_identifiers": _check_blocked,
    "sandbox_addresses": _check_addresses,
    "free_mb_min": _check_megabytes,
    "free_percent_min": _check_percent,
    "dead_letters_days": _check_days,
    "dead_letters_mb": _check_some_megabytes,
    "lake_interval_seconds": _check_seconds,
    "lake_keep_days": _check_many_days,
    "verify_people": _check_people,
    "verify_hours": _check_hours,
    "lake_url": _check_lake,
    "default_country": _check_country,
    "place_file": _check_path,
    "currencies": _check_currencies,
}


def _note(source: Source, table: str, key: str, message: str, mend: str) -> None:
    offset, length = _place(source.text, table, key)
    source.note(message, mend, offset=offset, length=length)


def _place(text: str, table: str, key: str) -> tuple[int | None, int]:
    """Find a key by looking at the lines: the TOML reader does not tell where things stand."""
    current = ""
    offset = 0
    fallback: tuple[int | None, int] = (None, 1)
    for line in text.split("\n"):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            current = header[1].strip("\"'")
            if current in (table, key):
                fallback = (offset + header.start(1), len(header[1]))
        found = re.match(r"""\s*["']?([\w.-]+)["']?\s*=""", line)
        if found:
            dotted = f"{current}.{found[1]}" if current else found[1]
            if dotted == (f"{table}.{key}" if table else key):
                return offset + found.start(1), len(found[1])
            inline = re.search(rf"\b{re.escape(key)}\b", line[found.end() :])
            if dotted == table and inline:
                return offset + found.end() + inline.start(), len(key)
        offset += len(line) + 1
    return fallback
