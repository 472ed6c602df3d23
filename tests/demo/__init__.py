"""The demo: the whole pipeline, with a fake account."""
