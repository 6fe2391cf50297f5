#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a new user who guesses and mistypes is led to what was meant, and nothing waits for ever or prints what no one can read.
. "$(dirname "$0")/../support/harness.sh"

tree=$scratch/tree
pack=$scratch/tree.quire
mkdir -p "$tree/train/a"
echo sample >"$tree/train/a/1" && head -c 1600000 /dev/zero | tr '\0' x >"$tree/train/big"
pack "$tree" -o "$pack"
cd "$scratch"

# Commands and options that there are not.
for word in pakc unmount list verfiy; do
  assert_exit 2 quire "$word" x
  assert_says "^quire: there is no command '$word'; did you mean '" "^Try 'quire --help'"
done
assert_exit 2 quire unmount x && assert_says "'umount'"
assert_exit 2 quire list && assert_says "'ls'"
assert_exit 2 quire frobnicate --help
assert_exit 2 quire "$pack"
assert_says "quire mount $pack DIR"
assert_exit 2 quire pack --job 3 "$tree" -o out
assert_says "^quire pack: there is no option '--job'; did you mean '--jobs'?" "^Try 'quire pack --help'"
assert_exit 2 quire ls "$pack" a b
assert_says "^quire ls: .*'b'"
assert_exit 2 quire bench io --treads 3 "$tree"
assert_says "^quire bench io: .*did you mean '--threads'?"
assert_exit 2 quire pack "$tree"
assert_says '^quire pack: .*usage: quire pack .SRC . --from PACK. -o OUT \[OPTION\]'
assert_exit 2 quire
assert_says 'pack, append, rm, generations'
# What has the form of a file's name and is not there.
assert_exit 1 quire nofile.quire mnt
assert_says '^quire mount: .*nofile.quire.*no such file'
assert_exit 2 quire nofile.quire
assert_says "'nofile.quire' is no command, and there is no such file"
# An argument that is empty, as a variable that is not set.
for words in ls cat diff 'extract -C out'; do
  # shellcheck disable=SC2086  # several words
  assert_exit 2 quire $words "$pack" ''
  assert_says "^quire ${words%% *}: [A-Z]* is empty"
done
assert_exit 2 quire pack '' -o out && assert_says 'SRC is empty'
assert_exit 2 quire mount "$pack" '' && assert_says 'DIR is empty'
assert_exit 2 quire extract "$pack" -C '' && assert_says "-C ''"
[ ! -e out ] || fail 'a command line that makes no sense made something'
# The folder of what is to be written is not there.
for words in "pack $tree -o none/out" "extract $pack -C none/out" "extract $pack -C none/out/"; do
  # shellcheck disable=SC2086  # several words
  assert_exit 1 quire $words
  assert_says 'none/out/*: there is no folder none; make it first'
done
for words in '' pakc 'pack --job' 'extract x'; do
  # shellcheck disable=SC2086  # several words
  assert_exit 2 quire $words
  ! grep -q 'SUBCOMMAND\|[^ -~]' <<<"$output" || fail "$words: $output"
done

# Ways to ask for help and the version.
for words in help --help -h; do
  assert_exit 0 quire $words
  assert_says '^Usage: quire COMMAND' "'quire PACK DIR'"
done
assert_equal "$(quire help ls)" "$(quire ls --help)"
assert_equal "$(quire help bench io)" "$(quire bench io --help)"
assert_exit 2 quire help pakc
assert_says "'pack'"
assert_equal "$(quire -V)" "$(quire --version)"
assert_equal "$(quire version)" "$(quire --version)"
quire extract --help | grep -q '^Usage: quire extract PACK .*-C DIR' || fail 'a usage line hides what must be given'

# Help fits a terminal, and says nothing that is not text.
mapfile -t commands < <(quire --help | sed '1,/^Commands:/d; /^$/,$d' | awk '/^  [a-z]/ {print $1}')
[ ${#commands[@]} -ge 11 ] || fail "only these commands: ${commands[*]}"
{
  quire --help
  for command in "${commands[@]}"; do quire "$command" --help; done
  for part in io epoch meta; do quire bench $part --help; done
} >"$scratch/help"
! grep -n '.\{81,\}' "$scratch/help" || fail 'help is wider than 80 columns'
! grep -n '[^ -~]' "$scratch/help" || fail 'help holds control characters'

# What is no pack is named as such, and nothing is waited for.
printf abc >three-bytes && : >empty && mkfifo fifo
for file in three-bytes empty /etc/passwd; do
  for command in info ls verify; do
    assert_exit 1 quire $command "$file"
    assert_says "^quire $command: $file: .*not a Quire pack"
  done
done
for file in fifo /dev/zero /dev/tty; do
  for command in info ls verify 'mount -f'; do
    # shellcheck disable=SC2086  # several words
    timeout 10 "$QUIRE" $command "$file" tree >out 2>&1 </dev/null && fail "$command $file: done"
    [ $? -ne 124 ] || fail "$command waits for $file"
    grep -q 'FIFO\|character device\|too many' out || fail "$command $file: $(cat out)"
  done
done

# Bytes behind the end of a pack, and several packs at once.
cp "$pack" longer.quire && printf more >>longer.quire
quire info longer.quire | grep -q '^behind it .*4 bytes' || fail 'info does not tell of bytes behind the end'
assert_exit 0 quire verify "$pack" longer.quire
assert_says "^$pack: .*no fault" '^longer.quire: .*no fault' '4 bytes behind its end'
assert_equal "$(quire info --json longer.quire | json 'd["trailing_bytes"], d["format"]')" "(4, '2.0')"
head -c 100 "$pack" >short.quire
assert_exit 1 quire verify "$pack" short.quire longer.quire
assert_says "^$pack: .*no fault" short.quire '^longer.quire: .*no fault'

# Mount options.
assert_exit 2 quire mount "$pack" tree -o foo=bar
assert_says "unknown option 'foo'"
! grep -q "mean 'io'" <<<"$output" || fail "$output"
assert_exit 2 quire mount "$pack" tree -o subdir=../..
assert_says 'leads out of the pack'

# ls
assert_equal "$(quire ls -lh "$pack" train | awk '/big$/ {print $5}')" 1.6M
assert_equal "$(quire ls -1a "$pack")" train
quire ls -R -0 "$pack" | cmp - <(printf '%s\0' train train/a train/big train/a/1)
assert_equal "$(quire ls -R -0 "$pack" train/a | xargs -0 "$QUIRE" cat "$pack")" sample
assert_equal "$(quire ls --tree "$pack")" ".
└── train
    ├── a
    │   └── 1
    └── big

2 directories, 2 files"
assert_equal "$(quire ls --tree "$pack" train/big)" 'train/big

0 directories, 1 file'
assert_exit 2 quire ls --tree --json "$pack"

# A path in brackets is a path, and no list of two.
mkdir brackets
for name in 1 2 '[1,2]'; do echo "sample $name" >"brackets/$name"; done
pack brackets -o '[b,q]'
assert_equal "$(quire cat '[b,q]' '[1,2]')" 'sample [1,2]'
assert_exit 0 quire verify '[b,q]'
assert_exit 0 quire extract '[b,q]' '[1,2]' -C '[out,put]'
assert_equal "$(ls '[out,put]')" '[1,2]'

# Whose faults they are, and in their order.
cp brackets/1 three && cp "$pack" damaged && printf X | dd of=damaged bs=1 seek=20000 conv=notrunc status=none
output=$(quire verify "$pack" three damaged 2>&1 || true)
assert_equal "$(sed -E 's/:.*//' <<<"$output" | uniq | tr '\n' ' ')" "$pack quire verify damaged " "$output"
pass
