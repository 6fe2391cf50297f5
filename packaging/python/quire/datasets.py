# SPDX-License-Identifier: Apache-2.0
"""The paths of a dataset's samples, by their indices, for all datasets that keep such a list."""
from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from quire.errors import Error

# What datasets call the list: torchvision's folders `samples` and `imgs`, others by habit. A row may be a path, or begin with one.
_LISTS = ('samples', 'imgs', 'paths', 'files', 'filenames', 'image_paths', 'images', 'file_list')

Path = str | bytes | os.PathLike[str]


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, bytes, os.PathLike))


def _first(row: Any) -> Any:
    return row if _is_path(row) else row[0] if isinstance(row, (tuple, list)) and row else None


def sample_paths(dataset: Any) -> list[Path]:
    """The path of each sample of an ImageFolder or of another dataset with a list of paths (or of tuples that begin with one), of a
    Subset, a ConcatDataset, or of a list itself."""
    if isinstance(dataset, (list, tuple)):
        return _take(dataset, type(dataset).__name__)
    if hasattr(dataset, 'dataset') and hasattr(dataset, 'indices'):  # Subset, random_split
        whole = sample_paths(dataset.dataset)
        return [whole[int(index)] for index in dataset.indices]
    if hasattr(dataset, 'datasets'):  # ConcatDataset
        return [path for part in dataset.datasets for path in sample_paths(part)]
    for name in _LISTS:
        rows = getattr(dataset, name, None)
        if isinstance(rows, Sequence) and not _is_path(rows) and len(rows) == len(dataset) and (not rows or _is_path(_first(rows[0]))):
            return _take(rows, f'{type(dataset).__name__}.{name}')
    if hasattr(dataset, 'dataset') and len(dataset.dataset) == len(dataset):  # a wrapper
        return sample_paths(dataset.dataset)
    raise Error(f'{type(dataset).__name__} has no list of the paths of its samples ({", ".join(_LISTS)}): give paths=')


def _take(rows: Sequence[Any], what: str) -> list[Path]:
    paths = [_first(row) for row in rows]
    for index, path in enumerate(paths):
        if not _is_path(path):
            raise Error(f'{what}[{index}] is {rows[index]!r}, which neither is a path nor begins with one')
    return paths
