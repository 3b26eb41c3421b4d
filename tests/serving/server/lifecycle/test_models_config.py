from pathlib import Path

import pytest

from features.errors import ConfigError
from serving.server.lifecycle.models_config import from_folder, read_config
from serving.server.lifecycle.versions import Policy


def read(tmp_path, text):
    (tmp_path / "models.config").write_text(text, "utf-8")
    return read_config(tmp_path / "models.config")


def test_every_policy_and_labels_are_read(tmp_path):
    models = read(
        tmp_path,
        """
        # TensorFlow Serving's form
        model_config_list {
          config { name: "plain" base_path: "/models/plain" }
          config {
            name: "two" base_path: "/models/two" model_platform: "tensorflow"
            model_version_policy { latest { num_versions: 2 } }
            version_labels { key: "stable" value: 3 }
            version_labels { key: "canary" value: 4 }
          }
          config { name: "every" base_path: "/m" model_version_policy { all {} } }
          config {
            name: "some" base_path: "/m"
            model_version_policy { specific { versions: 4 versions: 7 } }
            version_labels { key: "stable" value: 4 }
          }
        }
        """,
    )
    assert [(each.name, each.policy) for each in models] == [
        ("plain", Policy()),
        ("two", Policy("latest", latest=2)),
        ("every", Policy("all")),
        ("some", Policy("specific", specific=frozenset({4, 7}))),
    ]
    assert [dict(each.labels) for each in models] == [
        {}, {"stable": 3, "canary": 4}, {}, {"stable": 4},
    ]  # fmt: skip
    assert models[0].base_path == Path("/models/plain")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("config { nam", "is no models.config: 1:"),
        ('config { nome: "a" }', "is no models.config"),
        ("", "names no model. Add model_config_list"),
        ('config { name: "a" }', "model 'a' has the base_path ''. Give an absolute path"),
        ('config { name: "a" base_path: "rel/x" }', "has the base_path 'rel/x'. Give an absolute"),
        ('config { name: "a" base_path: "/m\\000" }', "has the base_path '/m\\x00'. Give an abs"),
        ('config { name: "" base_path: "/m" }', "a model is called ''. Use letters"),
        ('config { name: "../b" base_path: "/m" }', "a model is called '../b'. Use letters"),
        ('config { name: "a/b" base_path: "/m" }', "a model is called 'a/b'. Use letters"),
        (
            'config { name: "a" base_path: "/m" } config { name: "a" base_path: "/n" }',
            "two models are called 'a'. Rename one.",
        ),
        (
            'config { name: "a" base_path: "/m" model_platform: "pytorch" }',
            "has the platform 'pytorch', but only 'tensorflow' is served",
        ),
        (
            'config { name: "a" base_path: "/m" model_version_policy { specific {} } }',
            "asks for the specific versions []. Name at least one",
        ),
        (
            'config { name: "a" base_path: "/m" version_labels { key: "x" value: 2 } '
            "model_version_policy { specific { versions: 1 } } }",
            "the label 'x' for version 2, which is not among its versions [1]",
        ),
    ],
)
def test_what_cannot_be_served_is_named_with_the_file(tmp_path, config, message):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"model_config_list {{ {config} }}")
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "models.config"))


def test_a_custom_configuration_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="custom_model_config is not served here"):
        read(tmp_path, "custom_model_config {}")


def test_a_file_that_is_not_there_or_is_no_text_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "nowhere")
    (tmp_path / "models.config").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "models.config")


def versions(folder, *numbers):
    for number in numbers:
        (folder / str(number)).mkdir(parents=True)
        (folder / str(number) / "saved_model.pb").write_bytes(b"")
    return folder


def test_a_run_is_served_from_its_exports_under_its_own_name(tmp_path):
    versions(tmp_path / "a1" / "export", 1, 2)
    for path in (tmp_path / "a1", tmp_path / "a1" / "export"):
        model = from_folder(path)
        assert model.name == "a1"
        assert model.base_path == tmp_path / "a1" / "export"
        assert model.policy == Policy()
    assert from_folder(tmp_path / "a1", name="ads").name == "ads"


def test_a_version_is_served_alone(tmp_path):
    versions(tmp_path / "ads", 1, 2)
    model = from_folder(tmp_path / "ads" / "1")
    assert (model.name, model.base_path) == ("ads", tmp_path / "ads")
    assert model.policy == Policy("specific", specific=frozenset({1}))


def test_a_folder_whose_name_cannot_stand_in_a_url_gets_another_name(tmp_path):
    assert from_folder(versions(tmp_path / "été 1", 1)).name == "model"


@pytest.mark.parametrize("name", ["a/b", "", "été", ".."])
def test_a_given_name_that_cannot_stand_in_a_url_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"a model cannot be called .*Use letters"):
        from_folder(versions(tmp_path / "a", 1), name=name)


def test_a_folder_with_nothing_to_serve_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"is not a folder. Give the folder of a run"):
        from_folder(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="holds no export: neither a version folder"):
        from_folder(tmp_path)
