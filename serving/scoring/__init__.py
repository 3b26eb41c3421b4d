"""Raw rows, and their scores by an export, in this process or in C."""
