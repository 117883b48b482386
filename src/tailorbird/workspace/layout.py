"""Which files of a workspace matter, and how large they may be."""

from __future__ import annotations

FILES = ("tailorbird.toml", "schema.yaml")
FOLDERS = ("segments", "scores", "interests", "journeys", "templates", "lists", "sources")
ENDINGS = {
    "segments": ("yaml", "yml"),
    "scores": ("yaml", "yml"),
    "interests": ("yaml", "yml"),
    "journeys": ("yaml", "yml"),
    "templates": ("liquid", "html", "mjml"),
    "lists": ("txt",),
    "sources": ("yaml", "yml"),
}
SIZE_MAX = 2_000_000  # bytes of one file
FILES_MAX = 5_000


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is an editor's or system's own and is left alone."""
    return name.startswith((".", "#")) or name.endswith(("~", ".swp", ".tmp", ".bak", ".orig"))
