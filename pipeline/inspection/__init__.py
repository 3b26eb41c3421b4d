"""Looks at files of the user's own and proposes a configuration: `python -m pipeline inspect`."""
