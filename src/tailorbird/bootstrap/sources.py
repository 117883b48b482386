"""Joins the reading of queues: definitions, their adapters, and the way into the log."""

from __future__ import annotations

import os
from functools import partial
from importlib import import_module
from pathlib import Path

from tailorbird.bootstrap.stores import (
    open_clock,
    open_control,
    open_dead_letters,
    open_places,
    open_writer_client,
)
from tailorbird.ports.source import OpenSource, Source
from tailorbird.services.feed import Feed
from tailorbird.services.identity_rules import LiveRules
from tailorbird.services.learned import Learned
from tailorbird.services.pull import Pull
from tailorbird.services.sources import LiveSources, url_of
from tailorbird.services.standardise import LiveStandardiser
from tailorbird.workspace.definitions import SourceDefinition

# One adapter a kind, loaded when a source of its kind is opened: their packages are optional.
ADAPTERS = {
    "redis": "tailorbird.adapters.redis.source",
    "rabbitmq": "tailorbird.adapters.rabbitmq.source",
    "nats": "tailorbird.adapters.nats.source",
    "kafka": "tailorbird.adapters.kafka.source",
}


def open_sources(data: Path) -> LiveSources:
    """Return the sources of the live version of a data folder."""
    return LiveSources(open_control(data))


def open_feed(data: Path, clock: str) -> tuple[Feed, Learned]:
    """Return the way of queues' events into the log, and what is learned of them on it."""
    control = open_control(data)
    rules, learned = LiveRules(control), Learned(control)
    feed = Feed(
        open_writer_client(data),
        open_clock(data, clock),
        open_dead_letters(data),
        rules,
        LiveStandardiser(control, rules, partial(open_places, control), learned),
    )
    return feed, learned


def open_pull(definition: SourceDefinition, feed: Feed) -> Pull:
    """Return what reads a queue; nothing is connected yet."""

    async def connect() -> Source:
        url = url_of(definition, os.environ.get)
        adapter = import_module(ADAPTERS[definition.kind])
        open_source: OpenSource = adapter.open_source
        return await open_source(definition, url)

    return Pull(definition, connect, feed)
