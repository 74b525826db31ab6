from __future__ import annotations

import json

import pytest

HEADER = "file_name,label,speaker,text_id\n"


@pytest.fixture
def manifest(tmp_path):
    folder = tmp_path / "corpora" / "manifest"
    folder.mkdir(parents=True)
    rows = [("a.wav", "anger", "s1", "t1"), ("b.wav", "neutral", "s1", "t1"), ("c.wav", "happy", "s2", "t2")]
    for name, *_ in rows:
        (folder / name).touch()
    (folder / "metadata.csv").write_text(HEADER + "".join(",".join(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def broken_plugin(tmp_path):
    """A folder for PYTHONPATH with an installed plugin that cannot be imported."""
    info = tmp_path / "plugins" / "broken-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[pcqtool.corpora]\nbroken = no_such_module:Corpus\n")
    return str(info.parent)


def test_list_names_the_built_in_corpora(pcqtool):
    done = pcqtool("corpora", "list")
    assert (done.returncode, done.stderr) == (0, "")
    names = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    assert {"emodb", "iemocap", "manifest"} <= set(names)


def test_broken_plugin_is_a_row_in_list_and_a_warning_in_doctor(pcqtool, broken_plugin, tmp_path):
    done = pcqtool("corpora", "list", "--json", PYTHONPATH=broken_plugin)
    assert done.returncode == 0
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert "no_such_module" in rows["broken"]["error"]
    assert rows["broken"]["from"] == "broken 1.2"
    assert rows["emodb"]["error"] is None
    (tmp_path / "plugins" / "torch.py").write_text("raise ImportError")  # the real one takes seconds
    doctor = json.loads(pcqtool("doctor", "--json", PYTHONPATH=broken_plugin).stdout)
    [row] = [each for each in doctor["checks"] if each["check"] == "corpus broken"]
    assert row["status"] == "warning"
    assert "broken 1.2" in row["remedy"]


def test_info_without_a_folder_tells_what_is_known_and_where_to_get_it(pcqtool):
    done = pcqtool("corpora", "info", "emodb")
    assert done.returncode == 0
    assert "Burkhardt" in done.stdout
    assert "boredom" in done.stdout
    assert "PCQTOOL_CORPORA" in done.stderr
    assert json.loads(pcqtool("corpora", "info", "emodb", "--json").stdout)["root"] is None


def test_info_counts_classes_and_speakers(pcqtool, manifest):
    about = json.loads(pcqtool("corpora", "info", "manifest", "--root", str(manifest), "--json").stdout)
    assert about["labels"] == ["anger", "happiness", "neutral"]
    assert about["by_label"] == {"anger": 1, "neutral": 1, "happiness": 1}
    assert about["by_speaker"] == {"s1": {"anger": 1, "neutral": 1}, "s2": {"happiness": 1}}
    numbers = [about[f"n_{name}"] for name in ("utterances", "files", "speakers", "sessions", "texts")]
    assert numbers == [3, 3, 2, 0, 2]


def test_info_shows_what_labels_count_as(pcqtool, manifest, tmp_path):
    (tmp_path / "map.toml").write_text('happy = "neutral"\nanger = ""\n')
    arguments = ["corpora", "info", "manifest", "--root", str(manifest), "--map", "map.toml", "--json"]
    done = pcqtool(*arguments)
    assert done.stderr == "map.toml: 1 of happiness count as neutral, 1 of anger are left out\n"
    about = json.loads(done.stdout)
    assert (about["labels"], about["by_label"], about["n_speakers"]) == (["neutral"], {"neutral": 2}, 2)


def test_info_shows_the_counts_as_a_table_that_adds_up(pcqtool, manifest):
    out = pcqtool("corpora", "info", "manifest", PCQTOOL_CORPORA=str(manifest.parent)).stdout
    table = [line.split() for line in out.split("\n\n")[1].splitlines()]
    assert table == [
        ["speaker", "anger", "happiness", "neutral", "all"],
        ["s1", "1", "0", "1", "2"],
        ["s2", "0", "1", "0", "1"],
        ["all", "1", "1", "1", "3"],
    ]


def test_info_of_what_is_not_there(pcqtool, tmp_path):
    unknown = pcqtool("corpora", "info", "emodp")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "did you mean 'emodb'?" in unknown.stderr
    nowhere = pcqtool("corpora", "info", "emodb", "--root", str(tmp_path / "none"))
    assert (nowhere.returncode, nowhere.stdout) == (1, "")
    assert "none does not exist" in nowhere.stderr


def test_many_speakers_are_counted_and_not_listed(pcqtool, manifest):
    lines = []
    for index in range(50):
        (manifest / f"{index}.wav").touch()
        lines.append(f"{index}.wav,anger,speaker{index},t\n")
    (manifest / "metadata.csv").write_text(HEADER + "".join(lines))
    out = pcqtool("corpora", "info", "manifest", "--root", str(manifest)).stdout
    assert "speaker7" not in out
    assert out.splitlines()[-1].split() == ["all", "50", "50"]
