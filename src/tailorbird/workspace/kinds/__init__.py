"""What each kind of file in a workspace may say: one module a kind."""
