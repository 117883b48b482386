"""The control API: profiles, segments, messages, explanations, the clock, the stop switch."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar import Litestar, Response, delete, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import FromPath, FromQuery, QueryParameter

from tailorbird.base.problems import TailorbirdError
from tailorbird.base.time import LATEST, format_micros, parse_micros
from tailorbird.delivery.links import without_tracking
from tailorbird.events.event import Erase
from tailorbird.events.refusal import excerpt
from tailorbird.ports.clock import ClockProblem
from tailorbird.ports.control_store import SENDING_STOPPED, ControlStore
from tailorbird.ports.log_writer import LogWriter
from tailorbird.services.erase import ask_for, certificate
from tailorbird.services.explain import message_summary, sent_bytes, sent_parts
from tailorbird.services.learned import Learned
from tailorbird.services.query import Query, read_profile_id
from tailorbird.web.dead_letters import ROUTES as DEAD_LETTERS
from tailorbird.web.dead_letters import LettersParts
from tailorbird.web.guards import AnyRequest, Limit, admin_guard
from tailorbird.web.preview import AskPreview, no_preview, post_preview
from tailorbird.web.sessions import Sessions

BODY_BYTES_MAX = 64 * 1024
_DRAINED_LOOK_SECONDS = 0.003
PROFILES = "/v1/profiles/"

# The mail's own styles and pictures may show; nothing in it may run or be sent.
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src * data:; font-src *;"
    " sandbox allow-popups"
)


@dataclass(frozen=True, slots=True)
class ApiParts:
    """What the routes work with."""

    query: Query
    control: ControlStore
    writer: LogWriter
    sessions: Sessions
    learned: Learned
    letters: LettersParts
    preview: AskPreview = no_preview
    plan_erasure: Callable[[str], Erase | None] = lambda reference: None


class ClockMove(msgspec.Struct):
    """`{"now": "2011-06-01T00:00:00Z"}`."""

    now: str


# The framework names a missing parameter in its text only.
_MISSING = re.compile(r"Missing required \w+ parameter '(\w+)'")
_decode_clock = msgspec.json.Decoder(ClockMove).decode


def parts_of(request: AnyRequest) -> ApiParts:
    """Return the parts that `make_api` put into the application's state."""
    found: ApiParts = request.app.state.parts
    return found


@get("/v1/profiles/{reference:str}", sync_to_thread=False, guards=[admin_guard], tags=["people"])
def get_profile(request: AnyRequest, reference: FromPath[str]) -> dict[str, Any]:
    """Return a person, by `user_id:U`, any other kind before the colon, or `p_...`."""
    reference = unquote(reference)
    found = parts_of(request).query.profile(reference)
    if found is None:
        raise _nobody(reference)
    return found


@get(
    "/v1/profiles/{reference:str}/why-not",
    sync_to_thread=False,
    guards=[admin_guard],
    tags=["people"],
)
def get_why_not(
    request: AnyRequest, reference: FromPath[str], journey: FromQuery[str]
) -> dict[str, Any]:
    """Return what a journey asks of a person as things stand, and the first that fails."""
    reference = unquote(reference)
    try:
        found = parts_of(request).query.why_not(reference, journey)
    except KeyError:
        raise _unknown("journey", journey) from None
    if found is None:
        raise _nobody(reference)
    return found


@get(
    "/v1/profiles/{reference:str}/export",
    sync_to_thread=False,
    guards=[admin_guard],
    tags=["people"],
)
def get_export(request: AnyRequest, reference: FromPath[str]) -> dict[str, Any]:
    """Return all that is kept of a person, for them to read."""
    reference = unquote(reference)
    found = parts_of(request).query.export(reference)
    if found is None:
        raise _nobody(reference)
    return found


@delete("/v1/profiles/{reference:str}", guards=[admin_guard], tags=["people"], status_code=202)
async def delete_profile(request: AnyRequest, reference: FromPath[str]) -> dict[str, Any]:
    """Erase a person: all that is kept becomes unreadable; `/v1/erasures/ID` tells when."""
    reference = unquote(reference)
    parts = parts_of(request)
    erase = parts.plan_erasure(reference)
    if erase is None:
        raise _nobody(reference)
    if not await ask_for(erase, parts.writer):
        raise HTTPException("the log does not take it now; try again", status_code=503)
    return {"erasure_id": erase.erasure_id, "status": "pending"}


@get("/v1/erasures/{erasure:str}", sync_to_thread=False, guards=[admin_guard], tags=["people"])
def get_erasure(request: AnyRequest, erasure: FromPath[str]) -> dict[str, Any]:
    """Return the certificate of an erasure, or that it is not finished."""
    found = certificate(parts_of(request).control, erasure)
    if found is None:
        raise _unknown("erasure", erasure)
    return found


@get("/v1/segments", sync_to_thread=False, guards=[admin_guard], tags=["segments"])
def get_segments(request: AnyRequest) -> list[dict[str, Any]]:
    """Return all segments with their sizes."""
    return parts_of(request).query.segments()


@get(
    "/v1/segments/{name:str}/members", sync_to_thread=False, guards=[admin_guard], tags=["segments"]
)
def get_members(
    request: AnyRequest, name: FromPath[str], after: FromQuery[str] = "", limit: Limit = 100
) -> dict[str, Any]:
    """Return a page of a segment's members; `next` is the `after` of the following page."""
    if after and read_profile_id(after) is None:
        raise HTTPException(
            f"after {excerpt(after)!r} is not the id of a profile",
            status_code=400,
            extra={"field": "after", "mend": "Send the `next` of the page before."},
        )
    found = parts_of(request).query.members(name, after, limit)
    if found is None:
        raise _unknown("segment", name)
    return found


@get("/v1/learned", sync_to_thread=False, guards=[admin_guard], tags=["operation"])
def get_learned(request: AnyRequest) -> dict[str, Any]:
    """Return the events and properties that came, those that schema.yaml does not list first."""
    return parts_of(request).learned.shown()


@get("/v1/journeys", sync_to_thread=False, guards=[admin_guard], tags=["journeys"])
def get_journeys(request: AnyRequest) -> list[dict[str, Any]]:
    """Return the journeys with what became of their messages."""
    return parts_of(request).query.journeys()


@get("/v1/messages", sync_to_thread=False, guards=[admin_guard], tags=["messages"])
def get_messages(
    request: AnyRequest,
    profile: FromQuery[str | None] = None,
    status: FromQuery[str | None] = None,
    limit: Limit = 50,
) -> list[dict[str, Any]]:
    """Return messages, newest first; `profile` is a reference such as `user_id:U`."""
    found = parts_of(request).query.messages(reference=profile, status=status, limit=limit)
    if found is None:
        raise _nobody(profile or "")
    return found


@get("/v1/messages/{message_id:str}", sync_to_thread=False, guards=[admin_guard], tags=["messages"])
def get_message(request: AnyRequest, message_id: FromPath[str]) -> dict[str, Any]:
    """Return one message with its content."""
    message = parts_of(request).query.ledger.message(message_id)
    if message is None:
        raise _unknown("message", message_id)
    data = sent_bytes(message, parts_of(request).query.ledger)
    content = sent_parts(data) if data is not None else {}
    return {**message_summary(message), "text": content.get("text", "")}


@get(
    "/v1/messages/{message_id:str}/explanation",
    sync_to_thread=False,
    guards=[admin_guard],
    tags=["messages"],
)
def get_explanation(request: AnyRequest, message_id: FromPath[str]) -> dict[str, Any]:
    """Return why a message was sent or not: a sentence, the trigger, every condition."""
    found = parts_of(request).query.explanation(message_id)
    if found is None:
        raise _unknown("message", message_id)
    return found


@get(
    "/v1/messages/{message_id:str}/html",
    sync_to_thread=False,
    guards=[admin_guard],
    tags=["messages"],
    media_type="text/html",
)
def get_message_html(request: AnyRequest, message_id: FromPath[str]) -> Response[str]:
    """Return the HTML of a message for a sandboxed frame: as it was sent, but for tracking."""
    query = parts_of(request).query
    ledger = query.ledger
    message = ledger.message(message_id)
    data = sent_bytes(message, ledger) if message is not None else None
    if data is None:
        raise _unknown("message with content", message_id)
    return Response(
        without_tracking(sent_parts(data)["html"], query.token_key()),
        media_type="text/html",
        headers={"content-security-policy": _MAIL_POLICY},
    )


@get("/v1/status", sync_to_thread=False, guards=[admin_guard], tags=["operation"])
def get_status(request: AnyRequest) -> dict[str, Any]:
    """Return how far each part has come; `drained` says that nothing is left to do now."""
    return parts_of(request).query.status()


@get("/v1/drained", guards=[admin_guard], tags=["operation"])
async def get_drained(
    request: AnyRequest, seconds: Annotated[float, QueryParameter(ge=0, le=30)] = 10.0
) -> dict[str, bool]:
    """Wait, at most `seconds`, until nothing is left to do at the present instant."""
    query = parts_of(request).query
    until = asyncio.get_running_loop().time() + seconds
    while not (is_drained := query.is_drained()):
        if asyncio.get_running_loop().time() > until:
            break
        await asyncio.sleep(_DRAINED_LOOK_SECONDS)
    return {"drained": is_drained}


@get("/v1/overview", sync_to_thread=False, guards=[admin_guard], tags=["operation"])
def get_overview(request: AnyRequest) -> dict[str, Any]:
    """Return what the start page shows."""
    return parts_of(request).query.overview()


@post(
    "/v1/sending/{action:str}",
    sync_to_thread=False,
    guards=[admin_guard],
    tags=["operation"],
    status_code=200,
)
def post_sending(request: AnyRequest, action: FromPath[str]) -> dict[str, Any]:
    """Stop all sending at once (`stop`), or go on (`resume`)."""
    if action not in ("stop", "resume"):
        raise _unknown("action", action)
    parts_of(request).control.set(SENDING_STOPPED, "1" if action == "stop" else "0")
    return {"sending_stopped": action == "stop"}


@post("/v1/clock", guards=[admin_guard], tags=["operation"], status_code=200)
async def post_clock(request: AnyRequest) -> dict[str, Any]:
    """Move a simulated clock forward; the real one refuses."""
    # Decoded here: the framework's own decoding fails on what is not UTF-8 or nested too deep.
    try:
        text = _decode_clock(await request.body()).now
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise HTTPException(
            f"the body is not a JSON object with `now`: {excerpt(str(problem))}",
            status_code=400,
            extra={"field": "now", "value": "", "mend": 'Send {"now": "2011-06-01T00:00:00Z"}.'},
        ) from None
    try:
        at = parse_micros(text)
        if not 0 <= at <= LATEST:
            raise ValueError(text)
    except (ValueError, OverflowError):
        raise HTTPException(
            f"now {excerpt(text)!r} is not an instant from 1970 to 9999",
            status_code=400,
            extra={
                "field": "now",
                "value": excerpt(text),
                "mend": "Send an instant such as 2011-06-01T00:00:00Z.",
            },
        ) from None
    try:
        now = await parts_of(request).writer.set_now(at)
    except ClockProblem as problem:
        raise HTTPException(str(problem), status_code=409, extra={"field": "now"}) from None
    except OSError:
        raise HTTPException("the log's writer cannot be reached", status_code=503) from None
    return {"now": format_micros(now)}


def make_api(parts: ApiParts, version: str) -> Litestar:
    """Return the Litestar application of the control API."""
    return Litestar(
        route_handlers=[
            get_profile,
            get_why_not,
            get_export,
            delete_profile,
            get_erasure,
            get_segments,
            get_members,
            get_learned,
            *DEAD_LETTERS,
            post_preview,
            get_journeys,
            get_messages,
            get_message,
            get_explanation,
            get_message_html,
            get_status,
            get_overview,
            get_drained,
            post_sending,
            post_clock,
        ],
        state=State({"parts": parts}),
        request_max_body_size=BODY_BYTES_MAX,
        exception_handlers={
            HTTPException: _answer_http,
            TailorbirdError: _answer_fault,
            500: _answer_fault,
        },
        openapi_config=OpenAPIConfig(
            title="Tailorbird",
            version=version,
            description="Collect with Segment's calls, look at people, segments and messages.",
            path="/litestar-docs",
            components=Components(
                security_schemes={
                    "admin": SecurityScheme(type="http", scheme="bearer"),
                    "write": SecurityScheme(type="http", scheme="basic"),
                }
            ),
            security=[{"admin": []}],
        ),
        logging_config=None,
    )


def _answer_http(request: AnyRequest, problem: HTTPException) -> Response[dict[str, Any]]:
    extra = problem.extra if isinstance(problem.extra, dict) else {}
    error: dict[str, Any] = {
        "rule": _RULES.get(problem.status_code, "refused"),
        "message": problem.detail,
        **extra,
    }
    if isinstance(problem.extra, list) and problem.extra:
        first = problem.extra[0] if isinstance(problem.extra[0], dict) else {}
        error["field"] = str(first.get("key", ""))
        error["message"] = f"{error['field']}: {first.get('message', problem.detail)}"
    missing = _MISSING.match(problem.detail)
    if missing:
        error |= {"field": missing[1], "value": "", "message": f"{missing[1]} is missing"}
    path = excerpt(request.scope["path"])
    if problem.status_code == 404 and not extra:
        error |= {"field": "path", "message": f"there is nothing at {path}", "mend": _ROUTES}
    error.setdefault("field", "")
    error.setdefault("value", path)
    error.setdefault("mend", "See /docs for what this route takes.")
    return Response(
        {"error": error, "request_id": request.scope["state"].get("request_id", "")},
        status_code=problem.status_code,
        media_type="application/json",
    )


_ROUTES = "Segment's calls go to /v1/track, /v1/batch and so on; /docs lists all routes."


def _answer_fault(request: AnyRequest, problem: Exception) -> Response[dict[str, Any]]:
    request_id = request.scope["state"].get("request_id", "")
    request.app.state.report(problem, request_id)
    error = {
        "rule": "fault",
        "field": "",
        "value": "",
        "message": "the server failed; the fault is in its log under this request id",
        "mend": "Try again; if it comes back, look for the request id in the log.",
    }
    return Response(
        {"error": error, "request_id": request_id}, status_code=500, media_type="application/json"
    )


_RULES = {
    400: "invalid",
    401: "unauthorised",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    503: "retry",
}


def _nobody(reference: str) -> NotFoundException:
    return NotFoundException(
        f"nobody is known as {excerpt(reference)!r}",
        extra={
            "field": "profile",
            "value": excerpt(reference),
            "mend": "Write KIND:VALUE, such as user_id:17850 or email:ada@shop.example.",
        },
    )


def _unknown(kind: str, name: str) -> NotFoundException:
    return NotFoundException(
        f"there is no {kind} {excerpt(name)!r}",
        extra={"field": kind, "value": excerpt(name), "mend": "See the list of what there is."},
    )
