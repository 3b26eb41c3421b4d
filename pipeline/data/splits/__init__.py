"""Which rows are for training, validation and test, and which negatives are drawn."""
