#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a folder of 1,000,000 entries lists each of them once, in full, and finds each by name.
QUIRE_ENTRIES=1000000 exec "$(dirname "$0")/../mount/million_entries_test.py"
