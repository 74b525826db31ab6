"""What changes while a model is trained: the network, its running mean, the optimiser, and what chance does next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pcqtool.errors import TrainingError
from pcqtool.model.pcq import PCQ, NetworkInputs
from pcqtool.training.loss import Loss, mixed_loss
from pcqtool.training.optimiser import lr_factor, make_optimiser
from pcqtool.training.precision import choose_precision
from pcqtool.training.recipe import Recipe

Seen = Callable[[NDArray[np.int64]], NetworkInputs]


class Learner:
    """A network in training; ``state`` and ``restore`` are each other's inverse, bit for bit on the same machine.

    Args:
        model: the network, on its device.
        loss_of: the loss.
        recipe: the settings.
        n_steps: that training takes, for the schedule.
    """

    def __init__(self, model: PCQ, loss_of: Loss, recipe: Recipe, n_steps: int) -> None:
        self.model, self.loss_of, self.recipe = model, loss_of, recipe
        self.rng = np.random.default_rng(recipe.seed)
        self.device = next(model.parameters()).device
        self.precision = choose_precision(recipe.precision, self.device, model)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision is torch.float16)
        self.optimiser = make_optimiser(model, recipe)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lr_factor(recipe.warmup_steps, n_steps, recipe.schedule)
        )
        rule = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
        self.mean = AveragedModel(model, multi_avg_fn=rule, use_buffers=True)

    @property
    def averaged(self) -> PCQ:
        """The running mean of the network's weights."""
        return cast(PCQ, self.mean.module)

    @property
    def lr(self) -> float:
        """The highest learning rate of the next step: that of the part which is not pre-trained."""
        return max(float(group["lr"]) for group in self.optimiser.param_groups)

    def step(self, group: Sequence[NDArray[np.int64]], seen: Seen) -> float:
        """Take one step on the segments of one batch, or of several whose gradients add up; give the mean loss.

        A segment weighs the same as if all of them were in one batch.

        Raises:
            TrainingError: if the loss is not a number.
        """
        self.optimiser.zero_grad(set_to_none=True)
        audio = [float(self.loss_of.data.n_samples[rows].sum()) for rows in group]
        total = 0.0
        for rows, n_samples in zip(group, audio, strict=True):
            inputs = seen(rows)
            with torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32):
                loss = mixed_loss(self.model, self.loss_of, inputs, rows, self.recipe, self.rng)
            loss = loss * (n_samples / sum(audio))
            if not torch.isfinite(loss):
                raise TrainingError("the loss is not a number", "Lower the learning rate.")
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.max_grad_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.schedule.step()
        self.mean.update_parameters(self.model)
        return total

    def state(self) -> dict[str, Any]:
        """Give everything that decides how training goes on; a frozen encoder's weights, which stay, are left out."""
        return {
            "model": learnt(self.model),
            "mean": learnt(self.averaged),
            "n_averaged": int(self.mean.n_averaged),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "rng": self.rng.bit_generator.state,
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to where a state was given, whose dict keys may have become strings."""
        self.model.load_state_dict(state["model"], strict=False)
        self.averaged.load_state_dict(state["mean"], strict=False)
        self.mean.n_averaged.fill_(state["n_averaged"])
        moments = {int(number): entries for number, entries in state["optimiser"]["state"].items()}
        self.optimiser.load_state_dict({"state": moments, "param_groups": state["optimiser"]["param_groups"]})
        self._lay_out_moments()
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        self.rng.bit_generator.state = state["rng"]
        torch.set_rng_state(state["torch_rng"])
        if state["cuda_rng"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)

    def _lay_out_moments(self) -> None:
        """Give the optimiser's moments the memory format of their weights again: sums then round as before."""
        for parameter, entries in self.optimiser.state.items():
            for name, value in entries.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape and value.ndim:
                    entries[name] = torch.empty_like(parameter).detach().copy_(value)


def learnt(model: PCQ) -> dict[str, Tensor]:
    """Give a network's state without the weights of a frozen encoder."""
    frozen = model.config.encoder.frozen
    state: dict[str, Tensor] = model.state_dict()
    return {name: value for name, value in state.items() if not (frozen and _is_encoders(name))}


def _is_encoders(name: str) -> bool:
    return name.startswith("encoder.") and name != "encoder.mix"
