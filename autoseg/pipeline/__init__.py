"""The order of things: one function per verb, each doing what is missing before it, over a project's workspace."""
