"""A webhook from its bytes to the log: verified, read, appended, answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tailorbird.base.hashing import hash_text
from tailorbird.events.refusal import excerpt
from tailorbird.ports.source import Secrets, SourceProblem
from tailorbird.services.feed import Feed, Taken
from tailorbird.services.hooks.ready_made import TOPIC_HEADERS, ready_made_items
from tailorbird.services.hooks.signatures import BadSecret, Header, verify
from tailorbird.services.ingest import Answered
from tailorbird.services.source_messages import Bad, Item, items_of
from tailorbird.services.sources import WEBHOOK, secret_of
from tailorbird.workspace.definitions import SourceDefinition


class Hooks:
    """Takes requests to webhook sources."""

    def __init__(
        self,
        feed: Feed,
        sources: Callable[[], Mapping[str, SourceDefinition]],
        secrets: Secrets,
        wall: Callable[[], float],
    ) -> None:
        """`wall` is the real time in seconds: signatures age by it, whatever our clock says."""
        self._feed = feed
        self._sources = sources
        self._secrets = secrets
        self._wall = wall

    async def call(self, name: str, header: Header, body: bytes) -> Answered:
        """Take one request to the source `name`."""
        definition = self._sources().get(name)
        if definition is None or definition.kind != WEBHOOK:
            return _unknown(name, self._sources())
        if definition.sender == "woocommerce" and _is_ping(header, body):
            return Answered(200, {"success": True, "ignored": "a ping"})
        try:
            secret = secret_of(definition, self._secrets)
            rejected = verify(definition, secret, header, body, self._wall())
        except (SourceProblem, BadSecret) as problem:
            return _error(503, "secret", "", "not_configured", str(problem), "Set it, then resend.")
        if rejected is not None:
            return _error(401, rejected.field, "", "unauthorised", rejected.message, rejected.mend)
        items = self._items(definition, header, body)
        if isinstance(items, str):
            return Answered(200, {"success": True, "ignored": items})
        taken = await self._feed.take(items, name, is_historical=definition.is_historical)
        return _answer(definition, taken, items)

    def _items(
        self, definition: SourceDefinition, header: Header, body: bytes
    ) -> Sequence[Item | Bad] | str:
        """Return the calls in a request, or why it holds none."""
        now = self._feed.now()
        if definition.format != "ready-made":
            found = items_of(definition, body, _delivery(definition, header, body), None, now)
            return found or "`when` does not hold for it"
        topic = header(TOPIC_HEADERS.get(definition.sender, "")) or ""
        return ready_made_items(definition, topic, body)


def _delivery(definition: SourceDefinition, header: Header, body: bytes) -> str:
    """Return what a delivery is known by: only what is signed counts."""
    if definition.sender == "standard-webhooks":
        return header("webhook-id") or header("svix-id") or ""
    return hash_text(body)


def _is_ping(header: Header, body: bytes) -> bool:
    """WooCommerce asks, unsigned, whether an address answers, before it uses it."""
    key, _, number = body.partition(b"=")
    is_asked = key == b"webhook_id" and number.isdigit()
    return is_asked and header("x-wc-webhook-signature") is None


def _answer(definition: SourceDefinition, taken: Taken, items: Sequence[Item | Bad]) -> Answered:
    counts = {"accepted": taken.accepted, "duplicate": taken.duplicate}
    rules: dict[str, int] = {}
    for one in taken.refusals:
        rules[one.rule.value] = rules.get(one.rule.value, 0) + 1
    if taken.is_retry:
        found = _error(
            503,
            "",
            "",
            "retry",
            "not everything was stored; send the same request again",
            "Repeat the request after the pause that Retry-After names.",
        )
    elif taken.refusals and not _is_as_it_is(definition, items):
        error = dict(taken.refusals[0].to_json())
        if len(items) > 1:
            error["message"] = f"{len(taken.refusals)} of {len(items)}: {error['message']}"
        found = Answered(400, {"error": error})
    else:
        refused = {"refused": len(taken.refusals)} if taken.refusals else {}
        found = Answered(200, {"success": True, **counts, **refused})
    found.accepted, found.duplicate, found.refused = taken.accepted, taken.duplicate, rules
    return found


def _is_as_it_is(definition: SourceDefinition, items: Sequence[Item | Bad]) -> bool:
    """Say whether a shop sent what it always sends, and would not send otherwise if it were told.

    A shop that hears 400 again and again gives up on us. What names nobody, such as a sale over
    the counter, lies among the dead letters all the same.
    """
    return definition.format == "ready-made" and all(isinstance(one, Item) for one in items)


def _unknown(name: str, sources: Mapping[str, SourceDefinition]) -> Answered:
    is_queue = name in sources
    message = (
        f"the source {excerpt(name)!r} is read, not called"
        if is_queue
        else f"there is no webhook {excerpt(name)!r}"
    )
    mend = "Write sources/NAME.yaml with `kind: webhook`, and call /v1/hooks/NAME."
    return _error(404, "path", excerpt(name), "unknown_source", message, mend)


def _error(status: int, field: str, value: str, rule: str, message: str, mend: str) -> Answered:
    error: dict[str, Any] = {"field": field, "value": value, "rule": rule, "message": message}
    return Answered(status, {"error": {**error, "mend": mend}})
