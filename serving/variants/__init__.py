"""Variants of an export: fewer bits in the tables, one branch alone, another format."""
