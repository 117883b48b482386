"""What editors show of a workspace: faults, completion, meanings, canonical form, over LSP."""
