"""Models while they are served: found, loaded, swapped for newer versions, ended."""
