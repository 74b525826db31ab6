"""Make the example recordings with espeak-ng and sox; the same versions of both give the same bytes.

Usage: python examples/make_examples.py [FOLDER]      (default: examples/recordings)
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import wave
from array import array
from dataclasses import dataclass
from pathlib import Path

PAUSE_S = 0.25


@dataclass(frozen=True)
class Speech:
    """A sentence and how it is spoken.

    Attributes:
        text: what is said.
        voice: espeak-ng voice and variant.
        rate: words a minute.
        pitch: 0 to 99, 50 is the voice's own.
        volume: 0 to 200, 100 is ordinary.
    """

    text: str
    voice: str
    rate: int = 165
    pitch: int = 50
    volume: int = 90


GREETING = Speech("Good morning, and welcome! What a lovely day to plant a garden.", "en-gb+f3", 175, 75, 110)
BRANCH = Speech("This is the north branch. We open at nine.", "en-us+m3", 150, 40)
GERMAN = Speech("Der Zug ist schon wieder ausgefallen. Jetzt reicht es mir aber wirklich!", "de+m2", 200, 65, 130)
TELEPHONE = Speech(
    "The parcel never came, and nobody told me. I waited all afternoon for nothing.", "en-gb+f2", 120, 25, 70
)
VOICEMAIL = Speech(
    "Please call back when you can. There is no hurry, it is only about the blue bicycle.", "en-us+f4", 145
)

AGENT, CUSTOMER = "en-us+f3", "en-gb+m7"
CALL = (  # channel, speech
    (0, Speech("Good afternoon. How can I help?", AGENT, 170, 60)),
    (1, Speech("My kitchen is under water! For the third time this week!", CUSTOMER, 215, 75, 140)),
    (0, Speech("I am sorry. A plumber is on the way.", AGENT, 150, 50)),
    (1, Speech("Oh. Thank you. What a relief.", CUSTOMER, 130, 35, 80)),
)


def main() -> None:
    """Make all recordings."""
    given = sys.argv[1:]
    folder = Path(given[0]) if given else Path(__file__).parent / "recordings"
    (folder / "branch").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        spoken = Path(scratch) / "spoken.wav"
        speak(GREETING, spoken)
        sox(spoken, "-r", "16000", folder / "greeting.wav")
        speak(BRANCH, spoken)
        sox(spoken, "-r", "16000", folder / "branch" / "greeting.wav")
        speak(GERMAN, spoken)
        sox(spoken, "-r", "16000", folder / "verspaetung.wav")
        speak(TELEPHONE, spoken)
        sox(spoken, "-r", "8000", "-e", "mu-law", folder / "call-ulaw.wav")
        speak(VOICEMAIL, spoken)
        sox(spoken, "-r", "22050", "-C", "32", folder / "voicemail.mp3")
        stereo_call(folder / "call-stereo.wav", Path(scratch))
    room_noise = ("synth", "3", "brownnoise", "vol", "0.002")
    run("sox", "-R", "-D", "-n", "-r", "8000", "-b", "16", "-c", "1", folder / "silence.wav", *room_noise)
    (folder / "corrupt.wav").write_bytes((folder / "greeting.wav").read_bytes()[:30])  # ends inside its header


def speak(speech: Speech, path: Path) -> None:
    """Write a sentence as a mono WAV file at the synthesiser's own 22 050 Hz."""
    manner = ("-s", speech.rate, "-p", speech.pitch, "-a", speech.volume)
    run("espeak-ng", "-v", speech.voice, *manner, "-w", path, speech.text)


def stereo_call(path: Path, scratch: Path) -> None:
    """Write a call at 8 kHz, one voice a channel, each silent while the other speaks."""
    channels = (array("h"), array("h"))
    pause = array("h", bytes(2 * int(PAUSE_S * 8000)))
    for channel, speech in CALL:
        speak(speech, scratch / "spoken.wav")
        sox(scratch / "spoken.wav", "-r", "8000", scratch / "turn.wav")
        turn = samples(scratch / "turn.wav") + pause
        channels[channel].extend(turn)
        channels[1 - channel].extend(array("h", bytes(2 * len(turn))))
    both = array("h", (sample for pair in zip(*channels, strict=True) for sample in pair))
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 8000, len(channels[0]), "NONE", "not compressed"))
        file.writeframes(both.tobytes())


def samples(path: Path) -> array[int]:
    """Read the samples of a mono 16-bit WAV file (on a little-endian machine)."""
    with wave.open(str(path), "rb") as file:
        return array("h", file.readframes(file.getnframes()))


def sox(source: Path, *output: str | Path) -> None:
    """Convert a recording, without dither, with a little headroom."""
    run("sox", "-R", "-D", source, *output, "vol", "0.8")


def run(*command: object) -> None:
    """Run a program; its failure ends the script."""
    subprocess.run([str(part) for part in command], check=True)


if __name__ == "__main__":
    main()
