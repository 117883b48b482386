"""Runs the demo from an empty folder to the summary: catcher, server, replay."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tailorbird import bootstrap
from tailorbird.adapters.files import ensure_keys
from tailorbird.base.problems import TailorbirdError
from tailorbird.base.time import DAY, to_micros
from tailorbird.demo.client import Client
from tailorbird.demo.dataset import Counts, read_calls
from tailorbird.demo.display import Display, Standing, tables
from tailorbird.demo.options import DemoOptions
from tailorbird.demo.reader import SimulatedReader
from tailorbird.demo.replay import Replay

START = to_micros(datetime(2010, 12, 1, tzinfo=UTC))
END = to_micros(datetime(2011, 12, 10, tzinfo=UTC))
_MARK = ".tailorbird-demo"
_STOP_SECONDS_MAX = 30

_NOTICE = (
    "Demo: real orders of a British gift shop, December 2010 to December 2011, on a simulated"
    " clock. The addresses are made up, and consent to mails is assumed. "
)
_NO_READER = "Nobody opens or clicks: the data do not tell."
_READER = "Opens and clicks are invented by a simulated reader."


class DemoProblem(TailorbirdError):
    """The demo cannot run as asked."""


def run(options: DemoOptions) -> int:
    """Run the demo; returns the exit code."""
    console = Console()
    _empty(options.data)
    workspace = _copy_workspace(options)
    keys = ensure_keys(workspace)
    url = f"http://localhost:{options.port}"
    counts = Counts()
    with ExitStack() as stack:
        smtp_port = _free_port()
        mails = options.data / "mails"
        stack.enter_context(_catcher(mails, smtp_port))
        server = stack.enter_context(_server(options, workspace, smtp_port))
        client = Client(options.port, keys.write_key, keys.admin_key)
        client.await_ready()
        _say_notice(options)
        reader = SimulatedReader(mails) if options.has_simulated_reader else None
        login = f"{url}/?key={keys.admin_key}"
        console.print(f"Watch it live: [link={login}]{login}[/link]\n", soft_wrap=True)
        begun = time.monotonic()
        end = min(START + options.days * DAY, END) if options.days else END
        with Display(console, url) as display:

            def after_step(standing: Standing) -> None:
                display.show(standing)
                if reader is not None:
                    reader.read_new()

            replay = Replay(
                client,
                days_per_second=options.speed,
                after_step=after_step,
            )
            calls = read_calls(options.examples / "online-retail" / "online-retail.parquet", counts)
            standing = replay.run(calls, START, end)
        _summary(console, standing, counts, time.monotonic() - begun, options)
        if not options.does_exit:
            _serve_on(console, login, options, server)
    return 0


def _empty(data: Path) -> None:
    """Begin with an empty folder; one that the demo did not make is left alone."""
    if data.exists() and any(data.iterdir()):
        if not (data / _MARK).exists():
            raise DemoProblem(
                f"{data} is not empty and not of an earlier demo; name another with --data"
            )
        shutil.rmtree(data)
    data.mkdir(parents=True, exist_ok=True)
    (data / _MARK).touch()


def _copy_workspace(options: DemoOptions) -> Path:
    source = options.examples / "shop"
    if not source.is_dir():
        raise DemoProblem(
            f"{source} is missing; run the demo in the folder of a checkout of the repository"
        )
    workspace = options.data / "workspace"
    shutil.copytree(source, workspace)
    settings = workspace / "tailorbird.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(
        text.replace("http://localhost:8000", f"http://localhost:{options.port}"),
        encoding="utf-8",
    )
    return workspace


@contextmanager
def _catcher(folder: Path, port: int) -> Iterator[None]:
    words = [sys.executable, "-m", "tailorbird.demo.catcher", str(folder), str(port)]
    with _child(words, None):
        until = time.monotonic() + 20
        while not _answers(port):
            if time.monotonic() > until:
                raise DemoProblem("the demo's mail catcher did not start")
            time.sleep(0.02)
        yield


@contextmanager
def _server(
    options: DemoOptions, workspace: Path, smtp_port: int
) -> Iterator[subprocess.Popen[bytes]]:
    if _answers(options.port):
        raise DemoProblem(f"port {options.port} is taken; name another with --port")
    words = [sys.executable, "-m", "tailorbird", "serve"]
    words += ["--workspace", str(workspace), "--data", str(options.data / "server")]
    words += ["--port", str(options.port), "--clock", "simulated"]
    words += ["--smtp-url", f"smtp://127.0.0.1:{smtp_port}"]
    with _child(words, options.data / "server.log") as process:
        yield process


@contextmanager
def _child(words: list[str], log: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a child in a session of its own, so that Ctrl-C reaches only us; stop it at the end."""
    with ExitStack() as stack:
        target = stack.enter_context(log.open("wb")) if log else subprocess.DEVNULL
        process = subprocess.Popen(
            words, stdout=target, stderr=target, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=_STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _say_notice(options: DemoOptions) -> None:
    control = bootstrap.open_control(options.data / "server")
    control.set("notice", _NOTICE + (_READER if options.has_simulated_reader else _NO_READER))
    control.close()


def _summary(
    console: Console, standing: Standing, counts: Counts, seconds: float, options: DemoOptions
) -> None:
    console.print()
    console.print(
        f"[bold]{standing.events:,} events[/bold] of {standing.people:,} people in {seconds:.0f} s"
        f" ({standing.events_per_second:,.0f}/s): {counts.orders:,} orders over"
        f" £{counts.revenue:,.0f}, {counts.refunds:,} cancellations."
    )
    console.print(
        f"Left out: {counts.lines_without_customer:,} of {counts.lines:,} lines name no customer;"
        f" {counts.cut_orders:,} long invoices carry only their first 200 products.\n"
    )
    console.print(tables(standing))
    others: dict[str, int] = {}
    for by_status in standing.messages.values():
        for status, count in by_status.items():
            others[status] = others.get(status, 0) + count
    told = ", ".join(f"{count:,} {status}" for status, count in sorted(others.items()))
    console.print(f"\nMessages: {told or 'none'}. The mails lie in {options.data / 'mails'}/.")


def _serve_on(
    console: Console, login: str, options: DemoOptions, server: subprocess.Popen[bytes]
) -> None:
    workspace = options.data / "workspace"
    console.print(
        f"\nOpen [link={login}]{login}[/link] and click a mail to see why it was sent.\n"
        f"Change a number in {workspace / 'segments' / 'frequent.yaml'} and watch its size.\n"
        "Ctrl-C ends the demo.",
        soft_wrap=True,
    )
    try:
        server.wait()
    except KeyboardInterrupt:
        console.print("Bye.")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
