"""SpeechBrain's emotion recogniser, in the layout of ``speechbrain/emotion-recognition-wav2vec2-IEMOCAP``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks.peers.programs import Loaded

INTERFACE = Path(__file__).with_name("speechbrain_interface.py")
LABELS = ("neu", "ang", "hap", "sad")
HYPERPARAMETERS = """
wav2vec2: !new:speechbrain.integrations.huggingface.wav2vec2.Wav2Vec2
    source: {encoder}
    output_norm: True
    freeze: True
    save_path: {encoder}
avg_pool: !new:speechbrain.nnet.pooling.StatisticsPooling
    return_std: False
output_mlp: !new:speechbrain.nnet.linear.Linear
    input_size: 768
    n_neurons: {n_labels}
    bias: False
softmax: !new:speechbrain.nnet.activations.Softmax
label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder
modules:
    wav2vec2: !ref <wav2vec2>
    avg_pool: !ref <avg_pool>
    output_mlp: !ref <output_mlp>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        wav2vec2: !ref <wav2vec2>
        label_encoder: !ref <label_encoder>
    paths:
        wav2vec2: {folder}/wav2vec2.ckpt
        label_encoder: {folder}/label_encoder.txt
"""


def make(kind: str, folder: Path) -> None:
    """Write an encoder of the base size with random weights, the settings, and the class that foreign_class loads."""
    import torch
    import transformers
    from hyperpyyaml import load_hyperpyyaml
    from speechbrain.dataio.encoder import CategoricalEncoder

    hf: Any = transformers
    folder = folder.resolve()
    encoder = folder / "encoder"
    encoder.mkdir(parents=True)
    hf.Wav2Vec2Model(hf.Wav2Vec2Config()).save_pretrained(encoder)  # the sizes of the base model are the defaults
    hf.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(encoder)
    settings = HYPERPARAMETERS.format(folder=folder, encoder=encoder, n_labels=len(LABELS))
    torch.save(load_hyperpyyaml(settings)["wav2vec2"].state_dict(), folder / "wav2vec2.ckpt")
    (folder / "hyperparams.yaml").write_text(settings, encoding="utf-8")
    labels = CategoricalEncoder()
    labels.update_from_iterable(LABELS)
    labels.save(folder / "label_encoder.txt")
    shutil.copyfile(INTERFACE, folder / "custom_interface.py")


def load(kind: str, folder: Path, n_cores: int) -> Loaded:
    """Load the recogniser as its documentation does, from a folder in place of the hub's name."""
    import torch
    from speechbrain.inference.interfaces import foreign_class

    torch.set_num_threads(n_cores)
    classifier: Any = foreign_class(
        source=str(folder.resolve()),
        pymodule_file="custom_interface.py",
        classname="CustomEncoderWav2vec2Classifier",
        savedir=str(folder.resolve()),
    )
    return Loaded(
        lambda paths: [classifier.classify_file(path) for path in paths],
        ("speechbrain", "transformers", "torch"),
        sum(each.numel() for each in classifier.mods.parameters()),
    )
