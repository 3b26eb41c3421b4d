"""Side tables, whose columns are added to the rows of the log."""
