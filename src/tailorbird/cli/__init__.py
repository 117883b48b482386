"""The command line: `tailorbird COMMAND`. One module a command; `app` lists them."""

from tailorbird.cli.app import main

__all__ = ["main"]
