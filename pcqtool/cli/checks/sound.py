"""What can be decoded, and whether speech can be told from silence."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from pcqtool.cli.checks.finding import Finding, fault, ok, warning

FFMPEG_CODECS = ("aac", "amrnb", "amrwb", "mp3", "opus")


def libsndfile() -> list[Finding]:
    """Check libsndfile and whether it reads MP3 and Opus."""
    import soundfile

    formats = {"MP3": "MP3" in soundfile.available_formats(), "Opus": "OPUS" in soundfile.available_subtypes("OGG")}
    lacking = [name for name, there in formats.items() if not there]
    found = f"{soundfile.__libsndfile_version__} (soundfile {soundfile.__version__})"
    if not lacking:
        return [ok("libsndfile", f"{found}, with MP3 and Opus")]
    remedy = "Such files go through FFmpeg instead. For libsndfile 1.2 or newer: pip install --upgrade soundfile"
    return [warning("libsndfile", f"{found}, without {' and '.join(lacking)}", remedy)]


def ffmpeg() -> list[Finding]:
    """Check FFmpeg as PyAV brings it."""
    import av

    lacking = [codec for codec in FFMPEG_CODECS if codec not in av.codecs_available]
    libraries = ", ".join(
        f"{name} {'.'.join(map(str, av.library_versions[name]))}" for name in ("libavcodec", "libavformat")
    )
    found = f"{getattr(av, 'ffmpeg_version_info', '')} (PyAV {av.__version__}, {libraries})".strip()
    if lacking:
        return [warning("FFmpeg", f"{found}, without {', '.join(lacking)}", "pip install --force-reinstall av")]
    return [ok("FFmpeg", found)]


def voice_activity() -> list[Finding]:
    """Check that the voice activity model's file is there, without importing its package, which imports torch."""
    check = "voice activity model"
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or spec.origin is None:
        return [fault(check, "the package silero-vad is not installed", "pip install silero-vad")]
    files = sorted(Path(spec.origin).parent.glob("data/*sequence*.onnx"))
    if not files:
        return [
            fault(check, f"no file in {Path(spec.origin).parent / 'data'}", "pip install --force-reinstall silero-vad")
        ]
    return [ok(check, files[0].name)]
