"""What travels between the steps of the data job: blocks of rows, their keys, their accounts."""
