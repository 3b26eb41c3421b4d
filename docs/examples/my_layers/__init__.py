"""A branch and a cooperation loss of one's own; see docs/design_space.md."""
