#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A job that mounts a pack once on each of its nodes, without help from an administrator.
#   sbatch --nodes=2 --ntasks-per-node=4 job.sh /shared/imagenet.quire python train.py
# The command is started as the job's tasks, and finds the samples in $QUIRE_DIR.
#SBATCH --job-name=quire
set -euo pipefail

pack=$1
shift
export QUIRE_DIR=${TMPDIR:-/tmp}/quire-$SLURM_JOB_ID  # local to the node

once_a_node=(srun --overlap --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1)

# In the foreground: what a step leaves in the background, Slurm kills when it ends. SIGTERM, as from scancel, comes to
# the daemon too, which unmounts; the shell stays to remove the folder.
# shellcheck disable=SC2016  # for the inner shell
"${once_a_node[@]}" bash -c '
  trap : TERM
  mkdir -p "$2"
  quire mount -f "$1" "$2" || { status=$?; quire umount --lazy "$2" 2>/dev/null; }
  rmdir "$2"
  exit "${status-0}"' - "$pack" "$QUIRE_DIR" &
mounts=$!
unmount() {
  kill -0 "$mounts" 2>/dev/null || return 0
  "${once_a_node[@]}" quire umount --lazy "$QUIRE_DIR"
  wait "$mounts"
}
trap unmount EXIT

# shellcheck disable=SC2016
"${once_a_node[@]}" timeout 60 bash -c 'until mountpoint -q "$1"; do sleep 0.1; done' - "$QUIRE_DIR" &
# The step that mounts ends first only if it fails.
wait -n "$!" "$mounts" || { kill "$!" 2>/dev/null; exit 1; }
srun "$@"
