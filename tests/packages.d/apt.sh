# SPDX-License-Identifier: Apache-2.0
# What the scripts of this folder share: apt, which says nothing unless it fails. They run in roots of tests/packages.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C TZ=UTC DEBIAN_FRONTEND=noninteractive
trap 'printf "%s:%d: stopped at: %s\n" "${BASH_SOURCE[0]}" "$LINENO" "$BASH_COMMAND" >&2' ERR
set -E

apt() {
  apt-get -qq -y --no-install-recommends "$@" >/var/log/quire-apt.log 2>&1 </dev/null ||
    { tail -n 30 /var/log/quire-apt.log >&2; printf 'failed: apt-get %s\n' "$*" >&2; return 1; }
}
