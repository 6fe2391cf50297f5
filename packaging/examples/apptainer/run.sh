#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command in an Apptainer container that sees a pack as /data, and unmounts the pack afterwards.
#   run.sh imagenet.quire pytorch.sif python train.py
set -euo pipefail

pack=$1
image=$2
shift 2
dir=$(mktemp -d)
trap 'quire umount --lazy "$dir"; rmdir "$dir"' EXIT
quire mount "$pack" "$dir"
apptainer exec --bind "$dir:/data:ro" "$image" "$@"
