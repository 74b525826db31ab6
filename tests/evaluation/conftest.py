from __future__ import annotations

from tests.toy_training import *  # noqa: F403
