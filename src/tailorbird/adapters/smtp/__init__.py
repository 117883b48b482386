"""adapters/smtp."""
