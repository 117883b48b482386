"""Requests made from the published description: no route fails, whatever it is given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error

from tailorbird.testing.in_process import ADMIN, WRITE, InProcessServer

EFFORT = int(os.environ.get("TAILORBIRD_EFFORT", "1"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcessServer]:
    folder: Path = tmp_path_factory.mktemp("openapi")
    made = InProcessServer(folder)
    made.publish()
    made.ask("POST", "/v1/identify", {"userId": "1", "traits": {"country": "CH"}}, WRITE)
    made.settle()
    yield made
    made.close()


def test_no_request_makes_a_route_fail(server: InProcessServer) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", server.app)
    tried = []
    for found in schema.get_all_operations():
        operation = found.ok()
        # These answer when something happens; their own tests are in tests/unit/web.
        if operation.path not in ("/v1/live", "/v1/drained"):
            _try(operation)
            tried.append(operation.path)
    assert {"/v1/track", "/v1/batch", "/v1/segments", "/v1/messages"} <= set(tried)


def _try(operation: Any) -> None:
    @given(operation.as_strategy())
    @settings(
        max_examples=30 * EFFORT,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    def attempt(case: schemathesis.Case) -> None:
        answer = case.call(headers=ADMIN)
        case.validate_response(answer, checks=[not_a_server_error])

    attempt()
