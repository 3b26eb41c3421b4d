"""The stages of a run, and the main job that does them in order."""
