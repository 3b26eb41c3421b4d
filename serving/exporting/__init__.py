"""A trained network as a SavedModel: its signatures, verified before they appear."""
