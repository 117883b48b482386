"""Tailorbird."""
