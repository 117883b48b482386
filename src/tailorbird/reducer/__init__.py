"""reducer."""
