#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: every paragraph of SEMANTICS.md has a row in its table of tests, and every test that is named there can be run.
. "$(dirname "$0")/../support/harness.sh"

document=$repository/fs/SEMANTICS.md
paragraphs=$(grep -o '^\*\*[^*]*\.\*\*' "$document" | sed 's/^\*\*//; s/\.\*\*$//' | sort)
rows=$(sed -n '/^## Which test/,$p' "$document" | sed -n 's/^| \(.*\) | [a-z].*\/.* |$/\1/p' | grep -vx paragraph | sort)
[ "$(wc -l <<<"$paragraphs")" -ge 30 ] || fail "only these paragraphs: $paragraphs"
assert_equal "$(diff <(cat <<<"$paragraphs") <(cat <<<"$rows") || true)" '' 'paragraphs, and the rows of the table'
mapfile -t tests < <(sed -n '/^## Which test/,$p' "$document" | grep -o '[a-z]*/[a-z0-9_]*' | grep -v '^tests/' | sort -u)
[ ${#tests[@]} -ge 30 ] || fail "only ${#tests[@]} tests are named"
for test in "${tests[@]}"; do
  [ -x "$repository/tests/${test}_test.sh" ] || [ -x "$repository/tests/${test}_test.py" ] ||
    [ -f "$repository/tests/${test}_test.cc" ] || fail "SEMANTICS.md names $test, which is no test"
done
pass
