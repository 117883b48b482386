"""Webhooks: who signed them (`signatures`), and what the known senders' messages mean."""
