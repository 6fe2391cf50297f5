#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: the pods of the examples are well formed and their commands mount, and the image can be built and reads a pack.
# Method: the commands of the containers run here, with folders of the test's own in place of the volumes. The image is tried
# where podman is and the static program was built (packaging/tarball).
. "$(dirname "$0")/../support/harness.sh"
need_fuse
[ -w /dev/fuse ] || skip '/dev/fuse is not for this user'
/usr/bin/python3 -c 'import yaml' 2>/dev/null || skip 'there is no python3-yaml'
mkdir -p "$scratch/tree" "$scratch/packs" "$scratch/data" "$scratch/node"
echo content >"$scratch/tree/file"
pack "$scratch/tree" -o "$scratch/packs/imagenet.quire"

# commands_of POD: the arguments of each container that runs quire, a line each, once the pod is found to be in order.
commands_of() {
  /usr/bin/python3 - "$1" <<'END'
import sys, yaml
pod = yaml.safe_load(open(sys.argv[1], encoding='utf-8'))
assert pod['apiVersion'] == 'v1' and pod['kind'] == 'Pod', 'no pod'
spec = pod['spec']
volumes = {volume['name'] for volume in spec['volumes']}
for container in spec.get('initContainers', []) + spec['containers']:
    for mount in container['volumeMounts']:
        assert mount['name'] in volumes, f'no volume {mount["name"]}'
        if mount.get('mountPropagation') == 'Bidirectional':  # which Kubernetes refuses otherwise
            assert container['securityContext']['privileged'] is True, container['name']
    if '/quire:' in container['image']:
        print(*container['args'])
END
}

pods=("$repository"/packaging/examples/kubernetes/*.yaml)
[ ${#pods[@]} -eq 3 ] || fail "not three pods: ${pods[*]}"
for pod in "${pods[@]}"; do
  commands=$(commands_of "$pod") || fail "$pod"
  [ "$(wc -l <<<"$commands")" -eq 1 ] || fail "$pod runs quire in more than one container: $commands"
  read -r -a words <<<"$commands"
  words=("${words[@]//\/packs\//$scratch/packs/}")
  words=("${words[@]/#\/data/$scratch/data}")
  words=("${words[@]//\/node\//$scratch/node/}")
  if [ "${words[0]}" = fetch ]; then
    quire "${words[@]}" || fail "$pod: quire ${words[*]}"
    cmp "$scratch/packs/imagenet.quire" "$scratch/node/imagenet.quire"
    continue
  fi
  mounts+=("$scratch/data")
  "$QUIRE" "${words[@]}" 2>"$scratch/log" &
  daemon=$!
  background+=("$daemon")
  until_true 10 quire stats "$scratch/data" >/dev/null 2>&1 || fail "$pod: nothing is mounted: $(cat "$scratch/log")"
  assert_equal "$(cat "$scratch/data/file")" content
  [ -e "$scratch/data/.quire/version" ] || fail 'what sidecar.yaml waits for is not there'
  kill -TERM "$daemon"
  until_true 10 eval '! is_mounted "$scratch/data"' || fail "$pod: SIGTERM does not unmount"
done

# The image. Its storage, and a mount namespace with control groups that every crun takes, are the test's own.
static=$repository/build/static/bin/quire
command -v podman >/dev/null || { leave_out 'there is no podman: the image'; pass; }
[ -x "$static" ] || { leave_out "there is no $static, which packaging/tarball builds: the image"; pass; }
is_root || { leave_out 'only root gets the mount namespace for podman: the image'; pass; }
mkdir -p "$scratch/context/bin" "$scratch/shared"
cp "$static" "$scratch/context/bin/quire"
cp "$repository/LICENSE" "$scratch/context/"
cat >"$scratch/podman" <<'END'
#!/bin/bash
# Where systemd does not run, control groups are mounted as podman's runtimes do not take them.
umount -R /sys/fs/cgroup 2>/dev/null
mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null || mount -t tmpfs none /sys/fs/cgroup
exec podman --root "$storage/root" --runroot "$storage/run" --storage-driver vfs --cgroup-manager cgroupfs "$@"
END
chmod +x "$scratch/podman"
podman() { storage=$scratch/podman-storage timeout 60 unshare -m --propagation slave "$scratch/podman" "$@"; }
limits=(--network none --cgroups disabled --ulimit "nofile=$(ulimit -n):$(ulimit -n)" --ulimit nproc=1000:1000)
podman build -q -t quire -f "$repository/packaging/container/Containerfile" "$scratch/context" >/dev/null || fail 'the image is not built'
output=$(podman run --rm "${limits[@]}" quire --version 2>&1) || { leave_out "podman runs no container here: $output"; pass; }
assert_equal "$output" "$(quire --version)"
assert_equal "$(podman run --rm "${limits[@]}" -v "$scratch/packs:/packs:ro" quire cat /packs/imagenet.quire file)" content
pass
