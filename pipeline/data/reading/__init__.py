"""Files of every kind to typed rows, and what cannot be read set aside."""
