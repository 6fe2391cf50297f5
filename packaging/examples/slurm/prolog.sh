#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Prolog of Slurm: mounts the pack that a job asks for on each of its nodes, at /run/quire/JOBID.
#   slurm.conf:  Prolog=/etc/slurm/prolog.sh  Epilog=/etc/slurm/epilog.sh  PrologFlags=Alloc
#   job:         #SBATCH --comment=quire:/shared/imagenet.quire
# It is mounted as the job's user, so that nobody gets to see what they may not read. The daemon's memory counts as
# slurmd's and not as the job's; job.sh mounts within the job.
# Whatever goes wrong is told to the log alone: a failed prolog takes the node out of service. The job finds no mount.
PATH=/usr/sbin:/usr/bin:/sbin:/bin

[[ ${SLURM_JOB_COMMENT-} == quire:* ]] || exit 0

dir=/run/quire/$SLURM_JOB_ID
mkdir -p /run/quire && mkdir -m 700 "$dir" && chown "$SLURM_JOB_USER:" "$dir" || exit 0
runuser -u "$SLURM_JOB_USER" -- quire mount "${SLURM_JOB_COMMENT#quire:}" "$dir" 2>&1 </dev/null | logger -t quire-prolog
exit 0
