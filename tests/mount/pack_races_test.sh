#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: while the tree changes under the packer, thousands of times, each sample that it packs is one version that the
# file had, and what it could not pack so it names. QUIRE_RACE_S=N does it for N seconds.
. "$(dirname "$0")/../support/harness.sh"

mkdir "$scratch/races"
QUIRE=$QUIRE python3 "$support/source_races.py" "$scratch/races" "${QUIRE_RACE_S:-$(trust_seconds 8)}" "${QUIRE_RACE_SEED:-$RANDOM}" ||
  fail 'see above'
pass
