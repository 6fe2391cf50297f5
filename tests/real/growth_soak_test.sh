#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: mount/growth_soak_test.py holds for 300 steps of a seed that is drawn anew, and printed where it fails.
export QUIRE_GROWTH_STEPS=${QUIRE_GROWTH_STEPS:-300} QUIRE_GROWTH_SEED=${QUIRE_GROWTH_SEED:-$RANDOM}
exec "$(dirname "$0")/../mount/growth_soak_test.py"
