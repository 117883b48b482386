"""The API of previews: what a segment would be, before there is one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import post
from litestar.exceptions import HTTPException

from tailorbird.base.problems import OperationalError, ProblemsError
from tailorbird.base.time import parse_micros
from tailorbird.events.refusal import excerpt
from tailorbird.web.guards import AnyRequest, admin_guard

EXPRESSION_MAX = 20_000

# Takes a condition and an instant (RFC 3339 or empty); raises ProblemsError where the condition is
# wrong, OperationalError where history cannot be asked now.
AskPreview = Callable[[str, str], Awaitable[dict[str, Any]]]


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """`{"expression": "count(order_completed) > 2", "at": "2026-01-31T10:00:00Z"}`."""

    expression: str
    at: str = ""


_decode = msgspec.json.Decoder(Asked).decode


@post("/v1/segments/preview", guards=[admin_guard], tags=["segments"], status_code=200)
async def post_preview(request: AnyRequest) -> dict[str, Any]:
    """Tell what a segment with this condition would be: size, reach, funnel, members, overlaps."""
    try:
        asked = _decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise _bad(
            "body",
            "",
            f"the body is not as expected: {problem}",
            'Send {"expression": "any(order_completed within 30d)"}.',
        ) from None
    if len(asked.expression) > EXPRESSION_MAX:
        message = f"the condition has more than {EXPRESSION_MAX:,} characters"
        raise _bad("expression", asked.expression, message, "Take parts out into segments.")
    if asked.at:
        try:
            parse_micros(asked.at)
        except (ValueError, OverflowError):
            message = f"at {excerpt(asked.at)!r} is no instant"
            raise _bad("at", asked.at, message, "Send one such as 2026-01-31T10:00:00Z.") from None
    try:
        found: dict[str, Any] = await request.app.state.parts.preview(asked.expression, asked.at)
    except ProblemsError as error:
        wrong = error.problems[0]
        raise _bad("expression", asked.expression, wrong.message, wrong.mend) from None
    except OperationalError as error:
        raise HTTPException(str(error), status_code=503, extra={"field": "expression"}) from None
    return found


async def no_preview(expression: str, at: str) -> dict[str, Any]:
    """Stand in where there is no history to be asked."""
    raise OperationalError("no history can be asked here", is_retry_safe=False)


def _bad(field: str, value: str, message: str, mend: str) -> HTTPException:
    extra = {"field": field, "value": excerpt(value), "mend": mend}
    return HTTPException(message, status_code=400, extra=extra)
