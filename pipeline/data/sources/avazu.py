"""Avazu Click-Through Rate Prediction: ten days of mobile ads, all tokens but the hour."""

from pipeline.data.sources.base import Source, TextFile

AVAZU = Source(
    name="avazu",
    title="Avazu Click-Through Rate Prediction",
    homepage="https://www.kaggle.com/c/avazu-ctr-prediction",
    terms="research use, no redistribution",
    # test.csv has no labels. `hour` is 14102100 for 2014-10-21, 0 h UTC; `id` differs in every row.
    log=TextFile(patterns=("train.csv",)),
)
