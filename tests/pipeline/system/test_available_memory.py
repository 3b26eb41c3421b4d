"""Memory that is left: control groups by files."""

import pytest

from pipeline.system.available_memory import available_bytes, size


def machine(root, files: dict[str, str]):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = "MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:    80 kB\n"


def test_the_machines_memory_counts_where_there_is_no_limit(tmp_path):
    root = machine(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n"})
    assert available_bytes(root) == 80 * 1024
    group = {"memory.max": "max\n", "memory.current": "9\n", "memory.stat": "inactive_file 0\n"}
    machine(tmp_path, {f"sys/fs/cgroup/{name}": text for name, text in group.items()})
    assert available_bytes(root) == 80 * 1024


@pytest.mark.parametrize("group", ["", "job/a"])
def test_a_control_group_limits_it_and_its_page_cache_does_not(tmp_path, group):
    files = {
        "memory.max": "1000\n",
        "memory.current": "900\n",
        "memory.stat": "anon 5\ninactive_file 300\n",
    }
    root = machine(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": f"0::/{group}\n"})
    machine(root, {f"sys/fs/cgroup/{group}/{name}": text for name, text in files.items()})
    assert available_bytes(root) == 400


def test_the_first_version_of_control_groups_is_known_too(tmp_path):
    files = {
        "memory.limit_in_bytes": "1000\n",
        "memory.usage_in_bytes": "900\n",
        "memory.stat": "inactive_file 1\ntotal_inactive_file 50\n",
    }
    lines = "9:name=systemd:/x\n4:cpu,memory:/pod/a\n0::/\n"
    root = machine(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": lines})
    machine(root, {f"sys/fs/cgroup/memory/pod/a/{name}": text for name, text in files.items()})
    assert available_bytes(root) == 150


def test_this_machine_has_some_memory():
    assert available_bytes() > 10**7


def test_sizes_are_said_as_people_do():
    assert [size(n) for n in (5, 1000, 9_990, 12_345, 2_600_000_000, 7 * 10**15)] == [
        "5 B",
        "1.0 kB",
        "10.0 kB",
        "12 kB",
        "2.6 GB",
        "7,000 TB",
    ]
