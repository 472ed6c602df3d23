"""The demo: the whole pipeline, for an account that does not exist."""
