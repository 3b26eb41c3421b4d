"""The daily job: a day's log in, a model that is at least as good as the one in service out."""
