#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: source packages of Debian, Linux's source, and zips of all documents, by jar too, are equal to what tar and unzip make of them.
QUIRE_ARCHIVES=full exec "$(dirname "$0")/../mount/real_archives_test.py"
