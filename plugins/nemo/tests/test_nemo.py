from pathlib import Path

import pytest

from pcqtool.corpora import CorpusError, Utterance
from pcqtool.corpora.testing import check
from pcqtool_nemo import NEMO

NAMES = ("EB0_anger_1.wav", "EB0_surprised_90.wav", "KS0_happiness_12.wav", "MP0_neutral_12.wav")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Some of the repository as its archive unpacks."""
    samples = tmp_path / "nEMO-66de999" / "samples"
    samples.mkdir(parents=True)
    for name in NAMES:
        (samples / name).touch()
    for name in ("README.md", "LICENSE", "data.tsv"):
        (samples.parent / name).touch()
    return tmp_path


def test_names_state_speaker_emotion_and_sentence(root: Path) -> None:
    utterances = check(NEMO, root)
    assert len(utterances) == len(NAMES)
    assert utterances[0] == Utterance(
        root / "nEMO-66de999" / "samples" / "EB0_anger_1.wav", "anger", speaker="EB0", text_id="1"
    )
    assert [each.label for each in utterances] == ["anger", "surprise", "happiness", "neutral"]
    assert [each.text_id for each in utterances] == ["1", "90", "12", "12"]


@pytest.mark.parametrize("name", ["EB0_joy_1.wav", "EB0_anger.wav", "EB_anger_1.wav", "EB0_anger_0.wav"])
def test_another_name_is_an_error(root: Path, name: str) -> None:
    (root / "nEMO-66de999" / "samples" / name).touch()
    with pytest.raises(CorpusError, match=name):
        NEMO(root).utterances()


def test_published_counts_agree() -> None:
    counts = NEMO.expected
    assert sum(counts.by_label.values()) == sum(counts.by_speaker.values()) == counts.total == 4481
    assert set(counts.by_label) == set(NEMO.labels)


def test_the_license_forbids_commercial_use() -> None:
    from pcqtool.training.model_license import model_license

    assert model_license([NEMO(Path())]) == "CC BY-NC-SA 4.0: not for commercial use"
