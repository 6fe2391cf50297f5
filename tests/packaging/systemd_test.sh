#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: the units mount packs where everybody sees them, say when they answer, survive a killed daemon and clean up.
# Method: a systemd of the test's own, in namespaces, with this machine's /usr and an /etc, /srv and /data of its own.
. "$(dirname "$0")/../support/harness.sh"
. "$(dirname "$0")/../support/web.sh"
need_fuse
command -v systemd-analyze >/dev/null || skip 'there is no systemd'
service=$repository/packaging/systemd/quire@.service
figures=$repository/packaging/systemd/quire-stats
examples=$repository/packaging/examples/systemd

# What makes a mount namespace, which would hide the mount from everybody else: exec_needs_mount_namespace() in systemd.
private='(Private|Protect|Bind|Root|Mount|Extension|TemporaryFileSystem|ProcSubset|DynamicUser|LogNamespace|'
private+='IPCNamespacePath|NetworkNamespacePath|[A-Za-z]*(Paths|Directories))[A-Za-z]*='
grep -q '^NoNewPrivileges=' "$service" || fail 'the pattern below would find nothing'
! grep -nE "^[[:space:]]*$private" "$service" || fail 'this hides the mount in a namespace of the service'
! grep -nE "^[[:space:]]*$private" "$figures.service" || fail 'this makes copies of all mounts, which keep them in use'

# Every line is known, programs exist, and the names of units are those of their folders.
mkdir "$scratch/units"
sed "s|^ExecStart=quire |ExecStart=$QUIRE |" "$service" >"$scratch/units/quire@.service"
cp "$examples"/* "$figures.timer" "$scratch/units"
sed "s|^ExecStart=quire |ExecStart=$QUIRE |" "$figures.service" >"$scratch/units/quire-stats.service"
for unit in "$scratch"/units/*; do
  case $unit in *@.service) unit=${unit/@/@test} && cp "$scratch/units/quire@.service" "$unit" ;; esac
  said=$(systemd-analyze --man=no verify "$unit" 2>&1) || fail "systemd-analyze verify ${unit##*/}: $said"
  # It reads this machine's own units as well, and warns of theirs: a package may be older than systemd here.
  assert_equal "$(grep -v '^/usr/lib/systemd/system/' <<<"$said" || true)" '' "systemd-analyze verify ${unit##*/}"
done

# From here on as root, in namespaces.
if ! is_root; then leave_out 'only root may start a service manager: the units are not run' && pass; fi
if ldd "$QUIRE" | grep -q 'lib[at]san'; then leave_out 'sanitizers need what the unit forbids: it is not run' && pass; fi
[ -L /bin ] && [ -L /sbin ] && [ -L /lib ] || { leave_out '/usr is not merged here: the units are not run' && pass; }
cgroups=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)
group=$cgroups$(sed -n 's/^0:://p' /proc/self/cgroup)/quire-test-$$
[ -n "$cgroups" ] && mkdir "$group" 2>/dev/null || { leave_out 'no control group can be made: the units are not run' && pass; }
manager=
no_groups() { find "$group" -depth -type d -exec rmdir {} +; }
# What a manager that is killed leaves of its groups, the harness does not know.
end_machine() {
  local status=$?
  trap - ERR
  set +e
  [ -z "$manager" ] || kill -KILL "$manager" 2>/dev/null
  until_true 10 no_groups
  (exit "$status")
  clean_up
}
trap end_machine EXIT

# Its root: the programs of this machine with ours beside them, all else made for the test.
machine=$scratch/machine
mkdir -p "$machine"/{usr,etc/quire,etc/systemd/system,proc,sys,dev,run,tmp,var,root,srv/packs,data,remote,service,fstab} "$scratch/usr"/{bin,sbin,lib/systemd/system}
cp -P /bin /sbin /lib "$machine"
[ ! -L /lib64 ] || cp -P /lib64 "$machine"
cp /etc/{passwd,group} "$machine/etc"
cp /usr/lib/os-release "$machine/etc/os-release"
[ ! -e /etc/ld.so.cache ] || cp /etc/ld.so.cache "$machine/etc"
ldd "$QUIRE" | awk '$3 ~ "^/" && $3 !~ "^/(usr|lib)" {print $3}' | xargs -r cp -L --parents -t "$machine"
touch "$machine"/{etc,var}/.updated  # else it would set /etc up as of a new installation
tr -d - </proc/sys/kernel/random/uuid >"$machine/etc/machine-id"
ln -s ../proc/self/mounts "$machine/etc/mtab"
ln -s /dev/null "$machine/etc/systemd/system/systemd-udevd.service"  # devices are this machine's business
cp "$QUIRE" "$scratch/usr/bin/quire"
ln -s ../bin/quire "$scratch/usr/sbin/mount.quire"
cp "$service" "$figures".* "$scratch/usr/lib/systemd/system"
cp "$examples"/* "$machine/etc/systemd/system"
printf '%s\n' '[Unit]' 'Requires=basic.target' 'After=basic.target' >"$machine/etc/systemd/system/quire-test.target"

mkdir "$scratch/tree" && echo content >"$scratch/tree/file"
pack "$scratch/tree" -o "$machine/srv/packs/x.quire"
printf '%s\n' '# the pack' 'PACK=/srv/packs/x.quire' 'DIR=/service' >"$machine/etc/quire/test.conf"
printf '%s\n' 'PACK=/srv/packs/none.quire' 'DIR=/service' >"$machine/etc/quire/missing.conf"
printf '%s\n' 'PACK=/srv/packs/x.quire' 'DIR=/service' 'OPTIONS=cache_size=much' >"$machine/etc/quire/wrong.conf"
echo '/srv/packs/x.quire /fstab quire ro,noauto,x-systemd.automount,x-systemd.idle-timeout=1s,allow_other 0 0' >"$machine/etc/fstab"

# shellcheck disable=SC2016  # for the inner shell
(
  echo "$BASHPID" >"$group/cgroup.procs"
  exec unshare --mount --pid --cgroup --uts --ipc --fork --kill-child bash -c '
    set -e
    mount --bind "$1" "$1" && cd "$1"
    mount -t overlay -o "ro,lowerdir=$2:/usr" usr usr
    mount -t proc proc proc
    mount --bind proc/sys proc/sys && mount -o remount,bind,ro proc/sys
    mount --bind /sys sys && mount -t cgroup2 cgroup2 sys/fs/cgroup && mount -o remount,bind,ro sys
    mount -t tmpfs -o mode=755 dev dev
    mknod -m 666 dev/fuse c 10 229
    for device in null zero full random urandom tty autofs; do [ ! -e /dev/$device ] || cp -a /dev/$device dev; done
    ln -s /proc/self/fd dev/fd && mkdir dev/shm
    mount -t tmpfs -o mode=755 run run
    mount --move . /
    exec env -i container=quire-test PATH="$PATH" chroot . /lib/systemd/systemd --system --unit=quire-test.target' \
    - "$machine" "$scratch/usr"
) >"$scratch/manager.log" 2>&1 </dev/null &
manager=$!
background+=("$manager")
inside() { nsenter -t "$first" --mount --pid --cgroup --uts --ipc --root --wd "$@"; }
until_true 10 eval 'first=$(pgrep -P "$manager")' || fail "no service manager: $(cat "$scratch/manager.log")"
until_true 30 inside systemctl is-active -q quire-test.target || fail "it does not start: $(cat "$scratch/manager.log")"
state() { inside systemctl show -P "$2" "$1"; }
mounted_inside() { inside grep -q " $1 fuse.quire " /proc/mounts; }
journal() { inside journalctl --no-pager -o cat -u "$1"; }

# It has started when the mount answers: everybody reads at once, in the namespace of all.
inside systemctl start quire@test || fail "$(journal quire@test)"
assert_equal "$(inside cat /service/file)" content
assert_equal "$(inside setpriv --reuid 65534 --regid 65534 --clear-groups cat /service/file)" content 'for an ordinary user'
daemon=$(state quire@test MainPID)
assert_equal "$(inside readlink "/proc/$daemon/ns/mnt")" "$(inside readlink /proc/1/ns/mnt)" 'mount namespaces'
journal quire@test | grep -q mounted || fail "the journal says nothing of the mount: $(journal quire@test)"
# The unit forbids nothing by which the daemon confines itself, where it does so outside of the unit.
until_true 10 eval 'journal quire@test | grep -q "system calls"' || fail "the journal says nothing of system calls: $(journal quire@test)"
! journal quire@test | grep -E '(files|system calls): all \(.*permitted' || fail 'the unit keeps the daemon from confining itself'

# What the unit forbids costs nothing: the engine and the priorities are those of a mount by hand.
how() { inside cat "$1/.quire/stats" | json 'd["transport"], d["cache"]'; }
priorities() { inside ps -L -o ni= -p "$1" | sort -n | uniq | tr -d '\n'; }
how_by_service=$(how /service)
priorities_by_service=$(priorities "$daemon")

# A daemon that is killed comes back, with its mount.
inside kill -KILL "$daemon"
came_back() { [ "$(state quire@test NRestarts)" = 1 ] && inside systemctl is-active -q quire@test; }
until_true 30 came_back || fail "it did not come back: $(journal quire@test)"
assert_equal "$(inside cat /service/file)" content 'after a kill'
assert_equal "$(inside grep -c ' /service ' /proc/mounts)" 1 'mounts after a kill'

# Its figures are written for Prometheus, and no namespace of the service that does so holds the mount.
mkdir -p "$machine/var/lib/prometheus/node-exporter"
inside systemctl start quire-stats.timer || fail "$(journal quire-stats.timer)"
until_true 30 eval '[ "$(state quire-stats.service Result) $(state quire-stats.service ActiveState)" = "success inactive" ] &&
  [ -s "$machine/var/lib/prometheus/node-exporter/quire.prom" ]' || fail "$(journal quire-stats.service)"
grep -q '^quire_mount_up{mount_point="/service",pack="/srv/packs/x.quire"} 1$' "$machine/var/lib/prometheus/node-exporter/quire.prom" ||
  fail "$(cat "$machine/var/lib/prometheus/node-exporter/quire.prom")"
grep -q '^quire_uptime_seconds{mount_point="/service"' "$machine/var/lib/prometheus/node-exporter/quire.prom" ||
  fail "no figures: $(journal quire-stats.service)"

# Stopping unmounts.
inside systemctl stop quire@test || fail "$(journal quire@test)"
assert_equal "$(state quire@test ActiveState) $(state quire@test Result)" 'inactive success'
! mounted_inside /service || fail 'still mounted'

# So does unmounting, without a restart.
inside systemctl start quire@test
inside umount /service
until_true 30 eval '[ "$(state quire@test ActiveState)" = inactive ]' || fail 'the service goes on without its mount'
assert_equal "$(state quire@test Result)" success

# Where the daemon does not come back, no dead mount stays.
mkdir "$machine/etc/systemd/system/quire@test.service.d"
printf '%s\n' '[Service]' 'Restart=no' >"$machine/etc/systemd/system/quire@test.service.d/no-restart.conf"
inside systemctl daemon-reload
inside systemctl start quire@test
inside kill -KILL "$(state quire@test MainPID)"
until_true 30 inside systemctl is-failed -q quire@test || fail 'a killed daemon is no failure'
! mounted_inside /service || fail 'a dead mount stayed'

# What is mounted by hand: how, and that a service which fails there leaves it alone.
inside bash -c 'exec quire mount -f -o allow_other /srv/packs/x.quire /service >/dev/null 2>&1 & echo $!' >"$scratch/pid"
until_true 10 mounted_inside /service || fail 'not mounted by hand'
by_hand=$(cat "$scratch/pid")
assert_equal "$(how /service)" "$how_by_service" 'how it is served'
assert_equal "$(priorities "$by_hand")" "$priorities_by_service" 'priorities of its threads'
assert_fails inside systemctl start quire@test
until_true 30 inside systemctl is-failed -q quire@test || fail 'a second mount did not fail'
assert_equal "$(inside cat /service/file)" content 'a living mount'
inside quire umount /service

# Failures say why; wrong usage is not tried again.
assert_fails inside systemctl start quire@missing
journal quire@missing | grep -q 'none.quire.*No such file' || fail "the journal does not say why: $(journal quire@missing)"
inside systemctl stop quire@missing
assert_fails inside systemctl start quire@wrong
assert_equal "$(state quire@wrong ActiveState) $(state quire@wrong ExecMainStatus) $(state quire@wrong NRestarts)" 'failed 2 0'

# Looking into a folder mounts it; leaving it alone unmounts it.
if [ -e /dev/autofs ]; then
  mkdir "$machine/etc/systemd/system/data.automount.d"
  printf '%s\n' '[Automount]' 'TimeoutIdleSec=1s' >"$machine/etc/systemd/system/data.automount.d/soon.conf"
  inside systemctl daemon-reload
  inside systemctl start data.automount
  for folder in /data /fstab; do
    ! mounted_inside "$folder" || fail "$folder: mounted before anybody looked"
    for _ in 1 2; do
      assert_equal "$(inside cat "$folder/file")" content "$folder"
      mounted_inside "$folder" || fail "$folder: not mounted"
      until_true 30 eval "! mounted_inside $folder" || fail "$folder: not unmounted when idle"
    done
  done
  inside systemctl stop data.automount
else
  leave_out 'the kernel has no autofs: units for automounting'
fi
inside systemctl start data.mount || fail "$(journal data.mount)"
assert_equal "$(inside cat /data/file)" content 'by data.mount'
# A pack of a web server is a network's, after which it is ordered.
daemons=2
if serve_packs "$machine/srv/packs"; then
  mkdir "$machine/etc/systemd/system/remote.mount.d"
  printf '%s\n' '[Mount]' "What=$http_url/x.quire" >"$machine/etc/systemd/system/remote.mount.d/here.conf"
  inside systemctl daemon-reload
  inside systemctl start remote.mount || fail "$(journal remote.mount)"
  assert_equal "$(inside cat /remote/file)" content 'by remote.mount'
  state remote.mount After | grep -q network-online.target || fail "remote.mount is ordered after: $(state remote.mount After)"
  state remote.mount Before | grep -q remote-fs.target || fail "remote.mount is ordered before: $(state remote.mount Before)"
  daemons=3
else
  leave_out 'there is no nginx: remote.mount is not run'
fi
inside systemctl start quire@test

# Shutting down ends all of it in order, soon.
assert_equal "$(inside pgrep -c -x 'quire|mount[.].*quire')" "$daemons" 'daemons'
kill -s RTMIN+4 "$first"  # as poweroff
until_true 30 gone "$manager" || fail 'shutting down hangs'
pass
