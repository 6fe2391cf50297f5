#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: man, bash's completion, quire bench, Python and updatedb meet the installed package as they should.
. "$(dirname "$0")/../support/harness.sh"

assert_equal "$(man -w quire)" /usr/share/man/man1/quire.1.gz
assert_equal "$(man -w mount.quire)" /usr/share/man/man8/mount.quire.8.gz
for page in quire mount.quire; do
  man -P cat "$page" >"$scratch/page" || fail "man $page"
  [ -s "$scratch/page" ] || fail "man $page prints nothing"
done
# shellcheck disable=SC2016  # for the inner shell
bash -c '. /usr/share/bash-completion/bash_completion && _completion_loader quire; [ $? -eq 124 ] && complete -p quire' \
  >/dev/null || fail 'bash-completion does not load the completion of quire'
quire bench io --help >/dev/null || fail 'quire bench does not find quire-bench'

# updatedb goes into a mount that root may look into, unless it was told: then not, and the file becomes what it was.
mkdir -p "$scratch/tree"
echo content >"$scratch/tree/needle-in-a-pack"
pack "$scratch/tree" -o "$scratch/tree.quire"
mount_pack "$scratch/tree.quire" "$scratch/mnt" -o allow_other
found() { updatedb && plocate "$scratch/mnt/needle-in-a-pack" >/dev/null; }
adapt() { /usr/libexec/quire/updatedb "$1"; }
cp -p /etc/updatedb.conf "$scratch/updatedb.conf"
found || fail 'updatedb does not see the mount anyway: the script has no point'
adapt add
! found || fail 'updatedb walked through the mount'
cp -p /etc/updatedb.conf "$scratch/added"
adapt add
cmp "$scratch/added" /etc/updatedb.conf
adapt remove
cmp "$scratch/updatedb.conf" /etc/updatedb.conf
adapt remove
cmp "$scratch/updatedb.conf" /etc/updatedb.conf
found || fail 'updatedb still passes the mount by'
# Other ways to write that file: spaces, as in Fedora, an empty list, none.
for text in 'PRUNEFS = "nfs proc"' 'PRUNEFS=""' 'PRUNE_BIND_MOUNTS="yes"'; do
  printf '%s\n' "$text" >/etc/updatedb.conf
  adapt add
  grep -q '^PRUNEFS.*fuse\.quire"' /etc/updatedb.conf || fail "not added to $text"
  ! found || fail "updatedb walked through the mount, told by $(cat /etc/updatedb.conf)"
done
umount_pack "$scratch/mnt"

assert_equal "$(/usr/bin/python3 -c 'import quire, quire.torch, sys; print(quire.__version__, quire.open(sys.argv[1])["needle-in-a-pack"])' \
  "$scratch/tree.quire")" "$("$QUIRE" --version | cut -d ' ' -f 2) b'content\n'"
pass
