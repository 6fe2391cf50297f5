#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: the examples mount packs for whom they say, and leave nothing behind when jobs end well, badly or by force; nginx
# serves packs with the example for it.
# Method: they run as they are; Slurm, Apptainer and enroot are stubs that do what those do with mounts.

# In a mount namespace of its own, where /usr, /run and /dev/fuse are this test's.
if [ "$(id -u)" -eq 0 ] && [ -z "${own_namespace-}" ] && unshare -m true 2>/dev/null; then
  own_namespace=yes exec unshare -m "$0"
fi
. "$(dirname "$0")/../support/harness.sh"
. "$(dirname "$0")/../support/web.sh"
need_fuse
command -v fusermount3 >/dev/null || skip 'there is no fusermount3'
examples=$repository/packaging/examples
for script in "$examples"/*/*.sh; do
  bash -n "$script" || fail "$script"
  [ -x "$script" ] || fail "$script is not executable"
done

make_ordinary_user
# Where an example leaves something behind, the test does not.
clean_up_examples() {
  local status=$? dir
  trap - ERR
  set +e
  while read -r _ dir _; do mounts+=("$dir"); done < <(grep -F "$scratch/x.quire" /proc/mounts)
  if is_root; then until_true 5 eval '! pkill -KILL -u "$user"'; fi
  (exit "$status")
  clean_up
}
trap clean_up_examples EXIT

programs=$scratch/usr/bin
mkdir -p "$programs" "$scratch/usr/sbin"
cp "$QUIRE" "$programs/quire"
ln -s ../bin/quire "$scratch/usr/sbin/mount.quire"
cp -r "$examples" "$scratch/examples"  # the checkout may be closed to others
mkdir -p "$scratch/tree/train" && echo content >"$scratch/tree/file" && echo content >"$scratch/tree/train/file"
pack "$scratch/tree" -o "$scratch/x.quire"

# A node of Slurm: the steps run here, those with one task a node once, others as tasks.
cat >"$programs/srun" <<'STUB'
#!/bin/bash
once=no
while [[ $1 == --* ]]; do [ "$1" != --ntasks-per-node=1 ] || once=yes; shift; done
[ $once = no ] || exec "$@"
status=0 tasks=()
for SLURM_PROCID in 0 1 2; do SLURM_PROCID=$SLURM_PROCID "$@" & tasks+=($!); done
for task in "${tasks[@]}"; do wait "$task" || status=1; done
exit $status
STUB
# Containers: a user namespace and a folder of their own, into which a mount is bound.
cat >"$programs/apptainer" <<'STUB'
#!/bin/bash
[ "$1 $2" = 'exec --bind' ] && [[ $3 == *:/data:ro ]] || exit 2
exec unshare --map-root-user --mount bash -c '
  mount --bind "$1" "$2" && mount -o remount,bind,ro,nosuid,nodev "$2" && cd "$2" && shift 3 && exec "$@"' \
  - "${3%:/data:ro}" "$ROOTFS/data" "${@:4}"
STUB
cat >"$programs/logger" <<STUB
#!/bin/bash
exec cat >>"$scratch/log"
STUB
chmod +x "$programs"/*
mkdir -p "$user_home/rootfs/data"
if is_root; then chown -R "$user:" "$user_home"; fi
on_node=(env PATH="$programs:$PATH" ROOTFS="$user_home/rootfs" TMPDIR="$user_home" SLURM_JOB_ID=7 SLURM_JOB_NUM_NODES=1)
if is_root; then on_node=(runuser -u "$user" -- "${on_node[@]}"); fi
left_behind() { pgrep -f "quire mount .*$scratch" || grep -F "$scratch/x.quire" /proc/mounts || ls -d "$user_home"/quire-* "$user_home"/tmp.*; }
is_clean() { ! left=$(left_behind 2>/dev/null); }
assert_clean() { until_true 10 is_clean || fail "line ${BASH_LINENO[0]}: left behind: $left"; }

# Elsewhere the device is everybody's; some containers keep it to root.
if [ -n "${own_namespace-}" ] && ! as_user [ -w /dev/fuse ]; then
  mount -t tmpfs none /mnt && mknod -m 666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse
fi
as_user [ -w /dev/fuse ] || skip 'ordinary users may not open /dev/fuse: its mode should be 0666'

# A job that mounts for itself: one mount for all its tasks, and none afterwards, however it ends.
# By a file: who is left behind holds a pipe open.
job() {
  local status=0
  timeout 60 "${on_node[@]}" "$scratch/examples/slurm/job.sh" "$@" >"$scratch/job.log" 2>&1 || status=$?
  cat "$scratch/job.log"
  return $status
}
# shellcheck disable=SC2016  # for the shells of the job
assert_exit 0 job "$scratch/x.quire" bash -c 'echo "task $SLURM_PROCID: $(cat "$QUIRE_DIR/file")"'
assert_says 'task 0: content' 'task 1: content' 'task 2: content'
assert_equal "$(grep -c " mounted '" <<<"$output")" 1 'mounts'
assert_clean
assert_exit 1 job "$scratch/x.quire" false
assert_clean
assert_fails job "$scratch/none.quire" touch "$user_home/started"
assert_says 'none.quire.*No such file'
[ ! -e "$user_home/started" ] || fail 'the tasks were started without a mount'
assert_clean
# shellcheck disable=SC2016
assert_exit 1 job "$scratch/x.quire" bash -c '
  pkill -KILL -f "^quire mount -f $1 $QUIRE_DIR"; for _ in {1..50}; do [ ! -d "$QUIRE_DIR" ] || sleep 0.1; done; exit 1' - "$scratch/x.quire"
assert_clean
# scancel: SIGTERM for every process of the job.
setsid "${on_node[@]}" "$scratch/examples/slurm/job.sh" "$scratch/x.quire" bash -c 'touch "$1"; exec sleep 100' - "$user_home/started" >"$scratch/job.log" 2>&1 &
background+=("$!")
until_true 10 [ -e "$user_home/started" ] || fail "the job does not start: $(cat "$scratch/job.log")"
is_mounted "$user_home/quire-7" || fail 'the job has no mount'
kill -s TERM -- "-$!"
assert_clean
until_true 10 gone "$!" || fail "the job goes on: $(cat "$scratch/job.log")"

# Containers. The mount is in the user's name, and so may be read as root of a user namespace.
if as_user unshare --map-root-user --mount true 2>/dev/null; then
  run=("${on_node[@]}" "$scratch/examples/apptainer/run.sh" "$scratch/x.quire" image.sif)
  # shellcheck disable=SC2016
  assert_exit 3 "${run[@]}" bash -c 'echo "as $(id -u): $(cat file)"; exit 3'
  assert_equal "$output" 'as 0: content'
  assert_clean
  assert_fails "${on_node[@]}" "$scratch/examples/apptainer/run.sh" "$scratch/none.quire" image.sif true
  assert_clean

  # shellcheck disable=SC2016
  hook=("${on_node[@]}" bash -c '
    export ENROOT_MOUNTS=$(mktemp)
    trap '\''rm "$ENROOT_MOUNTS"'\'' EXIT
    "$1" && unshare --map-root-user --mount bash -c "mount -n --target-prefix $ROOTFS -T $ENROOT_MOUNTS -a && cat $ROOTFS/data/file"' \
    - "$scratch/examples/enroot/50-quire.sh")
  assert_fails "${hook[@]}"
  assert_says 'rootfs/data/file: No such file'
  assert_exit 0 job "$scratch/x.quire" "${hook[@]:${#hook[@]}-5}"
  assert_equal "$(grep -cx content <<<"$output")" 3 'tasks in containers'
  assert_clean
else
  leave_out 'no user namespaces: containers'
fi

# A web server. What it serves is bound to a state by its ETag, is asked for by one range, and cannot be written.
if serve_packs "$scratch"; then
  mkdir "$scratch/web"
  quire mount "$http_url/x.quire" "$scratch/web"
  assert_equal "$(cat "$scratch/web/file")" content 'by http'
  quire umount "$scratch/web"
  quire mount "$https_url/x.quire" "$scratch/web" -o "ca_file=$authority"
  assert_equal "$(cat "$scratch/web/file")" content 'by https'
  quire umount "$scratch/web"
  assert_exit 0 quire fetch "$https_url/x.quire" -o "$scratch/fetched.quire" --ca-file "$authority"
  cmp "$scratch/fetched.quire" "$scratch/x.quire"
  ask() { curl --silent --show-error --cacert "$authority" --output /dev/null --dump-header - "$@"; }
  if command -v curl >/dev/null; then
    assert_exit 0 ask --range 0-99 "$https_url/x.quire"
    assert_says '^HTTP/1.1 206' '^content-range: bytes 0-99/' '^etag: "' '^content-length: 100'
    assert_exit 0 ask --range 0-99,200-299 "$http_url/x.quire"
    assert_says '^HTTP/1.1 200'
    assert_exit 0 ask --header 'If-Match: "another"' "$http_url/x.quire"
    assert_says '^HTTP/1.1 412'
    assert_exit 0 ask --upload-file "$scratch/x.quire" "$http_url/y.quire"
    assert_says '^HTTP/1.1 40[35]'
  fi
else
  leave_out 'there is no nginx: the example for it'
fi

# What an administrator sets up: /usr with quire in it, and a /run of the test's own.
if [ -z "${own_namespace-}" ]; then leave_out 'only root has a prolog and an fstab' && pass; fi
mount -t overlay overlay -o "lowerdir=$scratch/usr:/usr" /usr 2>/dev/null || { leave_out 'no overlays: the prolog and fstab' && pass; }
mount -t tmpfs -o mode=755 none /run
of_slurm() { env -i SLURM_JOB_ID="$1" SLURM_JOB_USER="$user" SLURM_JOB_COMMENT="$2" "$scratch/examples/slurm/$3.sh"; }
assert_ended() {
  assert_clean
  [ -z "$(ls -A /run/quire 2>/dev/null)" ] || fail "line ${BASH_LINENO[0]}: left behind: $(ls -A /run/quire)"
}

assert_exit 0 of_slurm 8 "quire:$scratch/x.quire" prolog
assert_equal "$(as_user cat /run/quire/8/file)" content 'for the user of the job'
assert_fails cat /run/quire/8/file
assert_fails setpriv --reuid 65534 --regid 65534 --clear-groups cat /run/quire/8/file
assert_exit 0 of_slurm 8 "quire:$scratch/x.quire" epilog
assert_ended
assert_exit 0 of_slurm 9 "quire:$scratch/x.quire" prolog
pkill -KILL -f "quire mount $scratch/x.quire /run/quire/9"
until_true 10 eval '! as_user ls /run/quire/9' || fail 'the daemon lives'
assert_exit 0 of_slurm 9 "quire:$scratch/x.quire" epilog
assert_ended
assert_exit 0 of_slurm 10 'for the paper' prolog
assert_exit 0 of_slurm 10 'for the paper' epilog
assert_ended
[ ! -e "$scratch/log" ] || assert_equal "$(cat "$scratch/log")" '' 'what went well'

# What the user may not read is not mounted, which the log says, and nobody else need know.
chmod 600 "$scratch/x.quire"
assert_exit 0 of_slurm 11 "quire:$scratch/x.quire" prolog
grep -q 'x.quire.*Permission denied' "$scratch/log" || fail "the log does not tell: $(cat "$scratch/log")"
assert_exit 0 of_slurm 11 "quire:$scratch/x.quire" epilog
assert_ended

# Each line of fstab.example mounts.
lines=0
while read -r source dir _ options _; do
  pack=$scratch/x.quire
  if [[ $source == *://* && -v https_url ]]; then pack=$https_url/x.quire options+=,ca_file=$authority; fi
  printf '%s %s quire %s 0 0\n' "$pack" "$scratch/mnt" "$options" >"$scratch/fstab"
  mkdir -p "$scratch/mnt"
  assert_exit 0 mount -T "$scratch/fstab" "$scratch/mnt"
  assert_equal "$output" '' "$options"
  assert_equal "$(cat "$scratch/mnt/file")" content "$options"
  umount "$scratch/mnt"
  [[ $dir == /*data ]] || fail "this is no line of fstab: $dir"
  lines=$((lines + 1))
done < <(grep -E '^#(/|https)' "$repository/packaging/fstab.example")
assert_equal "$lines" 7 'lines'
pass
