"""Expressions as warehouse queries: the third form beside the oracle and the compiled one.

`query` makes one SQL tree of an expression, `embedded` asks it of DuckDB. Start with
`api.evaluate_warehouse`. Nothing is imported here: SQL is for those who ask for it.
"""
