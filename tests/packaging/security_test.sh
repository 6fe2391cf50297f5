#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: every test that SECURITY.md names as the proof of a promise is there, and can be run.
. "$(dirname "$0")/../support/harness.sh"

mapfile -t tests < <(grep -o 'tests/[a-z]*/[a-z_]*_test\.[a-z]*' "$repository/packaging/SECURITY.md" | sort -u)
[ ${#tests[@]} -ge 15 ] || fail "SECURITY.md names ${#tests[@]} tests"
for test in "${tests[@]}"; do
  [ -f "$repository/$test" ] || fail "SECURITY.md names $test, which is not there"
  [[ $test == *.cc || -x $repository/$test ]] || fail "$test cannot be run"
done
# Each row of a table of promises ends with a test.
promises=$(awk '/^## How to know/ {exit} /^\|/ && !/^\| *(it cannot|they cannot|the daemon)/ && !/^\|-/' "$repository/packaging/SECURITY.md")
! grep -v 'tests/' <<<"$promises" || fail 'promises without a test'
# The commands that it tells are those that there are.
for word in verify umount extract pack; do quire "$word" --help >/dev/null || fail "no quire $word"; done
pass
