"""`tailorbird language-server`: faults, completion and meanings in an editor."""

from __future__ import annotations

from tailorbird.cli import output


def language_server() -> int:
    """Serve an editor over standard input and output; editors start this themselves.

    It shows the faults of the workspace while you type, completes and explains expressions, and
    formats definitions. With TAILORBIRD_URL and TAILORBIRD_ADMIN_KEY in the environment it shows
    how many people a segment holds.

    ```
    tailorbird language-server
    ```
    """
    try:
        from tailorbird.editor.server import make_server
    except ModuleNotFoundError as error:
        if error.name not in ("pygls", "lsprotocol"):
            raise
        raise output.Failure(
            "the language server needs pygls, which is not installed",
            'Run `pip install "tailorbird[editor]"`.',
            code=output.OUTSIDE,
        ) from None
    make_server().start_io()
    return output.OK
