"""Criteo Display Advertising Challenge: a week of display ads, 13 counts and 26 hashed tokens."""

from pipeline.data.sources.base import Source, TextFile

COUNTS = tuple(f"I{number}" for number in range(1, 14))
TOKENS = tuple(f"C{number}" for number in range(1, 27))

CRITEO = Source(
    name="criteo",
    title="Criteo Display Advertising Challenge",
    homepage="https://www.kaggle.com/c/criteo-display-ad-challenge",
    terms="research use, no redistribution",
    # test.txt has no labels. The rows stand in the order of time, but say no times.
    log=TextFile(
        patterns=("train.txt",),
        delimiter="\t",
        quoting=False,
        columns=("label", *COUNTS, *TOKENS),
    ),
)
