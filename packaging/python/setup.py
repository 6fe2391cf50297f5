# SPDX-License-Identifier: Apache-2.0
"""The version, which packaging/CHANGELOG.md says and nothing else does; pyproject.toml has all the rest."""
import pathlib
import re

from setuptools import setup

HERE = pathlib.Path(__file__).resolve().parent


def read_version():
    """Of the checkout, or of the source archive that was made of one."""
    for name, pattern in (('../CHANGELOG.md', r'^## (\d+\.\d+\.\d+) '), ('PKG-INFO', r'^Version: (\S+)$')):
        path = HERE / name
        if path.exists():
            found = re.search(pattern, path.read_text(encoding='utf-8'), re.MULTILINE)
            if found:
                return found[1]
    raise SystemExit('setup.py: neither ../CHANGELOG.md nor PKG-INFO says the version')


setup(version=read_version())
