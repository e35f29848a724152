"""Seeding a trainer's random generators."""

from __future__ import annotations

import os
import random
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def seed_everything(seed: int) -> dict[str, str]:
    """Seed the global random generators of this process. Returns what was set, in words, by library.

    ``seed``: 0 to 2**32 - 1, such as ``trial.seed``. Python's ``random`` always; NumPy's legacy generator, PyTorch (all devices,
    and its deterministic algorithms), TensorFlow (with op determinism) and JAX where they are imported already: import first.
    JAX keeps no global state, so nothing can be set there; its entry says which key to use.

    It does not reach generators that have seeds of their own, worker processes that a data loader starts, nor the order of sets
    of strings: for that, start Python with ``PYTHONHASHSEED=0``. PyTorch reads ``CUBLAS_WORKSPACE_CONFIG`` when
    CUDA starts, so call this before the first use of the GPU. Operations without a deterministic version warn and run.

    Raises ValueError for a seed that NumPy would refuse.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"a seed is an integer from 0 to {2**32 - 1}, not {seed!r}")
    random.seed(seed)
    done = {"random": "seeded"}
    for library, set_up in (("numpy", _numpy), ("torch", _torch), ("tensorflow", _tensorflow), ("jax", _jax)):
        module = sys.modules.get(library)
        if module is not None:
            done[library] = set_up(module, seed)
    return done


def _numpy(numpy: Any, seed: int) -> str:
    numpy.random.seed(seed)
    return "seeded"


def _torch(torch: Any, seed: int) -> str:
    torch.manual_seed(seed)  # the generators of all devices, also of those that are not in use yet
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    return "seeded, deterministic algorithms, cudnn.benchmark off"


def _tensorflow(tensorflow: Any, seed: int) -> str:
    tensorflow.random.set_seed(seed)
    tensorflow.config.experimental.enable_op_determinism()
    return "seeded, op determinism"


def _jax(_: Any, seed: int) -> str:
    return f"nothing to set: use jax.random.key({seed})"
