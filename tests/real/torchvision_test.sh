#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: torchvision's ImageFolder and DataLoader (two workers, shuffled) give the same over the mount as over the folder.
. "$(dirname "$0")/../support/harness.sh"
need_fuse
[ -d /usr/share/datasets/fashion-mnist ] || skip 'dataset-fashion-mnist is not installed'
/usr/bin/python3 -c 'import torchvision' 2>/dev/null || skip 'python3-torchvision is not installed'

"$support/fashion_mnist.py" "$scratch/images"
pack "$scratch/images" -o "$scratch/images.quire" --order shuffle:1
mount_pack "$scratch/images.quire" "$scratch/mnt"
"$support/same_batches.py" "$scratch/images" "$scratch/mnt"

# The comparison can fail: one image in another class folder, and one other pixel.
cp -a "$scratch/images" "$scratch/other"
image=$(find "$scratch/other/Bag" -type f -print -quit)
cp "$(find "$scratch/other/Dress" -type f -print -quit)" "$image"
! "$support/same_batches.py" "$scratch/images" "$scratch/other" 2>/dev/null || fail 'another image was not noticed'
pass
