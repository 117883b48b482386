"""Importing history: a mapping says what the rows of a table mean, and they go into the log.

`mapping` reads the mapping, `calls` applies it, `suggest` writes one, `run` goes through a table.
"""
