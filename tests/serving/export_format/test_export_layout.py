from serving.export_format.export_layout import next_version, version_folders, why_incomplete


def test_versions_are_ordered_as_numbers_and_other_names_are_none(tmp_path):
    for name in ("2", "10", "9", "1a", "-3", "²", ".exporting-1", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "11").touch()  # a file is no version, but takes the number
    assert [each.name for each in version_folders(tmp_path)] == ["10", "9", "2"]
    assert next_version(tmp_path).name == "12"


def test_the_first_version_is_1(tmp_path):
    assert next_version(tmp_path).name == "1"


def test_an_incomplete_folder_says_what_it_lacks(tmp_path, exported):
    assert why_incomplete(tmp_path) == "it has no saved_model.pb"
    assert why_incomplete(exported) is None
    (tmp_path / "model.xml").touch()
    assert "OpenVINO" in why_incomplete(tmp_path)
