"""Metrics of a loaded account: one SQL file each, for DuckDB and PostgreSQL."""
