import itertools

import pytest

from features.errors import ExportError
from serving.variants.variant import FORMATS, FULL, PRECISIONS, Variant, batch_sizes


def test_no_two_variants_share_a_folder():
    branches = (None, "deep", "bfloat16", "openvino", "full", "deep+bfloat16", "compiled-8", "a/b")
    branches += ("..", "é b")
    variants = [
        Variant(precision, branch, format, compiled)
        for precision, branch, format, compiled in itertools.product(
            PRECISIONS, branches, FORMATS, [(), (8,), (8, 16), (816,)]
        )
        if format == "saved_model" or (precision == "float32" and not compiled)
    ]
    names = [each.name for each in variants]
    assert len(set(names)) == len(names)
    assert not any("/" in name for name in names)
    assert FULL.is_full
    assert [each.name for each in variants if each.is_full] == ["full"]
    assert Variant("bfloat16", "deep").name == "deep+bfloat16"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "bflot16"}, r"no --precision 'bflot16'\. Did you mean bfloat16\?"),
        ({"format": "onnx"}, r"no --format 'onnx'\. Known: openvino, saved_model\."),
        (
            {"format": "openvino", "precision": "float16"},
            r"--format openvino stores float32\. Received: --precision float16\. Leave one",
        ),
        ({"format": "openvino", "compiled": (8,)}, r"--compiled is for XLA.*Leave one of the two"),
        ({"compiled": (8, 8)}, r"each >= 1 and once\. Received: 8, 8\. Give such as"),
        ({"compiled": (0,)}, r"each >= 1 and once\. Received: 0\. Give such as"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(options, message):
    with pytest.raises(ExportError, match=message):
        Variant(**options)


def test_candidates_need_signatures():
    Variant(branch="deep").check_candidates(["item"])
    Variant(format="openvino").check_candidates(None)
    with pytest.raises(ExportError, match=r"--candidates is for the signature `rank`.*item, tag"):
        Variant(format="openvino").check_candidates(["item", "tag"])


def test_fewer_bits_may_be_further_off():
    limits = [Variant(each).tolerance for each in ("float32", "float16", "bfloat16")]
    assert [each.largest for each in limits] == sorted(each.largest for each in limits)
    assert Variant(branch="deep").tolerance.largest == 1e-6
    assert Variant("float16", "deep").tolerance == Variant("float16").tolerance


def test_batch_sizes_of_the_command_line():
    assert batch_sizes(None) == ()
    assert batch_sizes("128, 32") == (32, 128)
    for text in ("", "8,,9", "-1", "1e3", "²", "12345678"):
        with pytest.raises(ExportError, match="names batch sizes, such as"):
            batch_sizes(text)
