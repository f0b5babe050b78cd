"""Simple references that hardly learn: the floor under a number."""
