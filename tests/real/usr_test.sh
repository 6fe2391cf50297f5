#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: the machine's own /usr is equal to its mount, and its programs run from there.
. "$(dirname "$0")/../support/harness.sh"
. "$support/compare.sh"
need_fuse
usr=${QUIRE_TEST_USR:-/usr}

needed=$(($(du -sxB1 "$usr" | cut -f1) + (1 << 30)))
free=$(df --output=avail -B1 "$scratch" | tail -n 1)
[ "$free" -gt "$needed" ] || skip "packing $usr takes $needed bytes, of which $free are free: set QUIRE_TEST_DIR"
unreadable=$(find "$usr" ! -type l ! -readable -print -quit)
[ -z "$unreadable" ] || skip "$unreadable cannot be read: run as root"

mnt=$scratch/mnt
echo "$(find "$usr" | wc -l) entries"
pack "$usr" -o "$scratch/usr.quire"
mount_pack "$scratch/usr.quire" "$mnt"

# Programs, with the libraries and modules of the mount.
libraries=$(find "$mnt/lib" -maxdepth 1 -name '*-linux-gnu' -print -quit)
loader=$(find "$libraries" -maxdepth 1 -name 'ld-linux*.so.*' -print -quit)
from_mount() { "$loader" --library-path "$libraries:$mnt/lib" "$@"; }
assert_equal "$("$mnt/bin/python3" -c 'print(6 * 7)')" 42
assert_equal "$(PYTHONHOME=$mnt from_mount "$mnt/bin/python3" -c '
import sqlite3, json, email, decimal
assert json.__file__.startswith("'"$mnt"'"), json.__file__
assert "'"$mnt"'" in open("/proc/self/maps").read()
print(sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()[0])')" 42
assert_equal "$(from_mount "$mnt/bin/perl" -I"$mnt/share/perl/5" -e 'use List::Util "sum"; use Text::Wrap; print sum(40, 2)')" 42
(
  export GIT_EXEC_PATH=$mnt/lib/git-core
  "$mnt/bin/git" init -q "$scratch/repository"
  cd "$scratch/repository"
  echo content >file
  "$mnt/bin/git" add file
  "$mnt/bin/git" -c user.name=t -c user.email=t@example.org commit -qm 'from the mount'
  "$mnt/bin/git" fsck --full
)

assert_same_tree "$usr" "$mnt"
quire verify "$scratch/usr.quire"
pass
