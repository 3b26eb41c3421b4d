"""What a run is made of: typed sections, files that extend each other, presets of networks."""
