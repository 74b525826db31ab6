from __future__ import annotations

import json

import polars as pl
import pytest

from pcqtool.cli import app
from pcqtool.files.lock import lock_folder

pytestmark = pytest.mark.usefixtures("toy_recipe")


@pytest.fixture
def evaluate(capsys, toy_root):
    """Run ``pcqtool evaluate`` in this process, on the toy corpus."""

    def run(*arguments, root=toy_root, recipe="toy.toml"):
        place = f"manifest={root}" if "=" in " ".join(arguments) else str(root)
        usual = ["evaluate", "--corpus", "manifest", "--root", place, "--device", "cpu", "--jobs", "1"]
        training = [] if "--model" in arguments else ["--recipe", recipe]
        code = app.main([*usual, *training, *arguments])
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return run


def changed(folder):
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in sorted(folder.rglob("*.json"))}


@pytest.mark.slow
def test_a_protocol_is_run_once_and_its_leakage_is_noted(evaluate, tmp_path):
    code, out, err = evaluate("--protocol", "loso", "--out", "e")
    assert code == 0
    assert "manifest: 36 utterances, 4 folds" in err
    for part in ("loso: leave one speaker out", "WA", "UA", "macro-F1", "before the temperature", "true, predicted"):
        assert part in out
    assert "leakage      Test and the other parts share no file and no speaker." in out
    assert "over seeds" not in out
    metrics = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert (metrics["corpus"], metrics["protocol"], metrics["pooled"]["n"]) == ("manifest", "loso", 36)
    before = changed(tmp_path / "e" / "folds")
    assert list(before) == [f"seed-0/s{n}.json" for n in range(4)]
    code, out, _ = evaluate("--protocol", "loso", "--out", "e", "--json")
    assert code == 0
    assert json.loads(out) == metrics
    assert changed(tmp_path / "e" / "folds") == before


def test_two_runs_at_once_do_not_mix(evaluate, tiny_model, tmp_path):
    with lock_folder(tmp_path / "e"):
        for way in (("--protocol", "loso"), ("--model", str(tiny_model))):
            code, _, said = evaluate(*way, "--out", "e")
            assert code == 75
            assert "e: another run is writing to it" in said
    assert evaluate("--model", str(tiny_model), "--out", "e")[0] == 0
    assert {path.name for path in (tmp_path / "e").iterdir()} == {"metrics.json", "predictions.parquet"}


def test_a_run_that_comes_to_nothing_leaves_nothing(evaluate, tmp_path):
    assert evaluate("--protocol", "loso", "--out", "e", recipe="nothing.toml")[0] == 2
    assert not (tmp_path / "e").exists()


@pytest.mark.slow
def test_predictions_are_a_table_from_which_the_figures_can_be_counted(evaluate, tmp_path):
    evaluate("--protocol", "loso", "--out", "e")
    metrics = json.loads((tmp_path / "e" / "metrics.json").read_text())
    table = pl.read_parquet(tmp_path / "e" / "predictions.parquet")
    right = table["label"].cast(str) == table["truth"].cast(str)
    assert right.mean() == pytest.approx(metrics["pooled"]["wa"])
    assert (table["fold"].cast(str) == table["speaker"].cast(str)).all()
    assert table["file"].is_unique().all()
    assert set(table["seed"]) == {0}


@pytest.mark.slow
def test_seeds_are_trained_side_by_side_and_kept(evaluate, tmp_path):
    code, _, _ = evaluate("--protocol", "loso", "--out", "e")
    before = changed(tmp_path / "e" / "folds")
    code, out, err = evaluate("--protocol", "loso", "--out", "e", "--seeds", "2")
    assert code == 0
    assert "4 folds with 2 seeds" in err
    for part in ("seeds        0, 1", "over seeds", "ensemble     WA", "an ensemble"):
        assert part in out
    after = changed(tmp_path / "e" / "folds")
    assert len(after) == 8
    assert before.items() <= after.items()
    metrics = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert (metrics["seeds"], metrics["pooled"]["n"], metrics["n_utterances"]) == ([0, 1], 72, 36)
    assert metrics["ensembled_seeds"]["n"] == 36


def test_seeds_begin_with_the_recipes(evaluate, tmp_path):
    (tmp_path / "toy.toml").write_text("seed = 7\n" + (tmp_path / "toy.toml").read_text())
    _, out, _ = evaluate("--protocol", "loso", "--epochs", "1", "--seeds", "2", "--out", "e", "--json")
    assert (json.loads(out)["seeds"], json.loads(out)["recipe"]["seed"]) == ([7, 8], 7)


def test_a_leak_is_warned_of(evaluate):
    code, out, err = evaluate("--protocol", "paper", "--out", "e")
    assert code == 0
    assert "warning: LEAKS on purpose" in err
    assert "nothing in it may be compared" in out


PROFILED = """epochs = 1
n_augmented = 0
batch_size = 8
warmup_steps = 1
[network]
spectrogram_pool = [8, 4]
classifier_hidden = [8]
mlcnn_channels = [4, 8]
mlcnn_strides = [2, 2]
profile_s = 20.0
"""


@pytest.mark.parametrize("protocol", ["loso", "corpus"])
def test_the_result_states_which_profile_was_used(evaluate, other_root, tmp_path, protocol):
    (tmp_path / "profiled.toml").write_text(PROFILED)
    arguments = ["--protocol", protocol]
    if protocol == "corpus":
        arguments += ["--corpus", "other=manifest", "--root", f"other={other_root}"]
        arguments += ["--map", str(other_root / "map.toml")]
    notes = {"auto": "the unlabelled test recordings.", "off": "the training data.", "by=speaker": "on their own."}
    found = {}
    for choice, note in notes.items():
        code, out, err = evaluate(*arguments, "--profile", choice, "--out", choice, "--json", recipe="profiled.toml")
        assert code == 0, err
        metrics = json.loads(out)
        assert metrics["profile"] == choice
        assert "Inputs were standardised by" in metrics["leakage"]
        assert metrics["leakage"].endswith(note)
        found[choice] = pl.read_parquet(tmp_path / choice / "predictions.parquet")["uncalibrated_anger"].to_list()
    assert len({tuple(each) for each in found.values()}) == 3
    code, out, _ = evaluate(*arguments, "--out", "usual", "--json", recipe="profiled.toml")
    assert json.loads(out)["profile"] == "auto"


def test_more_speakers_may_validate(evaluate, tmp_path):
    code, _, _ = evaluate("--protocol", "loso", "--validation", "2", "--out", "e")
    assert code == 0
    metrics = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert [len(run["validation_speakers"]) for run in metrics["runs"]] == [2] * 4
    assert [run["n_train"] for run in metrics["runs"]] == [9] * 4


def test_a_model_is_judged_and_its_own_corpus_warned_of(evaluate, tiny_model, tmp_path):
    code, out, err = evaluate("--model", str(tiny_model), "--out", "e", "--json")
    assert (code, err) == (0, "")
    metrics = json.loads(out)
    assert metrics == json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert metrics["pooled"]["n"] == 36
    assert "nothing trained" in metrics["protocol"]
    assert pl.read_parquet(tmp_path / "e" / "predictions.parquet").height == 36
    known = tmp_path / "known"
    known.mkdir()
    for path in tiny_model.iterdir():
        (known / path.name).write_bytes(path.read_bytes())
    config = json.loads((known / "config.json").read_text())
    (known / "config.json").write_text(json.dumps(config | {"provenance": {"corpora": ["manifest"]}}))
    code, out, err = evaluate("--model", str(known), "--out", "e")
    assert code == 0
    assert err == (
        "warning: the model was trained on a corpus called manifest; if it is this one, the figures are not a test\n"
    )
    assert "UA" in out


def test_labels_that_are_not_shared_are_named(evaluate, tiny_model, toy_root, tmp_path):
    rows = (toy_root / "metadata.csv").read_text().splitlines()
    lines = [f"{toy_root.as_posix()}/{row}".replace(",neutral", ",fear") for row in rows[1:]]
    (tmp_path / "metadata.csv").write_text("\n".join([rows[0], *lines]))
    code, out, _ = evaluate("--model", str(tiny_model), "--out", "e", root=tmp_path / "metadata.csv")
    assert code == 0
    assert "12 of fear, which the model cannot predict" in out
    assert "neutral, which the corpus does not have" in out


def test_a_recipe_is_trained_on_one_corpus_and_tested_on_another(evaluate, other_root, tmp_path):
    places = ["--test-corpus", "other=manifest", "--root", f"other={other_root}", "--map", str(other_root / "map.toml")]
    code, out, err = evaluate(*places, "--seeds", "2", "--out", "e")
    assert code == 0
    assert err.splitlines()[:3] == [
        "manifest: 12 of neutral are left out",
        "other: 3 of fury count as anger, 3 of calm are left out",
        "train manifest: 24 utterances; test other: 6 with 2 seeds; classes anger, sadness",
    ]
    assert "cross-corpus: train manifest, test other, 2 shared labels" in out
    assert "Speakers, sessions and texts of two corpora are treated as different." in out
    assert "over folds" not in out
    metrics = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert (metrics["corpus"], metrics["labels"], metrics["leaks"]) == ("other", ["anger", "sadness"], False)
    assert metrics["corpora"][0]["left_out"] == {"neutral": 12}
    assert metrics["test_corpora"][0]["renamed"] == {"fury": {"anger": 3}}
    assert f"{tmp_path.parent}" not in (tmp_path / "e" / "metrics.json").read_text()
    table = pl.read_parquet(tmp_path / "e" / "predictions.parquet")
    assert table.height == 12
    assert set(table["speaker"]) == {"s0", "s1", "s2"}
    before = changed(tmp_path / "e" / "folds")
    assert list(before) == ["seed-0/other.json", "seed-1/other.json"]
    assert evaluate(*places, "--seeds", "2", "--out", "e")[0] == 0
    assert changed(tmp_path / "e" / "folds") == before


def test_a_protocol_may_run_over_several_corpora(evaluate, other_root, tmp_path):
    places = ["--corpus", "other=manifest", "--root", f"other={other_root}", "--map", str(other_root / "map.toml")]
    code, _, err = evaluate(*places, "--common-classes", "--protocol", "loso", "--epochs", "1", "--out", "e")
    assert code == 0
    assert "manifest+other: 30 utterances, 7 folds" in err
    metrics = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert [each["name"] for each in metrics["corpora"]] == ["manifest", "other"]
    assert {run["fold"] for run in metrics["runs"]} == {
        *(f"manifest:s{n}" for n in range(4)),
        *(f"other:s{n}" for n in range(3)),
    }


def test_one_corpus_is_left_out_at_a_time(evaluate, other_root, tmp_path):
    places = ["--corpus", "other=manifest", "--root", f"other={other_root}", "--map", str(tmp_path / "map.toml")]
    (tmp_path / "map.toml").write_text('[other]\nfury = "anger"\ncalm = "fear"\n')
    code, out, err = evaluate(*places, "--protocol", "corpus", "--epochs", "1", "--out", "e")
    assert code == 0, err
    assert "leave one of manifest+other out: 45 utterances" in err
    lines = out.splitlines()
    assert lines[0].startswith("protocol      corpus: leave one corpus out")
    assert "12 of neutral, which no other corpus has" in out.replace("3 of fear, ", "")
    figures = [line.split() for line in lines if line.startswith(("manifest ", "other "))]
    assert [each[:3] for each in figures] == [["manifest", "24", "2"], ["other", "6", "2"]]
    metrics = json.loads((tmp_path / "e" / "metrics.json").read_text())
    mean = sum(each["ua"] for each in metrics["by_fold"].values()) / 2
    assert metrics["folds"]["ua"]["mean"] == pytest.approx(mean)
    assert any(line.startswith("over corpora") and f"UA {100 * mean:.1f}" in line for line in lines)
    assert metrics["left_out"] == {"fear": 3, "neutral": 12}
    assert "Trained on manifest; the test corpus other was left out." in out
    before = changed(tmp_path / "e" / "folds")
    assert list(before) == ["seed-0/manifest.json", "seed-0/other.json"]
    assert evaluate(*places, "--protocol", "corpus", "--epochs", "1", "--out", "e")[0] == 0
    assert changed(tmp_path / "e" / "folds") == before


def test_a_model_is_judged_by_what_labels_count_as(evaluate, tiny_model, other_root, tmp_path):
    table = (other_root / "map.toml").read_text().replace("[other]", "[manifest]")
    (tmp_path / "map.toml").write_text(table)
    places = ["--model", str(tiny_model), "--map", "map.toml", "--out", "e"]
    code, out, err = evaluate(*places, root=other_root)
    assert (code, err) == (0, "manifest: 3 of fury count as anger, 3 of calm are left out\n")
    assert "neutral, which the corpus does not have" in out
    metrics = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert (metrics["n_utterances"], metrics["corpora"][0]["left_out"]) == (6, {"calm": 3})


def test_what_the_surroundings_set_may_be_for_other_runs(evaluate, tiny_model, tmp_path, monkeypatch):
    (tmp_path / "settings.toml").write_text('[evaluate]\nrecipe = "toy.toml"\nseeds = 3\n')
    monkeypatch.setenv("PCQTOOL_ENCODERS", str(tmp_path))
    assert evaluate("--model", str(tiny_model), "--config", "settings.toml", "--out", "e")[0] == 0
    assert evaluate("--protocol", "loso", "--epochs", "1", "--out", "trained")[0] == 0


ONE_OF = "one of --protocol, --test-corpus and --model is needed"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, ONE_OF),
        (["--protocol", "loso", "--model", "x"], 2, ONE_OF),
        (["--test-corpus", "emodb", "--model", "x"], 2, ONE_OF),
        (["--test-corpus", "manifest"], 2, "corpus 'manifest' is given twice"),
        (["--test-corpus", "emodb"], 2, "for which corpus?"),
        (["--protocol", "loso", "--map", "nowhere.toml"], 2, "cannot read the label map nowhere.toml"),
        (["--protocol", "lotto"], 2, "Known: loso"),
        (["--protocol", "corpus"], 2, "protocol corpus needs two or more corpora"),
        (["--protocol", "session"], 1, "needs to know the sessions; 36 of 36 utterances have none"),
        (["--protocol", "sentence"], 1, "add a column 'text_id' to the manifest"),
        (["--protocol", "paper", "--validation", "2"], 2, "It validates on its test part"),
        (["--protocol", "loso", "--validation", "3"], 2, "3 of the 3 outside the test part would validate"),
        (["--model", "no-model"], 2, "no model 'no-model'"),
        (["--protocol", "loso", "--recipe", "maxi"], 2, "recipe 'maxi' cannot be found"),
        (["--protocol", "loso", "--encoder", "./nowhere"], 1, "no such directory"),
        (["--protocol", "loso", "--profile", "calls.profile"], 2, "training takes auto, off or by=speaker"),
        (["--test-corpus", "emodb", "--profile", "by=(.*)"], 2, "training takes auto, off or by=speaker"),
        *(
            (["--model", "pcq-mini", option, "2"], 2, f"{option} has no effect with --model")
            for option in ("--recipe", "--encoder", "--teacher", "--epochs", "--seed", "--seeds", "--validation")
        ),
        (["--protocol", "loso", "--encoder-dir", "here"], 2, "--encoder-dir works with --model only"),
        (["--test-corpus", "emodb", "--encoder-dir", "here"], 2, "--encoder-dir works with --model only"),
        (["--protocol", "loso", "--device", "abacus"], 2, "abacus"),
        (["--protocol", "loso", "--root", "nowhere"], 2, "--root is given twice"),
    ],
    ids=str,
)
def test_wrong_use_is_named(evaluate, tmp_path, arguments, code, said):
    got, out, err = evaluate(*arguments)
    assert (got, out) == (code, "")
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "evaluation").exists()


def test_a_place_that_cannot_be_written_to_is_named(evaluate, tiny_model, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = evaluate("--model", str(tiny_model), "--out", "file")
    assert code == 1
    assert "file" in err
    assert "unexpected" not in err


def test_a_recording_that_cannot_be_read_ends_it(evaluate, toy_root, tmp_path):
    rows = (toy_root / "metadata.csv").read_text().splitlines()
    (tmp_path / "bad.wav").write_text("dear diary")
    lines = [f"{toy_root.as_posix()}/{row}" for row in rows[1:]]
    (tmp_path / "metadata.csv").write_text("\n".join([rows[0], *lines, "bad.wav,anger,s1"]))
    code, _, err = evaluate("--protocol", "loso", root=tmp_path / "metadata.csv")
    assert code == 1
    assert "bad.wav" in err
    assert "Leave it out" in err
