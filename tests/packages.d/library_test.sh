#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a program is compiled with libquire-dev and reads a pack, also where libquire-dev is gone again.
export QUIRE=/usr/bin/quire
. "$(dirname "$0")/../support/harness.sh"

mkdir "$scratch/tree"
echo content >"$scratch/tree/file"
pack "$scratch/tree" -o "$scratch/tree.quire"
cat >"$scratch/program.c" <<'END'
#include <quire/quire.h>
#include <stdio.h>
int main(int argc, char **argv)
{
  struct quire_pack *pack;
  struct quire_error error;
  quire_node node;
  char content[16];
  if (argc != 2 || quire_open(argv[1], NULL, &pack, &error) != 0 || quire_find(pack, "file", 0, &node, &error) != 0) return 1;
  if (quire_read(pack, node, 0, content, sizeof content, &error) != 8) return 1;
  quire_close(&pack);
  return fwrite(content, 1, 8, stdout) == 8 ? 0 : 1;
}
END
read -r -a flags <<<"$(pkg-config --cflags --libs quire)"
cc -std=c99 -Wall -Werror "$scratch/program.c" -o "$scratch/program" "${flags[@]}"
for page in libquire quire_open quire_read_batch; do [ -e "/usr/share/man/man3/$page.3.gz" ] || fail "no page $page.3"; done
assert_equal "$("$scratch/program" "$scratch/tree.quire")" content
apt-get -qq -y purge libquire-dev >/dev/null
assert_equal "$("$scratch/program" "$scratch/tree.quire")" content
pass
