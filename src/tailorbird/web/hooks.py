"""`POST /v1/hooks/NAME`: webhooks of the workspace's sources."""

from __future__ import annotations

from tailorbird.events.decode import REQUEST_BYTES_MAX
from tailorbird.events.refusal import MENDS, Rule
from tailorbird.services.hooks.receive import Hooks
from tailorbird.services.ingest import RETRY_AFTER_SECONDS
from tailorbird.web.answers import (
    BodyTooLarge,
    Receive,
    Scope,
    Send,
    answer_json,
    header,
    read_body,
)
from tailorbird.web.measures import Measures

PATH = "/v1/hooks/"


class HookRoute:
    """Takes requests whose path begins with `PATH`."""

    def __init__(self, hooks: Hooks, measures: Measures) -> None:
        self._hooks = hooks
        self._measures = measures

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request_id = str(scope["state"]["request_id"])
        if scope["method"] != "POST":
            message = f"{scope['method']} is not taken here"
            error = _error("method", scope["method"], "method_not_allowed", message, "Send POST.")
            await answer_json(send, 405, {"error": error, "request_id": request_id})
            return
        try:
            body = await read_body(scope, receive, REQUEST_BYTES_MAX)
        except BodyTooLarge:
            message = f"the request is larger than {REQUEST_BYTES_MAX:,} bytes"
            rule = Rule.TOO_LARGE
            value = header(scope, b"content-length") or "more than the limit"
            error = _error("body", value, rule.value, message, MENDS[rule])
            await answer_json(send, 413, {"error": error, "request_id": request_id})
            return
        name = scope["path"].removeprefix(PATH)
        answered = await self._hooks.call(
            name, lambda one: header(scope, one.encode("latin-1", "replace")), body
        )
        self._measures.collected("hook", answered)
        answered.body["request_id"] = request_id
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if answered.status == 503:
            headers = ((b"retry-after", str(RETRY_AFTER_SECONDS).encode()),)
        await answer_json(send, answered.status, answered.body, headers)


def _error(field: str, value: str, rule: str, message: str, mend: str) -> dict[str, str]:
    return {"field": field, "value": value, "rule": rule, "message": message, "mend": mend}
