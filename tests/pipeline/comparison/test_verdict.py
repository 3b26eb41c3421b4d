"""The sentence: the simplest model that the rows cannot tell from the best one."""

from pipeline.comparison.verdict import best_of, verdict

ORDER = ("logistic regression", "LightGBM", "dcnv2")


def metrics(**values):
    return {
        name: {"auc": auc, "logloss": 0.5, "calibration": calibration}
        for name, (auc, calibration) in zip(ORDER, values.values(), strict=False)
    }


def differences(lower, upper):
    return dict.fromkeys(
        ("auc", "logloss", "auc_less_logloss"), ((lower + upper) / 2, lower, upper)
    )


def test_the_best_is_used_where_all_others_are_below_it():
    scores = metrics(a=(0.70, 1.0), b=(0.72, 1.0), c=(0.75, 1.0))
    assert best_of(scores) == "dcnv2"
    to_best = {name: differences(-0.08, -0.01) for name in ORDER[:2]}
    assert verdict(scores, to_best, "dcnv2", ORDER, 1_234) == (
        "dcnv2",
        "use dcnv2: AUC 0.7500, logloss 0.5000 on 1,234 test rows; it is better than logistic "
        "regression and LightGBM beyond chance",
    )


def test_the_simplest_is_used_where_chance_may_be_all_that_parts_them():
    scores = metrics(a=(0.70, 0.7), b=(0.74, 1.0), c=(0.75, 1.0))
    to_best = {ORDER[0]: differences(-0.06, 0.01), ORDER[1]: differences(-0.02, -0.001)}
    chosen, sentence = verdict(scores, to_best, "dcnv2", ORDER, 99)
    assert chosen == "logistic regression"
    assert "dcnv2 is ahead by 0.0250 in AUC less logloss (-0.0100 to 0.0600)" in sentence
    assert sentence.endswith("its probabilities add up to 0.70 times the clicks")


def test_what_may_be_as_good_and_less_simple_is_named():
    scores = metrics(a=(0.76, 1.0), b=(0.72, 1.0), c=(0.75, 1.0))
    to_best = {"LightGBM": differences(-0.08, -0.02), "dcnv2": differences(-0.02, 0.01)}
    _, sentence = verdict(scores, to_best, ORDER[0], ORDER, 99)
    assert "; dcnv2, less simple, may be as good; it is better than LightGBM beyond" in sentence


def test_one_model_alone_was_compared_with_nothing():
    scores = metrics(a=(0.76, 1.0))
    assert verdict(scores, {}, ORDER[0], ORDER[:1], 9)[1].endswith("compared with nothing")
