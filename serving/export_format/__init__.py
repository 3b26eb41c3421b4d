"""What an export is: where its files lie, and what its signatures are called, take and give."""
