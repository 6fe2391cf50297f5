#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: what is installed works from wherever it was put: the helper of mount(8), quire bench, and one version everywhere.
. "$(dirname "$0")/../support/harness.sh"
build=$(dirname "$QUIRE")/..
[ -e "$build/cmake_install.cmake" ] || skip 'QUIRE lies in no build folder'
[ -w "$build" ] || skip 'cmake --install writes into the build folder, which this user may not'
prefix=$scratch/prefix
cmake --install "$build" --prefix "$prefix" >"$scratch/install.log" || { cat "$scratch/install.log" >&2; fail 'cmake --install'; }
version=$("$repository/packaging/version")

# The version of the changelog, in whatever form.
assert_equal "$("$prefix/bin/quire" --version)" "quire $version"
assert_equal "$("$repository/packaging/changelog" deb | head -n 1)" "quire ($version) unstable; urgency=medium"
assert_equal "$("$repository/packaging/changelog" rpm | head -n 1 | sed 's/.* - //')" "$version-1"
assert_equal "$(date -u -d "$("$repository/packaging/version" --date)" '+* %a %b %d %Y')" \
  "$("$repository/packaging/changelog" rpm | head -n 1 | cut -d ' ' -f 1-5)"

# The names under which mount(8) calls it.
for helper in mount.quire mount.fuse.quire; do
  assert_equal "$(readlink "$prefix/sbin/$helper")" ../bin/quire
done
mkdir "$scratch/tree" "$scratch/mnt"
echo content >"$scratch/tree/file"
pack "$scratch/tree" -o "$scratch/tree.quire"
if [ -e /dev/fuse ] && { is_root || [ -w /dev/fuse ]; }; then
  mounts+=("$scratch/mnt")
  "$prefix/sbin/mount.quire" "$scratch/tree.quire" "$scratch/mnt" -o ro
  assert_equal "$(cat "$scratch/mnt/file")" content
  "$prefix/bin/quire" umount "$scratch/mnt"
else
  leave_out 'no mount: /dev/fuse is missing, or closed to this user'
fi

# mount(8) looks into /sbin alone, and the unit into /etc/quire: whoever installs elsewhere is told what is missing.
grep -q "ln -s $prefix/sbin/mount.\* /sbin/" "$scratch/install.log" || fail "no word of /sbin: $(cat "$scratch/install.log")"
grep -q "/etc/quire/NAME.conf" "$scratch/install.log" || fail 'no word of /etc/quire'
[ -s "$prefix/etc/quire/NAME.conf.sample" ] || fail 'no sample of settings'
# For the whole system they get there; what another installation has put there stays.
install_in_root() { DESTDIR=$scratch/root cmake --install "$build" --prefix "$1" >"$scratch/install.log" 2>&1 || fail "$(cat "$scratch/install.log")"; }
install_in_root /usr/local
assert_equal "$(cd "$scratch/root" && find etc sbin ! -type d | sort | tr '\n' ' ')" \
  'etc/quire/NAME.conf.sample sbin/mount.fuse.quire sbin/mount.quire '
for helper in mount.quire mount.fuse.quire; do
  assert_equal "$(readlink "$scratch/root/sbin/$helper")" "/usr/local/sbin/$helper"
  [ -x "$scratch/root$(readlink "$scratch/root/sbin/$helper")" ] || fail "$helper leads nowhere"
  grep -q "^/sbin/$helper$" "$build/install_manifest.txt" || fail "$helper is not in install_manifest.txt"
done
install_in_root /usr/local
! grep -q 'goes on using' "$scratch/install.log" || fail "an installation does not know its own: $(cat "$scratch/install.log")"
ln -sf ../usr/bin/quire "$scratch/root/sbin/mount.quire"
install_in_root /usr/local
grep -q 'goes on using .*/sbin/mount.quire' "$scratch/install.log" || fail "$(cat "$scratch/install.log")"
assert_equal "$(readlink "$scratch/root/sbin/mount.quire")" ../usr/bin/quire
rm -r "$scratch/root"
install_in_root /usr
assert_equal "$(ls "$scratch/root")" $'etc\nusr' 'what is installed for a package'
# The sample is one of quire@.service: what it names is what the unit reads.
for name in PACK DIR OPTIONS; do
  grep -qE "^#?$name=" "$prefix/etc/quire/NAME.conf.sample" || fail "no $name in the sample"
done

# Manual pages where there is no pandoc: those of a release, and a word where there are none.
configure() { cmake -G Ninja -S "$1" -B "$scratch/build" -DPANDOC=OFF -DQUIRE_TESTS=OFF >"$scratch/configure.log" 2>&1 || fail "$(cat "$scratch/configure.log")"; }
if [ -e "$repository/build/release/CMakeCache.txt" ] && command -v pandoc >/dev/null; then
  configure "$repository"
  grep -q 'no pandoc.*' "$scratch/configure.log" && grep -q 'packaging/release' "$scratch/configure.log" || fail "$(cat "$scratch/configure.log")"
  "$repository/packaging/release" "$scratch/release" >"$scratch/release.log" 2>&1 || fail "$(cat "$scratch/release.log")"
  tar -C "$scratch" -xzf "$scratch/release/quire-$version.tar.gz"
  rm -r "$scratch/build"
  configure "$scratch/quire-$version"
  grep -q 'those that this release carries' "$scratch/configure.log" || fail "$(cat "$scratch/configure.log")"
  DESTDIR=$scratch/man cmake -P "$scratch/build/packaging/man/cmake_install.cmake" >/dev/null
  assert_equal "$(cd "$scratch/man/usr/local/share/man" && find . ! -type d | sort)" "$(cd "$prefix/share/man" && find . ! -type d | sort)"
else
  leave_out 'no release is made: build/release is not configured, or there is no pandoc'
fi

# quire bench is another program, which need not be there.
assert_exit 0 "$prefix/bin/quire" bench io --help
mv "$prefix/libexec/quire/quire-bench" "$prefix/bin/"
assert_exit 0 "$prefix/bin/quire" bench io --help
rm "$prefix/bin/quire-bench"
assert_exit 1 "$prefix/bin/quire" bench io --help
assert_says "$prefix/libexec/quire" 'package is called quire-bench'
pass
