"""Clients of TensorFlow Serving, and what they know of an export. No TensorFlow in here."""
