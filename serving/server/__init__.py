"""A local server of exports that speaks TensorFlow Serving's API."""
