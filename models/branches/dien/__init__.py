"""DIEN and the recurrent layers of its own."""
