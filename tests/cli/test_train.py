from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from safetensors.torch import load_file

from pcqtool.cli import app
from tests.toy_training import one_thread  # noqa: F401

pytestmark = pytest.mark.usefixtures("toy_recipe")


@pytest.fixture
def train(capsys, toy_root):
    """Run ``pcqtool train`` in this process, on the toy corpus by default."""

    def run(*arguments, corpus=("--corpus", "manifest"), root=toy_root, recipe="toy.toml"):
        places = ["--root", str(root)] if root else []
        code = app.main(["train", *corpus, *places, "--recipe", recipe, "--device", "cpu", "--jobs", "1", *arguments])
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return run


def test_a_model_comes_out_that_can_label(train, toy_root, tmp_path, capsys):
    code, out, err = train("--out", "here/mine", "--seed", "3")
    assert code == 0
    assert "here/mine" in out
    assert "anger, neutral, sadness" in out
    assert "no test" in out
    assert "manifest: 36 utterances, 9 of them for validation" in err
    config = json.loads((tmp_path / "here/mine/config.json").read_text())
    assert (config["name"], config["provenance"]["recipe"]["seed"]) == ("mine", 3)
    wav = str(next(toy_root.glob("*.wav")))
    assert app.main(["label", wav, "--model", "here/mine", "--vad", "off", "--device", "cpu"]) == 0
    assert pl.read_parquet("results.parquet")["status"].to_list() == ["ok"]


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "seed"), [([], 7), (["--seed", "3"], 3)], ids=str)
def test_the_seed_is_the_recipes_unless_another_is_given(train, tmp_path, arguments, seed):
    (tmp_path / "toy.toml").write_text("seed = 7\n" + (tmp_path / "toy.toml").read_text())
    _, out, _ = train("--out", "own", "--epochs", "1", "--json", *arguments)
    (tmp_path / "toy.toml").write_text((tmp_path / "toy.toml").read_text().replace("seed = 7\n", ""))
    _, again, _ = train("--out", "given", "--epochs", "1", "--json", "--seed", str(seed))
    assert json.loads((tmp_path / "own" / "config.json").read_text())["provenance"]["recipe"]["seed"] == seed
    own, given = json.loads(out), json.loads(again)
    assert own["validation_speakers"] == given["validation_speakers"]
    assert own["history"][0]["loss"] == given["history"][0]["loss"]


def test_the_history_tells_rate_and_time_of_every_epoch(train):
    _, out, _ = train("--out", "m", "--epochs", "2", "--json")
    lines = json.loads(out)["history"]
    assert [line["number"] for line in lines] == [1, 2]
    assert all(line["lr"] > 0 and line["seconds"] > 0 for line in lines)


N_EPOCHS = 12  # time enough to kill a run, or to begin another


@pytest.fixture
def start(tmp_path, toy_root, environment):
    """Begin ``pcqtool train`` in a process of its own."""

    def begin(out, n_epochs=N_EPOCHS):
        places = ["--corpus", "manifest", "--root", str(toy_root), "--recipe", "toy.toml", "--out", out]
        settings = ["--epochs", str(n_epochs), "--seed", "5", "--device", "cpu", "--jobs", "1"]
        command = [sys.executable, "-m", "pcqtool", "train", *places, *settings]
        said = {"stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=tmp_path, env=environment(OMP_NUM_THREADS="1"), **said)

    return begin


@pytest.mark.slow
def test_a_run_that_was_killed_ends_with_the_same_weights(tmp_path, train, start):
    same = ("--epochs", str(N_EPOCHS), "--seed", "5")
    assert train("--out", "whole", *same)[0] == 0
    killed = start("killed")
    checkpoint = tmp_path / "killed" / "checkpoint.safetensors"
    until = time.monotonic() + 100
    while not checkpoint.exists() and time.monotonic() < until:
        time.sleep(0.002)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert checkpoint.exists()
    assert not (tmp_path / "killed" / "config.json").exists()

    other, _, said = train("--out", "killed", "--epochs", str(N_EPOCHS - 1), "--seed", "5")
    assert other == 2
    assert "other settings" in said
    assert "checkpoint.safetensors" in said

    code, _, said = train("--out", "killed", *same)
    assert code == 0, said
    assert "resuming after epoch" in said
    files = [{path.name for path in (tmp_path / name).iterdir()} for name in ("whole", "killed")]
    assert files[0] == files[1] == {"README.md", "config.json", "metrics.json", "model.safetensors"}
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed"))
    assert one == two
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text())["history"] for name in ("whole", "killed"))
    assert [line["loss"] for line in one] == [line["loss"] for line in two]


@pytest.mark.slow
def test_two_runs_at_once_do_not_mix(tmp_path, train, start):
    first, second = start("both"), start("both")
    codes = sorted([first.wait(120), second.wait(120)])
    assert codes == [0, 75]
    said = first.stderr.read() + second.stderr.read()
    assert "both: another run is writing to it" in said
    assert "Wait for it, or name another --out." in said
    assert train("--out", "alone", "--epochs", str(N_EPOCHS), "--seed", "5")[0] == 0
    both, alone = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("both", "alone"))
    assert both == alone
    names = {path.name for path in (tmp_path / "both").iterdir()}
    assert names == {"README.md", "config.json", "metrics.json", "model.safetensors"}


@pytest.mark.slow
def test_two_runs_may_share_a_cache_that_is_still_empty(tmp_path, start, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    runs = [start(name, n_epochs=1) for name in ("one", "two")]
    assert [run.wait(120) for run in runs] == [0, 0]
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    assert [path.suffix for path in (tmp_path / "cache").rglob("*.*")] == [".npy"]


@pytest.mark.slow
def test_a_checkpoint_that_is_damaged_is_named_and_the_weights_are_the_same(tmp_path, train):
    assert train("--out", "whole", "--epochs", "2")[0] == 0
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "checkpoint.safetensors").write_bytes(bytes(5000))
    (tmp_path / "again" / ".lock").touch()  # of a run that was killed
    code, _, said = train("--out", "again", "--epochs", "2")
    assert code == 0
    assert "resuming" not in said
    assert "checkpoint.safetensors is damaged" in said
    assert "training starts from the beginning" in said
    whole, again = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "again"))
    assert whole == again
    assert not (tmp_path / "again" / ".lock").exists()


def test_tensorboard_gets_a_curve_of_every_figure(train, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert train("--out", "m", "--epochs", "2", "--tensorboard", "curves")[0] == 0
    kept = events.EventAccumulator(str(tmp_path / "curves")).Reload()
    assert {"loss", "lr", "validation/loss", "validation/ua"} <= set(kept.Tags()["scalars"])
    history = json.loads((tmp_path / "m" / "metrics.json").read_text())["history"]
    drawn = [(event.step, event.value) for event in kept.Scalars("loss")]
    assert drawn == [(line["number"], pytest.approx(line["loss"])) for line in history]


def test_without_tensorboard_its_installation_is_told(train, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    code, _, err = train("--out", "m", "--tensorboard", "curves")
    assert code == 2
    assert "pip install 'pcqtool[tensorboard]'" in err


@pytest.mark.parametrize("curves", ["m", "m/curves", "./x/../m/a/b"])
def test_curves_do_not_go_into_the_models_directory(train, tmp_path, curves):
    code, _, err = train("--out", "m", "--tensorboard", curves)
    assert code == 2
    assert f"--tensorboard {Path(curves)} is inside m" in err
    assert "beside it" in err
    assert not (tmp_path / "m").exists()


def test_too_large_a_batch_is_told_with_a_remedy(train, monkeypatch):
    import torch

    def fail(*arguments):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to")

    monkeypatch.setattr(torch.Tensor, "backward", fail)
    code, _, err = train("--out", "m")
    assert code == 1
    assert err.splitlines()[-2:] == [
        "error: out of memory with batches of 8 segments",
        "In your own recipe, set batch_size = 4 and grad_accumulation = 2: steps stay the same, except for the "
        "statistics of batch normalisation.",
    ]


def test_a_corpus_of_one_speaker_and_a_class_of_one_speaker_are_told(train, tmp_path, toy_root):
    rows = (toy_root / "metadata.csv").read_text().splitlines()
    rows = [rows[0], *(f"{toy_root.as_posix()}/{row}" for row in rows[1:])]
    table = tmp_path / "metadata.csv"
    table.write_text("\n".join(row for row in rows if not row.endswith(("s1", "s2", "s3"))))
    code, _, err = train("--out", "m", root=table)
    assert code == 1
    assert "needs at least 2 speakers; this corpus has 1" in err
    alone = [row for row in rows if "sadness" not in row or row.endswith("s1")]
    table.write_text("\n".join(alone))
    codes = {}
    for seed in range(6):
        code, _, err = train("--out", f"m{seed}", "--epochs", "1", "--seed", str(seed), root=table)
        codes[code] = err
    assert "no sadness in the training part" in codes[1]


def test_json_is_one_object(train):
    code, out, _ = train("--out", "m", "--name", "other", "--epochs", "1", "--json")
    said = json.loads(out)
    assert code == 0
    assert (said["model"], said["best_epoch"], len(said["history"])) == ("m", 1, 1)
    assert said["validation"]["n"] == 9
    assert json.loads(open("m/config.json").read())["name"] == "other"  # noqa: PTH123, SIM115


def test_the_license_is_unknown_unless_given(train, tmp_path):
    code, out, _ = train("--out", "m", "--epochs", "1")
    assert "license     unknown\n" in out
    code, out, _ = train("--out", "n", "--epochs", "1", "--license", "CC BY 4.0", "--json")
    assert (code, json.loads(out)["license"]) == (0, "CC BY 4.0")
    assert json.loads((tmp_path / "n" / "config.json").read_text())["license"] == "CC BY 4.0"
    code, _, err = train("--out", "o", "--license", "a\nb")
    assert code == 2
    assert "the license must be text of one line" in err


def test_quiet_says_nothing_on_stderr(train):
    assert train("--out", "m", "--quiet")[2] == ""


def test_what_is_in_a_directory_stays(train, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "thesis.tex").write_text("years of work")
    code, out, err = train("--out", "m")
    assert (code, out) == (2, "")
    assert err.startswith("error: m is not empty: it contains thesis.tex\n")
    assert "--out" in err
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["thesis.tex"]
    assert train("--out", "m/thesis.tex")[0] == 1


def test_a_model_is_not_trained_over(train, tmp_path):
    assert train("--out", "m", "--epochs", "1")[0] == 0
    before = (tmp_path / "m" / "model.safetensors").read_bytes()
    assert train("--out", "m", "--epochs", "1")[0] == 2
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"corpus": ("--corpus", "manifesto")}, 1, "manifest"),
        ({"corpus": ()}, 2, "--corpus"),
        ({"root": None}, 1, "PCQTOOL_CORPORA"),
        ({"root": "nowhere"}, 1, "nowhere does not exist"),
        ({"recipe": "maxi"}, 2, "Bundled recipes: best, mini, mini-emodb, paper"),
        ({"recipe": "mini"}, 1, "the encoder openai/whisper-base"),
        ({"recipe": "best"}, 1, "PCQTOOL_ENCODERS"),
        ({"recipe": "paper"}, 1, "the encoder microsoft/wavlm-base"),
        ({"recipe": "taught.toml"}, 2, "Name a pre-trained encoder's directory with --teacher"),
    ],
    ids=str,
)
def test_what_is_missing_is_named(train, tmp_path, monkeypatch, changes, code, said):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "taught.toml").write_text("[distillation]\nkd_weight = 1.0\n", encoding="utf-8")
    got, out, err = train("--out", "m", **changes)
    assert (got, out) == (code, "")
    assert said in err
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if not line.startswith("manifest: 36")]) <= 2
    assert not (tmp_path / "m").exists() or not any((tmp_path / "m").iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--teacher", "nowhere"], 0, ""),  # the recipe does not learn from one
        (["--encoder", "./nowhere"], 1, "nowhere"),
        (["--device", "abacus"], 2, "abacus"),
        (["--epochs", "0"], 2, "--epochs"),
        (["--seed", "-1"], 2, "seed"),
    ],
)
def test_wrong_values_are_named(train, arguments, code, said):
    got, _, err = train("--out", "m", *arguments)
    assert got == code
    assert said in err


def test_one_model_of_two_corpora_knows_where_it_comes_from(train, toy_root, other_root, tmp_path):
    places = ["--corpus", "other=manifest", "--root", f"manifest={toy_root}", "--root", f"other={other_root}"]
    usual = {"root": None, "corpus": ("--corpus", "manifest")}
    common = ["--map", str(other_root / "map.toml"), "--common-classes"]
    code, _, err = train("--out", "m", "--epochs", "1", *places, *common, **usual)
    assert code == 0
    assert "manifest: 12 of neutral are left out" in err
    assert "other: 3 of fury count as anger, 3 of calm are left out" in err
    assert "manifest+other: 30 utterances, 8 of them for validation" in err
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert (config["labels"], config["provenance"]["corpora"]) == (["anger", "sadness"], ["manifest", "other"])
    assert {name.split(":")[0] for name in config["provenance"]["train_speakers"]} == {"manifest", "other"}
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert [name.split(":")[0] for name in metrics["validation_speakers"]] == ["manifest", "other"]
    assert [each["n_utterances"] for each in metrics["corpora"]] == [24, 6]
    card = (tmp_path / "m" / "README.md").read_text()
    assert card.count("- Corpus: ") == 2
    assert "(other), 6 utterances (3 of fury count as anger, 3 of calm are left out)" in card

    places += ["--map", str(tmp_path / "all.toml")]
    (tmp_path / "all.toml").write_text('fury = "surprise"')
    assert train("--out", "all", "--epochs", "1", *places, **usual)[0] == 0
    config = json.loads((tmp_path / "all" / "config.json").read_text())
    assert config["labels"] == ["anger", "calm", "neutral", "sadness", "surprise"]


def test_speakers_are_needed(train, tmp_path, toy_root):
    rows = (toy_root / "metadata.csv").read_text().splitlines()
    folder = toy_root.as_posix()
    lines = [f"{folder}/{row.rsplit(',', 1)[0]}" for row in rows[1:]]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label", *lines]))
    code, _, err = train("--out", "m", root=tmp_path / "metadata.csv")
    assert code == 1
    assert "speaker" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--help"],
        ["evaluate", "--help"],
        ["train", "--corpus", "manifesto"],
        ["train", "--corpus", "emodb", "--root", "nowhere"],
        ["evaluate", "--corpus", "emodb", "--protocol", "loso", "--root", "nowhere"],
        ["evaluate", "--corpus", "emodb", "--protocol", "lotto", "--root", "nowhere"],
    ],
    ids=" ".join,
)
def test_torch_is_not_loaded_for_help_or_a_missing_corpus(arguments):
    code = (
        "import sys; from pcqtool.cli.app import main; main(sys.argv[1:]);"
        "print(sorted({'torch', 'torchaudio', 'transformers', 'sklearn'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


FROZEN = "encoder = { frozen = true, layers = [0, 1] }\n"


def test_a_frozen_encoder_can_be_left_out_and_is_found_again(train, toy_root, tiny_whisper, tmp_path):
    (tmp_path / "toy.toml").write_text((tmp_path / "toy.toml").read_text() + FROZEN)
    encoder = ("--encoder", str(tiny_whisper), "--epochs", "1")
    assert train("--out", "whole", *encoder)[0] == 0
    assert train("--out", "head", *encoder, "--encoder-name", "some/whisper")[0] == 0
    weights = {name: load_file(tmp_path / name / "model.safetensors") for name in ("whole", "head")}
    assert {name for name in weights["whole"] if not name.startswith("encoder.model.")} == weights["head"].keys()
    config = json.loads((tmp_path / "head" / "config.json").read_text())
    assert config["encoder_source"]["name"] == "some/whisper"
    assert "some/whisper, which is identified by a hash" in (tmp_path / "head" / "README.md").read_text()
    usual = ["label", str(next(toy_root.glob("*.wav"))), "--vad", "off", "--device", "cpu"]
    for name in ("whole", "head"):
        found = ["--encoder-dir", str(tiny_whisper.parent)]
        assert app.main([*usual, "--model", name, *found, "--out", f"{name}.parquet"]) == 0
    columns = [f"prob_{label}" for label in config["labels"]]
    whole, head = (pl.read_parquet(f"{name}.parquet").select(columns) for name in ("whole", "head"))
    assert_frame_equal(head, whole, abs_tol=1e-6)


def test_a_tuned_encoder_is_not_left_out(train, tiny_whisper, tmp_path):
    encoder = ("--encoder", str(tiny_whisper), "--epochs", "1")
    code, out, err = train("--out", "m", *encoder, "--encoder-name", "some/whisper")
    assert (code, out) == (2, "")
    assert "only a frozen pre-trained encoder" in err
    assert "frozen = true" in err
    assert not list((tmp_path / "m").iterdir())
    assert train("--out", "m", "--epochs", "1", "--encoder-name", "some/whisper")[0] == 2


@pytest.fixture(scope="session")
def tiny_wavlm(tmp_path_factory):
    """The directory of a very small WavLM with random weights."""
    import torch
    from transformers import WavLMConfig, WavLMModel

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    front_end = {"conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    directory = tmp_path_factory.mktemp("encoders") / "tiny-wavlm"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        WavLMModel(WavLMConfig(**sizes, **front_end)).save_pretrained(directory)
    return directory


TUNED = """
batch_size = 8
lr = 1e-2
encoder_lr = 1e-3
warmup_steps = 3
n_augmented = 0

[network]
spectrogram_pool = [8, 4]
classifier_hidden = []
mlcnn_channels = [4, 8]
mlcnn_strides = [2, 2]
"""


@pytest.mark.slow
def test_a_wavlm_is_tuned_with_the_rest_saved_and_labels(train, toy_root, tiny_wavlm, tmp_path, capsys):
    (tmp_path / "tuned.toml").write_text(TUNED, encoding="utf-8")
    code, out, _ = train(
        *("--encoder", str(tiny_wavlm), "--out", "m", "--epochs", "12", "--json"), recipe=str(tmp_path / "tuned.toml")
    )
    assert code == 0
    losses = [line["loss"] for line in json.loads(out)["history"]]
    assert min(losses) < 0.8 * losses[0]
    before, after = load_file(tiny_wavlm / "model.safetensors"), load_file("m/model.safetensors")
    name = "encoder.layers.0.attention.q_proj.weight"
    assert not before[name].equal(after[f"encoder.model.{name}"])
    wavs = [str(path) for path in sorted(toy_root.glob("*.wav"))[:4]]
    assert app.main(["label", *wavs, "--model", "m", "--vad", "off", "--device", "cpu"]) == 0
    assert pl.read_parquet("results.parquet")["status"].to_list() == ["ok"] * 4
