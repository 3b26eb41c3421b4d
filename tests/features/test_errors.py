import pytest

from features import errors


@pytest.mark.parametrize(
    ("name", "names", "prefix", "hint"),
    [
        ("bacth_size", ["batch_size", "epochs"], "train.", "Did you mean train.batch_size?"),
        ("zzz", ["b", "a"], "", "Known: a, b."),
        ("zzz", ["b", "a"], "t.", "Known: t.a, t.b."),
        ("zzz", iter(()), "", "None is defined here."),
    ],
)
def test_did_you_mean_names_the_nearest_name_or_all_of_them(name, names, prefix, hint):
    assert errors.did_you_mean(name, names, prefix=prefix) == hint


def test_every_error_here_is_a_user_error():
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    kinds = [each for each in kinds if issubclass(each, Exception)]
    assert len(kinds) > 3
    assert all(issubclass(each, errors.UserError) for each in kinds)
    assert issubclass(errors.UserError, ValueError)
