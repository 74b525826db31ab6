from pathlib import Path

import pytest

from pcqtool.corpora import CorpusError
from pcqtool_rivals.listeners import Recognition, recognition

TABLE = "Nr.\tSatz\terkannt\tnatuerlich\r\n" + "".join(
    f"{n}\xa0\xa0\t{name}.wav\t{rate},00\xa0\xa0\t50,00\xa0\r\n"
    for n, (name, rate) in enumerate({"03a01Fa": 90, "03a01Wa": 100, "08a02Wb": 80, "08a02Wc": 10}.items())
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "erkennung.txt"
    path.write_text(TABLE, encoding="latin-1")
    return path


def test_rates_are_averaged_over_recordings_and_over_emotions(table: Path) -> None:
    found = recognition(table, {"03a01Fa.wav", "03a01Wa.wav", "08a02Wb.wav"})
    assert found == pytest.approx(Recognition(wa=0.9, ua=0.9, n=3))
    assert recognition(table, {"03a01Fa.wav", "08a02Wb.wav", "08a02Wc.wav"}).ua == pytest.approx((0.9 + 0.45) / 2)


def test_a_recording_without_a_line_is_an_error(table: Path) -> None:
    with pytest.raises(CorpusError, match="09b01Fa"):
        recognition(table, {"09b01Fa.wav"})
