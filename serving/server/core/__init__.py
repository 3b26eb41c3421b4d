"""One model in memory: what it takes, how much at once, and how it refuses."""
