"""The Unix socket between the log's writer and the other processes."""
