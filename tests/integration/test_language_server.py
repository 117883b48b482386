"""The language server as an editor starts it: the real command over standard input and output."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient

from tailorbird.testing.processes import free_port

pytestmark = pytest.mark.integration

SCHEMA = """\
events:
  order_completed:
    description: A customer paid.
    properties:
      revenue: number
      coupon: string
traits:
  city: string
"""
SOUND = "when: count(order_completed within 30d) > 3\n"
FILES = {
    "tailorbird.toml": 'name = "Shop"\n',
    "schema.yaml": SCHEMA,
    "segments/buyers.yaml": f"title: Buyers\n{SOUND}",
    "segments/second.yaml": "when: in segment('buyers') and count(order_completed) > 9\n",
    "scores/engagement.yaml": "points:\n  - event: order_completed\n    points: 5\n",
    "lists/cities.txt": "Boston\n",
}
SECONDS = 10


class Server:
    """A running language server and its client, on an event loop that outlives a test."""

    def __init__(self) -> None:
        self.client = LanguageClient("test", "1")
        self.said: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()
        self._runner = asyncio.Runner()

        def remember(said: types.PublishDiagnosticsParams) -> None:
            self.said.put_nowait(said)

        self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(remember)

    def run(self, scenario: Coroutine[Any, Any, None]) -> None:
        self._runner.run(asyncio.wait_for(scenario, 2 * SECONDS))

    async def start(self, encodings: list[types.PositionEncodingKind | str] | None) -> None:
        await self.client.start_io(sys.executable, "-m", "tailorbird", "language-server")
        general = types.GeneralClientCapabilities(position_encodings=encodings)
        await self.client.initialize_async(
            types.InitializeParams(capabilities=types.ClientCapabilities(general=general))
        )
        self.client.initialized(types.InitializedParams())

    async def _stop(self) -> None:
        await self.client.shutdown_async(None)
        self.client.exit(None)
        await self.client.stop()

    def stop(self) -> None:
        self.run(self._stop())
        self._runner.close()


class Editor:
    """An editor of one workspace, which remembers what the server says of each file."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.client = server.client
        self.server = server

    def document(self, name: str) -> types.TextDocumentIdentifier:
        return types.TextDocumentIdentifier(uri=(self.folder / name).as_uri())

    def open(self, name: str, text: str) -> None:
        item = types.TextDocumentItem(
            uri=self.document(name).uri, language_id="yaml", version=1, text=text
        )
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=item))

    def change(self, name: str, text: str) -> None:
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                text_document=types.VersionedTextDocumentIdentifier(
                    uri=self.document(name).uri, version=2
                ),
                content_changes=[types.TextDocumentContentChangeWholeDocument(text=text)],
            )
        )

    async def diagnostics(self, name: str) -> list[types.Diagnostic]:
        """Return what the server says next; it must be about this file."""
        uri, found = await self.said()
        assert uri == self.document(name).uri
        return found

    async def said(self) -> tuple[str, list[types.Diagnostic]]:
        """Return the address of the file that the server speaks of next, and what it says."""
        while True:
            said = await asyncio.wait_for(self.server.said.get(), SECONDS)
            if said.uri.startswith(self.folder.as_uri()):
                return said.uri, list(said.diagnostics)

    async def labels(self, name: str, line: int, character: int) -> list[str]:
        found = await self.client.text_document_completion_async(
            types.CompletionParams(
                text_document=self.document(name),
                position=types.Position(line=line, character=character),
            )
        )
        assert isinstance(found, list)
        return [one.label for one in found]

    async def hover(self, name: str, line: int, character: int) -> str:
        found = await self.client.text_document_hover_async(
            types.HoverParams(
                text_document=self.document(name),
                position=types.Position(line=line, character=character),
            )
        )
        if found is None:
            return ""
        assert isinstance(found.contents, types.MarkupContent)
        return found.contents.value

    async def format(self, name: str) -> list[types.TextEdit]:
        return list(
            await self.client.text_document_formatting_async(
                types.DocumentFormattingParams(
                    text_document=self.document(name),
                    options=types.FormattingOptions(tab_size=2, insert_spaces=True),
                )
            )
            or []
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "my shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "my shop"


@contextmanager
def started(encodings: list[types.PositionEncodingKind | str] | None) -> Iterator[Server]:
    server = Server()
    server.run(server.start(encodings))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def api_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(api_port: int) -> Iterator[Server]:
    """Start one server for all tests: each has a workspace of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAILORBIRD_URL", f"http://127.0.0.1:{api_port}/")
        patch.setenv("TAILORBIRD_ADMIN_KEY", "secret")
        with started(None) as one:
            yield one


@pytest.fixture
def editor(folder: Path, server: Server) -> Editor:
    return Editor(folder, server)


def span(one: types.Diagnostic) -> tuple[int, int, int, int]:
    start, end = one.range.start, one.range.end
    return start.line, start.character, end.line, end.character


def test_a_fault_is_shown_where_it_stands_until_it_is_mended(editor: Editor) -> None:
    async def scenario() -> None:
        broken = SOUND.replace("order_completed", "order_complete")
        editor.open("segments/new.yaml", "title: New\nwhen: cuont(order_completed) > 3\n")
        [fault] = await editor.diagnostics("segments/new.yaml")
        assert span(fault) == (1, 6, 1, 11)
        assert fault.severity == types.DiagnosticSeverity.Error
        assert fault.source == "tailorbird"
        assert "there is no function `cuont`" in fault.message
        assert "Did you mean `count`?" in fault.message
        editor.change("segments/new.yaml", broken)
        [doubt] = await editor.diagnostics("segments/new.yaml")
        assert doubt.severity == types.DiagnosticSeverity.Warning
        assert "order_complete" in doubt.message
        editor.change("segments/new.yaml", SOUND)
        assert await editor.diagnostics("segments/new.yaml") == []

    editor.server.run(scenario())


def test_a_buffer_breaks_another_file_and_closing_it_mends_that(editor: Editor) -> None:
    async def scenario() -> None:
        path = editor.folder / "segments/later.yaml"
        path.write_text("when: in segment('newcomers')\n")
        editor.open("segments/second.yaml", "when: in segment('newcomers')\n")
        names = set()
        for _ in range(2):
            uri, found = await editor.said()
            assert "newcomers" in found[0].message
            names.add(uri)
        uri = editor.document("segments/second.yaml").uri
        assert names == {uri, path.as_uri()}
        path.unlink()
        editor.client.text_document_did_close(
            types.DidCloseTextDocumentParams(text_document=editor.document("segments/second.yaml"))
        )
        cleared = dict([await editor.said(), await editor.said()])
        assert cleared == {name: [] for name in names}

    editor.server.run(scenario())


async def check_columns(editor: Editor, column: int) -> None:
    name = "segments/new.yaml"
    editor.open(name, "when: traits.a='🎉' or cuont(order_completed) > 3\n")
    [fault] = await editor.diagnostics(name)
    assert span(fault) == (0, column, 0, column + 5)
    # The same units come back from the client: this is the `r` of `or`.
    assert "**or**" in await editor.hover(name, 0, column - 2)


def test_columns_count_units_of_utf_16(editor: Editor) -> None:
    editor.server.run(check_columns(editor, 23))


def test_columns_count_characters_where_the_editor_does(folder: Path) -> None:
    with started(["utf-32"]) as server:
        server.run(check_columns(Editor(folder, server), 22))


def test_completion_knows_the_language_and_the_workspace(editor: Editor) -> None:
    text = """\
title: count is no expression here
when: >
  any(order_completed.) and in segment('bu') and score(''
  and traits. and 'any
"""

    async def scenario() -> None:
        name = "segments/new.yaml"
        editor.open(name, text)
        lines = text.splitlines()
        assert await editor.labels(name, 2, lines[2].index(".") + 1) == ["coupon", "revenue"]
        assert await editor.labels(name, 2, lines[2].index("bu'") + 2) == [
            "buyers",
            "new",
            "second",
        ]
        assert await editor.labels(name, 2, len(lines[2]) - 1) == ["engagement"]
        assert await editor.labels(name, 0, 9) == []
        editor.change(name, "when: any(order_completed) and traits. and x in list('')\n")
        assert await editor.labels(name, 0, 38) == ["city"]
        assert await editor.labels(name, 0, 54) == ["cities"]
        assert await editor.labels(name, 0, 20) != []
        editor.change(name, "when: traits.city = 'count")
        assert await editor.labels(name, 0, 26) == []
        editor.change(name, "when: \n")
        all_of = await editor.labels(name, 0, 6)
        assert {"count", "age", "within", "and", "traits", "order_completed"} <= set(all_of)
        assert "revenue" not in all_of
        editor.change(name, "when: count(order_completed where \n")
        assert (await editor.labels(name, 0, 34))[:2] == ["coupon", "revenue"]

    editor.server.run(scenario())


def test_hover_tells_what_a_word_means(editor: Editor) -> None:
    async def scenario() -> None:
        name = "segments/second.yaml"
        editor.open(name, FILES[name])
        aggregate = await editor.hover(name, 0, FILES[name].index("count") + 2)
        assert "→ number" in aggregate
        assert "how many events match" in aggregate
        assert "count(product_viewed" not in aggregate
        assert "count(order_completed within 30d)" in aggregate
        segment = await editor.hover(name, 0, FILES[name].index("buyers"))
        assert segment == ("**Buyers** (buyers)\n\n    count(order_completed within 30d) > 3")
        event = await editor.hover(name, 0, FILES[name].index("order_completed"))
        assert "A customer paid." in event
        assert "- `revenue` number" in event
        own = await editor.hover(name, 0, 1)
        assert "in segment('buyers') and count(order_completed) > 9" in own
        assert await editor.hover(name, 0, FILES[name].index("9")) == ""

    editor.server.run(scenario())


@contextmanager
def control_api(key: str, port: int) -> Iterator[None]:
    """Serve what `GET /v1/segments` answers to this key."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_right = (self.path, self.headers["Authorization"]) == (
                "/v1/segments",
                f"Bearer {key}",
            )
            self.send_response(200 if is_right else 401)
            self.end_headers()
            if is_right:
                self.wfile.write(json.dumps([{"name": "buyers", "size": 1234}]).encode())

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_hover_tells_the_size_where_a_server_is_named(editor: Editor, api_port: int) -> None:
    async def scenario() -> None:
        editor.open("segments/buyers.yaml", FILES["segments/buyers.yaml"])
        with control_api("secret", api_port):
            assert "1,234 people now" in await editor.hover("segments/buyers.yaml", 1, 2)
        with control_api("another", api_port):
            refused = await editor.hover("segments/buyers.yaml", 1, 2)
        away = await editor.hover("segments/buyers.yaml", 1, 2)
        assert "count(order_completed within 30d) > 3" in away
        assert "now" not in away
        assert refused == away

    editor.server.run(scenario())


def test_formatting_writes_the_canonical_form(editor: Editor) -> None:
    async def scenario() -> None:
        name = "segments/new.yaml"
        editor.open(name, "title: New # kept\r\nwhen: COUNT( order_completed )>3\r\n")
        [edit] = await editor.format(name)
        assert edit.new_text == "title: New # kept\r\nwhen: count(order_completed) > 3\r\n"
        assert (edit.range.start.line, edit.range.start.character) == (0, 0)
        assert edit.range.end.line >= 2
        editor.change(name, edit.new_text)
        assert await editor.format(name) == []
        editor.change(name, "when: count(\n")
        assert await editor.format(name) == []

    editor.server.run(scenario())


SOURCE = """\
kind: redis
url: redis://localhost
stream: shop
map:
  event: "'order'"
  user_id: customer.id
  properties:
    total: LOWER(
"""


def test_a_source_is_known_like_the_other_files(editor: Editor) -> None:
    async def scenario() -> None:
        name = "sources/till.yaml"
        editor.open(name, SOURCE)
        [fault] = await editor.diagnostics(name)
        assert fault.range.start.line == 7
        sound = SOURCE.replace("LOWER(", "LOWER( total )")
        editor.change(name, sound)
        assert await editor.diagnostics(name) == []
        assert await editor.labels(name, 4, 14) == ["order_completed"]
        words = await editor.labels(name, 7, 11)
        assert {"coalesce", "lower", "and", "list"} <= set(words)
        assert not {"count", "segment", "order_completed", "traits"} & set(words)
        assert await editor.labels(name, 2, 10) == []
        assert "→ string" in await editor.hover(name, 7, 13)
        [edit] = await editor.format(name)
        assert edit.new_text == sound.replace("LOWER( total )", "lower(total)")

    editor.server.run(scenario())
