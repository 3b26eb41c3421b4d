"""Tables of papers, run again: which runs a table needs, what came out, and how sure that is."""
