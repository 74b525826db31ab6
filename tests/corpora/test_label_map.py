from __future__ import annotations

import pytest

from pcqtool.corpora.label_map import LabelMap, load_label_map, translate
from pcqtool.errors import SettingsError


@pytest.fixture
def read(tmp_path):
    def make(text):
        (tmp_path / "map.toml").write_text(text)
        return load_label_map(tmp_path / "map.toml")

    return make


def test_without_a_file_nothing_changes():
    assert load_label_map(None) == LabelMap()
    assert translate("calm", load_label_map(None).for_corpus("emodb")) == "calm"


def test_labels_are_renamed_or_left_out_and_a_corpus_may_differ(read):
    labels = read('Excited = "happy"\ncalm = ""\n"verärgert" = "anger"\n[ravdess]\ncalm = "neutral"\n')
    assert labels.for_corpus("emodb") == {"excitement": "happiness", "calm": None, "verärgert": "anger"}
    assert labels.for_corpus("ravdess") == {"excitement": "happiness", "calm": "neutral", "verärgert": "anger"}


def test_a_star_stands_for_all_others_and_a_label_is_looked_up_once(read):
    names = read('"*" = ""\nanger = "anger"\ncalm = "neutral"\nneutral = "sadness"\n').for_corpus("any")
    found = {label: translate(label, names) for label in ("anger", "calm", "neutral", "fear")}
    assert found == {"anger": "anger", "calm": "neutral", "neutral": "sadness", "fear": None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("calm = 1", "map.toml: calm is 1, but must be text"),
        ('calm = "hungry"', "map.toml: calm: unknown emotion 'hungry'"),
        ('[emodb]\ncalm = "hungry"', r"map.toml, \[emodb\]: calm: unknown emotion 'hungry'"),
        ('happy = "neutral"\njoy = ""', "'joy' occurs twice, as 'happiness'"),
        ("[emodb.inner]\nx = 1", r"\[emodb\]: inner is {'x': 1}, but must be text"),
        ("calm: neutral", "is not valid TOML"),
    ],
)
def test_a_fault_is_named_with_its_place(read, text, said):
    with pytest.raises(SettingsError, match=said):
        read(text)


def test_a_missing_map_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match=r"cannot read the label map .*nowhere\.toml"):
        load_label_map(tmp_path / "nowhere.toml")
