"""The data job: raw logs in, one complete bundle out, or none."""
