"""benchmarks/README.md tells of every file."""

from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_every_file_is_named():
    text = (BENCHMARKS / "README.md").read_text("utf-8")
    missing = [
        path.relative_to(BENCHMARKS).as_posix()
        for path in sorted(BENCHMARKS.rglob("*.py"))
        if path.parent.name != "peers" and path.name not in text
    ]
    assert missing == [], "benchmarks/README.md does not name them"


def test_every_command_runs_a_file():
    lines = (BENCHMARKS / "README.md").read_text("utf-8").splitlines()
    commands = [
        line.split("python -m ")[1].split()[0].strip("`") for line in lines if "python -m " in line
    ]
    assert len(commands) > 5
    for module in commands:
        assert (BENCHMARKS.parent / f"{module.replace('.', '/')}.py").exists(), module
