"""The demo: a real shop's year through the real server, on simulated time. `run` is the way in."""

from __future__ import annotations

from tailorbird.demo.options import DemoOptions
from tailorbird.demo.run import run

__all__ = ["DemoOptions", "run"]
