"""Beam's transforms on the cores of one machine, in one process: a runner of few parts."""
