#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: the 70,000 images of Fashion-MNIST are equal to their mount, and pages and index waste no more than promised.
. "$(dirname "$0")/../support/harness.sh"
. "$support/compare.sh"
need_fuse
[ -d /usr/share/datasets/fashion-mnist ] || skip 'dataset-fashion-mnist is not installed'

"$support/fashion_mnist.py" "$scratch/images"
pack "$scratch/images" -o "$scratch/images.quire"
mount_pack "$scratch/images.quire" "$scratch/mnt"
assert_same_tree "$scratch/images" "$scratch/mnt"
quire verify "$scratch/images.quire"

# The figures of the pack: at most 1 % waste, at most 64 bytes of index a sample beside its name.
quire info --json "$scratch/images.quire" >"$scratch/info.json"
assert_equal "$(json 'd["samples"]' <"$scratch/info.json")" 70000
echo "waste $(json 'd["waste_fraction"]' <"$scratch/info.json"), index bytes a sample $(json 'd["index_bytes_per_sample"]' <"$scratch/info.json")"
assert_equal "$(json 'd["waste_fraction"] <= 0.01' <"$scratch/info.json")" True 'waste of at most 1 %'
assert_equal "$(json 'd["index_bytes_per_sample"] <= 64' <"$scratch/info.json")" True 'index of at most 64 bytes a sample'
pass
