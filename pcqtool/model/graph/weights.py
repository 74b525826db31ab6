"""The weights of a model while its graph is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from pcqtool.errors import ModelError
from pcqtool.model.untrusted_files import printable, short_repr
from pcqtool.model.weight_files import check_finite, checked_file

EPS = 1e-5
"""Of batch normalisation, as in torch."""

Array = NDArray[np.float32]

_FLOATS = ("F16", "F32", "F64")


class Weights:
    """The weights of a model, taken one by one.

    Args:
        path: their file.

    Raises:
        ModelError: if the file is missing or damaged, or contains values that are not finite.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._mismatch = path, f"{path} does not fit its config.json:"
        with checked_file(path):
            self._file: Any = safe_open(path, framework="np")
        self._names: set[str] = set(self._file.keys())  # type: ignore[no-untyped-call]

    def take(self, name: str, *shape: int) -> Array:
        """Return a weight; each is taken once.

        Raises:
            ModelError: if it is missing or of another shape.
        """
        if name not in self._names:
            raise ModelError(f"{self._mismatch} missing {name}")
        self._names.remove(name)
        found = self._file.get_slice(name)  # of the header: nothing is read yet
        if (its_shape := tuple(found.get_shape())) != shape:
            raise ModelError(f"{self._mismatch} {name} has shape {short_repr(its_shape)}")
        if (kind := found.get_dtype()) not in _FLOATS:
            raise ModelError(f"{self._path}: {name} contains {kind}, which numpy cannot read", "Use --runtime torch.")
        with checked_file(self._path):
            array: Array = self._file.get_tensor(name).astype(np.float32)
        check_finite(self._path, name, bool(np.isfinite(array).all()))
        return array

    def take_layer(self, name: str, *shape: int) -> tuple[Array, Array]:
        """Return weight and bias of a layer with ``shape[0]`` outputs."""
        return self.take(f"{name}.weight", *shape), self.take(f"{name}.bias", shape[0])

    def take_normalised(self, convolution: str, norm: str, *shape: int) -> tuple[Array, Array]:
        """Return weight and bias of a convolution that includes the batch normalisation after it."""
        scale, shift = self.take_layer(norm, shape[0])
        centre, variance = self.take(f"{norm}.running_mean", shape[0]), self.take(f"{norm}.running_var", shape[0])
        factor = scale / np.sqrt(variance + EPS)
        return self.take(convolution, *shape) * factor.reshape(-1, *[1] * (len(shape) - 1)), shift - centre * factor

    def check_all_taken(self) -> None:
        """Refuse weights that nothing has taken.

        Raises:
            ModelError: if there are any.
        """
        if rest := sorted(self._names):
            raise ModelError(f"{self._mismatch} unexpected {', '.join(map(printable, rest[:3]))}")
