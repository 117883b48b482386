"""History comes from files and real databases into a folder whose server runs or rests."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tailorbird import bootstrap
from tailorbird.adapters.files import read_folder
from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.cli.app import run
from tailorbird.cli.output import OK, WRONG
from tailorbird.events.event import EVENT, Event, decode_event
from tailorbird.services.publish import Publisher
from tailorbird.testing.brokers import BrokerMissing
from tailorbird.testing.postgres import Postgres
from tailorbird.testing.processes import Host, MailCatcher, until

pytestmark = pytest.mark.integration

ROWS = 20_000
KILLS = 4
FILES = {
    "tailorbird.toml": (
        'name = "Shop"\npostal_address = "1 High Street"\n'
        '[sender]\naddress = "shop@shop.example"\n'
    ),
    "templates/hello.html": (
        "---\nsubject: Hello\n---\n<p>Hello {{ traits.first_name }}</p>"
        '<p><a href="{{ links.unsubscribe_url }}">leave</a></p>\n'
    ),
    "segments/buyers.yaml": "when: count(order_completed) >= 1\n",
    "journeys/receipt.yaml": (
        "enter: {event: order_completed}\nkey: event.properties.order_id\n"
        "steps:\n  - {id: now, send: hello, kind: transactional}\n"
    ),
    "journeys/welcome.yaml": (
        "enter: {segment: buyers}\nsteps:\n  - {id: now, send: hello, kind: transactional}\n"
    ),
    "journeys/news.yaml": (
        "enter: {event: page_viewed}\nkey: event.message_id\n"
        "steps:\n  - {id: now, send: hello, kind: marketing}\n"
    ),
}
PEOPLE = {
    "subscribed_members_export.csv": (
        "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,LAST_CHANGED,LEID,EUID\n"
        "ada@shop.example,Ada,4,2020-01-02 03:04:05,192.0.2.7,2024-01-01 00:00:00,1,a\n"
    ),
    "unsubscribed_members_export.csv": (
        "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,LAST_CHANGED,LEID,EUID,UNSUB_TIME\n"
        "bob@shop.example,Bob,2,2019-01-01 00:00:00,2021-01-01 00:00:00,2,b,2021-01-01 00:00:00\n"
    ),
    "cleaned_members_export.csv": (
        "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,LAST_CHANGED,LEID,EUID,CLEAN_TIME\n"
        "cy@shop.example,Cy,1,2019-01-01 00:00:00,2022-01-01 00:00:00,3,c,2022-01-01 00:00:00\n"
    ),
}
MAPPING = """
kind: events
event: event
user_id: user_id
timestamp: at
message_id: n
properties: {order_id: n}
"""


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[MailCatcher]:
    made = MailCatcher(tmp_path / "mails")
    yield made
    made.stop()


@pytest.fixture
def host(tmp_path: Path, catcher: MailCatcher) -> Iterator[Host]:
    made = Host(tmp_path, smtp_url=catcher.url)
    for name, text in FILES.items():
        path = made.settings.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    files, _ = read_folder(made.settings.workspace)
    with closing(bootstrap.open_control(made.data)) as control:
        control.set("engines", "2")
        publisher = Publisher(control, made.data) if False else None
    del publisher, files
    yield made
    made.stop()
