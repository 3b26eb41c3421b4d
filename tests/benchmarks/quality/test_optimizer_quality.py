import numpy as np
import pytest

from benchmarks.quality.optimizer_quality import ARMS, DATA_SETS, REFERENCE, differences, table
from pipeline.config.config_files import load_config
from pipeline.reproduction.seeds import mean_and_spread


def arms(**aucs):
    return {name: [{"auc": auc} for auc in each] for name, each in aucs.items()}


def test_differences_are_paired_by_seed():
    rng = np.random.default_rng(0)
    seeds = rng.normal(0.75, 0.05, 3)  # far wider apart than the arms
    results = {REFERENCE: [{"auc": auc} for auc in seeds]}
    results["lazy Adam"] = [{"auc": auc - 0.0004} for auc in seeds]
    results["row-wise Adagrad"] = [{"auc": auc - 0.0011} for auc in seeds]
    assert differences(results, "lazy Adam") == pytest.approx([-0.0004] * 3)
    lines = table("some_data", results).splitlines()
    assert lines[0].startswith("| some_data, 3 seeds |")
    assert lines[3].endswith("| -0.0004, -0.0004, -0.0004 | -0.0004 ± 0.0000 | yes |")
    assert lines[4].endswith("| -0.0011 ± 0.0000 | no |")


def test_a_single_seed_has_no_spread():
    assert mean_and_spread([0.5]) == "0.5000 ± 0.0000"
    assert mean_and_spread([0.5, 0.7]) == f"0.6000 ± {np.std([0.5, 0.7], ddof=1):.4f}"


@pytest.mark.parametrize("name", DATA_SETS)
@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_is_a_configuration_that_is_accepted(name, arm):
    from benchmarks.quality.optimizer_quality import COMMON

    data = DATA_SETS[name]
    settings = [*data.settings, *COMMON, *ARMS[arm]]
    config = load_config(f"configs/{data.config}/mbcnet.yaml", settings)
    assert config.model.embedding.l2 == 0.0
    assert config.train.precision == ("bfloat16" if "bfloat16" in arm else "float32")
