# SPDX-License-Identifier: Apache-2.0
# Compares a tree with its image in a mount (or in an extracted folder) by everything that programs can see.
# Each function prints the differences and returns 1. FIFOs, sockets and devices of the source are passed over.
# shellcheck shell=bash

not_special=('!' -type p '!' -type s '!' -type b '!' -type c)

# Contents, and which names exist.
same_content() {
  local difference
  # diff names what only the source has as 'Only in DIR: NAME': take the special files from its report.
  difference=$(LC_ALL=C diff -r --no-dereference "$1" "$2" 2>&1 |
    grep -vxFf <(find "$1" -mindepth 1 '(' -type p -o -type s -o -type b -o -type c ')' -printf 'Only in %h: %f\n') || true)
  [ -z "$difference" ] || { head -n 20 <<<"$difference"; return 1; }
}

# Type, mode, owner, size, mtime, links, target of every entry, the top folder's included; of folders not the size, which
# is the file system's.
# $2, $3: the fields of a folder's and of a file's links.
list_metadata() {
  LC_ALL=C find "$1" "${not_special[@]}" \
    '(' -type d -printf "%P\t%y %m %U:%G %T@ $2\0" -o -printf "%P\t%y %m %U:%G %s %T@ $3 %l\0" ')' | LC_ALL=C sort -z
}
same_metadata() {
  local folder_links='%n' file_links='%n'
  # Some file systems (overlay, btrfs) give every folder one link; a mount counts them truly.
  [ "$(stat -c %h "$1")" -ge 2 ] || folder_links='-'
  # Names outside of the tree count in the source only.
  ! has_links_outside "$1" || file_links='-'
  cmp -s <(list_metadata "$1" "$folder_links" "$file_links") <(list_metadata "$2" "$folder_links" "$file_links") && return 0
  LC_ALL=C diff -a <(list_metadata "$1" "$folder_links" "$file_links" | tr '\0' '\n') \
    <(list_metadata "$2" "$folder_links" "$file_links" | tr '\0' '\n') | cut -c1-300 | head -n 20
  return 1
}
has_links_outside() {
  find "$1" "${not_special[@]}" ! -type d -links +1 -printf '%D:%i %n\n' | sort | uniq -c | awk '$1 != $3 {found = 1} END {exit !found}'
}

# rsync by checksums, hard links included, finds nothing to do.
same_by_rsync() {
  local changes
  changes=$(rsync -naHc --delete --itemize-changes --no-specials --no-devices "$1/" "$2/" 2>&1 | grep -v '^skipping non-regular file' || true)
  [ -z "$changes" ] || { head -n 20 <<<"$changes"; return 1; }
}

# Byte for byte the same archive, which sees hard links, and mtimes to the nanosecond.
tar_stream() {
  tar --sort=name --format=posix --pax-option='delete=atime,delete=ctime' --numeric-owner -C "$1" -cf - .
}
same_by_tar() { cmp <(tar_stream "$1") <(tar_stream "$2"); }

list_xattrs() {
  (cd "$1" && find . "${not_special[@]}" -print0 | LC_ALL=C sort -z |
    LC_ALL=C xargs -0 -r getfattr --no-dereference -d -m '^user\.' -e hex -- 2>/dev/null)
}
same_xattrs() { diff <(list_xattrs "$1") <(list_xattrs "$2") | cut -c1-200 | head -n 20 | { ! grep .; }; }

# All of them. REQUIRES: no special files, which tar would archive.
assert_same_tree() {
  local check
  for check in same_content same_metadata same_by_rsync same_by_tar same_xattrs; do
    "$check" "$1" "$2" || { printf '%s and %s differ: %s\n' "$1" "$2" "$check" >&2; return 1; }
  done
}
