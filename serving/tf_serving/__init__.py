"""TensorFlow Serving: its configuration, a client, a check of endpoints; and a C program."""
