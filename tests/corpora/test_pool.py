from __future__ import annotations

import json

import pytest

from pcqtool.corpora.label_map import LabelMap
from pcqtool.corpora.pool import open_pool, restrict_to_common_labels, speakers_of
from pcqtool.corpora.spec import CorpusSpec
from pcqtool.errors import CorpusError


@pytest.fixture
def plant(tmp_path):
    """Make a manifest of (label, speaker) pairs in a folder of a name, and give its source."""

    def make(name, *rows):
        folder = tmp_path / name
        folder.mkdir()
        lines = ["file_name,label,speaker,session,text_id"]
        for number, (label, speaker) in enumerate(rows):
            (folder / f"{number}.wav").touch()
            lines.append(f"{number}.wav,{label},{speaker},1,t")
        (folder / "metadata.csv").write_text("\n".join(lines))
        return CorpusSpec(name, "manifest", folder)

    return make


@pytest.fixture
def one(plant):
    return plant("one", ("anger", "a"), ("anger", "b"), ("neutral", "a"), ("boredom", "b"))


@pytest.fixture
def two(plant):
    return plant("two", ("angry", "a"), ("calm", "a"), ("fear", "b"), ("neutral", ""))


def labels(pool):
    return [each.label for each in pool.utterances]


def test_a_single_corpus_is_not_changed(one):
    pool = open_pool([one])
    assert pool.utterances == one.open().utterances()
    assert (pool.name, pool.label_changes, pool.corpus_of_each) == ("one", [], ["one"] * 4)
    assert [each.speaker for each in pool.prefixed_utterances] == ["one:a", "one:b", "one:a", "one:b"]


def test_several_corpora_get_prefixed_names_and_common_classes_on_request(one, two):
    pool = open_pool([one, two], common_classes=True)
    assert labels(pool) == ["anger", "anger", "neutral", "anger", "neutral"]
    assert [each.speaker for each in pool.utterances] == ["one:a", "one:b", "one:a", "two:a", None]
    assert {(each.session, each.text_id) for each in pool.utterances} == {("one:1", "one:t"), ("two:1", "two:t")}
    assert (pool.name, pool.names, pool.labels) == ("one+two", ("one", "two"), ("anger", "neutral"))
    assert pool.corpus_of_each == ["one"] * 3 + ["two"] * 2
    assert pool.label_changes == [
        "one: 1 of boredom are left out",
        "two: 1 of calm are left out, 1 of fear are left out",
    ]


def test_all_classes_are_kept_and_known_for_each_utterance(one, two):
    pool = open_pool([one, two])
    assert pool.labels == ("anger", "boredom", "calm", "fear", "neutral")
    assert pool.label_changes == []
    assert pool.labels_of_each == [("anger", "boredom", "neutral")] * 4 + [("anger", "calm", "fear", "neutral")] * 4


def test_a_map_renames_labels(one, two):
    label_map = LabelMap({"fear": None, "boredom": "neutral"}, {"two": {"calm": "neutral"}})
    pool = open_pool([one, two], label_map)
    assert labels(pool) == ["anger", "anger", "neutral", "neutral", "anger", "neutral", "neutral"]
    assert pool.label_changes == [
        "one: 1 of boredom count as neutral",
        "two: 1 of calm count as neutral, 1 of fear are left out",
    ]
    about = pool.provenance()
    assert about == json.loads(json.dumps(about))
    assert [each["labels"] for each in about] == [{"anger": 2, "neutral": 2}, {"anger": 1, "neutral": 2}]
    assert [each["renamed"] for each in about] == [{"boredom": {"neutral": 1}}, {"calm": {"neutral": 1}}]
    assert [each["left_out"] for each in about] == [{}, {"fear": 1}]
    assert [each["n_speakers"] for each in about] == [2, 1]


def test_a_map_accepts_labels_outside_the_vocabulary(plant):
    source = plant("mine", ("Wut", "a"), ("Joy", "a"), ("Hunger", "b"), ("sad", "b"))
    pool = open_pool([source], LabelMap({"wut": "anger", "hunger": None}))
    assert labels(pool) == ["anger", "happiness", "sadness"]
    assert pool.label_changes == ["mine: 1 of wut count as anger, 1 of hunger are left out"]
    with pytest.raises(CorpusError, match="unknown emotion 'Hunger'"):
        open_pool([source], LabelMap({"wut": "anger"}))


def test_corpora_without_common_classes_are_an_error_with_their_labels(one, plant):
    other = plant("other", ("anger", "a"), ("fear", "b"))
    with pytest.raises(CorpusError, match="one and other have only the label anger in common") as caught:
        open_pool([one, other], common_classes=True)
    assert "one has anger, boredom, neutral; other has anger, fear" in caught.value.what
    assert "--map" in caught.value.hint
    with pytest.raises(CorpusError, match="have no label in common"):
        open_pool([plant("third", ("fear", "a")), plant("fourth", ("sad", "b"))], common_classes=True)


def test_a_map_that_leaves_no_utterance_is_an_error(one):
    with pytest.raises(CorpusError, match="no utterance of corpus 'one' is used"):
        open_pool([one], LabelMap({"*": None}))


def test_a_file_of_two_corpora_is_an_error_even_through_a_link(one, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "one")
    again = CorpusSpec("again", "manifest", tmp_path / "link")
    with pytest.raises(CorpusError, match=r"corpora one and again both list .*one.0\.wav"):
        open_pool([one, again])
    with pytest.raises(CorpusError, match="both list"):
        restrict_to_common_labels(open_pool([one]), open_pool([again]))


def test_training_and_test_are_restricted_to_common_labels(one, two):
    train, test = restrict_to_common_labels(open_pool([one]), open_pool([two]))
    assert train.labels == test.labels == ("anger", "neutral")
    assert train.label_changes == ["one: 1 of boredom are left out"]
    assert [each.speaker for each in test.utterances] == ["a", None]


def test_a_published_corpus_keeps_its_origin_under_another_name(tmp_path, one):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for speaker in ("03", "08"):
            (tmp_path / name / f"{speaker}a01Wa.wav").touch()
            (tmp_path / name / f"{speaker}a01Na.wav").touch()
    pool = open_pool([CorpusSpec("emodb", "emodb", tmp_path / "a"), CorpusSpec("phone", "emodb", tmp_path / "b"), one])
    assert pool.names == ("emodb", "phone", "one")
    assert {each.speaker for each in pool.utterances} == {"emodb:03", "emodb:08", "one:a", "one:b"}
    assert [each["origin"] for each in pool.provenance()] == ["emodb", "emodb", "one"]


def test_speakers_of_a_corpus_are_found_without_prefix():
    assert speakers_of("one", ["one:a", "two:a", "one:b:c", "one"]) == {"a", "b:c"}
