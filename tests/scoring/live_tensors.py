"""How much memory the tensors take that an operation makes."""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of tensors that came into being within it and are still there, and the most there were."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = self.largest = 0
        self._known = weakref.WeakSet()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        given = {
            leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)
        }
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor):
                storage = leaf.untyped_storage()
                if storage._cdata not in given and storage not in self._known:
                    self._watch(storage)
        return out

    def _watch(self, storage):
        size = storage.nbytes()
        self._known.add(storage)
        self.now += size
        self.peak, self.largest = max(self.peak, self.now), max(self.largest, size)
        weakref.finalize(storage, self._forget, size)

    def _forget(self, size):
        self.now -= size
