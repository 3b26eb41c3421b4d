"""One pass over the training rows: vocabularies, moments, quantiles."""
