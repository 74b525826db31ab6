from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pcqtool.errors import SettingsError, TrainingError
from pcqtool.training.checkpoint import Checkpoint, run_fingerprint
from pcqtool.training.experiment import Experiment

CPU = torch.device("cpu")


class Killed(BaseException):
    """Stands for the end of a process."""


def stop_after(number):
    def stop(epoch):
        if epoch.number == number:
            raise Killed

    return stop


def weights(trained):
    return trained.model.state_dict()


def test_a_state_comes_back_as_it_was(tmp_path):
    state = {
        "history": [{"number": 1, "loss": 0.1 + 0.2}],
        "numbers": {"big": 2**127 + 1, "none": None, "word": "a"},
        "list": [torch.arange(3), {"deep": torch.tensor(2.5)}],
        "bytes": torch.arange(5, dtype=torch.uint8),
    }
    checkpoint = Checkpoint(tmp_path / "new" / "c.safetensors", "k")
    assert (checkpoint.read(), checkpoint.n_epochs()) == (None, 0)
    checkpoint.write(state)
    back = checkpoint.read()
    assert back["history"] == state["history"]
    assert back["numbers"] == state["numbers"]
    assert torch.equal(back["list"][0], torch.arange(3))
    assert back["list"][1]["deep"].shape == ()
    assert back["bytes"].dtype == torch.uint8
    assert checkpoint.n_epochs() == 1


def test_one_of_other_settings_is_refused(tmp_path):
    Checkpoint(tmp_path / "c", "mine").write({"history": []})
    with pytest.raises(SettingsError, match="other settings") as caught:
        Checkpoint(tmp_path / "c", "yours").read()
    assert "Remove" in caught.value.hint


STATE = {
    "history": [{"number": 1, "loss": 0.3}],
    "learner": {"weights": torch.linspace(0, 1, 12).reshape(3, 4), "n": torch.arange(3), "half": torch.ones(2).half()},
}


def test_every_bit_counts(tmp_path, caplog):
    """Be it of the key, a name, a type, a shape or a number: it is damage, and not another run's settings."""
    checkpoint = Checkpoint(tmp_path / "c", "mine")
    checkpoint.write(STATE)
    whole = checkpoint.path.read_bytes()
    for place, byte in enumerate(whole):
        checkpoint.path.write_bytes(whole[:place] + bytes([byte ^ (1 << place % 8)]) + whole[place + 1 :])
        assert (checkpoint.n_epochs(), checkpoint.read()) == (0, None), place
    assert len(caplog.records) == len(whole)
    checkpoint.path.write_bytes(whole)
    assert checkpoint.n_epochs() == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[:20],
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: whole + b"\0",
        lambda whole: bytes(len(whole)),
        lambda whole: whole[:-4096] + bytes(4096),
        lambda whole: b"\x80\x04pickle",
    ],
)
def test_a_damaged_one_is_named_and_training_begins_anew(utterances, toy_recipe, fold, tmp_path, caplog, damage):
    experiment = Experiment(utterances, toy_recipe(epochs=2), CPU).prepare()
    wanted = experiment.train(fold, 1)
    checkpoint = Checkpoint(tmp_path / "c", "k")
    with pytest.raises(Killed):
        experiment.train(fold, 1, stop_after(1), checkpoint)
    checkpoint.path.write_bytes(damage(checkpoint.path.read_bytes()))
    epochs = []
    found = experiment.train(fold, 1, epochs.append, checkpoint)
    assert [epoch.number for epoch in epochs] == [1, 2]
    assert all(torch.equal(value, weights(found)[name]) for name, value in weights(wanted).items())
    assert caplog.text.count("training starts from the beginning") == 1
    assert str(checkpoint.path) in caplog.text
    assert checkpoint.n_epochs() == 2


def test_one_that_cannot_be_read_is_no_damaged_one(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "c", "k")
    checkpoint.write(STATE)

    def refuse(*arguments, **more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("safetensors.safe_open", refuse)
    for look in (checkpoint.read, checkpoint.n_epochs):
        with pytest.raises(TrainingError, match="cannot be read: Permission denied"):
            look()


@pytest.mark.parametrize(
    "changes",
    [
        {"ema": 0.9, "mixup": 0.3, "epochs": 5},
        {"encoder": "mini", "grad_accumulation": 2, "batch_size": 4, "epochs": 4, "schedule": "constant"},
        {"network": {"profile_s": 20.0}, "ema": 0.9, "epochs": 4},
    ],
    ids=str,
)
def test_a_run_that_was_stopped_ends_with_the_same_weights(utterances, toy_recipe, fold, tmp_path, changes):
    experiment = Experiment(utterances, toy_recipe(**changes), CPU).prepare()
    whole = experiment.train(fold, 1)
    checkpoint = Checkpoint(tmp_path / "c", "k")
    for number in (1, 3):
        with pytest.raises(Killed):
            experiment.train(fold, 1, stop_after(number), checkpoint)
        torch.rand(number)  # what happens in between does not matter
    resumed = experiment.train(fold, 1, checkpoint=checkpoint)
    assert resumed.history == whole.history
    assert resumed.temperatures == whole.temperatures
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in weights(whole).items())


def test_a_run_that_had_ended_learns_no_more(utterances, toy_recipe, fold, tmp_path):
    experiment = Experiment(utterances, toy_recipe(epochs=2), CPU).prepare()
    checkpoint = Checkpoint(tmp_path / "c", "k")
    whole = experiment.train(fold, 1, checkpoint=checkpoint)

    def told(epoch):
        raise AssertionError

    again = experiment.train(fold, 1, told, checkpoint)
    assert all(torch.equal(value, weights(again)[name]) for name, value in weights(whole).items())


@pytest.mark.parametrize("network", [{}, {"profile_s": 20.0, "frame_pool": 5}], ids=str)
def test_a_frozen_encoders_weights_are_not_kept(
    utterances, toy_recipe, fold, tmp_path, tiny_whisper, monkeypatch, network
):
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))
    encoder = {"frozen": True, "layers": [0, 1], "concat_layers": bool(network)}
    recipe = toy_recipe(encoder, network=network, epochs=3)
    experiment = Experiment(utterances, recipe, CPU, encoder=str(tiny_whisper)).prepare()
    checkpoint = Checkpoint(tmp_path / "c", "k")
    whole = experiment.train(fold, 1)
    with pytest.raises(Killed):
        experiment.train(fold, 1, stop_after(2), checkpoint)
    learnt = checkpoint.read()["state"]["model"]
    mixed = [] if network else ["encoder.mix"]  # concatenated layers have no learned weights
    assert [name for name in learnt if name.startswith("encoder.")] == mixed
    resumed = experiment.train(fold, 1, checkpoint=checkpoint)
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in weights(whole).items())


def test_the_fingerprint_is_that_of_what_decides(utterances, toy_recipe, fold, tmp_path, monkeypatch):
    recipe = toy_recipe()
    known = run_fingerprint(utterances, recipe, fold, None, None)
    moved = [replace(each, path=tmp_path / each.path.name) for each in utterances]
    for each, twin in zip(utterances, moved, strict=True):
        twin.path.write_bytes(each.path.read_bytes())
    assert run_fingerprint(moved, recipe, fold, None, None) == known
    others = [
        run_fingerprint(utterances, replace(recipe, seed=9), fold, None, None),
        run_fingerprint(utterances, recipe, replace(fold, train=fold.train[1:]), None, None),
        run_fingerprint(utterances, recipe, fold, "wavlm", None),
        run_fingerprint(utterances, recipe, fold, None, "whisper"),
        run_fingerprint(utterances[::-1], recipe, fold, None, None),
    ]
    moved[0].path.write_bytes(b"cut")
    others.append(run_fingerprint(moved, recipe, fold, None, None))
    monkeypatch.setattr("pcqtool.training.checkpoint.CHANNEL_PLAN_VERSION", 0)
    others.append(run_fingerprint(utterances, recipe, fold, None, None))
    assert len({known, *others}) == 8
