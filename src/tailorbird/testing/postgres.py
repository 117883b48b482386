"""A Postgres server with an empty database, for tests that ask one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tailorbird.testing.brokers.broker import BrokerMissing
from tailorbird.testing.processes import free_port, until

_PLACES = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin")
_SECONDS_MAX = 60.0


class Postgres:
    """`postgres` as a process of its own; who is root runs it as the user `postgres`."""

    def __init__(self) -> None:
        """Make its files and start it; it answers on return.

        Raises:
            BrokerMissing: it is not installed.
        """
        _program("initdb")
        # Not in the test's own folder: the server's user may not look into that.
        self._folder = folder = Path(tempfile.mkdtemp(prefix="tailorbird-postgres-"))
        self._data = folder / "data"
        self._user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self._user:
            shutil.chown(folder, "postgres")
        self.port = free_port()
        words = ["--username=shop", "--auth=trust", "--no-sync", "--encoding=UTF8"]
        self._run([_program("initdb"), *words, "-D", str(self._data)])
        options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1"]
        options += ["-c", "unix_socket_directories=", "-p", str(self.port)]
        self._log = (folder / "postgres.log").open("wb")
        self._process = subprocess.Popen(
            [*self._user, _program("postgres"), "-D", str(self._data), *options],
            stdout=self._log,
            stderr=self._log,
            cwd=folder,
            start_new_session=True,
        )
        until(self._answers, _SECONDS_MAX)

    @property
    def url(self) -> str:
        """Return its URL as SQLAlchemy writes it."""
        return f"postgresql+psycopg://shop@127.0.0.1:{self.port}/postgres"

    def execute(self, sql: str) -> None:
        """Run statements."""
        import psycopg

        with psycopg.connect(self.url.replace("+psycopg", "")) as connection:
            connection.execute(sql)

    def stop(self) -> None:
        """End it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, words: list[str]) -> None:
        subprocess.run([*self._user, *words], check=True, capture_output=True, cwd="/")

    def _answers(self) -> bool:
        assert self._process.poll() is None, Path(self._log.name).read_text("utf-8")
        words = [_program("pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-q"]
        return subprocess.run(words, check=False).returncode == 0


def _program(name: str) -> str:
    """Return where a program of Postgres lies; most of them are not on the path."""
    found = [path for place in _PLACES for path in Path("/").glob(f"{place[1:]}/{name}")]
    if found:
        return str(max(found))
    on_path = shutil.which(name)
    if on_path is None:
        raise BrokerMissing(f"{name} of Postgres is not installed")
    return on_path
