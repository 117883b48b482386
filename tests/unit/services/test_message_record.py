"""The record of a message: small, the person's own, and enough to compose the mail again."""

from __future__ import annotations

import zlib
from dataclasses import replace

import msgspec

from tailorbird.adapters.memory.ledger import MemoryLedger
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.explain import explanation, sent_bytes
from tailorbird.services.message_record import decode_record, profile_of, state_of
from tailorbird.services.render_again import is_same_again
from tailorbird.testing.sending import KEY, TEMPLATE, WORKSPACE, World


def test_the_record_of_later_messages_is_small() -> None:
    world = World()
    body = TEMPLATE.body.replace("Hi", "".join(f"<p>Line {n} of many</p>" for n in range(400)))
    world.workspace = replace(WORKSPACE, templates={"hello": replace(TEMPLATE, body=body)})
    for number in range(65, 70):
        world.wants(world.person(number), f"e{number}")
    world.works()
    sizes = [len(world.message(f"e{number}").record) for number in range(65, 70)]
    assert len(world.mails[4][1]) > 12_000
    assert max(sizes) < 2_500


def test_the_record_keeps_the_profile_as_bytes_with_its_offset() -> None:
    world = World()
    person = world.person()
    stored = world.states[0].profiles([person])[person]
    world.wants(person, "e1")
    offset = world.states[0].offset()
    world.works()
    world.person(person, name="Grace", email="g@shop.example")
    message = world.message("e1")
    assert state_of(message, world.ledger) == stored
    profile = profile_of(message, world.ledger, Reducer(WORKSPACE))
    assert profile is not None
    assert profile["traits"]["name"] == "Ada"
    assert explanation(message, profile)["profile_offset"] == offset


class NotingLedger(MemoryLedger):
    """Notes what is kept under a key of its own, beside the messages."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, bytes] = {}

    def rendering(self, key: str, data: bytes | None = None) -> bytes:
        if data is not None:
            self.kept[key] = data
        return super().rendering(key, data)


def test_no_record_depends_on_what_was_written_for_somebody_else() -> None:
    kept: list[dict[str, bytes]] = []
    for name, address in (("Ada", "ada@shop.example"), ("Grace", "grace@shop.example")):
        ledger = NotingLedger()
        world = World(ledger=ledger)
        world.wants(world.person(name=name, email=address), "e1")
        world.works()
        kept.append(ledger.kept)
        assert sent_bytes(world.message("e1"), world.ledger) == world.mails[0][1]
    assert kept[0] == kept[1]
    (base,) = kept[0].values()
    assert b"Hi {{ traits.name" in base
    assert b"Hi Some Body" in base


def test_a_template_that_fails_for_nobody_is_sent_to_those_who_have_what_it_needs() -> None:
    endless = "{% unless event.properties.total %}{% for a in (1..99999) %}x{% endfor %}"
    body = endless + "{% endunless %}" + TEMPLATE.body
    template = replace(TEMPLATE, body=body)
    world = World(workspace=replace(WORKSPACE, templates={"hello": template}))
    world.wants(world.person(), "e1")
    world.works()
    message = world.message("e1")
    assert message.status == "sent"
    assert sent_bytes(message, world.ledger) == world.mails[0][1]


def test_a_record_as_it_was_kept_before_is_still_explained() -> None:
    world = World()
    person = world.person()
    stored = world.states[0].profiles([person])[person]
    world.wants(person, "e1")
    world.works()
    message = world.message("e1")
    packer = zlib.compressobj(zdict=stored)
    state = packer.compress(stored) + packer.flush()
    world.ledger.rendering("v1//state", stored)
    record = {**decode_record(message), "state": state, "state_base": "v1//state"}
    message.record = msgspec.msgpack.encode(record)
    assert state_of(message, world.ledger) == stored
    assert is_same_again(message, world.ledger, Reducer(WORKSPACE), KEY) is True
