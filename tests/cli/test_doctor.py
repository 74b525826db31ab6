from __future__ import annotations

import json
import os
from importlib.metadata import requires
from pathlib import Path

import pytest

from pcqtool.cli.checks import dependencies, environment, models_and_corpora, pytorch, torch_probe
from pcqtool.cli.checks.finding import CheckStatus, fault, ok
from pcqtool.cli.doctor import _guarded, show

NO_TORCH = "raise ImportError('not wanted here: the real one takes seconds')"
CPU_INDEX = "--index-url https://download.pytorch.org/whl/cpu"


@pytest.fixture
def shadow(tmp_path):
    """A folder for PYTHONPATH with a package that takes the place of the installed one."""

    def make(name, code):
        package = tmp_path / "shadow" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(code)
        return str(package.parent)

    return make


def checks(done):
    return {each["check"]: each for each in json.loads(done.stdout)["checks"]}


@pytest.mark.slow
def test_healthy_parts_are_ok_and_every_dependency_is_named(pcqtool_process):
    done = pcqtool_process("doctor", "--json")
    found = checks(done)
    for line in requires("pcqtool"):
        if "extra" not in line:
            assert found[dependencies.Requirement(line).name]["status"] == "ok"
    assert found["optimisations"]["status"] in ("ok", "warning")  # as the processor has it
    assert found["OpenVINO"]["status"] == "ok"
    for name in ("Python", "torch import", "torchaudio import", "CPU", "libsndfile", "FFmpeg", "voice activity model"):
        assert found[name]["status"] == "ok", found[name]
        assert found[name]["remedy"] == ""
    faults = [each for each in found.values() if each["status"] == "fault"]
    assert done.returncode == (1 if faults else 0)
    assert json.loads(done.stdout)["faults"] == len(faults)


def test_torchaudio_that_does_not_load_is_named_with_both_remedies(pcqtool, shadow):
    folder = shadow("torchaudio", "raise OSError('libcudart.so.13: not there') from ImportError('deeper')")
    done = pcqtool("doctor", PYTHONPATH=folder)
    assert done.returncode == 1
    assert "libcudart.so.13: not there ← ImportError: deeper" in done.stdout
    commands = [line for line in done.stdout.splitlines() if "pip install" in line and "torchaudio" in line]
    assert any("Without a GPU" in line and CPU_INDEX in line for line in commands)
    assert any("With an NVIDIA GPU" in line and "--index-url" not in line for line in commands)
    assert all('"torchaudio<2.12,>=2.11"' in line for line in commands)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ImportError('libtorch_cuda.so is missing')", "libtorch_cuda.so is missing"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended the process with code -11"),
        ("import sys; sys.exit('gone')", "SystemExit: gone"),
    ],
)
def test_torch_that_cannot_be_imported_ends_nothing(pcqtool, shadow, code, said):
    done = pcqtool("doctor", "--json", PYTHONPATH=shadow("torch", code))
    found = checks(done)
    assert done.returncode == 1
    assert found["torch import"]["status"] == "fault"
    assert said in found["torch import"]["found"]
    assert CPU_INDEX in found["torch import"]["remedy"]
    assert "torchaudio import" not in found
    for name in ("libsndfile", "FFmpeg", "corpus emodb", "disk"):
        assert found[name]["status"] == "ok"


def test_optimisations_that_this_processor_computes_wrongly_are_named():
    found = pytorch._optimisations({"rejected": ["the layers in bfloat16 of wavlm", "the fast attention of wavlm"]})
    assert found.status is CheckStatus.WARNING
    assert "the layers in bfloat16 of wavlm, the fast attention of wavlm" in found.found
    assert pytorch._optimisations({"rejected": []}).status is CheckStatus.OK
    assert pytorch._optimisations({"error": "ImportError: no"}).status is CheckStatus.FAULT


def test_a_runtime_that_computes_wrongly_is_named():
    assert pytorch._runtime({"difference": 1e-6}).status is CheckStatus.OK
    assert "--runtime torch" in pytorch._runtime({"difference": 0.02}).remedy
    assert pytorch._runtime({"error": "ImportError: no"}).status is CheckStatus.FAULT


@pytest.fixture
def small_hubert(tmp_path):
    """The directory of a model around a very small HuBERT with random weights."""
    from pcqtool.model.directory import ModelConfig, save
    from pcqtool.model.encoders import EncoderConfig
    from pcqtool.model.network_settings import network_config_to_json
    from pcqtool.model.pcq import PCQ, PCQConfig

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    encoder = EncoderConfig("hubert", sizes | {"conv_dim": [8] * 7, "num_conv_pos_embedding_groups": 2})
    network = PCQConfig(
        ("anger", "neutral"), mlcnn_channels=(4, 8), mlcnn_strides=(2, 2), classifier_hidden=(8,), encoder=encoder
    )
    save(tmp_path / "m", ModelConfig("small", network.labels, network_config_to_json(network)), PCQ(network), {}, "")
    return tmp_path / "m"


@pytest.mark.slow
def test_the_probe_compares_small_encoders_and_the_usual_models_with_themselves(monkeypatch, small_hubert):
    from pcqtool.model.encoders.compiled import CompiledEncoder

    right = CompiledEncoder.compute
    monkeypatch.setattr(CompiledEncoder, "compute", lambda *args: [each.flip(1) for each in right(*args)])
    monkeypatch.setenv("PCQTOOL_MODEL", str(small_hubert))
    rejected = torch_probe.optimisation_facts()["rejected"]
    for name in ("wavlm", "hubert", "whisper", "the default model"):
        assert f"OpenVINO's graph of the encoder of {name}" in rejected


def test_broken_audio_library_is_a_fault_among_the_others(pcqtool, shadow):
    shadow("torch", NO_TORCH)
    found = checks(pcqtool("doctor", "--json", PYTHONPATH=shadow("soundfile", "raise OSError('no libsndfile')")))
    assert found["libsndfile"]["status"] == "fault"
    assert "no libsndfile" in found["libsndfile"]["found"]
    assert found["FFmpeg"]["status"] == "ok"


def test_environment_and_settings_file_are_checked_but_do_not_stop_it(pcqtool, shadow, tmp_path):
    (tmp_path / "bad.toml").write_text("[labl]\n")
    done = pcqtool(
        "doctor",
        "--json",
        PYTHONPATH=shadow("torch", NO_TORCH),
        PCQTOOL_CONFIG="bad.toml",
        PCQTOOL_CORPORA="nowhere",
        PCQTOOL_JOBS="many",
        PCQTOOL_LOG="text",
        PCQTOOL_MODELS="x",
        PCQTOOL_DEVICE="cuda:1,cuda:all",
    )
    found = checks(done)
    assert found["settings file"]["status"] == "warning"
    assert "unknown table 'labl'" in found["settings file"]["found"]
    assert found["PCQTOOL_CORPORA"]["found"] == "'nowhere' is not a directory"
    assert found["PCQTOOL_JOBS"]["status"] == "warning"
    assert found["PCQTOOL_LOG"]["status"] == "ok"
    assert found["PCQTOOL_MODELS"]["remedy"] == "Did you mean PCQTOOL_MODEL?"
    assert found["PCQTOOL_DEVICE"]["status"] == "warning"


def test_a_settings_file_that_is_found_is_checked(pcqtool, shadow, tmp_path):
    (tmp_path / "pcqtool.toml").write_text("[labl]\n")
    without_torch = {"PYTHONPATH": os.pathsep.join([str(shadow("torch", NO_TORCH)), str(Path(__file__).parents[2])])}
    assert (
        "pcqtool.toml: unknown table 'labl'"
        in checks(pcqtool("doctor", "--json", **without_torch))["settings file"]["found"]
    )
    found = checks(pcqtool("doctor", "--json", **without_torch, PCQTOOL_CONFIG=""))
    assert "settings file" not in found
    assert found["PCQTOOL_CONFIG"]["status"] == "ok"


@pytest.mark.parametrize("value", ["auto", "cuda", "cuda:1", "cuda:0,cuda:12", "cuda:all"])
def test_devices_that_can_be_named(value):
    assert environment._device_problem(value) == ""


def test_the_encoder_of_a_bundled_model_is_looked_for(monkeypatch, external_model, tiny_whisper, tmp_path):
    monkeypatch.setattr("pcqtool.model.directory._BUNDLED", external_model.parent)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PCQTOOL_ENCODERS", str(tmp_path))
    [finding] = models_and_corpora.encoders()
    assert (finding.check, finding.status) == ("encoder of borrowing", CheckStatus.WARNING)
    assert finding.found == "some/whisper is not on this machine"
    assert "hf download some/whisper" in finding.remedy
    monkeypatch.setenv("PCQTOOL_ENCODERS", str(tiny_whisper.parent))
    [finding] = models_and_corpora.encoders()
    assert finding.status is CheckStatus.OK
    assert str(tiny_whisper) in finding.found


def test_every_folder_of_encoders_is_checked(monkeypatch, tmp_path):
    monkeypatch.setenv("PCQTOOL_ENCODERS", f"{tmp_path}:{tmp_path / 'gone'}")
    finding = next(each for each in environment.environment() if each.check == "PCQTOOL_ENCODERS")
    assert finding.status is CheckStatus.WARNING
    assert finding.found.endswith(f"contains a path that is not a directory: {tmp_path / 'gone'}")
    monkeypatch.setenv("PCQTOOL_ENCODERS", str(tmp_path))
    assert environment._variable("PCQTOOL_ENCODERS", str(tmp_path)).status is CheckStatus.OK


def dependency(line, monkeypatch, installed):
    def version(name):
        if installed is None:
            raise dependencies.PackageNotFoundError(name)
        return installed

    monkeypatch.setattr(dependencies, "version", version)
    return dependencies._dependency(dependencies.Requirement(line))


@pytest.mark.parametrize(
    ("installed", "status"),
    [("2.11.0", "ok"), ("2.14.1+cpu", "ok"), ("2.15.0", "fault"), ("2.10.0", "fault"), (None, "fault")],
)
def test_versions_are_held_against_the_requirement(monkeypatch, installed, status):
    finding = dependency("torch>=2.11,<2.15", monkeypatch, installed)
    assert finding.status == status
    assert finding.remedy == ("" if status == "ok" else 'pip install "torch<2.15,>=2.11"')


TORCH = {"version": "2.14.1", "cuda": "13.0", "hip": None}
CPU_TORCH = {"version": "2.14.1+cpu", "cuda": None, "hip": None}
DEVICES = {"cuda": [], "driver": False, "complaint": "", "mps": False}
DEVICES |= {"cores": 8, "threads": 4, "capability": "AVX512", "bf16": ["amx_bf16"]}


@pytest.mark.parametrize(
    ("devices", "torch", "status", "said"),
    [
        ({"cuda": [{"name": "H200", "memory_gib": 139.8}]}, TORCH, "ok", "cuda:0 H200, 139.8 GiB"),
        ({"mps": True}, CPU_TORCH, "ok", "mps (Apple GPU)"),
        ({}, TORCH, "ok", "none; the CPU is used"),
        ({"driver": True, "complaint": "driver too old"}, TORCH, "warning", "driver too old"),
        ({"driver": True}, CPU_TORCH, "warning", "torch is built without CUDA"),
    ],
)
def test_gpu(devices, torch, status, said):
    finding = pytorch._gpu(DEVICES | devices, torch)
    assert finding.status == status
    assert said in finding.found
    assert bool(finding.remedy) == (status != "ok")


def test_cpu_names_cores_threads_and_capability():
    assert pytorch._cpu(DEVICES).found == "8 cores, 4 torch threads, AVX512, bfloat16 units: amx_bf16"


def test_the_likelier_remedy_comes_first():
    cpu_first = pytorch._torchaudio({"error": "x"}, CPU_TORCH).remedy.splitlines()
    gpu_first = pytorch._torchaudio({"error": "x"}, TORCH).remedy.splitlines()
    assert CPU_INDEX in cpu_first[1]
    assert CPU_INDEX in gpu_first[2]


def test_little_room_is_a_warning(monkeypatch):
    monkeypatch.setattr(environment, "MIN_FREE_GIB", 1e12)
    assert environment.disk()[0].status is CheckStatus.WARNING


def test_a_check_that_fails_itself_is_a_finding():
    def check():
        raise RuntimeError("first line\nsecond")

    [finding] = _guarded("thing", check)
    assert (finding.status, finding.found) == (CheckStatus.FAULT, "RuntimeError: first line")


def test_remedies_stand_below_the_table_to_be_copied(capsys):
    show([ok("a", "fine"), fault("b", "broken", "pip install b")])
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["check", "status", "found"]
    assert out.endswith("\nb (fault): broken\npip install b\n")


def test_nothing_to_do(capsys):
    show([ok("a", "fine")])
    assert capsys.readouterr().out.endswith("\nEverything is in order.\n")
