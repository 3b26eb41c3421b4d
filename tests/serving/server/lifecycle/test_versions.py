import os

import pytest

from serving.server.lifecycle.versions import Policy, find_versions, fingerprint, why_unusable


def version(base, name):
    (base / name / "variables").mkdir(parents=True)
    (base / name / "saved_model.pb").write_bytes(b"x")
    return base / name


def test_only_folders_whose_names_are_numbers_are_versions(tmp_path):
    for name in ("1", "007", "12", ".exporting-3", "3.tmp", "-4", "v5", "٣", "9" * 25):
        (tmp_path / name).mkdir()
    (tmp_path / "8").write_bytes(b"a file named like a version")
    assert find_versions(tmp_path) == {number: tmp_path / name for number, name in
                                       [(1, "1"), (7, "007"), (12, "12")]}  # fmt: skip


def test_of_two_names_of_one_number_the_plain_one_counts(tmp_path):
    for name in ("1", "01", "001"):
        (tmp_path / name).mkdir()
    assert find_versions(tmp_path) == {1: tmp_path / "1"}


def test_a_base_path_that_is_not_there_has_no_versions(tmp_path):
    assert find_versions(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(), [3, 2, 1]),
        (Policy("latest", latest=2), [3, 2, 1]),
        (Policy("all"), [3, 2, 1]),
        (Policy("specific", specific=frozenset({1, 3, 9})), [3, 1]),
    ],
)
def test_candidates_come_latest_first(policy, expected):
    assert policy.candidates([2, 1, 3]) == expected


def test_a_plain_version_is_usable(tmp_path):
    assert why_unusable(version(tmp_path, "1"), tmp_path) is None


def test_a_folder_without_a_model_is_not(tmp_path):
    (tmp_path / "1").mkdir()
    assert why_unusable(tmp_path / "1", tmp_path) == "it has no saved_model.pb"
    (tmp_path / "1" / "model.xml").touch()
    assert why_unusable(tmp_path / "1", tmp_path).startswith("it is an export to OpenVINO")


@pytest.mark.parametrize("place", ["saved_model.pb", "variables/x", "assets"])
@pytest.mark.parametrize("way", ["absolute", "relative", "through a folder inside"])
def test_links_out_of_the_base_path_are_refused(tmp_path, place, way):
    base = tmp_path / "base"
    folder = version(base, "1")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_bytes(b"secret")
    link = folder / place
    link.unlink(missing_ok=True)
    target = tmp_path / "secret"
    if way == "relative":
        target = os.path.relpath(target, link.parent)
    if way == "through a folder inside":
        (base / "shared").mkdir()
        (base / "shared" / "out").symlink_to(target)
        target = base / "shared"
    link.symlink_to(target)
    assert "is a link that leads out of the model's base path" in why_unusable(folder, base)


def test_a_version_that_is_a_link_out_of_the_base_path_is_refused(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "1").symlink_to(version(tmp_path / "elsewhere", "1"))
    reason = why_unusable(tmp_path / "base" / "1", tmp_path / "base")
    assert reason == "'1' is a link that leads out of the model's base path"


def test_a_base_path_beside_one_that_begins_alike_is_another(tmp_path):
    folder = version(tmp_path / "base", "1")
    (folder / "assets").symlink_to(version(tmp_path / "base2", "1"))
    assert "leads out" in why_unusable(folder, tmp_path / "base")


def test_links_inside_the_base_path_are_followed(tmp_path):
    base = tmp_path / "base"
    (base / "shared").mkdir(parents=True)
    folder = version(base, "1")
    (folder / "assets").symlink_to(base / "shared")
    (folder / "loop").symlink_to(folder)
    (tmp_path / "other name").symlink_to(base)
    assert why_unusable(folder, base) is None
    linked = tmp_path / "other name"  # of the base path itself, which the operator chose
    assert why_unusable(linked / "1", linked) is None


def test_a_link_to_nowhere_is_named(tmp_path):
    folder = version(tmp_path, "1")
    (folder / "assets").symlink_to("nothing")
    assert why_unusable(folder, tmp_path) == (
        "'1/assets' is a link that leads nowhere, or has just been removed"
    )


def test_a_pipe_is_refused_before_it_is_read_for_ever(tmp_path):
    folder = version(tmp_path, "1")
    os.mkfifo(folder / "pipe")
    assert why_unusable(folder, tmp_path) == "'1/pipe' is neither a file nor a folder"


def test_a_name_with_a_line_break_stays_in_its_line_of_the_log(tmp_path):
    folder = version(tmp_path, "1")
    (folder / "x\nERROR y").symlink_to("/")
    assert why_unusable(folder, tmp_path).startswith("'1/x\\nERROR y' is a link")


@pytest.mark.parametrize("change", ["content", "new file", "removed", "mode", "behind a link"])
def test_the_fingerprint_changes_with_the_files(tmp_path, change):
    folder = version(tmp_path, "1")
    (tmp_path / "shared").mkdir()
    (folder / "assets").symlink_to(tmp_path / "shared")
    before = fingerprint(folder)
    assert fingerprint(folder) == before
    match change:
        case "content":
            (folder / "saved_model.pb").write_bytes(b"xx")
        case "new file":
            (folder / "variables" / "variables.index").write_bytes(b"")
        case "removed":
            (folder / "saved_model.pb").unlink()
        case "mode":
            (folder / "saved_model.pb").chmod(0o600)
        case "behind a link":
            (tmp_path / "shared" / "words.txt").write_bytes(b"a")
    assert fingerprint(folder) != before
