"""The page of the server, for people."""
