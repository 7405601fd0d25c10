"""Computing something again in a backward pass, under the conditions of the first time."""

from types import TracebackType

import torch


class Replay:
    """Takes down the state of the random generator and of autocast; as a context manager, brings both back for a while.

    After the context, random numbers go on as if nothing had been.

    Args:
        device: whose generator and autocast.
        random: whether random numbers are drawn; without, the generator is left alone.
    """

    def __init__(self, device: torch.device, *, random: bool) -> None:
        self.device = device
        self.state = self._get() if random else None
        kind = device.type
        self.autocast_options = (kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))

    def __enter__(self) -> None:
        kind, dtype, enabled = self.autocast_options
        self.autocast = torch.autocast(kind, dtype=dtype, enabled=enabled)
        self.autocast.__enter__()
        if self.state is not None:
            self.now = self._get()
            self._set(self.state)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.state is not None:
            self._set(self.now)
        self.autocast.__exit__(kind, error, trace)

    def _get(self) -> torch.Tensor:
        return torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else torch.get_rng_state()

    def _set(self, state: torch.Tensor) -> None:
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state, self.device)
        else:
            torch.set_rng_state(state)
