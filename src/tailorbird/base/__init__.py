"""Ids, time, numbers, names, errors: standard library only, used everywhere."""
