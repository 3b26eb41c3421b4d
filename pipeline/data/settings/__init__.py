"""The `data:` section of a configuration."""
