"""AWS Lambda and Google Cloud Functions, in front of the real collect code."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tailorbird.adapters.functions import aws, google
from tailorbird.adapters.functions.forward import (
    NotConfigured,
    NotTaken,
    Reply,
    Request,
    from_environment,
    http_forward,
)
from tailorbird.testing.in_process import InProcessServer

SAMPLES = Path(__file__).parents[2] / "data" / "functions"
HTTP = ("api-gateway-v1", "api-gateway-v2", "function-url", "load-balancer")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InProcessServer]:
    made = InProcessServer(tmp_path)
    yield made
    made.close()


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text())
    return found


@dataclass
class Direct:
    """Hands on to the collect code of a server in this process."""

    server: InProcessServer
    key: str = "wk"
    requests: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        path, _, query = request.path.partition("?")
        headers = {"authorization": f"Bearer {self.key}", **request.headers}
        reply = self.server.ask(request.method, path, request.body, headers, query.encode())
        return Reply(reply.status, reply.headers, reply.body)


@pytest.mark.parametrize("name", HTTP)
def test_http_requests_are_answered_as_the_server_answers(
    server: InProcessServer, name: str
) -> None:
    forward = Direct(server)
    answer = aws.handle(sample(name), forward)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["message_id"] == "m1"
    assert answer["headers"]["access-control-allow-origin"] == "*"
    assert forward.requests[0].path.partition("?")[0] == "/v1/track"
    assert "host" not in forward.requests[0].headers
    again = aws.handle(sample(name), forward)
    assert again["statusCode"] == 200
    assert [event.message_id for event in server.events()] == ["m1"]


def test_a_refusal_reaches_the_client(server: InProcessServer) -> None:
    event = {**sample("api-gateway-v1"), "body": "{"}
    answer = aws.handle(event, Direct(server))
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["error"]["rule"] == "not_json"


def test_sqs_counts_each_message_once_and_keeps_the_bad_ones(server: InProcessServer) -> None:
    forward = Direct(server)
    assert aws.handle(sample("sqs"), forward) == {"batchItemFailures": []}
    assert aws.handle(sample("sqs"), forward) == {"batchItemFailures": []}
    assert sorted(event.message_id for event in server.events()) == [
        "m2",
        "m3",
        "sqs-059f36b4-87a3-44ab-83d2-661975830a7d",
        "sqs-3a1424d4-f796-459a-8184-9c92662be6db-0",
    ]
    assert set(server.dead_letters.counts()) == {"not_json", "nobody"}


@pytest.mark.parametrize("is_away", [True, False])
def test_sqs_delivers_again_what_was_not_taken(server: InProcessServer, is_away: bool) -> None:
    server.is_down = is_away
    failed = aws.handle(sample("sqs"), Direct(server, "wk" if is_away else "wrong key"))
    ids = [one["messageId"] for one in sample("sqs")["Records"]]
    wanted = [ids[0], ids[1], ids[2]] if is_away else ids
    assert [one["itemIdentifier"] for one in failed["batchItemFailures"]] == wanted
    assert server.events() == []


def test_an_ordered_queue_does_not_go_on_behind_what_failed(server: InProcessServer) -> None:
    event = sample("sqs")
    for one in event["Records"]:
        one["eventSourceARN"] += ".fifo"
    server.is_down = True
    failed = aws.handle(event, Direct(server))
    assert len(failed["batchItemFailures"]) == len(event["Records"])


@pytest.mark.parametrize(("event", "said"), [(sample("sns"), "SQS is handed on"), ({}, "none")])
def test_events_of_other_services_are_refused(event: dict[str, Any], said: str) -> None:
    with pytest.raises(aws.UnknownEvent, match=said):
        aws.handle(event, lambda _: Reply(200, {}, b""))


def test_many_large_messages_are_split_into_requests(server: InProcessServer) -> None:
    forward = Direct(server)
    record = sample("sqs")["Records"][0]
    call = {"type": "track", "userId": "u", "event": "e", "properties": {"x": "x" * 30_000}}
    records = [{**record, "messageId": f"r{n}", "body": json.dumps(call)} for n in range(40)]
    assert aws.handle({"Records": records}, forward) == {"batchItemFailures": []}
    assert len(server.events()) == 40
    assert len(forward.requests) == 3


@dataclass
class FlaskRequest:
    """The parts of Flask's request that the functions framework gives."""

    method: str
    path: str
    data: bytes
    headers: dict[str, str] = field(default_factory=dict)
    query_string: bytes = b""

    def get_data(self) -> bytes:
        return self.data


class CloudEvent(dict[str, Any]):
    """A CloudEvent as the functions framework gives it."""

    @property
    def data(self) -> Any:
        return self["data"]


@contextmanager
def listening(server: InProcessServer) -> Iterator[str]:
    """Serve an application in this process over real HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            path, _, query = self.path.partition("?")
            reply = server.ask("POST", path, body, dict(self.headers), query.encode())
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *words: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as peer:
        thread = threading.Thread(target=peer.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{peer.server_port}"
        finally:
            peer.shutdown()
            thread.join()


def test_google_over_real_http(server: InProcessServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(server) as url:
        monkeypatch.setenv("TAILORBIRD_URL", url + "/")
        monkeypatch.setenv("TAILORBIRD_WRITE_KEY", "wk")
        event = CloudEvent(sample("pubsub-event"))
        google.pubsub(event)
        google.pubsub(event)
        body = json.dumps({"userId": "u1", "event": "e", "messageId": "m1"}).encode()
        answer, status, headers = google.http(FlaskRequest("POST", "/v1/track", body))
        assert (status, json.loads(answer)["message_id"]) == (200, "m1")
        assert headers["content-type"] == "application/json"
        assert aws.handler(sample("function-url"), None)["statusCode"] == 200
        server.is_down = True
        with pytest.raises(NotTaken, match="6012345678901234"):
            google.pubsub(event)
        data = b64encode(b'{"type": "track", "userId": "u", "event": "f"}').decode()
        context = type("Context", (), {"event_id": "77"})()
        with pytest.raises(NotTaken):
            google.pubsub_first({"data": data}, context)
        server.is_down = False
        google.pubsub_first({"data": data}, context)
    assert [one.message_id for one in server.events()] == [
        "pubsub-6012345678901234",
        "m1",
        "pubsub-77",
    ]


def test_the_handlers_need_the_standard_library_alone() -> None:
    root = Path(google.__file__).parents[3]
    code = f"import sys; sys.path.insert(0, {str(root)!r})\n"
    code += "import tailorbird.adapters.functions.aws, tailorbird.adapters.functions.google"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_a_server_that_does_not_answer_is_a_503() -> None:
    reply = http_forward("http://127.0.0.1:1", "wk")(Request("POST", "/v1/track", {}))
    assert reply.status == 503
    assert json.loads(reply.body)["error"]["rule"] == "unreachable"


@pytest.mark.parametrize(
    ("url", "key", "said"),
    [("http://h", "", "TAILORBIRD_WRITE_KEY"), ("", "k", "no URL"), ("ftp://h", "k", "no URL")],
)
def test_what_is_not_configured_is_told(
    url: str, key: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILORBIRD_URL", url)
    monkeypatch.setenv("TAILORBIRD_WRITE_KEY", key)
    with pytest.raises(NotConfigured, match=said):
        from_environment()
