#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: Debian's Papirus icons, about 100,000 entries with many symlinks, are equal to their mount.
. "$(dirname "$0")/../support/harness.sh"
. "$support/compare.sh"
need_fuse
icons=(/usr/share/icons/Papirus*)
[ -d "${icons[0]}" ] || skip 'papirus-icon-theme is not installed'

mkdir "$scratch/icons"
cp -a "${icons[@]}" "$scratch/icons/"
echo "$(find "$scratch/icons" | wc -l) entries, $(find "$scratch/icons" -type l | wc -l) of them symlinks"
pack "$scratch/icons" -o "$scratch/icons.quire"
mount_pack "$scratch/icons.quire" "$scratch/mnt"
assert_same_tree "$scratch/icons" "$scratch/mnt"
quire verify "$scratch/icons.quire"
pass
