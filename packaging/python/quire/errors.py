# SPDX-License-Identifier: Apache-2.0
"""What can go wrong. Each message names what is at fault, the likely cause and, where there is one, the remedy."""


class Error(Exception):
    """Anything that this package finds wrong; the classes below say whose fault it is."""


class DamagedError(Error):
    """The bytes of a pack differ from its sums or contradict its format: the pack is damaged, or was forged."""


class UnsupportedError(Error):
    """The pack is sound as far as this release can tell, and made of what only another release or program reads."""


class SourceError(Error):
    """The file or the server did not give the bytes that it was asked for."""
