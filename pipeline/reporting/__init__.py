"""Pages about runs and comparisons: numbers, pictures and templates."""
