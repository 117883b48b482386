"""What the core's users need from the outside, one small protocol a file."""
