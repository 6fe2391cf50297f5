#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: the programs in libquire(3) compile against what is installed, as they stand there, and do what the page says.
. "$(dirname "$0")/../support/harness.sh"
build=$(dirname "$QUIRE")/..
[ -e "$build/tools/library/libquire.so" ] || skip "no libquire.so in $build: build the target quire_library"
[ -w "$build" ] || skip 'cmake --install writes into the build folder, which this user may not'
! is_sanitized asan tsan || skip 'a program without sanitizers cannot use a library with them'
cmake --install "$build" --component library --prefix "$scratch/prefix" >/dev/null
described=$(find "$scratch/prefix" -name quire.pc)
read -r -a flags <<<"$(PKG_CONFIG_PATH=$(dirname "$described") pkg-config --cflags --libs quire)"
LD_LIBRARY_PATH=$(dirname "$(dirname "$described")")
export LD_LIBRARY_PATH

# Each begins with its includes; what is indented no more ends it.
sed '1,/^## EXAMPLES$/d; /^## /,$d' "$repository/packaging/man/libquire.3.md" | awk -v folder="$scratch" '
  /^    #include <quire/ {++count}
  /^[^ ]/ {inside = 0}
  /^    #include/ {inside = 1}
  inside {sub(/^    /, ""); print >(folder "/" count ".c")}'
for number in 1 2; do
  cc -Wall -Wextra -Werror "$scratch/$number.c" -o "$scratch/$number" "${flags[@]}" || fail "example $number"
done
[ ! -e "$scratch/3.c" ] || fail 'there is a third example that is not tried'

mkdir -p "$scratch/tree/train"
printf 'content\n' >"$scratch/tree/train/1.txt"
head -c 100000 /dev/zero >"$scratch/tree/train/2.bin"
pack "$scratch/tree" -o "$scratch/tree.quire"
assert_equal "$("$scratch/1" "$scratch/tree.quire" train/1.txt)" content
"$scratch/1" "$scratch/tree.quire" train/2.bin | cmp - "$scratch/tree/train/2.bin"
assert_exit 1 "$scratch/1" "$scratch/tree.quire" train/3.txt
assert_says "'train/3.txt' is not in the pack"
assert_exit 1 "$scratch/1" "$scratch/none.quire" train
assert_says 'none.quire'
assert_equal "$("$scratch/2" "$scratch/tree.quire" train)" '2 entries, 100008 bytes'
pass
