#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: every command, option and mount option is in its manual page and no other is, and the pages format without a warning.
. "$(dirname "$0")/../support/harness.sh"
pages=$(dirname "$QUIRE")/../packaging/man
[ -e "$pages/man1/quire.1" ] || skip "there are no manual pages in $pages: they need pandoc when the build is configured"
pages=$(realpath "$pages")

# Pages as plain text, one line a paragraph.
text_of() { MANWIDTH=1000 man -E ascii -l "$pages/$1"; }

for page in "$pages"/man[1-8]/*; do
  name=$(basename "${page%.*}") section=${page##*.}
  warnings=$(MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null) || fail "$page is not formatted"
  assert_equal "$warnings" '' "of $page"
  assert_equal "$(man -M "$pages" -w "$section" "$name")" "$(realpath "$page")"
  lexgrog "$page" | grep -q ": \"$name - " || fail "no line of NAME in $page"
  ! grep -q '@INCLUDE@' "$page" || fail "nothing was included in $page"
done
read -r _ version <<<"$(quire --version)"
date=$(sed -n "s/^## $version (\(.*\))$/\1/p" "$repository/packaging/CHANGELOG.md")
text_of man1/quire.1 | grep -qE "^quire $version +$date +quire\\(1\\)$" || fail "quire.1 is not of version $version, $date"

# Names of options, sorted: those that a help text begins lines with, and those that a page has as terms, 5 or 7
# columns in by groff's age. All have --help.
names() { tr -d ' ' | tr , '\n' | sed '/^-h$/d; /^--help$/d' | sort -u; }
options_of_help() { sed -nE 's/^  (-[^ ]+).*/\1/p' | names; }
options_of_page() { text_of "$1" | sed -nE 's/^ {5,7}(--?[A-Za-z0-9-]+(, --?[A-Za-z0-9-]+)*).*/\1/p' | names; }
assert_same_options() { assert_equal "$(options_of_page "$1")" "$(options_of_help <<<"$2")" "options of $1"; }

mapfile -t subcommands < <(quire --help | sed '1,/^Commands:/d; /^$/,$d' | awk '/^  [a-z]/ {print $1}')
[ ${#subcommands[@]} -ge 9 ] || fail "only these subcommands: ${subcommands[*]}"
for subcommand in "${subcommands[@]}"; do
  text_of man1/quire.1 | grep -q "quire-$subcommand(1)" || fail "quire.1 does not name quire-$subcommand(1)"
  help=$(quire "$subcommand" --help | tr -d '\0')
  # One page tells of all commands of a command.
  mapfile -t parts < <(sed '1,/^Commands:/d; /^$/,$d' <<<"$help" | awk '/^  [a-z]/ {print $1}')
  [[ $subcommand != bench && $subcommand != tier && $subcommand != trace ]] || [ ${#parts[@]} -ge 3 ] || fail "only these of $subcommand: ${parts[*]}"
  [ ${#parts[@]} -eq 0 ] || help=$(for part in "${parts[@]}"; do quire "$subcommand" "$part" --help; done)
  assert_same_options "man1/quire-$subcommand.1" "$help"
done
assert_equal "$(ls "$pages/man1")" "$(printf 'quire-%s.1\n' "${subcommands[@]}" | sort; echo quire.1)"
assert_same_options man1/quire.1 "$(quire --help)"
ln -s "$QUIRE" "$scratch/mount.quire"
assert_same_options man8/mount.quire.8 "$("$scratch/mount.quire" --help)"

# Mount options, as the table has them: those with a text are terms, with their values; the others are in a paragraph.
mapfile -t mount_options < <(quire complete -- mount -o '' | sed 1d | cut -f 1)
[ ${#mount_options[@]} -ge 40 ] || fail "only these mount options: ${mount_options[*]}"
for page in man1/quire-mount.1 man8/mount.quire.8; do
  text=$(text_of "$page" | sed '1,/^MOUNT OPTIONS/d; /^EXIT STATUS/,$d')
  for option in "${mount_options[@]}"; do
    grep -qE "(^ {5,7}| )$option([A-Z]|[a-z]+\||[, .]|\$)" <<<"$text" || fail "$page has no mount option $option"
  done
  terms=$(awk '{print $1}' <<<"$text")
  quire mount --help | sed '1,/^Mount options/d; /^  also /,/^$/d' | sed -nE 's/^  ([^ ]+).*/\1/p' | while read -r option; do
    grep -qxF -e "$option" <<<"$terms" || fail "$page has no '$option'"
  done
done
pass
