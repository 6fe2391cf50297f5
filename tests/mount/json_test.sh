#!/bin/bash
# Goal: JSON gives every name back byte for byte, is fit for a terminal, and every field of it is in quire-json(7).
. "$(dirname "$0")/../support/harness.sh"
. "$support/trees.sh"
page=$repository/packaging/man/quire-json.7.md
documents=$scratch/documents
mkdir "$documents"

tree=$scratch/tree
pack=$scratch/$'odd \xff name.quire'
make_odd_names "$tree/names"
ln -s $'to \xfe' "$tree/link" && echo x >"$tree/"$'\xc2\x9b31m' && echo x >"$tree/"$'\xe2\x80\xaegnp.exe'
pack "$tree" -o "$pack"

quire ls -R --json "$pack" >"$documents/ls"
python3 - "$documents/ls" "$tree" "$pack" <<'PYTHON' || fail 'names that JSON does not give back'
import base64, json, os, sys
text = open(sys.argv[1], 'rb').read()
assert all(byte == 10 or 32 <= byte < 127 for byte in text), 'not printable ASCII'
listing = json.loads(text)
def name(o, key): return base64.b64decode(o[key + '_base64']) if key + '_base64' in o else o[key].encode()
packed = {name(entry, 'path'): entry for entry in listing['entries']}
top = os.fsencode(sys.argv[2])
there = {os.path.relpath(os.path.join(folder, n), top) for folder, folders, files in os.walk(top) for n in folders + files}
assert set(packed) == there, set(packed) ^ there
assert len(listing['entries']) == len(there)
assert name(listing, 'pack') == os.fsencode(sys.argv[3])
assert name(packed[b'link'], 'target') == b'to \xfe'
for path, entry in packed.items():
    status = os.lstat(os.path.join(top, path))
    assert entry['mode'] == '%04o' % (status.st_mode & 0o7777) and entry['uid'] == status.st_uid, path
    if entry['type'] == 'file': assert entry['size_bytes'] == status.st_size, path
PYTHON

# Every document has its schema, and every field of it is in the manual.
quire info --json "$pack" >"$documents/info"
quire verify --json "$pack" >"$documents/verify"
cp "$pack" "$scratch/damaged" && printf X | dd of="$scratch/damaged" bs=1 seek=8200 conv=notrunc status=none
quire verify --json "$scratch/damaged" >"$documents/verify damaged" && fail 'damage was not found'
quire verify --json /dev/null >"$documents/verify nothing" 2>/dev/null && fail 'that is no pack'
echo more >"$tree/more" && rm "$tree/link"
quire diff --json "$pack" "$tree" >"$documents/diff" && fail 'a difference was not found'
quire bench meta --quick --json - "$tree/names/one" >"$documents/bench"
if [ -w /dev/fuse ]; then
  mount_pack "$pack" "$scratch/mnt"
  cat "$scratch/mnt/.quire/stats" >"$documents/stats"
  quire mounts --json >"$documents/mounts"
  umount_pack "$scratch/mnt"
else
  leave_out '/dev/fuse is not there, or not for this user: stats and mounts'
fi
python3 - "$page" "$documents"/* <<'PYTHON' || fail 'fields that quire-json(7) does not name'
import json, os, re, sys
page = open(sys.argv[1]).read()
# "*a*, *b*" lines begin a list's term; elsewhere fields stand in the text in the same way.
named = set(re.findall(r'\*([a-z0-9_]+)\*', page))
def fields(value, free):
    for key, below in value.items() if isinstance(value, dict) else ():
        yield key[:-len('_base64')] if key.endswith('_base64') else key
        if key not in free: yield from fields(below, free)
    for item in value if isinstance(value, list) else (): yield from fields(item, free)
missing = set()
for path in sys.argv[2:]:
    document = json.load(open(path))
    assert document['schema'] == 1, path
    free = {'machine', 'settings', 'results'} if path.endswith('/bench') else ()
    missing |= {f'{os.path.basename(path)}: {field}' for field in fields(document, free) if field not in named and not re.search(rf'^### {field}$', page, re.M)}
assert not missing, sorted(missing)
PYTHON
pass
