"""What is answered, counted and timed, whichever protocol asks."""
