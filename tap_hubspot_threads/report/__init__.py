"""Metrics of what was loaded: SQL files, and a report on the console or as a page.

The tap does not import this package, and the packages that it needs are optional. They
are in the extra `report`.
"""
