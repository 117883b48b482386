"""A mail to nobody: what the sent bytes of a template's mails are compressed against.

The base is kept in the ledger for as long as one mail needs it, so it must hold nothing of a real
person: erasing somebody must never mean to write others' records anew. It is the template as the
author wrote it, then rendered for a person who is made up.
"""

from __future__ import annotations

from tailorbird.base.time import MICROSECONDS
from tailorbird.content.render import RenderProblem, sources_of
from tailorbird.delivery.assemble import Parts
from tailorbird.delivery.decide import MARKETING
from tailorbird.journeys.effects import SendMessage
from tailorbird.profiles.state import Consent, ProfileState, TraitValue
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.compose import compose
from tailorbird.services.message_record import plain_parts
from tailorbird.workspace.definitions import TemplateDefinition

# zlib looks back 32 KB; the rendering stands last, it helps most.
_BASE_BYTES_MAX = 32_000
_AT = 1_000_000_000 * MICROSECONDS
_ADDRESS = "somebody@example.com"
_TRAITS = {
    "email": _ADDRESS,
    "name": "Some Body",
    "first_name": "Some",
    "last_name": "Body",
    "country": "Nowhere",
    "city": "Nowhere",
    "language": "en",
}


def made_up_base(template: TemplateDefinition, reducer: Reducer) -> bytes:
    """Return what mails of a template are compressed against: it depends on no person."""
    source = "\n".join(sources_of(template)).encode("utf-8", "replace")
    try:
        rendered = plain_parts(_composed(template, reducer))
    except RenderProblem:
        rendered = b""  # it needs what only a real trigger has
    return (source + rendered)[-_BASE_BYTES_MAX:]


def _composed(template: TemplateDefinition, reducer: Reducer) -> Parts:
    effect = SendMessage(
        effect_id="0" * 32,
        profile_id=0,
        journey="",
        run_key="",
        step="",
        visit=1,
        template=template.name,
        kind=MARKETING,
        topic=MARKETING,
        due_at=_AT,
        expires_at=_AT,
        triggered_at=_AT,
        trigger={"name": "", "message_id": "", "timestamp": _AT, "properties": {}},
        conditions=[],
        version="",
    )
    profile = reducer.snapshot(_person(reducer), _AT)
    made = compose(effect, profile, 0, reducer.workspace, template, _ADDRESS, b"", _AT)
    return made.parts


def _person(reducer: Reducer) -> ProfileState:
    person = ProfileState(0, _AT, _AT, 0)
    person.traits = {name: TraitValue(value, _AT, 0) for name, value in _TRAITS.items()}
    person.consents = {MARKETING: Consent(True, _AT, 0)}
    person.segments = dict.fromkeys(reducer.workspace.segments, _AT)
    return person
