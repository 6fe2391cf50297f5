# SPDX-License-Identifier: Apache-2.0
"""Quire from Python: training loops that tell a mount what they read next, and packs that are read without a mount.

    quire.plan(mount, paths)            tells a mount the order of the samples to come
    quire.torch.PlanSampler(sampler)    does so for a sampler of PyTorch, epoch by epoch
    quire.torch.QuasiRandomSampler      shuffles so that the disk goes on reading page after page
    quire.open('x.quire')               a pack as a mapping of paths to bytes, from a file or a URL

Nothing of this needs more than the standard library; xxhash, fsspec and torch are used where they are installed."""
from __future__ import annotations

import importlib
import importlib.metadata
from types import ModuleType

from quire.errors import DamagedError, Error, SourceError, UnsupportedError
from quire.mounts import find_mount
from quire.pack.packs import Pack, Stat, open  # pylint: disable=redefined-builtin  # quire.open() is meant to be read with its prefix
from quire.places import sample_pages
from quire.plans import Plan, plan

__all__ = ['DamagedError', 'Error', 'Pack', 'Plan', 'SourceError', 'Stat', 'UnsupportedError', 'find_mount', 'open', 'plan',
           'sample_pages']


def __getattr__(name: str) -> ModuleType | str:
    """quire.torch and quire.filesystem when they are named, since they import what need not be there."""
    if name in ('torch', 'filesystem'):
        return importlib.import_module(f'quire.{name}')
    if name == '__version__':
        return importlib.metadata.version('quire')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
