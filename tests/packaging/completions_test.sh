#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: bash, zsh and fish complete subcommands, options, mount options and paths in a pack; no name there runs anything.
# shellcheck disable=SC2016  # what looks like variables is for other shells, and names that must not be expanded
. "$(dirname "$0")/../support/harness.sh"
completions=$repository/packaging/completions
here=$(cd "$(dirname "$0")" && pwd)

mkdir -p "$scratch/bin" "$scratch/home" "$scratch/work/source/my folder" "$scratch/work/a folder"
ln -s "$QUIRE" "$scratch/bin/quire"
export PATH=$scratch/bin:$PATH HOME=$scratch/home TERM=dumb
cd "$scratch/work" || fail "$scratch/work"
touch "source/my folder/a b.txt" "source/it's" 'source/=eq:colon' 'source/-dash' \
  $'source/new\nline' $'source/tab\there' 'source/x$(touch run)`touch run`'
pack source -o 'my pack.quire'
rm -r source
touch other.image

# What the shells get. Each line of $expected is a candidate; descriptions are cut off.
answers() {
  local expected=$1
  shift
  assert_equal "$(quire complete -- "$@" | cut -f 1)" "$expected" "complete -- $*"
}
answers $'words\nmount\nmounts' mou
answers $'words\numount' help um
answers $'words\n--ignore=content' diff a b --ignore=c
answers $'words\n--dedup' pack src --de
answers $'words\n--progress=never' pack --progress=n
answers $'words\nro,huge=hugetlb' mount -o ro,huge=hu
answers $'words\n-oallow_other' mount 'my pack.quire' dir -oallow_ot
answers $'paths\nsubdir=my folder/' mount 'my pack.quire' dir -o subdir=
answers $'paths\n-dash\n=eq:colon\nit\'s\nmy folder/\nx$(touch run)`touch run`' ls 'my pack.quire' ''
answers $'paths\n-dash' cat 'my pack.quire' "it's" -- -
answers $'paths\nmy folder/a b.txt' extract -C out 'my pack.quire' 'my folder/'
answers $'words\nrandom' bench epoch --order r
answers $'words\nallow_other' 'my pack.quire' dir -o allow_ot
answers paths ls missing.quire ''
mkfifo fifo.quire
answers paths ls fifo.quire ''
assert_equal "$(quire complete -- mount -o ro,log_file=/v)" "$(printf 'files\tro,log_file=\t')"
assert_equal "$(quire complete -- pack -o '')" "$(printf 'files\t\t*.quire')"
quire complete -- mount -o readd | grep -q $'^readdirplus=\tWhether ' || fail 'no description of a mount option'
! quire --help | grep -qw complete || fail 'quire complete is for scripts, and not for --help'
rm fifo.quire

# in_bash LINE WORD...: the replies of the function for that line, which bash cuts into these words.
in_bash() {
  bash --norc -c '
    compopt() { :; }
    . "$0/quire.bash"
    COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
    _quire
    printf "%s\n" "${COMPREPLY[@]}"' "$completions" "$@"
}
assert_equal "$(in_bash 'quire um' quire um)" umount
assert_equal "$(in_bash 'quire pack --skip' quire pack --skip)" --skip-unreadable
assert_equal "$(in_bash 'quire mount a b -o ro,direct' quire mount a b -o ro,direct)" ro,direct_io
assert_equal "$(in_bash 'quire mount a b -o huge=' quire mount a b -o huge =)" $'auto\nhugetlb\nthp\noff'
assert_equal "$(in_bash 'quire ls my\ pack.quire my\ f' quire ls 'my\ pack.quire' 'my\ f')" 'my\ folder/'
assert_equal "$(in_bash "quire ls 'my pack.quire' \"my f" quire ls "'my pack.quire'" '"my f')" 'my folder/'
assert_equal "$(in_bash 'quire ls my\ pack.quire =eq:' quire ls 'my\ pack.quire' = eq :)" colon
assert_equal "$(in_bash "bin/quire ls my\\ pack.quire it\\'" bin/quire ls 'my\ pack.quire' "it\\'")" "it\\'s"
in_bash 'quire ls $(touch run) `touch run`' quire ls '$(touch run)' '`touch run`' >/dev/null
[ ! -e run ] || fail 'completion in bash runs commands of the line'

# in_fish LINE: what fish offers for it, without descriptions.
in_fish() { fish --no-config -c 'source $argv[1]/quire.fish; complete -C $argv[2]' "$completions" "$1" | cut -f 1; }
assert_equal "$(in_fish 'quire um')" umount
assert_equal "$(in_fish 'quire pack --skip')" --skip-unreadable
assert_equal "$(in_fish 'quire mount a b -o ro,direct')" ro,direct_io
assert_equal "$(in_fish 'quire mount a b -o huge=h')" huge=hugetlb
assert_equal "$(in_fish 'quire ls my\ pack.quire my\ f')" 'my folder/'
assert_equal "$(in_fish "quire ls 'my pack.quire' \"my f")" 'my folder/'
assert_equal "$(in_fish '../bin/quire ls my\ pack.quire it')" "it's"
assert_equal "$(in_fish 'quire ls my')" 'my pack.quire'
assert_equal "$(in_fish 'quire ls ot')" other.image
assert_equal "$(in_fish 'quire mount my\ pack.quire a')" 'a folder/'
assert_equal "$(in_fish 'quire mount a b -o log_file=ot')" log_file=other.image

for shell in bash zsh; do
  python3 "$here/type_into.py" $shell "$completions" \
    'quire um' 'quire umount ' \
    'quire pack --skip' 'quire pack --skip-unreadable ' \
    'quire mount a b -o ro,direct' '-o ro,direct_io ' \
    'quire mount a b -o ro,huge=hu' '-o ro,huge=hugetlb ' \
    'quire bench epoch --order r' 'quire bench epoch --order random ' \
    'quire ls my' 'quire ls my\ pack.quire ' \
    'quire ls ot' 'quire ls other.image ' \
    'quire mount my\ pack.quire a' 'quire mount my\ pack.quire a\ folder/' \
    'quire mount a b -o log_file=ot' 'log_file=other.image' \
    'quire ls my\ pack.quire my' 'my\ pack.quire my\ folder/' \
    'quire cat my\ pack.quire my\ folder/' 'my\ folder/a\ b.txt ' \
    "quire cat my\\ pack.quire 'my folder/a" "'my folder/a b.txt' " \
    "../bin/quire ls 'my pack.quire' it" "it\\'s " \
    'quire ls my\ pack.quire x' 'x\$\(touch\ run\)\`touch\ run\` ' \
    'quire ls my\ pack.quire "x' '"x\$(touch run)\`touch run\`" ' || fail "completion in $shell"
done

# Mount points of packs, and of nothing else.
if [ -w /dev/fuse ]; then
  mount_pack 'my pack.quire' "$scratch/mount"
  answers $'paths\n'"$scratch/mount" umount "$scratch/m"
  answers dirs umount mo
  assert_equal "$(in_fish "quire umount $scratch/m")" "$scratch/mount"
  umount_pack "$scratch/mount"
else
  leave_out '/dev/fuse is not there, or not for this user: mount points'
fi
pass
