# SPDX-License-Identifier: Apache-2.0
# Roots of Debian releases made by debootstrap, and commands in them. Sourced in the repository's top folder, as root:
#   . tests/support/roots.sh
# shellcheck shell=bash
# Its user calls open_roots first, and leave_root when it ends, however it ends.

roots=        # the folder that the roots lie in
root_child=   # the process of the command in a root

# open_roots FOLDER: makes it, and keeps other runs out of it as long as this process lives.
open_roots() {
  tests/support/install-packages distro && mkdir -p "$1" && roots=$(realpath "$1") || return 1
  exec 9>"$roots/lock"
  flock -n 9 || { printf 'another run uses %s\n' "$roots" >&2; return 1; }
}

# Ends the command in a root; with it go its namespaces' first process, and so all processes and mounts in them. By SIGKILL,
# since unshare holds back SIGTERM while it waits for its child.
leave_root() { [ -z "$root_child" ] || { kill -KILL "$root_child" && wait "$root_child"; } 2>/dev/null; }

# remove_root NAME...
remove_root() {
  local name
  for name in "$@"; do rm -rf --one-file-system "${roots:?}/$name"; done
}

# The mirror that this machine's own packages come from.
find_mirror() {
  # shellcheck disable=SC2016  # for apt
  apt-get indextargets --no-release-info --format '$(REPO_URI)' | grep -m 1 '/debian/*$' ||
    { printf "no mirror of Debian in this machine's apt sources\n" >&2; return 1; }
}

# make_root SUITE: does nothing where there is one.
make_root() {
  local root=$roots/$1 mirror
  [ ! -e "$root/quire-root" ] || return 0
  printf 'Making a root of %s\n' "$1"
  remove_root "$1"
  mirror=$(find_mirror) || return 1
  # The script of unstable serves every release, whether or not this debootstrap knows its name.
  debootstrap --variant=minbase "$1" "$root" "$mirror" sid >"$roots/$1.log" 2>&1 || { tail -n 20 "$roots/$1.log"; return 1; }
  # Which systemd makes, and fusermount3 looks at.
  ln -sf ../proc/self/mounts "$root/etc/mtab"
  printf 'deb-src %s %s main\n' "$mirror" "$1" >"$root/etc/apt/sources.list.d/source.list"
  # A mirror of past days is as good.
  printf 'Acquire::Check-Valid-Until "false";\n' >"$root/etc/apt/apt.conf.d/quire"
  touch "$root/quire-root"
}

# in_root ROOT COMMAND...: in mount and process namespaces of its own, which take everything away with them.
in_root() {
  local root=$roots/$1 status=0
  shift
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  # shellcheck disable=SC2016  # for the inner shell
  unshare --mount --pid --fork --kill-child bash -c '
    set -e
    mount --bind "$1" "$1" && cd "$1"
    mount -t proc proc proc
    mount --rbind /sys sys
    mount --rbind /dev dev
    mount -t tmpfs -o mode=1777 tmp tmp
    # Some machines keep /dev/fuse to root; in here everybody may open it, as is usual. The node stays: tests bind it again,
    # as newer releases of mount(8) cannot where it is removed.
    if [ "$(stat -c %a dev/fuse 2>&1)" = 600 ]; then
      rm -f run/fuse && mknod -m 666 run/fuse c 10 229 && mount --bind run/fuse dev/fuse
    fi
    mkdir -p .outside && pivot_root . .outside && cd / && umount -l /.outside
    shift
    exec "$@"' - "$root" "$@" </dev/null &
  root_child=$!
  wait "$root_child" || status=$?
  root_child=
  return $status
}

# copy_checkout FOLDER: its tracked files as they are; what was built there before stays.
copy_checkout() {
  mkdir -p "$1"
  find "$1" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
  git ls-files -z | tar -c --null -T - | tar -x --no-same-owner -C "$1"
}
