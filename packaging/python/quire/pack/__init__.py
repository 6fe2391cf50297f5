# SPDX-License-Identifier: Apache-2.0
"""Reading packs without a mount: written from format/FORMAT.md alone, and without Quire's C++ code."""
