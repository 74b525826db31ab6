from __future__ import annotations

import json
from contextlib import chdir

import pytest
import torch

import pcqtool
from pcqtool.errors import SettingsError
from pcqtool.evaluation.sweep import SweptRun, compare_sweep
from pcqtool.evaluation.sweep_plan import plan_runs
from pcqtool.files.lock import lock_folder
from pcqtool.report.sweep_table import sweep_notes
from pcqtool.training.experiment import Experiment
from pcqtool.training.recipe_changes import find_key, parse_changes
from tests.toy_training import spoken

RECIPE = """
batch_size = 8
n_augmented = 0
warmup_steps = 0
[network]
spectrogram_pool = [8, 4]
classifier_hidden = [8]
mlcnn_channels = [4, 8]
mlcnn_strides = [2, 2]
"""
GRID = {"dropout": [0, 0.5]}
NAMES = ["toy,dropout=0", "toy,dropout=0.5"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("sweep")
    (found / "toy.toml").write_text(RECIPE)
    return found


@pytest.fixture(scope="module")
def sweep(toy_root, folder):
    """Sweep on the toy corpus: one epoch, four folds."""

    def run(settings=None, recipes="toy.toml", out="s", **changes):
        usual = {"protocol": "loso", "root": toy_root, "epochs": 1, "device": "cpu", "jobs": 1}
        with chdir(folder):
            return pcqtool.sweep(recipes, "manifest", out, settings or GRID, **usual | changes)

    return run


class Trainings(list):
    """The values and folds that are trained; the training of number ``stop_at`` is interrupted."""

    stop_at = None


@pytest.fixture(scope="module")
def trainings():
    trained, train = Trainings(), Experiment.train

    def counted(self, fold, seed, **more):
        if len(trained) == trained.stop_at:
            raise KeyboardInterrupt
        trained.append((self.recipe.network["dropout"], fold.name))
        return train(self, fold, seed, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Experiment, "train", counted)
        yield trained


@pytest.fixture(scope="module")
def swept(sweep, trainings, folder):
    """A sweep that was interrupted in its second run, and resumed."""
    torch.set_num_threads(1)
    trainings.stop_at = 6
    with pytest.raises(KeyboardInterrupt):
        sweep()
    assert not (folder / "s" / "sweep.json").exists()
    trainings.stop_at = None
    return sweep()


@pytest.mark.slow
def test_a_sweep_resumes_and_keeps_what_is_done(sweep, swept, trainings, folder):
    assert len(trainings) == len(set(trainings)) == 8
    assert sorted(run.name for run in swept.comparison.runs) == NAMES
    assert {path.name for path in (folder / "s").iterdir()} == {*NAMES, "sweep.json"}
    names = {"metrics.json", "predictions.parquet", "folds", "done.json"}
    assert all({path.name for path in (folder / run.path).iterdir()} == names for run in swept.runs)
    assert sweep({"network.dropout": [0.0, 0.5]}).to_dict() == swept.to_dict()
    assert len(trainings) == 8


@pytest.mark.slow
def test_a_changed_recipe_is_noticed(sweep, swept, trainings, folder, caplog, monkeypatch):
    monkeypatch.setattr(trainings, "stop_at", len(trainings))
    (folder / "toy.toml").write_text("lr = 0.002\n" + RECIPE)
    with pytest.raises(KeyboardInterrupt):
        sweep()
    assert "toy,dropout=0: its recipe or its data have changed" in caplog.text
    (folder / "toy.toml").write_text(RECIPE)
    assert sweep().chosen == swept.chosen


@pytest.mark.slow
def test_the_runs_have_what_was_set(swept, folder):
    metrics = [json.loads((folder / run.path / "metrics.json").read_text()) for run in swept.runs]
    assert [each["recipe"]["network"]["dropout"] for each in metrics] == [0.0, 0.5]
    assert [run.validation_ua for run in swept.runs] == [each["validation_ua"] for each in metrics]
    entries = swept.to_dict()
    assert json.loads((folder / "s" / "sweep.json").read_text())["runs"] == json.loads(json.dumps(entries["runs"]))
    assert {row["run"]: row["set"] for row in entries["runs"]} == {
        NAMES[0]: {"network.dropout": 0.0},
        NAMES[1]: {"network.dropout": 0.5},
    }


def test_validation_chooses_and_each_fold_may_choose_for_itself(save_run):
    def run(name, n_wrong, validation, **more):
        runs = [{"seed": 0, "fold": f"s{n}", "validation_ua": ua} for n, ua in enumerate(validation)]
        path = save_run(name, spoken(n_wrong), runs=runs, **more)
        return SweptRun(name, path, "mini", {"lr": 0.1}, sum(validation) / len(validation))

    lucky, steady = run("lucky", 0, (0.9, 0.1, 0.1, 0.5)), run("steady", 3, (0.5, 0.6, 0.6, 0.5))
    found = compare_sweep([lucky, steady])
    assert [each.name for each in found.comparison.runs] == ["lucky", "steady"]
    assert (found.chosen, found.comparison.baseline) == ("steady", "steady")
    # of four folds with six files each, lucky predicts the first and, since it comes first, the last
    assert found.nested["wa"].value == pytest.approx((6 + 3 + 3 + 6) / 24)
    assert "would be choosing on test data" in " ".join(sweep_notes(found))
    assert "WA 75.0" in " ".join(sweep_notes(found))
    assert compare_sweep([lucky, run("short", 3, (0.5, 0.6, 0.6))]).nested is None
    leaking = compare_sweep([lucky, run("leaking", 3, (0.5, 0.6, 0.6, 0.5), leaks=True)])
    assert (leaking.leaks, leaking.nested) == (True, None)
    assert "no figure here chooses a run" in sweep_notes(leaking)[0]


@pytest.mark.parametrize(
    ("settings", "changes", "text"),
    [
        ({"dropuot": [0.1]}, {}, "Did you mean network.dropout"),
        ({"optimiser.lr": [1e-3]}, {}, "Did you mean lr"),
        ({"layers": [[1]]}, {}, "distillation.layers"),
        ({"batch_size": [8, 0]}, {}, "toy,batch_size=0: toy.toml: recipe toy: batch_size must be 1 or more, not 0"),
        ({"lr": ["fast", 1e-3]}, {}, "toy,lr=fast: toy.toml: a recipe: lr cannot be 'fast'"),
        ({"dropout": [0.1, 2.0]}, {}, "dropout must be a number from 0 to 1, not 2.0"),
        ({"query": ["pooled", "deep"]}, {}, "toy,query=deep"),
        ({"lr": [1, 1.0]}, {}, "lr: the value 1.0 is given twice"),
        ({"epochs": [1, 2]}, {}, "epochs is given twice: by --epochs"),
        ({"lr": [1e-3]}, {}, "needs two runs or more"),
        ({"lr": [1e-3]}, {"recipes": ["toy.toml", "./toy.toml"]}, "two runs would be called toy,lr=0.001"),
        (None, {"recipes": ["toy.toml", "maxi"]}, "recipe 'maxi' cannot be found"),
        (None, {"protocol": None}, "--protocol or --test-corpus is needed"),
        (None, {"protocol": "corpus", "test_corpus": "emodb"}, "Leave --test-corpus out"),
        (None, {"profile": "x.profile"}, "training takes auto, off or by=speaker"),
    ],
    ids=str,
)
def test_what_cannot_run_is_refused_before_anything_runs(sweep, trainings, folder, settings, changes, text):
    before = list(trainings)
    with pytest.raises(SettingsError) as caught:
        sweep(settings, out="refused", **changes)
    assert text in str(caught.value)
    assert trainings == before
    assert not (folder / "refused").exists()


def test_two_sweeps_at_once_do_not_mix(sweep, folder):
    with lock_folder(folder / "locked"), pytest.raises(pcqtool.LockedError):
        sweep(out="locked")


def test_values_are_those_of_toml():
    typed = ["lr=1e-3, 3e-4", "mlcnn_strides=[2,2],[4,4]", "class_weighting=true,false", "aggregation=mean,'blend'"]
    assert parse_changes(typed) == {
        "lr": [1e-3, 3e-4],
        "network.mlcnn_strides": [[2, 2], [4, 4]],
        "class_weighting": [True, False],
        "aggregation": ["mean", "blend"],
    }
    assert parse_changes(['network.encoder={ kind = "none" }'])["network.encoder"] == [{"kind": "none"}]
    assert find_key("network.encoder.architecture.dim") == "network.encoder.architecture.dim"
    for typed in ("lr", "lr=", "=1", "lr=1,,2", "lr=[1", "lr=two words"):
        with pytest.raises(SettingsError):
            parse_changes([typed])
    with pytest.raises(SettingsError, match="set twice"):
        parse_changes(["dropout=0.1", "network.dropout=0.2"])


def test_names_of_runs_are_stable_and_safe(tmp_path):
    (tmp_path / "mine.toml").write_text("")
    settings = {"encoder": ["a/b c:d", "..", "x" * 200, "x" * 201], "network.dropout": [0.5], "lr": [1e-05, 3.0]}
    names = [run.name for run in plan_runs([str(tmp_path / "mine.toml")], settings, {})]
    assert names[:4:2] == ["mine,encoder=a%2Fb c%3Ad,lr=1e-05,dropout=0.5", "mine,encoder=..,lr=1e-05,dropout=0.5"]
    again = plan_runs([str(tmp_path / "mine.toml")], dict(reversed(settings.items())), {})
    assert set(names) == {run.name for run in again}
    assert len(set(names)) == 8
    assert max(map(len, names)) < 150
    assert not any(set(name) & set('/\\:*?"<>|') for name in names)
