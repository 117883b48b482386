"""Engines that answer in tests what expressions ask of them, each with one history of people."""
