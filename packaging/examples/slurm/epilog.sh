#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Epilog of Slurm: takes away what prolog.sh mounted, dead or alive. A failed epilog takes the node out of service.
PATH=/usr/sbin:/usr/bin:/sbin:/bin

dir=/run/quire/$SLURM_JOB_ID
[[ -d $dir || -n $(findmnt --noheadings "$dir") ]] || exit 0
quire umount --lazy "$dir" 2>&1 | logger -t quire-epilog
rmdir "$dir" 2>&1 | logger -t quire-epilog
exit 0
