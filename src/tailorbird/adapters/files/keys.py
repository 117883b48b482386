"""The keys of a workspace: kept beside it in a file that only its owner reads, outside of git."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from tailorbird.adapters.files.folder import FolderProblem

_PLACE = Path(".tailorbird") / "keys.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Secrets: `write_key` lets a source send events, `admin_key` opens everything else."""

    write_key: str
    admin_key: str

    def __repr__(self) -> str:
        return "Keys(write_key=***, admin_key=***)"


def read_keys(folder: Path) -> Keys | None:
    """Return the keys of a workspace folder, or None where it has none yet.

    Raises:
        FolderProblem: the file is damaged.
    """
    path = folder / _PLACE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        keys = Keys(write_key=raw["write_key"], admin_key=raw["admin_key"])
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FolderProblem(
            f"{path} cannot be read: {error.strerror}; check its permissions", is_retry_safe=False
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise FolderProblem(
            f"{path} is damaged; delete it to get new keys at the next start", is_retry_safe=False
        ) from error
    return keys


def ensure_keys(folder: Path) -> Keys:
    """Return the keys of a workspace folder; makes them where there are none."""
    found = read_keys(folder)
    if found is not None:
        return found
    keys = Keys(write_key=f"wk_{secrets.token_hex(16)}", admin_key=f"ak_{secrets.token_hex(24)}")
    path = folder / _PLACE
    path.parent.mkdir(parents=True, exist_ok=True)
    ignore = path.parent / ".gitignore"
    if not ignore.exists():
        ignore.write_text("keys.json\n", encoding="utf-8")
    body = json.dumps({"write_key": keys.write_key, "admin_key": keys.admin_key}, indent=2) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(body)
    return keys
