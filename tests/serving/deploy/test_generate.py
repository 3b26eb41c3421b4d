import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from features.errors import ConfigError
from pipeline.cli.command_line import app
from serving.client.export_folder import open_export
from serving.deploy.deployment import IMAGE, Deployment
from serving.deploy.generate import render, write_folder
from serving.deploy.text_protos import check_batching, check_models, check_monitoring
from serving.scoring.scorer import Scorer
from serving.server.lifecycle.models_config import read_config

FILES = {
    "models.config",
    "batching.config",
    "monitoring.config",
    "docker-compose.yml",
    "kubernetes.yaml",
    "request.sh",
}


@pytest.fixture(scope="module")
def export(exported):
    return open_export(exported)


@pytest.fixture
def written(export, tmp_path):
    """The folder of a deployment called `clicks`."""
    write_folder(Deployment.of(export, "clicks"), tmp_path / "deploy")
    return tmp_path / "deploy"


def objects(folder):
    return {
        each["kind"]: each for each in yaml.safe_load_all((folder / "kubernetes.yaml").read_text())
    }


def test_every_file_is_there_and_parses(written, export):
    assert set(os.listdir(written)) == FILES
    (model,) = check_models((written / "models.config").read_text()).model_config_list.config
    assert (model.name, model.base_path) == ("clicks", "/models/clicks")
    batching = check_batching((written / "batching.config").read_text())
    assert list(batching.allowed_batch_sizes) == export.warm_up_sizes()
    assert not batching.pad_variable_length_inputs
    assert check_monitoring((written / "monitoring.config").read_text()).prometheus_config.enable
    assert os.access(written / "request.sh", os.X_OK)


def test_the_local_server_takes_the_models_config(written):
    (model,) = read_config(written / "models.config")
    assert (model.name, str(model.base_path)) == ("clicks", "/models/clicks")


def test_compose_serves_the_export_read_only_on_loopback(written, export):
    service = yaml.safe_load((written / "docker-compose.yml").read_text())["services"]["serving"]
    assert service["image"] == IMAGE
    mounts = {each["target"]: each for each in service["volumes"]}
    assert all(each["read_only"] for each in mounts.values())
    source = mounts["/models/clicks"]["source"]
    assert (written / source).resolve() == export.base.resolve()
    for flag in service["command"]:
        name, _, value = flag.partition("=")
        if name.endswith("_file"):
            assert (written / Path(mounts[value]["source"]).name).is_file()
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["stop_grace_period"]
    assert not any("batching" in flag for flag in service["command"])


@pytest.mark.parametrize(("name", "healthy"), [("clicks", True), ("another", False)])
def test_the_health_check_of_compose_asks_for_an_available_version(export, endpoint, name, healthy):
    text = render(Deployment.of(export, name), Path("deploy"))["docker-compose.yml"]
    service = yaml.safe_load(text)["services"]["serving"]
    command = [
        each.replace("8501", str(endpoint.rest_port)) for each in service["healthcheck"]["test"]
    ]
    assert command.pop(0) == "CMD"
    assert (subprocess.run(command, check=False, timeout=60).returncode == 0) == healthy


def test_kubernetes_has_what_a_server_under_load_needs(written):
    found = objects(written)
    assert found.keys() == {
        "ConfigMap",
        "PersistentVolumeClaim",
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
    }
    assert {each["metadata"]["name"] for kind, each in found.items() if "Claim" not in kind} == {
        "model-clicks-serving"
    }
    for name in ("models.config", "batching.config", "monitoring.config"):
        assert found["ConfigMap"]["data"][name] == (written / name).read_text()
    spec = found["Deployment"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == IMAGE
    assert {"startupProbe", "readinessProbe", "livenessProbe", "lifecycle"} <= container.keys()
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["/bin/sleep", "20"]
    assert pod["terminationGracePeriodSeconds"] > 20
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert pod["securityContext"]["runAsNonRoot"]
    claims = {each["name"]: each.get("persistentVolumeClaim") for each in pod["volumes"]}
    claim = found["PersistentVolumeClaim"]["metadata"]["name"]
    assert claims["models"] == {"claimName": claim, "readOnly": True}
    mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    assert set(mounts.values()) <= claims.keys()
    assert "replicas" not in spec
    scaled = found["HorizontalPodAutoscaler"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == found["Deployment"]["metadata"]["name"]
    assert scaled["minReplicas"] >= 2  # with a budget that keeps one, nodes can be drained
    labels = spec["template"]["metadata"]["labels"]
    for selector in (
        spec["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()


def test_batching_is_on_where_it_is_asked_for(export, caplog):
    texts = render(Deployment.of(export, "clicks", batching=True), Path("deploy"))
    for text in (texts["docker-compose.yml"], texts["kubernetes.yaml"]):
        assert "--enable_batching=true" in text
        assert "--batching_parameters_file=/config/batching.config" in text
    assert "this server refuses `rank`" in texts["batching.config"]
    assert "refuses `rank`" in caplog.text


def test_the_script_asks_a_server_and_gets_the_scores_of_the_export(
    written, endpoint, exported, rows
):
    if shutil.which("curl") is None:
        pytest.skip("the script is for curl, which is not here")
    address = {"ADDRESS": f"http://127.0.0.1:{endpoint.rest_port}"}

    def ask(question):
        done = subprocess.run(
            [written / "request.sh", question],
            env={**os.environ, **address},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    expected = float(Scorer(exported).score(rows.slice(0, 1))["prob"][0])
    near = pytest.approx(expected, abs=1e-6)
    assert ask("predict")["predictions"] == [near]
    assert ask("predict_examples")["predictions"] == [near]
    assert ask("branches")["predictions"][0]["prob"] == near
    assert ask("classify")["results"][0][1] == ["1", near]
    assert ask("regress")["results"] == [near]
    assert ask("rank")["outputs"][0] == near
    assert ask("status")["model_version_status"][0]["state"] == "AVAILABLE"
    assert "rank" in ask("metadata")["metadata"]["signature_def"]["signature_def"]


def test_other_words_and_refusals_end_the_script_with_an_error(written, endpoint):
    if shutil.which("curl") is None:
        pytest.skip("the script is for curl, which is not here")
    done = subprocess.run(
        [written / "request.sh", "prdict"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "give one of: status metadata predict" in done.stderr
    environment = {**os.environ, "ADDRESS": f"http://127.0.0.1:{endpoint.rest_port}/nothing"}
    done = subprocess.run(
        [written / "request.sh"], env=environment, capture_output=True, check=False
    )
    assert done.returncode not in (0, 2)


def test_files_are_replaced_only_when_told(written, export):
    (written / "other").write_text("stays")
    (written / "models.config").write_text("mine")
    deployment = Deployment.of(export, "clicks")
    with pytest.raises(ConfigError, match=r"has models\.config, .* already.*--overwrite"):
        write_folder(deployment, written)
    assert (written / "models.config").read_text() == "mine"
    write_folder(deployment, written, overwrite=True)
    assert (written / "models.config").read_text() != "mine"
    assert (written / "other").read_text() == "stays"
    assert sorted(os.listdir(written.parent)) == ["deploy"]


def test_a_folder_that_cannot_be_written_is_left_alone(export, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        write_folder(Deployment.of(export, "clicks"), tmp_path / "file")
    write = Path.write_text

    def full(self, *given):
        if self.name == "request.sh":
            raise OSError(28, "No space left on device")
        return write(self, *given)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ConfigError, match="No space left"):
        write_folder(Deployment.of(export, "clicks"), tmp_path / "deploy")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["a b", "../a", "", "a'b", "ü", "a\n", "a:b", ".a", "-a", "$a"])
def test_names_that_cannot_stand_in_a_url_are_refused(export, name):
    with pytest.raises(ConfigError, match="cannot be called"):
        Deployment(export, name)


@pytest.mark.parametrize("name", ["true", "1", "Mixed_Case.v2", "_", "a" * 100, "x--", "null"])
def test_objects_of_kubernetes_have_valid_names(export, tmp_path, name):
    write_folder(Deployment.of(export, name), tmp_path / "deploy")
    found = objects(tmp_path / "deploy")
    label = found["Service"]["metadata"]["name"]
    assert isinstance(label, str)
    assert len(label) < 64
    assert label.strip("-") == label
    assert all(each.islower() or each.isdigit() or each == "-" for each in label)
    probe = found["Deployment"]["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
    assert probe["httpGet"]["path"] == f"/v1/models/{name}"


@pytest.mark.parametrize(
    "image",
    ["tensorflow/serving", "tensorflow/serving:latest", "host:5000/serving", 'a:"', "a b:1"],
)
def test_images_without_a_version_are_refused(export, image):
    with pytest.raises(ConfigError, match="names no version"):
        Deployment.of(export, "clicks", image=image)


@pytest.mark.parametrize("image", [IMAGE, "host:5000/serving:2.19.1-gpu", f"a/b@sha256:{'0' * 64}"])
def test_images_with_a_version_are_taken(export, image):
    assert (
        image in render(Deployment.of(export, "clicks", image=image), Path("d"))["kubernetes.yaml"]
    )


def test_paths_are_escaped(exported, tmp_path):
    base = tmp_path / 'it\'s a $HOME: "export" #1'
    shutil.copytree(exported, base / "1")
    write_folder(Deployment.of(open_export(base), "clicks"), tmp_path / "deploy")
    text = (tmp_path / "deploy" / "docker-compose.yml").read_text()
    mount = yaml.safe_load(text)["services"]["serving"]["volumes"][0]
    source = mount["source"].replace("$$", "$")  # Compose's own escape
    assert "$$HOME" in mount["source"]
    assert (tmp_path / "deploy" / source).resolve() == base.resolve()


def test_the_command_writes_the_folder(exported, tmp_path):
    command = ["serving-config", str(exported), "--out", str(tmp_path / "deploy")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert set(os.listdir(tmp_path / "deploy")) == FILES
    assert done.output.count("wrote") == len(FILES)
    again = CliRunner().invoke(app, command)
    assert isinstance(again.exception, ConfigError)
