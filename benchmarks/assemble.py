"""What one mail costs: rendering, assembling, composing with links and footer, and its record.

Templates and trigger are those of the demo's shop. The standard library stands beside for scale.
"""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from time import process_time
from typing import Any

from benchmarks.table import Table
from tailorbird.base.time import parse_micros
from tailorbird.content.render import renderer_of
from tailorbird.delivery.assemble import Envelope, assemble, encode_parts
from tailorbird.journeys.effects import SendMessage
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.compose import compose, scope_of
from tailorbird.services.made_up import made_up_base
from tailorbird.services.message_record import pack_parts, unpack_bytes
from tailorbird.workspace.definitions import Workspace
from tailorbird.workspace.loader import parse_workspace

SHOP = Path(__file__).parent.parent / "examples" / "shop"
SECONDS = 1.0
NOW = parse_micros("2026-03-01T12:00:00Z")
KEY = b"k" * 32
PROFILE: dict[str, Any] = {
    "traits": {"email": "customer-17850@shop.example", "country": "France", "first_name": "Ada"},
    "context": {},
    "segments": {"frequent": NOW, "vip": NOW},
    "scores": {"engagement": 12.5},
    "interests": {},
    "consents": {"marketing": True},
    "created_at": NOW,
    "updated_at": NOW,
}


def run() -> None:
    """Print the table."""
    workspace = _shop()
    effect = _effect("cross-sell")
    template = workspace.templates["cross-sell"]
    made = compose(effect, PROFILE, 7, workspace, template, "a@shop.example", KEY, NOW)
    other = compose(effect, PROFILE, 8, workspace, template, "b@shop.example", KEY, NOW + 1)
    base = made_up_base(template, Reducer(workspace))
    packed = pack_parts(other.parts, base)
    scope = scope_of(effect, PROFILE, workspace, "https://x.example/u/1", NOW)
    envelope = _envelope(made.rendered.html, made.rendered.text)
    tasks: list[tuple[str, Callable[[], object], str]] = [
        ("render (Liquid, text part)", lambda: renderer_of(template).render(scope), ""),
        ("assemble", lambda: assemble(envelope), f"{len(assemble(envelope)):,} bytes"),
        ("assemble, standard library", lambda: _by_library(envelope), ""),
        (
            "compose: render, footer, links, headers",
            lambda: compose(effect, PROFILE, 7, workspace, template, "a@shop.example", KEY, NOW),
            "",
        ),
        ("encode to bytes", lambda: encode_parts(other.parts), ""),
        ("pack for the record", lambda: pack_parts(other.parts, base), f"{len(packed):,} bytes"),
        ("unpack again", lambda: unpack_bytes(packed, base), ""),
    ]
    table = Table("One mail of the demo's shop", ("step", "per CPU second", "size"))
    for name, task, size in tasks:
        table.add(name, _per_second(task), size)
    table.print()


def _per_second(task: Callable[[], object]) -> float:
    task()
    count, start = 0, process_time()
    while (spent := process_time() - start) < SECONDS:
        for _ in range(20):
            task()
        count += 20
    return count / spent


def _shop() -> Workspace:
    files = {
        str(path.relative_to(SHOP)): path.read_text()
        for path in sorted(SHOP.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    workspace, problems = parse_workspace(files)
    assert workspace is not None, problems
    return workspace


def _effect(template: str) -> SendMessage:
    products = [
        {"product_id": f"8512{n}A", "name": f"WHITE HEART {n}", "quantity": n, "price": 2.55}
        for n in range(1, 12)
    ]
    return SendMessage(
        effect_id="3f2a90c4d1e85b7740aa19d2c6f0e813",
        profile_id=7,
        journey=template,
        run_key="1",
        step="mail",
        visit=1,
        template=template,
        kind="marketing",
        topic="marketing",
        due_at=NOW,
        expires_at=NOW,
        triggered_at=NOW,
        trigger={
            "name": "order_completed",
            "message_id": "m",
            "timestamp": NOW,
            "properties": {
                "order_id": "536365",
                "currency": "GBP",
                "revenue": 139.12,
                "products": products,
            },
        },
        conditions=[],
        version="v",
    )


def _envelope(html: str, text: str) -> Envelope:
    return Envelope(
        message_id="3f2a90c4d1e85b7740aa19d2c6f0e813@shop.example",
        date=NOW,
        from_name="Robin & Wren",
        from_address="hello@shop.example",
        to_address="a@shop.example",
        subject="Goes well with what you took",
        text=text,
        html=html,
    )


def _by_library(envelope: Envelope) -> bytes:
    message = EmailMessage()
    message["From"] = f'"{envelope.from_name}" <{envelope.from_address}>'
    message["To"] = envelope.to_address
    message["Subject"] = envelope.subject
    message.set_content(envelope.text, cte="base64")
    message.add_alternative(envelope.html, subtype="html", cte="base64")
    return message.as_bytes()


if __name__ == "__main__":
    run()
