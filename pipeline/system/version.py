"""The version of Concord; pyproject.toml reads it here."""

VERSION = "0.2.0"
