#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: the Python package makes a wheel of this version that has all of its modules, and works where it was put and where pip installs it,
# without a network; README.md of it is true as far as its code can be run here.
. "$(dirname "$0")/../support/harness.sh"
package=$repository/packaging/python
python=/usr/bin/python3
$python -c 'import setuptools, wheel' 2>/dev/null || skip 'python3-setuptools or python3-wheel is not installed'

# In a copy: a build leaves folders behind. Next to the changelog, as in a checkout.
mkdir "$scratch/packaging"
cp -r "$package" "$scratch/packaging/python"
cp "$repository/packaging/CHANGELOG.md" "$scratch/packaging/"
build() { (cd "$scratch/packaging/python" && $python -B -c "from setuptools import build_meta; build_meta.$1('$scratch')") >"$scratch/build.log" 2>&1 || { cat "$scratch/build.log" >&2; fail "$1"; }; }
build build_wheel
version=$("$repository/packaging/version")
wheel=$scratch/quire-$version-py3-none-any.whl
[ -s "$wheel" ] || fail "no $wheel: $(ls "$scratch")"

mkdir "$scratch/site"
$python -m zipfile -e "$wheel" "$scratch/site"
assert_equal "$(cd "$scratch/site/quire" && find . -type f | sort)" "$(cd "$package/quire" && find . -name __pycache__ -prune -o -type f -print | sort)" 'modules'
grep -q '^quire = quire.filesystem.QuireFileSystem$' "$scratch/site/quire-$version.dist-info/entry_points.txt" || fail 'fsspec does not find it'

# The sources make the same wheel where there is no checkout around them.
build build_sdist
mkdir "$scratch/source"
tar -C "$scratch/source" -xzf "$scratch/quire-$version.tar.gz"
rm -r "$scratch/packaging"
mv "$scratch/source" "$scratch/packaging"
mv "$scratch/packaging/quire-$version" "$scratch/packaging/python"
mv "$wheel" "$scratch/first.whl"
build build_wheel
assert_equal "$($python -m zipfile -l "$wheel" | awk '{print $1, $NF}' | sort)" "$($python -m zipfile -l "$scratch/first.whl" | awk '{print $1, $NF}' | sort)" 'the wheel of the source archive'

mkdir "$scratch/tree"
echo content >"$scratch/tree/file"
pack "$scratch/tree" -o "$scratch/tree.quire"
assert_equal "$(PYTHONPATH=$scratch/site $python -B -c 'import quire, sys; print(quire.__version__, quire.open(sys.argv[1])["file"])' "$scratch/tree.quire")" \
  "$version b'content\\n'"
if $python -c 'import fsspec' 2>/dev/null; then
  assert_equal "$(PYTHONPATH=$scratch/site $python -B -c 'import fsspec, sys; print(fsspec.open("quire://file", fo=sys.argv[1]).open().read())' \
    "$scratch/tree.quire")" "b'content\\n'"
else
  leave_out 'python3-fsspec is not installed'
fi

# As pip installs it, beside nothing but the standard library, and takes it away again.
if $python -m venv "$scratch/venv" >"$scratch/venv.log" 2>&1; then
  in_venv() { env -u PYTHONPATH "$scratch/venv/bin/python" -B "$@"; }
  in_venv -m pip install --quiet --no-index --disable-pip-version-check "$wheel" || fail 'pip does not install the wheel'
  in_venv -m pip check --disable-pip-version-check >"$scratch/check.log" || fail "$(cat "$scratch/check.log")"
  assert_equal "$(in_venv -W ignore -c 'import quire, sys; print(quire.__version__, quire.open(sys.argv[1])["file"], quire.__file__.startswith(sys.prefix))' \
    "$scratch/tree.quire")" "$version b'content\\n' True"
  in_venv -m pip uninstall --quiet --yes quire || fail 'pip does not remove it'
  assert_equal "$(find "$scratch"/venv/lib/python*/site-packages -maxdepth 1 -name 'quire*')" '' 'left by pip'
else
  leave_out 'python3-venv is not installed'
fi

# Every piece of Python in README.md can be parsed, and names nothing that is not there.
PYTHONPATH=$scratch/site $python -B - "$package/README.md" <<'END'
import ast, re, sys
import quire, quire.torch
text = open(sys.argv[1], encoding='utf-8').read()
pieces = re.findall(r'^```python\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
assert len(pieces) >= 4, 'README.md shows no code'
for piece in pieces:
    for node in ast.walk(ast.parse(piece)):
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name.startswith('quire.') and not name.startswith('quire.torch.distributed'):
                eval(name)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith('quire'):
            exec(ast.unparse(node))
for name in re.findall(r'examples/(\w+\.py)', text):
    open(sys.argv[1].replace('README.md', f'examples/{name}'), encoding='utf-8').close()
END
pass
