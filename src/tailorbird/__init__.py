"""Tailorbird turns what each customer does into the next e-mail that this customer would want."""

__version__ = "0.1.0"
