"""Recordings with damaged headers: each becomes a recording or an ``AudioError``, in time, whatever the decoder does.

PCQTOOL_TEST_FUZZ=10000 pytest tests/batch/test_fuzz.py -s
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import av
import numpy as np
import polars as pl
import soundfile

from pcqtool.audio.reader import ReaderOptions, SegmentReader
from pcqtool.batch.names import find_sources
from pcqtool.batch.output import RunOutput
from pcqtool.batch.plan import make_plan
from pcqtool.batch.run import run
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.task import Labelling
from pcqtool.tables.paths import KINDS
from pcqtool.tables.reader import read_files

N_FILES = int(os.environ.get("PCQTOOL_TEST_FUZZ", "150"))
TIMEOUT_S = 20.0
HEADER = 256  # bytes that are damaged

SNDFILE = {
    "WAV": ("PCM_16", "FLOAT", "ULAW", "GSM610", "IMA_ADPCM"),
    "FLAC": ("PCM_16",),
    "OGG": ("VORBIS", "OPUS"),
    "MP3": ("MPEG_LAYER_III",),
    "AIFF": ("PCM_16",),
    "AU": ("PCM_16",),
    "CAF": ("PCM_16",),
    "W64": ("PCM_16",),
}
AV = {"m4a": "aac", "webm": "libopus"}


def originals(folder):
    """One recording of every kind, a second long."""
    wave = 0.2 * np.sin(np.arange(16000) / 5) + np.random.default_rng(0).normal(0, 0.02, 16000)
    made = {}
    for kind, subtypes in SNDFILE.items():
        for subtype in subtypes:
            path = folder / f"{subtype}.{kind.lower()}"
            soundfile.write(path, wave, 16000, format=kind, subtype=subtype)
            made[path.name] = path.read_bytes()
    for ending, codec in AV.items():
        path = folder / f"{codec}.{ending}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=48000, layout="mono")
            frame = av.AudioFrame.from_ndarray(np.tile(wave, 3)[None].astype(np.float32), format="flt", layout="mono")
            frame.sample_rate = 48000
            for packet in (*stream.encode(frame), *stream.encode(None)):
                container.mux(packet)
        made[path.name] = path.read_bytes()
    return made


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Change some of a header's bytes, put in or take out some, or cut the file."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(min(HEADER, len(data)))
        match chance.randrange(6):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                data[at : at + 4] = chance.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", bytes(4), b"\xff\xff\xff\x7f"))
            case 3:
                del data[at : at + chance.randrange(1, 9)]
            case 4:
                data[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 5:
                data = data[: chance.randrange(1, len(data))] if chance.random() < 0.3 else data
    return bytes(data)


def test_damaged_headers_are_rows(tmp_path, predictor, config):
    chance = random.Random(N_FILES)
    (tmp_path / "whole").mkdir()
    (tmp_path / "calls").mkdir()
    whole = originals(tmp_path / "whole")
    for number in range(N_FILES):
        name = chance.choice(sorted(whole))
        (tmp_path / "calls" / f"{number:05}-{name}").write_bytes(damaged(whole[name], chance))
    settings = LabelSettings(ReaderOptions(vad=False), jobs=2, timeout_s=TIMEOUT_S)
    provenance = settings.provenance(config, "ab" * 32)
    work = Labelling(predictor, settings, provenance)
    store = RunOutput(tmp_path / "r.parquet", provenance, {kind: work.schema(kind).names for kind in KINDS})
    sources = find_sources([tmp_path / "calls"])
    times_s = [time.monotonic()]
    with store.locked():
        run(make_plan(sources, {}), store, work, on_file=lambda source: times_s.append(time.monotonic()))
    rows = read_files(tmp_path / "r.parquet")
    assert rows["file"].unique().sort().to_list() == [source.file for source in sources]
    assert rows.filter(pl.col("status") != "ok")["error"].is_not_null().all()
    assert max(np.diff(times_s)) < TIMEOUT_S + 15
    errors = Counter(error for error in rows["error"].drop_nulls() if error.startswith("its decoder"))
    counts = dict(rows.unique("file")["status"].value_counts().sort("status").iter_rows())
    print(f"{N_FILES} files in {times_s[-1] - times_s[0]:.0f} s: {counts}; crashes and hangs: {dict(errors)}")


def test_a_small_file_that_claims_a_day_is_heard_as_far_as_it_goes(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[40:44] = (0x70000000).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(content)
    tracks = SegmentReader(tmp_path / "a.wav", ReaderOptions(vad=False))
    assert len(list(tracks)) == 1
    assert tracks.info.duration_s == 1.0
    assert "claims" in tracks.info.shortfall
