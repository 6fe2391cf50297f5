# SPDX-License-Identifier: Apache-2.0
# nginx with packaging/examples/nginx/packs.conf, over a folder and on ports of a test's own. Source it behind harness.sh.
# shellcheck shell=bash

# serve_packs FOLDER: sets http_url, https_url and authority, the file of certificates by which the latter is trusted. Fails where
# there is no nginx.
serve_packs() {
  local own=$scratch/nginx ports names
  command -v nginx >/dev/null || return 1
  mkdir "$own"
  read -ra ports < <(python3 -c '
import socket
listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(listener.getsockname()[1] for listener in listeners))')
  authority=$own/pack.pem
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$own/pack.key" -out "$authority" -days 2 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 2>/dev/null
  sed -e "s|listen 80;|listen 127.0.0.1:${ports[0]};|; s|listen 443 |listen 127.0.0.1:${ports[1]} |" \
    -e "s|/srv/packs|$1|; s|/etc/nginx/data.example|$own/pack|" "$repository/packaging/examples/nginx/packs.conf" >"$own/packs.conf"
  for name in client_body proxy fastcgi uwsgi scgi; do names+=" ${name}_temp_path $own/$name;"; done
  {
    printf '%s\n' "daemon off; master_process off; pid $own/pid; error_log $own/error.log; events { }" "http {$names access_log off; include $own/packs.conf; }"
  } >"$own/nginx.conf"
  nginx -c "$own/nginx.conf" -e "$own/error.log" &
  background+=("$!")
  disown  # its end is no news
  until_true 10 eval "exec 3<>/dev/tcp/127.0.0.1/${ports[0]}" 2>/dev/null || fail "nginx: $(cat "$own/error.log")"
  exec 3>&-
  http_url=http://127.0.0.1:${ports[0]}
  https_url=https://127.0.0.1:${ports[1]}
}
