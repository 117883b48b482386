"""A backtest lives history as it would have been lived: the same members, the same messages."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import msgspec
import pytest

from tailorbird.events.event import Event, encode, order_of
from tailorbird.journeys.effects import SendMessage
from tailorbird.language.calendar import local_of
from tailorbird.ports.log_writer import EventDraft
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.backfill import refold
from tailorbird.services.backtest import Backtest, Tally, to_json
from tailorbird.services.lives import Families, lives
from tailorbird.testing.building import DAY, HOUR, START, journey, send, wait, workspace_of
from tailorbird.testing.embedded import World, event_draft
from tailorbird.testing.lived import VERSIONS, live_history
from tailorbird.workspace.definitions import Workspace

_effect = msgspec.msgpack.Decoder(SendMessage).decode


def backtest(
    world: World,
    workspace: Workspace,
    begin: int = 0,
    end: int = START + 999 * DAY,
    shares: int = 1,
) -> Tally:
    reducer = Reducer(workspace)
    whole = Tally()
    for index in range(shares):
        one = Backtest(
            reducer,
            begin,
            end,
            lambda who, before: refold(world.log, reducer, before, who.__eq__).get(who),
        )
        families = Families(world.log, world.log.end())
        for moments in lives(world.log, families, index=index, count=shares):
            one.live(moments)
        whole.add(one.tally)
    return whole


def willing(workspace: Workspace) -> Workspace:
    """Nothing of delivery stops a mail but a missing address."""
    settings = replace(
        workspace.settings, demands_consent=False, postal_address="Bern", marketing_per_day=0
    )
    return replace(workspace, settings=settings)


@pytest.mark.parametrize("seed", range(12))
def test_members_and_messages_are_those_that_the_engine_came_to(seed: int) -> None:
    world = live_history(seed, begun="v2")
    tally = backtest(world, willing(VERSIONS["v2"]), end=world.clock.at + 1, shares=3)

    assert +tally.members == +Counter(world.state.segment_sizes())
    lived = Counter(_effect(row.body).journey for row in world.state.outbox(0, 10_000))
    # Nobody there has an address, so each of them is told as stopped.
    assert lived.total() > 20
    assert tally.message_count() == 0
    assert tally.stopped == {
        "the person has no e-mail address that can be mailed to": lived.total()
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_number_of_shares_changes_nothing(seed: int) -> None:
    world = live_history(seed)
    found = [backtest(world, VERSIONS["v2"], shares=shares) for shares in (1, 2, 5)]
    assert found[0] == found[1] == found[2]


HELLO = workspace_of(
    {"keen": "count(viewed within 2d) >= 2"},
    journeys=(
        journey("hello", (wait("pause", HOUR), send("mail")), event="signed_up"),
        journey("keen", (send("mail"),), segment="keen"),
    ),
)
MARKETING = replace(HELLO, settings=replace(HELLO.settings, postal_address="Bern", timezone="UTC"))


def shop(*events: EventDraft) -> World:
    world = World({"v1": HELLO})
    world.publish("v1")
    for event in events:
        world.clock.at = max(
            world.clock.at, msgspec.msgpack.decode(event.body, type=Event).timestamp
        )
        world.add(event)
        world.settle()
    return world


def signed_up(at: int, number: int = 1) -> tuple[EventDraft, ...]:
    email = f"p{number}@shop.example"
    return (
        event_draft("identified", f"i{number}", at, f"u{number}", properties={"email": email}),
        event_draft(
            "consent_given", f"c{number}", at + 1, f"u{number}", properties={"email": email}
        ),
        event_draft("signed_up", f"s{number}", at + 2, f"u{number}"),
    )


def test_consent_and_cap_decide_as_they_would_have_when_it_was_due() -> None:
    views = (event_draft("viewed", f"v{n}", START + 10 + n, "u1") for n in range(2))
    tally = backtest(shop(*signed_up(START), *views), MARKETING)

    assert to_json(tally, 0, 1)["messages"]["by_journey"] == {
        "keen": {"2026-01-05": 1},
        "hello": {"2026-01-06": 1},
    }
    assert tally.held == {"at most 1 marketing mail(s) a day": 1}
    assert tally.weeks == {2: 1}


def test_who_unsubscribed_before_a_mail_was_due_does_not_get_it() -> None:
    left = event_draft(
        "unsubscribed", "x", START + HOUR // 2, "u1", properties={"email": "p1@shop.example"}
    )
    tally = backtest(shop(*signed_up(START), left), MARKETING)

    assert tally.message_count() == 0
    assert tally.stopped == {"the address is suppressed: unsubscribed": 1}


def test_only_the_period_counts() -> None:
    world = shop(*signed_up(START), *signed_up(START + 9 * DAY, 2))
    tally = backtest(world, MARKETING, START + 5 * DAY, START + 20 * DAY)

    assert tally.message_count() == 1
    assert tally.events == 3
    assert tally.people == 2


def test_imported_history_counts_from_when_it_happened() -> None:
    at = START - 200 * DAY
    imported = []
    for draft in signed_up(at):
        event = msgspec.msgpack.decode(draft.body, type=Event)
        event.is_historical = True
        imported.append(msgspec.structs.replace(draft, body=encode(event), is_historical=True))
    world = shop()
    # The latest comes first, as some exports have it.
    world.add(*reversed(imported))
    tally = backtest(world, MARKETING)

    day = local_of(at + HOUR, "UTC").date().isoformat()
    assert to_json(tally, 0, 1)["messages"]["by_journey"] == {"hello": {day: 1}}


def test_what_really_left_stands_beside_it() -> None:
    sent = Event(
        type="track",
        name="email_sent",
        message_id="out",
        timestamp=START + HOUR,
        order=order_of("out"),
        properties={"journey": "hello"},
        source="tailorbird",
    )
    world = shop(*signed_up(START))
    world.add(EventDraft([("user_id", "u1")], 77, encode(sent)))
    tally = backtest(world, MARKETING)

    assert tally.really == {"hello": Counter({"2026-01-05": 1})}
