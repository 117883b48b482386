"""Joins the parts of delivery."""

from __future__ import annotations

from pathlib import Path

from tailorbird.adapters.smtp.sender import SmtpSender
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.bootstrap.stores import (
    open_clock,
    open_control,
    open_ledger,
    open_states,
    open_suppression,
    open_writer_client,
    token_key,
)
from tailorbird.services.send import Delivery


def open_delivery(data: Path, *, engines: int, clock: str, smtp_url: str) -> Delivery:
    """Join the parts of delivery."""
    control = open_control(data)
    load = workspace_loader(control)
    url = smtp_url
    if not url:
        version = control.get("live_version")
        url = load(version).settings.smtp_url if version else "smtp://localhost:25"
    return Delivery(
        states=open_states(data, engines),
        ledger=open_ledger(data, is_writer=True),
        suppression=open_suppression(data),
        control=control,
        writer=open_writer_client(data),
        sender=SmtpSender(url),
        clock=open_clock(data, clock),
        load_workspace=load,
        live_version=lambda: control.get("live_version"),
        token_key=token_key(control),
    )
