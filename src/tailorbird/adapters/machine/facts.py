"""Looks at the machine: versions, disk, ports, databases. Reads only."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class MachineFacts:
    """The port `services.doctor.Facts` on this machine."""

    def python_version(self) -> tuple[int, int, int]:
        """Return the version of the interpreter."""
        return sys.version_info[:3]

    def sqlite_version(self) -> tuple[int, int, int]:
        """Return the version of the SQLite library."""
        return sqlite3.sqlite_version_info

    def databases(self, data: Path) -> list[Path]:
        """Return all databases of a data folder."""
        return sorted(data.rglob("*.db")) if data.is_dir() else []

    def damage(self, database: Path) -> str | None:
        """Return what SQLite's own check complains of, or None."""
        try:
            connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
            try:
                row = connection.execute("PRAGMA quick_check(1)").fetchone()
            finally:
                connection.close()
        except sqlite3.Error as error:
            return str(error)
        return None if row is None or row[0] == "ok" else str(row[0])

    def free_bytes(self, folder: Path) -> int:
        """Return the free space where a folder lies or would lie."""
        existing = folder.absolute()
        while not existing.exists():
            existing = existing.parent
        return shutil.disk_usage(existing).free

    def total_bytes(self, folder: Path) -> int:
        """Return the size of the disk where a folder lies or would lie."""
        existing = folder.absolute()
        while not existing.exists():
            existing = existing.parent
        return shutil.disk_usage(existing).total

    def filesystem(self, folder: Path) -> str:
        """Return the type of the file system where a folder lies, or "" where that is unknown."""
        try:
            lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
        except OSError:
            return ""
        place = str(folder.absolute())
        best = ("", "")
        for line in lines:
            _, mount, kind, *_ = line.split(" ")
            inside = place == mount or place.startswith(mount.rstrip("/") + "/")
            if inside and len(mount) > len(best[0]):
                best = (mount, kind)
        return best[1]

    def is_port_free(self, host: str, port: int) -> bool:
        """Tell whether a server could listen there."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
        return True

    def mail_complaint(self, smtp_url: str, timeout_seconds: float) -> str | None:
        """Return why the mail server cannot be talked to, or None; nothing is sent."""
        parts = urlsplit(smtp_url)
        address = (parts.hostname or "localhost", parts.port or _DEFAULT_PORTS[parts.scheme])
        try:
            with socket.create_connection(address, timeout=timeout_seconds) as connection:
                if parts.scheme == "smtps":
                    return None  # the greeting comes only after the TLS handshake
                greeting = connection.recv(512)
        except OSError as error:
            return error.strerror or str(error) or type(error).__name__
        if greeting.startswith(b"220"):
            return None
        return "something answers there, but not as a mail server does"

    def now_seconds(self) -> float:
        """Return the machine's clock, seconds since 1970."""
        return time.time()
