"""The commands and what their exit codes mean.

Commands are named as text and imported when they are called: `tailorbird check` does not pay for
the mail client or the database reader that another command needs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Group

from tailorbird import __version__
from tailorbird.base.problems import ProblemsError, TailorbirdError
from tailorbird.cli import output

EPILOGUE = """\
**Exit codes:** 0 done; 1 something is wrong with what was asked about (faults in definitions, \
nothing found); 2 the command was written wrongly; 3 something outside failed (a folder, a \
server, the network); 130 interrupted.
"""

_RUN = Group("Run", sort_key=0)
_WRITE = Group("Write definitions", sort_key=1)
_CHANGE = Group("Change what is live", sort_key=2)
_ASK = Group("Ask", sort_key=3)
_HISTORY = Group("Go through history", sort_key=4)

_COMMANDS = (
    ("demo", "demo:demo", _RUN, "Replay a real shop's year: who gets which mail, and why."),
    ("serve", "serve:serve", _RUN, "Run the server of a workspace."),
    ("import", "import_events:import_events", _RUN, "Bring in events or people from a file."),
    (
        "dead-letters",
        "dead_letters:app",
        _RUN,
        "Look at what was refused, mend it, try it again.",
    ),
    ("doctor", "doctor:doctor", _RUN, "Look whether everything is in place."),
    ("backup", "backup:backup", _RUN, "Copy the data folder while the server runs."),
    ("restore", "backup:restore", _RUN, "Make a data folder from a backup."),
    ("release", "backup:release", _RUN, "Let go what is on hold since a restore, or drop it."),
    ("export", "export:export", _ASK, "Print all that is kept of a person."),
    ("erase", "erase:erase", _RUN, "Make all that is kept of a person unreadable."),
    ("erasures", "erase:erasures", _RUN, "Keep a register of erasures, for a restore."),
    ("init", "init:init", _WRITE, "Make a new workspace with commented examples and keys."),
    ("check", "check:check", _WRITE, "Check a workspace: every fault with its place and mend."),
    ("fmt", "fmt:fmt", _WRITE, "Write the expressions of definitions in their canonical form."),
    (
        "language-server",
        "language_server:language_server",
        _WRITE,
        "Serve an editor: faults, completion, meanings.",
    ),
    ("plan", "plan:plan", _CHANGE, "Tell what changed definitions would do, before they do."),
    ("apply", "plan:apply", _CHANGE, "Make a plan live: just that."),
    ("rollback", "plan:rollback", _CHANGE, "Make an earlier version live again."),
    ("schema", "schema:app", _ASK, "Show which events and properties came, planned or not."),
    ("profile", "profile:app", _ASK, "Show what is known of a person."),
    ("segment", "segment:app", _ASK, "List segments, show one, list its members."),
    ("explain", "explain:explain", _ASK, "Show why a mail was sent, or why not."),
    ("shadow", "shadow:shadow", _HISTORY, "Try definitions on what happens now."),
    ("backtest", "backtest:backtest", _HISTORY, "Try definitions on a time that is over."),
    ("replay", "history:replay", _HISTORY, "Reduce the log again and compare with the state."),
    ("rebuild", "history:rebuild", _HISTORY, "Make the state anew from the log, as lived."),
    ("recompute", "history:recompute", _HISTORY, "Make all people anew by today's definitions."),
    ("unmerge", "history:unmerge", _HISTORY, "Let two people who were merged be two again."),
    ("refold", "history:refold", _HISTORY, "Make one person anew by today's definitions."),
)


def make_app(chosen: str = "") -> App:
    """Return the application with all commands.

    The chosen command shows its own long help; the others stay unimported with one line each.
    """
    app = App(
        name="tailorbird",
        help="Turns what each customer does into the next e-mail that this customer would want, "
        "and can show why.",
        help_epilogue=EPILOGUE,
        help_format="markdown",
        version=__version__,
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    app["--help"].group = app["--version"].group = Group("Options", sort_key=9)
    for position, (name, place, group, says) in enumerate(_COMMANDS):
        shown = {} if name == chosen else {"help": says}
        app.command(f"tailorbird.cli.{place}", name=name, group=group, sort_key=position, **shown)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; errors are written to standard error."""
    try:
        result = make_app(arguments[0] if arguments else "")(list(arguments))
    except CycloptsError as error:
        output.complain(str(error), "Try `tailorbird --help`.")
        return output.USAGE
    except output.Failure as failure:
        output.complain(failure.message, failure.mend)
        return failure.code
    except ProblemsError as error:
        output.complain(str(error))
        return output.WRONG
    except TailorbirdError as error:
        output.complain(str(error))
        return output.OUTSIDE
    except KeyboardInterrupt:
        return output.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output, such as `head`, has gone: nothing is left to tell.
        sys.stderr.close()
        return output.OK
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        output.complain(f"{place}{error.strerror or error}", "Is it there, and may you write it?")
        return output.OUTSIDE
    except Exception as error:
        # Who touched no data has not loaded it.
        sqlite = sys.modules.get("sqlite3")
        if sqlite is None or not isinstance(error, sqlite.Error):
            raise
        output.complain(
            f"a file of the data folder is damaged: {error}",
            "`tailorbird doctor --data DIR` tells which; restore it from a backup.",
        )
        return output.OUTSIDE
    return result if isinstance(result, int) else output.OK


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))
