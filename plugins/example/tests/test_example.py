from pathlib import Path

from pcqtool.corpora.testing import check
from pcqtool_example import Example


def test_example(tmp_path: Path) -> None:
    for name in ("anna_angry_1.wav", "bert_sad_1.wav"):
        (tmp_path / name).touch()
    utterances = check(Example, tmp_path)
    assert [(each.speaker, each.label) for each in utterances] == [("anna", "anger"), ("bert", "sadness")]
