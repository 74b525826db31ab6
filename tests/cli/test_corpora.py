from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from tests.json_schemas import check_json

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
    assert {"emodb", "iemocap", "manifest", "msp-podcast", "ravdess"} <= set(names)


def test_broken_plugin_is_a_row_in_list_and_a_warning_in_doctor(pcqtool, broken_plugin, tmp_path):
    done = pcqtool("corpora", "list", "--json", PYTHONPATH=broken_plugin)
    assert done.returncode == 0
    rows = {row["name"]: row for row in json.loads(done.stdout)["corpora"]}
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


def test_info_shows_whether_commercial_use_is_allowed(pcqtool):
    for name, shown, value in (("emodb", "allowed", True), ("urdu", "not allowed", False)):
        lines = dict(
            line.split(maxsplit=1) for line in pcqtool("corpora", "info", name).stdout.splitlines() if line[:1].strip()
        )
        assert lines["commercial_use"].strip() == shown
        assert json.loads(pcqtool("corpora", "info", name, "--json").stdout)["commercial_use"] is value


def test_info_counts_classes_and_speakers(pcqtool, manifest):
    about = json.loads(pcqtool("corpora", "info", "manifest", "--root", str(manifest), "--json").stdout)
    assert about["labels"] == ["anger", "happiness", "neutral"]
    assert about["by_label"] == {"anger": 1, "neutral": 1, "happiness": 1}
    assert about["by_speaker"] == {"s1": {"anger": 1, "neutral": 1}, "s2": {"happiness": 1}}
    numbers = [about[f"n_{name}"] for name in ("utterances", "files", "speakers", "sessions", "texts")]
    assert numbers == [3, 3, 2, 0, 2]
    assert about["hours"] == 0  # the files are empty


def test_info_shows_what_labels_count_as(pcqtool, manifest, tmp_path):
    (tmp_path / "map.toml").write_text('happy = "neutral"\nanger = ""\n')
    arguments = ["corpora", "info", "manifest", "--root", str(manifest), "--map", "map.toml", "--json"]
    done = pcqtool(*arguments)
    assert "map.toml: 1 of happiness count as neutral, 1 of anger are left out\n" in done.stderr
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


def test_info_adds_up_the_hours_and_names_what_cannot_be_read(pcqtool, manifest, write_wave):
    rows = ["file_name,label,start_s,end_s", "a.wav,anger,,", "long.wav,anger,0.5,1.5", "long.wav,sad,1.5,"]
    write_wave("corpora/manifest/long.wav", 3.0)
    (manifest / "metadata.csv").write_text("\n".join(rows) + "\n")
    done = pcqtool("corpora", "info", "manifest", "--root", str(manifest), "--json")
    assert json.loads(done.stdout)["hours"] == pytest.approx(2.5 / 3600)
    assert "1 of 2 recordings cannot be read" in done.stderr


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


LISTED = """
import sys, time
from pcqtool.cli.app import main
begin = time.process_time()
code = main(["corpora", "list"])
heavy = [name for name in ("torch", "numpy", "polars", "pyarrow", "sklearn", "soundfile") if name in sys.modules]
print(code, time.process_time() - begin, heavy, file=sys.stderr)
"""

PRINTS = "import os; print('hello'); os.write(1, b'hello, too\\n')\n"
PLUGIN = """
class Plugin:
    name = "{name}"
    title = citation = licence = "A plugin"
    url = None
    labels = ("anger",)
    def __init__(self{arguments}): self.root = root
    def utterances(self):
        print("listing")
        return []
"""


@pytest.fixture
def plugins(tmp_path):
    """A folder for PYTHONPATH with plugins that are broken in every way, and one that is not."""
    folder = tmp_path / "plugins"
    for name, corpus, source in (
        ("raising", "raising", "raise RuntimeError('no licence key')"),
        ("leaving", "leaving", "raise SystemExit(3)"),
        ("deadly", "deadly", "import os; os._exit(0)"),
        ("killing", "killing", "import os; os.kill(os.getpid(), 9)"),
        ("signature", "signature", PLUGIN.format(name="signature", arguments="")),
        ("first", "twin", PLUGIN.format(name="twin", arguments=", root")),
        ("second", "twin", PLUGIN.format(name="twin", arguments=", root")),
        ("fine", "fine", PRINTS + PLUGIN.format(name="fine", arguments=", root")),
    ):
        info = folder / f"plugin_{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plugin-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[pcqtool.corpora]\n{corpus} = plugin_{name}:Plugin\n")
        (folder / f"plugin_{name}.py").write_text(source)
    return os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))


@pytest.mark.slow
def test_broken_plugins_are_named_and_the_rest_works(pcqtool, plugins):
    done = pcqtool("corpora", "list", "--json", PYTHONPATH=plugins)
    assert done.returncode == 0
    errors = {row["from"]: row["error"] for row in json.loads(done.stdout)["corpora"]}
    assert "no licence key" in errors["plugin-raising 1.0"]
    assert "SystemExit: 3" in errors["plugin-leaving 1.0"]
    assert "it ends the process that imports it, with exit code 0" in errors["plugin-deadly 1.0"]
    assert "with signal 9" in errors["plugin-killing 1.0"]
    assert "cannot be called as Plugin(root)" in errors["plugin-signature 1.0"]
    assert "plugin_second:Plugin of plugin-second" in errors["plugin-first 1.0"]
    assert "plugin_first:Plugin of plugin-first" in errors["plugin-second 1.0"]
    assert errors["plugin-fine 1.0"] is None
    assert "broken: RuntimeError: no licence key" in pcqtool("corpora", "list", PYTHONPATH=plugins).stdout
    assert pcqtool("corpora", "info", "fine", PYTHONPATH=plugins).returncode == 0
    for name in ("deadly", "killing", "leaving"):  # and not 0, with nothing done
        done = pcqtool("train", "--corpus", name, "--root", ".", PYTHONPATH=plugins)
        assert done.returncode == 1
        assert f"corpus '{name}' cannot be used" in done.stderr


def test_what_a_plugin_prints_is_not_data(pcqtool, plugins, tmp_path):
    done = pcqtool("corpora", "validate", "fine", "--root", str(tmp_path), "--json", PYTHONPATH=plugins)
    assert json.loads(done.stdout)["name"] == "fine"
    for said in ("hello\n", "hello, too", "listing\n"):
        assert said in done.stderr


def test_list_takes_less_than_a_second_and_imports_nothing_heavy(plugins, environment, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LISTED],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(PYTHONPATH=plugins),
        check=True,
    )
    code, seconds, heavy = done.stderr.splitlines()[-1].split(maxsplit=2)
    assert (code, heavy) == ("0", "[]")
    assert float(seconds) < 1.0  # of the processor: how busy the machine is does not matter


def test_list_says_what_is_here_and_how_to_get_the_rest(pcqtool, manifest):
    rows = json.loads(pcqtool("corpora", "list", "--json", PCQTOOL_CORPORA=str(manifest.parent)).stdout)["corpora"]
    data = {row["name"]: row["data"] for row in rows}
    assert (data["manifest"], data["emodb"], data["iemocap"]) == ("here", "fetch", "apply")


def test_validate_ends_with_three_where_there_is_a_fault(pcqtool, write_wave, tmp_path):
    rows = ["file_name,label,speaker"]
    for seed, name in enumerate(("a.wav", "b.wav", "c.wav")):
        write_wave(f"mine/{name}", 0.5, seed=seed)
        rows.append(f"{name},anger,s{seed}")
    root = tmp_path / "mine"
    (root / "metadata.csv").write_text("\n".join(rows) + "\n")
    sound = pcqtool("corpora", "validate", "manifest", "--root", str(root))
    assert (sound.returncode, sound.stderr) == (0, "")
    assert "faults      none" in sound.stdout
    (root / "c.wav").write_bytes((root / "a.wav").read_bytes())
    (root / "b.wav").write_bytes(b"")
    write_wave("mine/extra.wav", 0.5, seed=7)
    done = pcqtool("corpora", "validate", "manifest", "--root", str(root))
    assert done.returncode == 3
    table = [line.split()[:2] for line in done.stdout.split("\n\n")[-1].splitlines()[1:]]
    assert table == [["extra", "extra.wav"], ["unreadable", "b.wav"], ["duplicated", "c.wav"], ["leaking", "c.wav"]]
    report = pcqtool("corpora", "validate", "manifest", "--root", str(root), "--json")
    assert report.returncode == 3
    about = json.loads(report.stdout)
    assert about["n_faults"] == {"extra": 1, "unreadable": 1, "duplicated": 1, "leaking": 1}
    assert [fault["file"] for fault in about["faults"]] == ["extra.wav", "b.wav", "c.wav", "c.wav"]
    assert (about["sound"], about["n_utterances"], about["by_label"]) == (False, 3, {"anger": 3})


def test_many_faults_alike_are_counted(pcqtool, manifest):
    for index in range(30):
        (manifest / f"{index}.wav").touch()
    done = pcqtool("corpora", "validate", "manifest", "--root", str(manifest))
    assert "and 10 more: see --json" in done.stdout


def test_validate_holds_emodb_against_what_was_published(pcqtool, tmp_path, write_wave):
    write_wave("emodb/wav/03a01Fa.wav", 0.5)
    done = pcqtool("corpora", "validate", "emodb", "--root", str(tmp_path / "emodb"))
    assert done.returncode == 3
    assert "utterances  1 of 535" in done.stdout
    assert "03a01Nc.wav was published, but is missing" in done.stdout
    assert next(row for row in done.stdout.splitlines() if row.startswith("published")).split()[-2:] == ["535", "535"]


PUBLIC = """
from pcqtool.corpora.datasets.emodb import EmoDB
from pcqtool.corpora.release import Download

class Public(EmoDB):
    name = "public"
    downloads = (Download("{address}/corpus.zip"),)
"""


@pytest.fixture
def public(site, tmp_path):
    """A folder for PYTHONPATH with a corpus that is downloaded from loopback."""
    import io
    import zipfile

    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("wav/03a01Fa.wav", b"1" * 200_000)
    site.files["corpus.zip"] = made.getvalue()
    info = tmp_path / "plugins" / "public-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: public\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pcqtool.corpora]\npublic = public_corpus:Public\n")
    (info.parent / "public_corpus.py").write_text(PUBLIC.format(address=site.address))
    return {
        "PYTHONPATH": os.pathsep.join((str(info.parent), os.environ.get("PYTHONPATH", ""))),
        "PCQTOOL_CORPORA": str(tmp_path / "corpora"),
    }


def test_fetch_downloads_once_and_says_that_no_checksum_is_known(pcqtool, public, site, tmp_path):
    site.break_after = [4_000]
    done = pcqtool("corpora", "fetch", "public", **public)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "corpora" / "public" / "wav" / "03a01Fa.wav").read_bytes() == b"1" * 200_000
    assert "interrupted after 4,000" in done.stderr
    assert "has no published checksum" in done.stderr
    assert "pcqtool corpora validate public" in done.stdout
    n_asked = len(site.asked)
    again = pcqtool("corpora", "fetch", "public", **public)
    assert again.returncode == 0
    assert "exists already" in again.stderr
    assert len(site.asked) == n_asked == 2
    assert json.loads(pcqtool("corpora", "info", "public", "--json", **public).stdout)["n_utterances"] == 1


def test_fetch_killed_goes_on(public, site, environment, tmp_path):
    site.pause_s = 0.1
    command = [sys.executable, "-m", "pcqtool", "corpora", "fetch", "public"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(**public), stderr=subprocess.DEVNULL)
    part = tmp_path / "corpora" / ".fetch" / "public" / "corpus.zip.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 20_000) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert part.stat().st_size > 20_000
    site.pause_s = 0.0
    command.append("--json")
    done = subprocess.run(command, cwd=tmp_path, env=environment(**public), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    check_json(fetched := json.loads(done.stdout))
    assert [file["checked_by"] for file in fetched["files"]] == ["nothing"]
    assert len(site.asked) == 2
    assert int(site.asked[1].removeprefix("bytes=").rstrip("-")) > 20_000
    assert not part.exists()


def test_fetch_of_what_is_not_public_says_where_to_apply(pcqtool, tmp_path):
    done = pcqtool("corpora", "fetch", "iemocap")
    assert (done.returncode, done.stdout) == (1, "")
    assert "https://sail.usc.edu/iemocap/" in done.stderr
    assert "$PCQTOOL_CORPORA/iemocap" in done.stderr


def test_training_without_data_says_exactly_what_to_run(pcqtool, tmp_path):
    done = pcqtool("train", "--corpus", "emodb")
    assert done.returncode == 1
    assert "Run 'export PCQTOOL_CORPORA=~/corpora' and 'pcqtool corpora fetch emodb'" in done.stderr
    done = pcqtool("train", "--corpus", "emodb", PCQTOOL_CORPORA=str(tmp_path))
    assert "Run 'pcqtool corpora fetch emodb'" in done.stderr
