#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: the first heading of the changelog is the version that the program, the build and the packages say, and its
# versions follow each other.
. "$(dirname "$0")/../support/harness.sh"
changelog=$repository/packaging/CHANGELOG.md

mapfile -t headings < <(grep '^## ' "$changelog")
[ ${#headings[@]} -ge 2 ] || fail 'the changelog has less than two versions'
for heading in "${headings[@]}"; do
  [[ $heading =~ ^'## '([0-9]+\.[0-9]+\.[0-9]+)' ('([0-9]{4}-[0-9]{2}-[0-9]{2})')'$ ]] || fail "not a version and its date: $heading"
  assert_equal "$(date -d "${BASH_REMATCH[2]}" +%F)" "${BASH_REMATCH[2]}" 'a date'
  versions+=("${BASH_REMATCH[1]}")
done
assert_equal "$(printf '%s\n' "${versions[@]}" | sort -rV)" "$(printf '%s\n' "${versions[@]}")" 'newest first'

# Debian's tools want each version later than the one before, also where two are of one day.
mapfile -t times < <("$repository/packaging/changelog" deb | sed -n 's/^ -- .*>  //p' | while read -r time; do date -d "$time" +%s; done)
assert_equal "${#times[@]}" "${#versions[@]}"
assert_equal "$(printf '%s\n' "${times[@]}" | sort -rnu)" "$(printf '%s\n' "${times[@]}")" 'newest first in the Debian form'

version=${versions[0]}
assert_equal "$(quire --version)" "quire $version"
assert_equal "$("$repository/packaging/version")" "$version"
cache=$(dirname "$QUIRE")/../CMakeCache.txt
if [ -e "$cache" ]; then
  assert_equal "$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$cache")" "$version" 'of CMake'
else
  leave_out "no build folder around $QUIRE"
fi
pass
