"""The warning about processors that emulate bfloat16."""

import logging

import pytest
import tensorflow as tf

from pipeline.training import bfloat16

X86 = "processor\t: 0\nmodel name\t: A: processor\nflags\t\t: fpu avx2 {}\n\nprocessor\t: 1\n"
ARM = "processor\t: 0\nBogoMIPS\t: 2100.00\nFeatures\t: fp asimd {}\nCPU part\t: 0xd40\n"


@pytest.mark.parametrize(
    ("cpuinfo", "gpus", "warned"),
    [
        (X86.format("avx512f amx_bf16"), [], False),
        (X86.format("avx512_bf16"), [], False),
        (X86.format("avx512f"), [], True),
        (X86.format("avx512f"), ["GPU:0"], False),
        (ARM.format("bf16"), [], False),
        (ARM.format("sve"), [], True),
        ("", [], False),  # not told: no guess
    ],
    ids=["amx", "avx512", "x86_without", "gpu", "arm", "arm_without", "unknown"],
)
def test_warns_where_bfloat16_is_emulated(tmp_path, monkeypatch, caplog, cpuinfo, gpus, warned):
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr(bfloat16, "_CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    with caplog.at_level(logging.WARNING):
        bfloat16.warn_slow_bfloat16()
    assert ("Set train.precision to float32" in caplog.text) == warned
