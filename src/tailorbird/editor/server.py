"""The language server: what `tailorbird check`, `fmt` and the reference know, while one types.

It speaks the language server protocol by pygls and holds no rule of its own: each request is
answered by one of the modules beside it.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

from lsprotocol import types
from pygls import uris
from pygls.lsp.server import LanguageServer
from pygls.workspace import TextDocument

from tailorbird import __version__
from tailorbird.adapters.files import FolderProblem
from tailorbird.base.problems import Problem
from tailorbird.editor.buffers import problems_of, read_with, workspace_of
from tailorbird.editor.completion import completions
from tailorbird.editor.knowledge import Knowledge, read_knowledge
from tailorbird.editor.meanings import meaning_at
from tailorbird.editor.place import place_at
from tailorbird.editor.positions import normalised, offset_of, range_of
from tailorbird.editor.sizes import size_of
from tailorbird.workspace.formatting import FOLDERS, format_definition

DEBOUNCE_SECONDS = 0.15

_SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
}
_Touched = (
    types.DidOpenTextDocumentParams
    | types.DidChangeTextDocumentParams
    | types.DidSaveTextDocumentParams
    | types.DidCloseTextDocumentParams
)


class EditorServer(LanguageServer):
    """Checks the workspaces of the open files, each a moment after the last change to it."""

    def __init__(self) -> None:
        super().__init__("tailorbird", __version__)
        self._checks: dict[Path, asyncio.Task[None]] = {}
        self._shown: dict[Path, dict[Path, list[types.Diagnostic]]] = {}
        # Editors write the address of one file in different ways; it is answered in theirs.
        self._addresses: dict[Path, str] = {}

    def buffers(self) -> dict[Path, str]:
        """Return the open files as the editor has them, by absolute path."""
        documents = self.workspace.text_documents.values()
        return {path: one.source for one in documents if (path := _path_of(one.uri)) is not None}

    def schedule(self, uri: str) -> None:
        """Check the workspace of a file soon; another change until then starts the wait anew."""
        path = _path_of(uri)
        folder = workspace_of(path) if path is not None else None
        if path is None or folder is None:
            return
        self._addresses[path] = uri
        waiting = self._checks.get(folder)
        if waiting is not None:
            waiting.cancel()
        self._checks[folder] = asyncio.get_running_loop().create_task(self._check(folder))

    async def _check(self, folder: Path) -> None:
        await asyncio.sleep(DEBOUNCE_SECONDS)
        try:
            files, problems = await asyncio.to_thread(problems_of, folder, self.buffers())
        except FolderProblem:
            files, problems = {}, {}
        codec = self.workspace.position_codec
        found = {}
        for name, ones in problems.items():
            lines = files.get(name, "").split("\n")
            found[folder / name] = [
                types.Diagnostic(
                    range=range_of(one, lines, codec),
                    message=_said(one),
                    severity=_SEVERITIES[one.severity],
                    source="tailorbird",
                )
                for one in ones
            ]
        self._show(folder, found)

    def _show(self, folder: Path, found: dict[Path, list[types.Diagnostic]]) -> None:
        shown = self._shown.get(folder, {})
        for path in sorted(shown.keys() | found.keys()):
            if shown.get(path, []) != found.get(path, []):
                self.text_document_publish_diagnostics(
                    types.PublishDiagnosticsParams(
                        uri=self._addresses.get(path) or path.as_uri(),
                        diagnostics=found.get(path, []),
                    )
                )
        self._shown[folder] = found

    def knowledge_of(self, document: TextDocument) -> tuple[str, Knowledge] | None:
        """Return a file's path inside its workspace and what that names; None outside of any."""
        path = _path_of(document.uri)
        folder = workspace_of(path) if path is not None else None
        if path is None or folder is None:
            return None
        try:
            files, _ = read_with(folder, self.buffers())
        except FolderProblem:
            return None
        return path.relative_to(folder).as_posix(), read_knowledge(files)


def make_server() -> EditorServer:
    """Return the server with all that it answers; `start_io` runs it."""
    server = EditorServer()
    for touched in (
        types.TEXT_DOCUMENT_DID_OPEN,
        types.TEXT_DOCUMENT_DID_CHANGE,
        types.TEXT_DOCUMENT_DID_SAVE,
        types.TEXT_DOCUMENT_DID_CLOSE,
    ):
        server.feature(touched)(_touched)
    options = types.CompletionOptions(trigger_characters=[".", "'", "("])
    server.feature(types.TEXT_DOCUMENT_COMPLETION, options)(_complete)
    server.feature(types.TEXT_DOCUMENT_HOVER)(_hover)
    server.feature(types.TEXT_DOCUMENT_FORMATTING)(_format)
    return server


async def _touched(server: EditorServer, params: _Touched) -> None:
    server.schedule(params.text_document.uri)


async def _complete(
    server: EditorServer, params: types.CompletionParams
) -> list[types.CompletionItem]:
    document = server.workspace.get_text_document(params.text_document.uri)
    text = normalised(document.source)
    known = server.knowledge_of(document)
    if known is None or not known[0].startswith(FOLDERS):
        return []
    offset = offset_of(text, params.position, server.workspace.position_codec)
    place = place_at(text, offset, known[0])
    return completions(place, known[1]) if place is not None else []


async def _hover(server: EditorServer, params: types.HoverParams) -> types.Hover | None:
    document = server.workspace.get_text_document(params.text_document.uri)
    text, codec = normalised(document.source), server.workspace.position_codec
    known = server.knowledge_of(document)
    if known is None or not known[0].startswith(FOLDERS):
        return None
    offset = offset_of(text, params.position, codec)
    ask = partial(size_of, environment=os.environ)
    # A server may take its second to say a size; typing goes on meanwhile.
    found = await asyncio.to_thread(meaning_at, known[0], text, offset, known[1], ask)
    if found is None:
        return None
    meaning, word = found
    line = text.count("\n", 0, word.start)
    column = word.start - (text.rfind("\n", 0, word.start) + 1)
    problem = Problem(message="", line=line + 1, column=column + 1, length=word.end - word.start)
    return types.Hover(
        contents=types.MarkupContent(kind=types.MarkupKind.Markdown, value=meaning),
        range=range_of(problem, text.split("\n"), codec),
    )


async def _format(
    server: EditorServer, params: types.DocumentFormattingParams
) -> list[types.TextEdit]:
    document = server.workspace.get_text_document(params.text_document.uri)
    path = _path_of(document.uri)
    returns, lines = document.source.count("\r\n"), document.source.count("\n")
    if path is None or path.parent.name not in FOLDERS or path.suffix not in (".yaml", ".yml"):
        return []
    if returns not in (0, lines):
        return []
    text = normalised(document.source)
    new = format_definition(f"{path.parent.name}/{path.name}", text).text
    if new == text:
        return []
    end = types.Position(line=lines + 1, character=0)
    return [
        types.TextEdit(
            range=types.Range(start=types.Position(line=0, character=0), end=end),
            new_text=new.replace("\n", "\r\n") if returns else new,
        )
    ]


def _said(problem: Problem) -> str:
    return f"{problem.message}\n{problem.mend}" if problem.mend else problem.message


def _path_of(uri: str) -> Path | None:
    path = uris.to_fs_path(uri) if uri.startswith("file:") else None
    return Path(path) if path else None
