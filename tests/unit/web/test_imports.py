"""What the web process loads at its start."""

from __future__ import annotations

import subprocess
import sys


def test_the_web_process_starts_without_what_renders_mails() -> None:
    code = "import sys, tailorbird.worker.web; print(*{n.partition('.')[0] for n in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "litestar" in loaded
    assert not loaded & {"liquid", "mjml", "aiosmtplib"}
