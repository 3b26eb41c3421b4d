"""Training: input, strategy, callbacks, and the job that joins them."""
