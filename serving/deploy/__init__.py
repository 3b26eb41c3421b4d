"""The files with which TensorFlow Serving serves an export."""
