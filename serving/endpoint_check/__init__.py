"""Whether an endpoint answers as the export does that it serves."""
