"""The reference page of the settings, written from the settings themselves."""

from __future__ import annotations

from tailorbird.workspace.definitions import WorkspaceSettings
from tailorbird.workspace.kinds.settings_table import SETTINGS, Setting

_HEAD = """\
# Settings

`tailorbird.toml` says who sends, from where, and within which limits. Every setting may be left
out; an unknown one is an error. A change goes live without a restart.

This page is written from the code; `make docs` fails when it is stale and says how to renew it.
"""


def settings_page() -> str:
    """Return `docs/reference/settings.md`."""
    parts = [_HEAD]
    for table in dict.fromkeys(setting.table for setting in SETTINGS):
        title = f"`[{table}]`" if table else "At the top"
        rows = [_row(setting) for setting in SETTINGS if setting.table == table]
        parts.append(
            f"\n## {title}\n\n| key | meaning | default | example |\n|---|---|---|---|\n"
            + "".join(rows)
        )
    return "".join(parts)


def _row(setting: Setting) -> str:
    default = getattr(WorkspaceSettings(), setting.field)
    match default:
        case bool():
            said = f"`{str(default).lower()}`"
        case None | "" | ():
            said = "none"
        case str():
            said = f'`"{default}"`'
        case _:
            said = f"`{default}`"
    return f"| `{setting.key}` | {setting.says} | {said} | `{setting.example}` |\n"
