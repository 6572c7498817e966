"""Identifiers for mentions that have none."""
