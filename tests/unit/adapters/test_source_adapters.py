"""Sources that cannot be opened say why and what to do, soon, and without their passwords."""

from __future__ import annotations

import asyncio
import sys
import time
from importlib import import_module

import pytest

from tailorbird.adapters.kafka.source import settings_of
from tailorbird.bootstrap.sources import ADAPTERS
from tailorbird.ports.source import SourceProblem
from tailorbird.services.sources import url_of
from tailorbird.testing.processes import free_port
from tailorbird.workspace.definitions import SourceDefinition

PACKAGES = {"redis": "redis", "rabbitmq": "aio_pika", "nats": "nats", "kafka": "aiokafka"}
SCHEMES = {"redis": "redis", "rabbitmq": "amqp", "nats": "nats", "kafka": "kafka"}


def source(kind: str, url: str = "") -> SourceDefinition:
    return SourceDefinition(
        name="orders",
        title="",
        description="",
        kind=kind,
        format="segment-json",
        place="events",
        url=url,
    )


def refused(kind: str, url: str) -> str:
    adapter = import_module(ADAPTERS[kind])
    with pytest.raises(SourceProblem) as told:
        asyncio.run(adapter.open_source(source(kind), url))
    return str(told.value)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_missing_package_names_its_extra(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == PACKAGES[kind]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, PACKAGES[kind], None)
    assert f"pip install 'tailorbird[{kind}]'" in refused(kind, f"{SCHEMES[kind]}://h")


@pytest.mark.integration
@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_broker_that_is_not_there_is_told_soon(kind: str) -> None:
    begun = time.monotonic()
    said = refused(kind, f"{SCHEMES[kind]}://u:hunter2@127.0.0.1:{free_port()}")
    assert time.monotonic() - begun < 15
    assert said.startswith(f"{kind}: ")
    assert "hunter2" not in said


@pytest.mark.parametrize("kind", ["redis", "kafka"])
def test_what_is_no_url_is_told_without_repeating_it(kind: str) -> None:
    said = refused(kind, "hunter2")
    assert "write" in said
    assert "hunter2" not in said


def test_kafkas_urls() -> None:
    plain = settings_of("kafka://a,b:9093/")
    assert plain["bootstrap_servers"] == ["a:9092", "b:9093"]
    assert plain["security_protocol"] == "PLAINTEXT"
    user = settings_of("kafka://u:p%40ss@a?mechanism=SCRAM-SHA-512")
    assert (user["sasl_mechanism"], user["sasl_plain_password"]) == ("SCRAM-SHA-512", "p@ss")
    assert user["security_protocol"] == "SASL_PLAINTEXT"
    assert settings_of("kafka+ssl://u:p@a")["security_protocol"] == "SASL_SSL"


def test_secrets_are_put_into_urls() -> None:
    secrets = {"PASSWORD": "p@s/s", "HOST": "h:1", "URL": "redis://:x@h"}.get
    assert url_of(source("redis", "redis://:${PASSWORD}@${HOST}/0"), secrets) == (
        "redis://:p%40s%2Fs@h:1/0"
    )
    assert url_of(source("redis", "${URL}"), secrets) == "redis://:x@h"
    with pytest.raises(SourceProblem, match="NOWHERE is not set"):
        url_of(source("redis", "redis://${NOWHERE}"), secrets)
