"""Identifiers after standardising are those that the standard event names."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorbird.events.decode import Accepted, decode_item, identifiers_of
from tailorbird.events.identifiers import DEFAULT_RULES, LIMITS, IdentityRules
from tailorbird.events.standardise import Surroundings
from tailorbird.services.standardise import Standardiser

RULES = (
    DEFAULT_RULES,
    IdentityRules(limits={**LIMITS, "email": 0}),
    IdentityRules(blocked={"": frozenset({"+41446681800", "ada@shop.example"})}),
)
TRAITS = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(
            [
                "Ada@Shop.EXAMPLE",
                " ada@shop.example",
                "a@xn--bcher-kva.example",
                "a..b@c.de",
                "x",
                5,
            ]
        ),
        "phone": st.sampled_from(
            ["044 668 18 00", "+41446681800", "+41 44 668 18 00", "+1", "1", 446681800]
        ),
    },
)
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "device": st.just({"id": "d-1"}),
        "externalIds": st.just([{"id": "7", "type": "crm", "collection": "users"}]),
        "userAgent": st.just("curl/8"),
    },
)


@settings(deadline=None)  # tables are read when first asked for
@given(traits=TRAITS, context=CONTEXTS, anonymous=st.booleans(), rules=st.sampled_from(RULES))
def test_identifiers_are_those_of_the_standard_event(
    traits: dict[str, object], context: dict[str, object], anonymous: bool, rules: IdentityRules
) -> None:
    message = {"type": "identify", "userId": "u-1", "traits": traits, "context": context}
    if anonymous:
        message["anonymousId"] = "browser-1"
    found = decode_item(
        msgspec.json.encode(message), call=None, now=10**15, sent_at=None, fresh_id="f", rules=rules
    )
    assert isinstance(found, Accepted)
    steps = Standardiser()
    steps.begin(Surroundings(default_country="CH"))
    (one,) = steps([found], rules=rules)
    assert isinstance(one, Accepted)
    unfit = one.event.unfit or {}
    plain = [pair for pair in identifiers_of(one.event, rules) if pair[0] not in unfit]
    assert one.identifiers == plain
