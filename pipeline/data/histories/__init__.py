"""What happened before each example: events that meet it by key and time."""
