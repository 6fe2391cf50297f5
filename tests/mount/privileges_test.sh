#!/bin/bash
# Goal: a daemon has no rights that serving and unmounting do not need, has those that they do, and its log says which.

# Some containers keep /dev/fuse to root: then root makes one for everybody, seen by this test only.
if [ "$(id -u)" -eq 0 ] && [ -c /dev/fuse ] && [ -z "${own_fuse-}" ] && unshare -m true 2>/dev/null && (((8#$(stat -c %a /dev/fuse) & 6) != 6)); then
  own_fuse=yes exec unshare -m bash -c 'mount -t tmpfs none /mnt && mknod -m 666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse; exec "$0"' "$0"
fi
. "$(dirname "$0")/../support/harness.sh"
need_fuse

mkdir "$scratch/tree"
echo sample >"$scratch/tree/name"
pack "$scratch/tree" -o "$scratch/tree.quire"
mnt=$scratch/mnt
# status_of FIELD PID: of every thread, each value once.
status_of() { awk -v field="$1:" '$1 == field {print $2}' /proc/"$2"/task/*/status | sort -u; }

# sys_admin 21, dac_read_search 2, ipc_lock 14, sys_nice 23.
allowed=$((1 << 21 | 1 << 2 | 1 << 14 | 1 << 23))
mount_pack "$scratch/tree.quire" "$mnt" -o "log_file=$scratch/log"
daemon=$(daemon_of_mount "$mnt")
cat "$mnt/name" "$mnt/.quire/stats" >/dev/null
for field in CapPrm CapEff CapInh CapAmb; do
  for set in $(status_of $field "$daemon"); do
    assert_equal $((0x$set & ~allowed)) 0 "$field of a thread of the daemon is $set"
  done
done
grep -q 'privileges: capabilities ' "$scratch/log" || fail "the log does not tell: $(cat "$scratch/log")"
if is_root && [ $((0x$(awk '$1 == "CapEff:" {print $2}' /proc/self/status) >> 21 & 1)) -eq 1 ]; then
  assert_equal "$(status_of NoNewPrivs "$daemon")" 1 'whether privileges can be gained'
  for set in $(status_of CapBnd "$daemon"); do assert_equal $((0x$set & ~allowed)) 0 "the bounding set of a thread is $set"; done
  grep -q 'sys_admin.*none can be gained' "$scratch/log" || fail "the log does not tell: $(cat "$scratch/log")"
  calls=$(sed -n 's/.*system calls: //p' "$scratch/log")
  case $calls in
    *'no others') assert_equal "$(status_of Seccomp "$daemon")" 2 'whether all threads are behind the filter' ;;
    all*) leave_out "no filter of system calls: $calls" ;;
    *) fail "the log does not tell of system calls: $(cat "$scratch/log")" ;;
  esac
fi

# It unmounts by itself all the same, and opens its log anew.
mv "$scratch/log" "$scratch/log.1"
kill -HUP "$daemon"
until_true 10 grep -q 'opened anew' "$scratch/log" || fail 'the log was not opened anew'
kill -TERM "$daemon"
until_true 10 gone "$daemon" || fail 'the daemon does not end'
! is_mounted "$mnt" || fail 'the daemon could not unmount'
mount_pack "$scratch/tree.quire" "$mnt" -o timeout=1
until_true 20 eval "! is_mounted '$mnt'" || fail 'an idle daemon could not unmount'

# So does that of an ordinary user, by fusermount3.
if is_root && command -v fusermount3 >/dev/null; then
  make_ordinary_user
  if as_user [ -w /dev/fuse ]; then
    cp "$scratch/tree.quire" "$user_home/tree.quire"
    chmod 644 "$user_home/tree.quire"
    as_user mkdir "$user_home/mnt"
    mounts+=("$user_home/mnt")
    as_user "$user_quire" mount "$user_home/tree.quire" "$user_home/mnt" || fail 'mounting'
    daemon=$(daemon_of_mount "$user_home/mnt")
    assert_equal "$(status_of CapPrm "$daemon")" 0000000000000000 "capabilities of a user's daemon"
    kill -TERM "$daemon"
    until_true 10 gone "$daemon" || fail 'the daemon does not end'
    ! is_mounted "$user_home/mnt" || fail "a user's daemon could not unmount"
  else
    leave_out 'no mount by an ordinary user: /dev/fuse is closed to them here'
  fi
fi
pass
