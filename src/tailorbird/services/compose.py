"""One message as bytes, from everything that decides how it looks. Pure: the same in, the same out.

`send` composes what leaves, `explain` composes it again from the record and compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tailorbird.base.time import format_micros
from tailorbird.content.footer import with_footer
from tailorbird.content.render import Rendered, renderer_of
from tailorbird.delivery.assemble import Envelope, Parts, parts_of
from tailorbird.delivery.decide import MARKETING
from tailorbird.delivery.links import LinkSigner
from tailorbird.journeys.effects import SendMessage
from tailorbird.workspace.definitions import TemplateDefinition, Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A message ready to be handed over; `sender` is the envelope's."""

    rendered: Rendered
    sender: str
    parts: Parts


def compose(
    effect: SendMessage,
    profile: Mapping[str, Any],
    profile_id: int,
    workspace: Workspace,
    template: TemplateDefinition,
    address: str,
    token_key: bytes,
    now: int,
) -> Composed:
    """Render and assemble a message to `address`.

    Args:
        effect: What the journey wants to be sent.
        profile: The person at this moment (`Reducer.snapshot`).
        profile_id: Whom the links in the mail belong to.
        workspace: The live version.
        template: The template of the effect, from that version.
        address: Where the mail goes.
        token_key: Signs the links.
        now: The moment of writing, microseconds UTC; becomes the Date header.

    Raises:
        RenderProblem: the template fails with all its fallbacks.
    """
    settings = workspace.settings
    signer = LinkSigner(settings.base_url, token_key, effect.effect_id, profile_id)
    unsubscribe = signer.unsubscribe_url(address, effect.topic)
    rendered = renderer_of(template).render(scope_of(effect, profile, workspace, unsubscribe, now))
    headers = [("Feedback-ID", f"{effect.journey}:{effect.step}:{effect.kind}:tailorbird")]
    if effect.kind == MARKETING:
        rendered = with_footer(rendered, unsubscribe, settings.postal_address)
        headers += [
            ("List-Unsubscribe", f"<{unsubscribe}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ]
    sender = template.from_address or settings.from_address or "no-reply@localhost"
    parts = parts_of(
        Envelope(
            message_id=f"{effect.effect_id}@{sender.rpartition('@')[2]}",
            date=now,
            from_name=template.from_name or settings.from_name,
            from_address=sender,
            to_address=address,
            reply_to=template.reply_to,
            subject=rendered.subject,
            text=rendered.text,
            html=signer.track(rendered.html),
            headers=headers,
        )
    )
    return Composed(rendered=rendered, sender=sender, parts=parts)


def scope_of(
    effect: SendMessage,
    profile: Mapping[str, Any],
    workspace: Workspace,
    unsubscribe_url: str,
    now: int,
) -> dict[str, Any]:
    """Return what a template sees."""
    settings = workspace.settings
    trigger = dict(effect.trigger)
    trigger["timestamp"] = format_micros(trigger["timestamp"])
    segments = sorted(profile["segments"])
    return {
        "profile": {**profile, "segments": segments},
        "traits": profile["traits"],
        "context": profile["context"],
        "event": {**trigger, "properties": trigger.get("properties", {})},
        "segments": segments,
        "scores": profile["scores"],
        "interests": profile["interests"],
        "links": {"unsubscribe_url": unsubscribe_url},
        "workspace": {
            "name": settings.name,
            "postal_address": settings.postal_address,
            "base_url": settings.base_url,
        },
        "now": format_micros(now),
    }
