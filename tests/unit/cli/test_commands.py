"""Commands print what they promise, complain on standard error, and exit with the right code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tailorbird.adapters.clock import MappedClock
from tailorbird.cli.app import _COMMANDS, make_app, run
from tailorbird.cli.output import OK, OUTSIDE, USAGE, WRONG


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert run(["init", str(tmp_path / "shop")]) == OK
    capsys.readouterr()
    return tmp_path / "shop"


def test_init_prints_only_the_json_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", str(tmp_path / "shop"), "--json"]) == OK
    printed = capsys.readouterr()
    assert printed.err == ""
    answer = json.loads(printed.out)
    assert set(answer) == {"workspace", "write_key", "admin_key"}
    assert Path(answer["workspace"]) == (tmp_path / "shop").resolve()
    stored = json.loads((tmp_path / "shop/.tailorbird/keys.json").read_text(encoding="utf-8"))
    assert stored == {key: answer[key] for key in ("write_key", "admin_key")}


def test_init_tells_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", str(tmp_path / "shop")])
    assert "tailorbird check" in capsys.readouterr().out


def test_init_does_not_overwrite(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(shop)]) == OUTSIDE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "is not empty" in printed.err


def test_check_says_that_all_is_well(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(shop)]) == OK
    assert "All is well: 2 segments" in capsys.readouterr().out


def test_check_shows_every_fault_with_its_caret(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "segments/a.yaml").write_text("wen: x\n", encoding="utf-8")
    (shop / "segments/b.yaml").write_text("when: none(order_completed)\n", encoding="utf-8")
    (shop / "segments/c.yaml").write_text("when: coutn(a) > [3]\n", encoding="utf-8")
    assert run(["check", str(shop)]) == WRONG
    shown = capsys.readouterr().out
    assert "segments/a.yaml:1:1  error a segment has no key `wen`" in shown
    assert "    wen: x\n    ^^^\n" in shown
    assert "Did you mean `when`?" in shown
    assert "segments/b.yaml:1:7  warning" in shown
    assert "segments/c.yaml:1:" in shown


def test_check_as_json(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(shop), "--json"]) == OK
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert len(answer["version"]) == 32
    (shop / "segments/a.yaml").write_text("wen: x\n", encoding="utf-8")
    assert run(["check", str(shop), "--json"]) == WRONG
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["version"]) == (False, None)
    assert {one["file"] for one in answer["problems"]} == {"segments/a.yaml"}
    assert {"severity", "file", "line", "column", "message", "mend"} == set(answer["problems"][0])


def test_check_without_a_workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(tmp_path)]) == OUTSIDE
    assert "tailorbird init" in capsys.readouterr().err


def test_doctor_as_json(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILORBIRD_SMTP_URL", "smtp://127.0.0.1:1")
    arguments = ["doctor", "--workspace", str(shop), "--data", str(shop.parent / "data"), "--json"]
    assert run([*arguments, "--port", "0"]) == OK
    answer = json.loads(capsys.readouterr().out)
    found = {one["name"]: one["status"] for one in answer["findings"]}
    assert found["workspace"] == found["python"] == "ok"
    assert found["mail server"] == "warning"


def test_doctor_finds_a_damaged_database(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILORBIRD_SMTP_URL", "smtp://127.0.0.1:1")
    data = shop.parent / "data"
    data.mkdir()
    (data / "control.db").write_bytes(b"no database at all, but long enough to be looked at")
    assert run(["doctor", "--workspace", str(shop), "--data", str(data), "--port", "0"]) == WRONG
    assert "control.db is damaged" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["chekc"], ["check", "--foo"], ["init"]])
def test_a_wrong_command_line_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == USAGE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "--help" in printed.err


def test_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == OK
    shown = capsys.readouterr().out
    for name, *_ in _COMMANDS:
        assert f" {name} " in shown
    assert "Exit codes" in shown


@pytest.mark.parametrize("name", [name for name, *_ in _COMMANDS])
def test_every_command_shows_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert make_app(name)[name].help
    assert run([name, "--help"]) == OK
    assert f"tailorbird {name}" in capsys.readouterr().out


def test_the_command_line_starts_without_heavy_parts() -> None:
    script = (
        "import sys; from tailorbird.cli.app import run; run(['--help']);"
        "heavy = {'litestar', 'granian', 'duckdb', 'liquid', 'mjml', 'aiosmtplib', 'sqlite3'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "plan --days -1",
        "plan --days 99999",
        "replay --batch 0",
        "rebuild --batch -1",
        "dead-letters list --limit 0",
        "dead-letters list --after -1",
        "backtest --from 2026-01-01 --to 2026-01-02 --processes 0",
        "doctor --port 65536",
    ],
)
def test_a_number_that_makes_no_sense_is_written_wrongly(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command.split()) == USAGE
    assert "Must be" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "backup {there}/copy --data {data}",
        "serve --workspace {shop} --data {there}/data",
        "schema learned --data {damaged}",
    ],
)
def test_what_cannot_be_read_or_written_is_named(
    command: str, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The rights of a folder say nothing to root, who may run the tests: a file in its place does.
    there = tmp_path / "there"
    there.write_text("a file")
    places = {name: tmp_path / name for name in ("data", "damaged")}
    for data in places.values():
        (data / "log").mkdir(parents=True)
        (data / "state").mkdir()
    (places["damaged"] / "control.db").write_bytes(b"no database at all" * 100)
    written = command.format(shop=shop, there=there, **places)
    assert run(written.split()) == OUTSIDE
    said = capsys.readouterr().err
    assert str(there) in said or "control.db" in said
    assert "Traceback" not in said


def test_a_page_that_cannot_be_written_is_refused_before_the_work(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    html = tmp_path / "nowhere" / "page.html"
    period = ["--from", "2026-01-01", "--to", "2026-01-02"]
    assert run(["backtest", *period, "--workspace", str(shop), "--html", str(html)]) == OUTSIDE
    assert f"there is no folder {html.parent}" in capsys.readouterr().err


def test_a_reader_that_goes_early_is_no_failure(shop: Path) -> None:
    command = [sys.executable, "-c", "from tailorbird.cli.app import main; main()"]
    with subprocess.Popen(
        [*command, "check", str(shop)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == OK


def test_members_after_what_is_no_id_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["segment", "members", "lapsed", "--after", "nonsense", "--data", str(tmp_path)]
    assert run(words) == USAGE
    told = capsys.readouterr().err
    assert "'nonsense' is not the id of a profile" in told
    assert "p_0123456789abcdef" in told


def test_a_folder_of_simulated_time_is_not_served_by_the_machines_clock(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    MappedClock(data / "clock", start=1_323_430_000_000_000)
    words = ["serve", "--workspace", str(shop), "--data", str(data), "--clock", "system"]
    assert run(words) == USAGE
    said = " ".join(capsys.readouterr().err.split())
    assert "is simulated and stands at 2011-12-09" in said
    assert "Leave --clock out" in said


@pytest.mark.parametrize("kept", ["system", "simulated"])
def test_serve_goes_on_with_the_clock_of_its_folder(
    kept: str, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if kept == "simulated":
        MappedClock(data / "clock", start=1_323_430_000_000_000)
    served: list[str] = []
    monkeypatch.setattr(
        "tailorbird.worker.supervisor.serve",
        lambda settings, **_: served.append(settings.clock) or OK,
    )
    assert run(["serve", "--workspace", str(shop), "--data", str(data)]) == OK
    assert served == [kept]
