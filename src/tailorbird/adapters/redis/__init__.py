"""Redis streams as sources of events."""
