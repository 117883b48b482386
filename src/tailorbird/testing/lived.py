"""A small shop's weeks, lived in memory: visitors, users, logins, late and repeated events."""

from __future__ import annotations

import random

from tailorbird.testing.building import DAY, HOUR, journey, send, wait, workspace_of
from tailorbird.testing.embedded import World, event_draft

JOURNEYS = (
    journey("welcome", (wait("pause", DAY), send("mail")), event="order_completed"),
    journey("back", (send("mail"),), segment="lapsed"),
)
VERSIONS = {
    "v1": workspace_of(
        {
            "keen": "count(viewed within 2d) >= 2",
            "lapsed": "since(order_completed) > 3d",
            "known": "traits.city = 'Bern'",
        },
        journeys=JOURNEYS,
    ),
    "v2": workspace_of(
        {
            "keen": "count(viewed within 5d) >= 3",
            "buyers": "sum(order_completed.revenue) >= 100",
            "lapsed": "since(order_completed) > 2d",
        },
        journeys=JOURNEYS,
        version="v2",
    ),
}


def live_history(seed: int, begun: str = "v1") -> World:
    """Live some weeks by version `begun`; version v2 takes over in the middle."""
    rng = random.Random(seed)
    world = World(VERSIONS)
    world.publish(begun)
    for number in range(300):
        world.clock.at += rng.randint(1, 2 * HOUR)
        person = rng.randint(0, 9)
        user = f"u{person}" if rng.random() < 0.5 else None
        anonymous = f"a{person}" if user is None or rng.random() < 0.3 else None
        name = rng.choice(["viewed", "viewed", "order_completed", "identified"])
        properties: dict[str, object] = {"revenue": rng.randint(1, 80)}
        if name == "identified":
            properties = {"city": rng.choice(["Bern", "Basel"])}
        at = world.clock.at - rng.choice([0, 0, HOUR, DAY])
        event = event_draft(name, f"m{number}", at, user, anonymous, properties)
        world.add(*([event, event] if rng.random() < 0.1 else [event]))
        if rng.random() < 0.7:
            world.settle()
        if rng.random() < 0.3:
            world.tick()
        if number == 150 and begun != "v2":
            world.publish("v2")
    world.clock.at += 30 * DAY
    world.settle()
    world.tick()
    world.settle()
    return world
