"""Browser, operating system and device by user agent, and whether a program sent it.

What the client says itself of device and system wins over what the user agent tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

from tailorbird.events.event import Event
from tailorbird.events.standardise.step import Surroundings

_LENGTH_MAX = 1_000
_CACHE_MAX = 8_192
UNKNOWN = "Other"


class Browser(NamedTuple):
    """A program that shows pages, and its version."""

    family: str = UNKNOWN
    major: str | None = None
    minor: str | None = None
    patch: str | None = None


class System(NamedTuple):
    """An operating system and its version."""

    family: str = UNKNOWN
    major: str | None = None
    minor: str | None = None
    patch: str | None = None
    patch_minor: str | None = None


class Device(NamedTuple):
    """A machine."""

    family: str = UNKNOWN
    brand: str | None = None
    model: str | None = None


class Agent(NamedTuple):
    """What a user agent tells; families are those of uap-core, `Other` where it knows none."""

    browser: Browser
    system: System
    device: Device


def user_agent(text: str) -> Agent:
    """Read a user agent.

    Example:
        >>> agent = user_agent("Mozilla/5.0 (iPhone; CPU iPhone OS 16_1 like Mac OS X) "
        ...     "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.1 Mobile/15E148 Safari/604.1")
        >>> agent.browser.family, agent.system.family, agent.device.model
        ('Mobile Safari', 'iOS', 'iPhone')

    Source: the expressions of uap-core, as ua-parser brings them.
    """
    return _read(text[:_LENGTH_MAX])


# Programs that speak for themselves and that uap-core does not call spiders.
_PROGRAM = re.compile(
    r"headless|phantomjs|puppeteer|playwright|selenium|webdriver|lighthouse|pagespeed"
    r"|(?<!cu)bots?\b|bot[/_;-]|crawl|spider|scrap|slurp|monitor|uptime|preview|validator"
    r"|imageproxy|mediapartners|pinger|synthetic|googleother|(?:chatgpt|claude|perplexity)-user"
    r"|^(?:curl|wget|python|java|go-http|libwww|lwp|ruby|perl|php|axios|node|undici|aiohttp"
    r"|httpx|http|apache|postman|insomnia|guzzle|got|rest|winhttp|libcurl|faraday|scrapy)\b",
    re.IGNORECASE,
)
_TELEVISION = re.compile(r"smart-?tv|\btv\b|appletv|googletv|hbbtv|roku|crkey|aftt|bravia", re.I)
_TABLET = re.compile(r"ipad|tablet|kindle|silk/|playbook|nexus (?:7|9|10)\b", re.I)
_PHONE = re.compile(r"mobi|iphone|ipod|phone|opera mini|blackberry|bb10", re.I)
_DESKTOPS = frozenset({"Windows", "Mac OS X", "Linux", "Chrome OS", "Ubuntu", "Fedora", "FreeBSD"})


def is_bot(text: str) -> bool:
    """Say whether a user agent is a program's that nobody sits before.

    Example:
        >>> is_bot("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")
        True
    """
    text = text[:_LENGTH_MAX]
    return _PROGRAM.search(text) is not None or _read(text).device.family == "Spider"


def is_browser(text: str) -> bool:
    """Say whether a user agent is that of a browser that somebody sits before.

    All browsers call themselves Mozilla (older ones Opera); the libraries of servers and apps do
    not, and what does and is a bot is none.

    Example:
        >>> is_browser("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
        True
        >>> is_browser("okhttp/4.12"), is_browser("Mozilla/5.0 (compatible; bingbot/2.0)")
        (False, False)
    """
    is_said = text.startswith(("Mozilla/", "Opera/")) and len(text) <= _LENGTH_MAX
    return is_said and not is_bot(text)


def device_type(text: str) -> str | None:
    """Return `desktop`, `mobile`, `tablet` or `tv`, None where a user agent does not tell."""
    text = text[:_LENGTH_MAX]
    agent = _read(text)
    if _TELEVISION.search(text):
        return "tv"
    if _TABLET.search(text):
        return "tablet"
    if _PHONE.search(text):
        return "mobile"
    if agent.system.family == "Android":
        return "tablet"  # phones say Mobile
    return "desktop" if agent.system.family in _DESKTOPS else None


@lru_cache(maxsize=_CACHE_MAX)
def _read(text: str) -> Agent:
    from ua_parser import Domain

    found = _resolver()(text, Domain.ALL)
    browser, system, device = found.user_agent, found.os, found.device
    return Agent(
        Browser()
        if browser is None
        else Browser(browser.family, browser.major, browser.minor, browser.patch),
        System()
        if system is None
        else System(system.family, system.major, system.minor, system.patch, system.patch_minor),
        Device() if device is None else Device(device.family, device.brand, device.model),
    )


@cache
def _resolver() -> Callable[..., Any]:
    # Made when the first user agent comes: it takes 0.2 s and 25 MB.
    from ua_parser import regex
    from ua_parser.loaders import load_lazy_builtins

    resolver: Callable[..., Any] = regex.Resolver(load_lazy_builtins())
    return resolver


@lru_cache(maxsize=_CACHE_MAX)
def _told(text: str) -> dict[str, Any]:
    """Return what goes into the context, shared by all events of one user agent: never changed."""
    browser, system, device = _read(text)
    machine = {
        "manufacturer": device.brand,
        "model": device.model,
        "type": device_type(text),
    }
    is_program = is_bot(text)
    parts: dict[str, Any] = {
        "browser": _named(browser.family, browser[1:]),
        "os": _named(system.family, system[1:]),
        "device": None if is_program else {key: one for key, one in machine.items() if one},
        "bot": is_program,
    }
    return {key: part for key, part in parts.items() if part}


def _named(family: str, version: tuple[str | None, ...]) -> dict[str, Any] | None:
    if family == UNKNOWN:
        return None
    numbers = ".".join(part for part in version if part)
    return {"name": family, "version": numbers} if numbers else {"name": family}


def standardise_agent(event: Event, at: Surroundings) -> bool:
    """Put `browser`, `os` and `device` into the context, and `bot` where it is one."""
    context = event.context
    text = context.get("userAgent")
    if text.__class__ is not str or not text or len(text) > _LENGTH_MAX:
        return False
    told = _told(text)
    # Asked one by one: a set operation takes three times as long for so few.
    if not ("browser" in context or "os" in context or "device" in context or "bot" in context):
        context.update(told)
        return True
    for key, value in told.items():
        if key in context and key != "bot":
            _join(context, key, value)
        else:
            context[key] = value
    return True


def _join(context: dict[str, Any], key: str, told: dict[str, Any]) -> None:
    given = context[key]
    if given is None:
        context[key] = told
    elif type(given) is dict and not told.keys() <= given.keys():
        # A version belongs to its name: where the client says another name, ours is left out.
        if "name" in given and given["name"] != told.get("name"):
            return
        context[key] = {**told, **given}
