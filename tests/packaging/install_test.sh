#!/bin/bash
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

# quire bench is another program, which need not be there.
assert_exit 0 "$prefix/bin/quire" bench io --help
mv "$prefix/libexec/quire/quire-bench" "$prefix/bin/"
assert_exit 0 "$prefix/bin/quire" bench io --help
rm "$prefix/bin/quire-bench"
assert_exit 1 "$prefix/bin/quire" bench io --help
assert_says "$prefix/libexec/quire" 'package is called quire-bench'
pass
