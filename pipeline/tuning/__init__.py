"""Settings of a configuration searched by validation rows."""
