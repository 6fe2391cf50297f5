#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Hook of enroot, in /etc/enroot/hooks.d or ~/.config/enroot/hooks.d: containers see the mount that $QUIRE_DIR names, or
# that slurm/prolog.sh made for the job, as /data.
set -eu

dir=${QUIRE_DIR:-/run/quire/${SLURM_JOB_ID-}}
mountpoint -q "$dir" || exit 0
printf '%s /data none x-create=dir,bind,ro,nosuid,nodev\n' "$dir" >>"$ENROOT_MOUNTS"
