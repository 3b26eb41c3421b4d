"""The attacks of `benchmarks/faults`, short: those that need no long training or server."""

import pytest

from benchmarks.faults.run import ATTACKS
from benchmarks.faults.workshop import Workshop

SHORT = [attack for attack in ATTACKS if attack.short]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("workshop"), rows=2000)


@pytest.mark.parametrize("attack", SHORT, ids=lambda attack: attack.name)
def test_an_attack_is_survived(workshop, attack):
    tried, failures = attack.carry_out(workshop, attack.short)
    assert failures == []
    assert tried == attack.short


def test_an_attack_that_is_not_survived_is_told(workshop, monkeypatch):
    """The job that trusts the names of files deletes what is not its own."""
    (attack,) = [each for each in ATTACKS if "no bundle" in each.name]
    monkeypatch.setattr(
        "pipeline.data.job.bundle_folder.BundleFolder._is_replaceable", lambda self: True
    )
    tried, failures = attack.carry_out(workshop, 1)
    assert len(failures) == tried == 1
