"""The API of refused items: in groups, one by one, mended and tried again, dropped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import delete, get, post
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath, FromQuery

from tailorbird.base.problems import ProblemsError
from tailorbird.base.time import parse_micros
from tailorbird.events.refusal import Rule, excerpt
from tailorbird.ports.dead_letters import DeadLetters, Which
from tailorbird.services.dead_letters import Replayer, drop, group_json, letter_json
from tailorbird.services.mend import Mend, mend_from
from tailorbird.web.guards import AnyRequest, Limit, admin_guard

_TAGS = ["refused items"]
_NUMBERS = re.compile(r"\d{1,18}(,\d{1,18})*")
# A page of the web app waits for the answer.
REPLAYED_MAX = 5_000
_IDS = 1 << 62


@dataclass(frozen=True, slots=True)
class LettersParts:
    """What the routes work with."""

    letters: DeadLetters
    replayer: Replayer


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """Which letters to try again, and how.

    `mend` is {"set": {path: value}, "rename": {old: new}, "drop": [path]}; `raw` takes the place of
    one letter's bytes; with `dry_run` nothing happens.
    """

    ids: list[int] = []
    rule: str = ""
    field: str = ""
    source: str = ""
    since: str = ""
    before: str = ""
    text: str = ""
    mend: dict[str, Any] | None = None
    raw: str | None = None
    dry_run: bool = False


_decode_wanted = msgspec.json.Decoder(Wanted).decode


@get("/v1/dead-letters", sync_to_thread=False, guards=[admin_guard], tags=_TAGS)
def get_letters(
    request: AnyRequest,
    rule: FromQuery[str] = "",
    field: FromQuery[str] = "",
    source: FromQuery[str] = "",
    since: FromQuery[str] = "",
    before: FromQuery[str] = "",
    text: FromQuery[str] = "",
    after: FromQuery[int] = 0,
    limit: Limit = 100,
) -> dict[str, Any]:
    """List refused items, oldest first; `next` is the `after` of the page that follows."""
    which = _which(rule=rule, field=field, source=source, since=since, before=before, text=text)
    found = _parts(request).letters.letters(which, after=min(max(after, 0), _IDS), limit=limit + 1)
    page = found[:limit]
    return {
        "letters": [letter_json(one) for one in page],
        "next": page[-1].id if len(found) > limit else None,
    }


@get("/v1/dead-letters/groups", sync_to_thread=False, guards=[admin_guard], tags=_TAGS)
def get_groups(
    request: AnyRequest,
    rule: FromQuery[str] = "",
    field: FromQuery[str] = "",
    source: FromQuery[str] = "",
    since: FromQuery[str] = "",
    before: FromQuery[str] = "",
    text: FromQuery[str] = "",
) -> dict[str, Any]:
    """Group refused items by rule, field and source, the largest group first, with totals."""
    which = _which(rule=rule, field=field, source=source, since=since, before=before, text=text)
    letters = _parts(request).letters
    return {
        "groups": [group_json(one) for one in letters.groups(which)],
        "totals": letters.totals(),
    }


@get("/v1/dead-letters/{number:str}", sync_to_thread=False, guards=[admin_guard], tags=_TAGS)
def get_letter(request: AnyRequest, number: FromPath[str]) -> dict[str, Any]:
    """Return one refused item with its bytes."""
    letters = _parts(request).letters
    is_number = number.isascii() and number.isdecimal() and len(number) < len(str(_IDS))
    found = letters.letters(Which(ids=(int(number),)), limit=1) if is_number else []
    if not found:
        mend = "It may have been replayed or dropped, or be too old."
        raise NotFoundException(
            f"there is no refused item {excerpt(number)!r}",
            extra={"field": "number", "value": excerpt(number), "mend": mend},
        )
    return letter_json(found[0])


@post("/v1/dead-letters/replay", guards=[admin_guard], tags=_TAGS, status_code=200)
async def post_replay(request: AnyRequest) -> dict[str, Any]:
    """Try refused items again, mended or not; each at most once, whatever breaks meanwhile."""
    wanted = _read_wanted(await request.body())
    which, mend = _which_of(wanted), _mend_of(wanted)
    raw = None
    if wanted.raw is not None:
        if len(wanted.ids) != 1:
            raise _bad("raw", "", "`raw` takes the place of one item's bytes", "Name it in `ids`.")
        raw = wanted.raw.encode("utf-8", "surrogatepass")
    attempts = await _parts(request).replayer.replay(
        which, mend, raw=raw, is_dry=wanted.dry_run, limit=REPLAYED_MAX
    )
    counts: dict[str, int] = {}
    for one in attempts:
        counts[one.status] = counts.get(one.status, 0) + 1
    return {
        "dry_run": wanted.dry_run,
        "counts": counts,
        "events": sum(one.events for one in attempts),
        "attempts": [one.to_json() for one in attempts[:100]],
    }


@delete("/v1/dead-letters", guards=[admin_guard], tags=_TAGS, status_code=200, sync_to_thread=False)
def delete_letters(
    request: AnyRequest,
    ids: FromQuery[str] = "",
    rule: FromQuery[str] = "",
    field: FromQuery[str] = "",
    source: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> dict[str, Any]:
    """Drop refused items; `ids` are numbers with commas between. Something has to be named."""
    if ids and not _NUMBERS.fullmatch(ids):
        raise _bad("ids", ids, "ids are numbers with commas between", "For example ids=3,4.")
    numbers = tuple(int(one) for one in ids.split(",")) if ids else ()
    if not (numbers or rule or field or source or before):
        raise _bad(
            "ids", "", "nothing says which items", "Name ids, rule, field, source or before."
        )
    which = _which(rule=rule, field=field, source=source, before=before, ids=numbers)
    return {"dropped": drop(_parts(request).letters, which)}


ROUTES = (get_letters, get_groups, get_letter, post_replay, delete_letters)


def _parts(request: AnyRequest) -> LettersParts:
    found: LettersParts = request.app.state.parts.letters
    return found


def _read_wanted(body: bytes) -> Wanted:
    try:
        return _decode_wanted(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise _bad(
            "body", "", f"the body is not as expected: {problem}", 'For example {"rule": "nobody"}.'
        ) from None


def _which_of(wanted: Wanted) -> Which:
    if any(not 0 <= one < _IDS for one in wanted.ids):
        raise _bad("ids", str(wanted.ids), "no such id", "See GET /v1/dead-letters.")
    return _which(
        rule=wanted.rule,
        field=wanted.field,
        source=wanted.source,
        since=wanted.since,
        before=wanted.before,
        text=wanted.text,
        ids=tuple(wanted.ids),
    )


def _mend_of(wanted: Wanted) -> Mend | None:
    if wanted.mend is None:
        return None
    try:
        return mend_from(wanted.mend)
    except ProblemsError as error:
        problem = error.problems[0]
        raise _bad("mend", "", problem.message, problem.mend) from None


def _which(
    *,
    rule: str = "",
    field: str = "",
    source: str = "",
    since: str = "",
    before: str = "",
    text: str = "",
    ids: tuple[int, ...] = (),
) -> Which:
    known = [one.value for one in Rule]
    if rule and rule not in known:
        raise _bad(
            "rule", rule, f"there is no rule {excerpt(rule)!r}", f"It is {', '.join(known)}."
        )
    return Which(
        ids=ids,
        rule=rule,
        field=field,
        source=source,
        since=_instant("since", since),
        before=_instant("before", before),
        text=text,
    )


def _instant(name: str, text: str) -> int | None:
    if not text:
        return None
    try:
        return parse_micros(text)
    except (ValueError, OverflowError):
        message = f"{name} {excerpt(text)!r} is no instant"
        raise _bad(name, text, message, "Send one such as 2026-01-31T10:00:00Z.") from None


def _bad(field: str, value: str, message: str, mend: str) -> HTTPException:
    extra = {"field": field, "value": excerpt(value), "mend": mend}
    return HTTPException(message, status_code=400, extra=extra)
