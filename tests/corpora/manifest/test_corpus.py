from __future__ import annotations

import json
from pathlib import Path

import pytest

from pcqtool.corpora.base import Corpus, Utterance
from pcqtool.corpora.faults import FaultsError
from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.errors import CorpusError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "calls").mkdir()
    for name in ("a.wav", "b.wav", "calls/c.wav"):
        (tmp_path / name).touch()
    return tmp_path


def csv(folder: Path, *lines: str, name: str = "metadata.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_audiofolder_layout(folder):
    csv(folder, "file_name,label,transcription", "calls/c.wav,Angry,hello", "a.wav, sad ,")
    manifest = Manifest(folder)
    assert manifest.utterances() == [Utterance(folder / "calls/c.wav", "anger"), Utterance(folder / "a.wav", "sadness")]
    assert manifest.labels == ("anger", "sadness")
    assert isinstance(manifest, Corpus)


def test_every_column_is_read(folder):
    path = csv(
        folder,
        "label,channel,end_s,start_s,text_id,session,speaker,file_name",
        "joy,1,2.5,0.5,t1,s1,03,a.wav",
        "joy,,2.5,,,,,a.wav",
        name="mine.csv",
    )
    assert Manifest(path).utterances() == [
        Utterance(folder / "a.wav", "happiness", "03", "s1", "t1", 0.5, 2.5, 1),
        Utterance(folder / "a.wav", "happiness", end_s=2.5),
    ]


def test_all_formats_give_the_same_utterances(folder):
    import polars

    rows = [
        {"file_name": "a.wav", "label": "fearful", "speaker": 3, "start_s": 0, "channel": 1},
        {"file_name": "b.wav", "label": "bored", "speaker": None, "start_s": 1.5, "channel": None},
    ]
    frame = polars.DataFrame(rows)
    frame.write_csv(folder / "m.csv")
    frame.write_csv(folder / "m.tsv", separator="\t")
    frame.with_columns(polars.col("speaker", "channel").cast(polars.Float64).fill_null(float("nan"))).write_parquet(
        folder / "m.parquet"
    )
    (folder / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    expected = [
        Utterance(folder / "a.wav", "fear", speaker="3", start_s=0.0, channel=1),
        Utterance(folder / "b.wav", "boredom", start_s=1.5),
    ]
    for form in ("csv", "tsv", "parquet", "jsonl"):
        assert Manifest(folder / f"m.{form}").utterances() == expected, form


def test_an_absolute_path_is_not_changed(folder, tmp_path_factory):
    path = csv(tmp_path_factory.mktemp("tables"), "file_name,label", f"{folder / 'a.wav'},calm")
    assert Manifest(path).utterances() == [Utterance(folder / "a.wav", "calm")]


@pytest.mark.parametrize(
    ("heading", "row", "text"),
    [
        ("file_name,emotion", "b.wav,anger", "no label"),
        ("path,emotion", "b.wav,anger", "no file_name and label"),
        ("file_name,label", "b.wav,", "no label"),
        ("file_name,label", "b.wav,hungry", "unknown emotion 'hungry'"),
        ("file_name,label", "z.wav,anger", "no such file"),
        ("file_name,label", "calls,anger", "no such file"),
        ("file_name,label", "calls/../a.wav,anger", "the same excerpt as in"),
        ("file_name,label,start_s,end_s", "b.wav,anger,2,1", "end_s 1 is not after start_s 2"),
        ("file_name,label,start_s,end_s", "b.wav,anger,2,2", "end_s 2 is not after start_s 2"),
        ("file_name,label,end_s", "b.wav,anger,0", "end_s 0 is not after start_s 0"),
        ("file_name,label,start_s", "b.wav,anger,-1", "start_s is '-1'"),
        ("file_name,label,start_s", "b.wav,anger,nan", "start_s is 'nan'"),
        ("file_name,label,end_s", "b.wav,anger,inf", "end_s is 'inf'"),
        ("file_name,label,end_s", "b.wav,anger,1:30", "end_s is '1:30'"),
        ("file_name,label,channel", "b.wav,anger,left", "channel is 'left'"),
        ("file_name,label,channel", "b.wav,anger,0.5", "channel is 0.5"),
    ],
)
def test_a_fault_is_an_error_with_its_line(folder, heading, row, text):
    sound = "a.wav,anger" + "," * (heading.count(",") - 1)
    csv(folder, heading, sound, row)
    with pytest.raises(CorpusError) as caught:
        Manifest(folder).utterances()
    assert text in caught.value.what
    line = 3 if "file_name,label" in heading else 2
    assert f"metadata.csv, line {line}: " in caught.value.what


def test_an_excerpt_listed_twice_names_both_lines(folder):
    csv(folder, "file_name,label,start_s", "a.wav,anger,", "b.wav,anger,", "a.wav,sad,0")
    with pytest.raises(CorpusError, match=r"csv, line 4: the same excerpt as in .*metadata\.csv, line 2\n"):
        Manifest(folder).utterances()


def test_an_unknown_label_hints_at_known_labels_and_maps(folder):
    csv(folder, "file_name,label", "a.wav,hungry")
    with pytest.raises(CorpusError, match="line 2: unknown emotion 'hungry'") as caught:
        Manifest(folder).utterances()
    assert "anger" in caught.value.hint
    assert "--map" in caught.value.hint


def test_labels_outside_the_vocabulary_are_accepted_on_request(folder):
    csv(folder, "file_name,label", "a.wav, Hungry", "b.wav,happy")
    manifest = Manifest(folder).accepting({"hungry"})
    assert [each.label for each in manifest.utterances()] == ["hungry", "happiness"]
    assert manifest.labels == ("happiness", "hungry")


def test_faults_are_counted_and_the_columns_are_named(folder):
    csv(folder, "file_name,emotion", "a.wav,anger", "b.wav,anger")
    with pytest.raises(CorpusError, match="2 faults in all") as caught:
        Manifest(folder).utterances()
    assert caught.value.hint == "The columns are: file_name, emotion."


def test_a_row_of_parquet_is_not_called_a_line(folder):
    import polars

    polars.DataFrame({"file_name": ["a.wav"], "label": ["hungry"]}).write_parquet(folder / "metadata.parquet")
    with pytest.raises(CorpusError, match=r"metadata\.parquet, row 1: "):
        Manifest(folder).utterances()


def test_excerpts_and_channels_of_one_file_are_different_utterances(folder):
    csv(
        folder,
        "file_name,label,start_s,end_s,channel",
        *[f"a.wav,anger,{s},{s + 1},{c}" for s in (0, 1) for c in (0, 1)],
    )
    assert len(Manifest(folder).utterances()) == 4


def test_a_folder_needs_exactly_one_manifest(folder):
    with pytest.raises(CorpusError, match=r"no metadata\.csv"):
        Manifest(folder).utterances()
    csv(folder, "file_name,label", "a.wav,anger")
    csv(folder, "file_name,label", "a.wav,anger", name="metadata.jsonl")
    with pytest.raises(CorpusError, match="2 manifests"):
        Manifest(folder).utterances()


@pytest.mark.parametrize("content", ["", "file_name,label\n"])
def test_an_empty_manifest_is_an_error(folder, content):
    (folder / "metadata.csv").write_text(content)
    with pytest.raises(CorpusError, match="no utterances"):
        Manifest(folder).labels  # noqa: B018


def test_every_fault_is_reported_and_valid_rows_are_listed(folder):
    csv(folder, "file_name,label", "a.wav,hungry", "b.wav,anger", "z.wav,anger")
    with pytest.raises(FaultsError, match="2 faults in all") as caught:
        Manifest(folder).utterances()
    assert [fault.what.partition("metadata.csv, ")[2][:6] for fault in caught.value.faults] == ["line 2", "line 4"]
    assert [fault.path for fault in caught.value.faults] == [folder / "a.wav", None]
    assert [each.path.name for each in caught.value.found] == ["b.wav"]


@pytest.mark.parametrize(
    "heading", ["file_name,label,speaker;session", "file_name;label,speaker;x", "file_name,label,x\tsession"]
)
def test_a_heading_with_two_kinds_of_separators_is_refused(folder, heading):
    """Else the speakers would be lost without a word."""
    sign = heading[len("file_name")]
    csv(folder, heading, sign.join(["a.wav", "sad", "x"][: heading.count(sign) + 1]))
    with pytest.raises(CorpusError, match=r"metadata\.csv: '.*' is a single column") as caught:
        Manifest(folder).utterances()
    assert "same separator" in caught.value.hint


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_files_saved_by_excel_are_read(folder, encoding):
    text = "sep=;\r\nfile_name;label;speaker\r\na.wav;sad;Zoë\r\n"
    (folder / "metadata.csv").write_bytes(text.encode(encoding))
    assert Manifest(folder).utterances() == [Utterance(folder / "a.wav", "sadness", speaker="Zoë")]
