"""The life of a message: what may be sent, how it is assembled, signed links, suppression."""
