#!/bin/bash
# Tries the sample units of docs/operating.md under a systemd of their own, which boots Debian trixie in namespaces of its own beside this machine:
# start, drain, reboot, resume, stop under a build, wrong settings, kill -9, a user with credentials, a chroot store. Needs root, debootstrap,
# a Debian mirror, cgroup v2 mounted somewhere, and 'npm run setup'. Not part of 'npm test': 3 minutes, and 3 more for the first time.
# Usage: scripts/try-units.sh [FOLDER], which keeps the Debian. Exits 0 if all held.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/drover/try-units}
root=$folder/root
mkdir -p "$folder"

if [ "${IN_NAMESPACES:-}" ]; then # the second life of this script: as process 1 of the namespaces, until systemd takes its place
  mount --rbind "$root" "$root"
  cd "$root"
  mount -t proc proc proc
  mount -t sysfs -o ro sysfs sys
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  mount -t tmpfs -o mode=755 tmpfs run
  mount -t tmpfs tmpfs tmp
  mount -t tmpfs -o mode=755 tmpfs dev
  for device in null zero full random urandom tty; do touch dev/$device && mount --bind /dev/$device dev/$device; done
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts
  mount -t tmpfs tmpfs dev/shm
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  mkdir -p opt/drover .old
  mount --bind "$here" opt/drover
  ip link set lo up
  pivot_root . .old
  umount -l /.old
  mount --make-rshared / # as systemd expects it in a container: it hands credentials over by mounts
  exec env -i container=drover PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd </dev/null
fi

if [ ! -e "$folder/complete" ]; then
  echo "making a Debian in $root"
  rm -rf "$root"
  debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates,libatomic1 trixie "$root" >"$folder/log" 2>&1
  cp /etc/resolv.conf "$root/etc/"
  DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y -qq nix-bin nix-setup-systemd >>"$folder/log" 2>&1
  touch "$folder/complete"
fi
rm -rf "$root"/var/lib/drover* "$root"/srv/store "$root"/etc/drover* "$root"/etc/systemd/system/{,*.wants/}drover*

# What the page says, as it says it: each block that follows the name of its file.
cat >"$folder/blocks.mjs" <<'JS'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
const [page, root] = process.argv.slice(2);
for (const [, path, text] of readFileSync(page, 'utf8').matchAll(/`(\/etc\/[^`]+)`[^`\n]*:\n\n```\w+\n(.*?)```/gs)) {
  mkdirSync(dirname(root + path), { recursive: true });
  writeFileSync(root + path, text);
}
JS
node "$folder/blocks.mjs" "$here/docs/operating.md" "$root"
mv "$root/etc/systemd/system/drover-agent.service.d" "$folder/user.d.$$"
sed -i 's,https://builds.example.org,http://127.0.0.1:8745,' "$root/etc/drover-agent.toml"
ln -sf /opt/drover/node_modules/node/bin/node "$root/usr/local/bin/node"
ln -sf /opt/drover/cli/bin.js "$root/usr/local/bin/drover"
cat >"$root/root/slow.nix" <<'NIX'
{ n, turns ? "300000" }: derivation {
  name = "slow-${n}"; run = "RUN"; system = builtins.currentSystem; builder = "/bin/sh";
  args = [ "-c" "i=0; while [ $i -lt ${turns} ]; do i=$((i+1)); done; echo done > $out" ];
}
NIX
sed -i "s/RUN/$(date +%s)/" "$root/root/slow.nix" # the store has what an earlier run has built

boot() {
  local group
  group=$(findmnt -n -o TARGET -t cgroup2 | head -1)/drover-units
  mkdir -p "$group"
  (
    echo $BASHPID >"$group/cgroup.procs"
    IN_NAMESPACES=1 exec unshare --cgroup --mount --pid --ipc --uts --net --fork --kill-child "$here/scripts/try-units.sh" "$folder"
  ) >"$folder/boot.log" 2>&1 &
  booted=$!
  until init=$(pgrep -P $booted -x systemd) && inside '! systemctl is-system-running 2>&1 | grep -qE "initializing|starting|Failed"'; do
    kill -0 $booted || { cat "$folder/boot.log"; exit 1; }
    sleep 0.5
  done
}
leave() { # reboot and poweroff are the same here: the namespaces end
  inside "systemctl $1" >/dev/null 2>&1 || true
  { wait $booted; } 2>/dev/null || true
}
reboot() {
  leave reboot
  boot
}
inside() {
  nsenter -t "$init" -m -p -u -i -n -C env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    DROVER_TOKEN_FILE=/var/lib/drover/admin.token SYSTEMD_PAGER=cat bash -c "cd /root; $*"
}
try() { # WHAT COMMAND: has to succeed within two minutes
  local end=$((SECONDS + 120))
  until inside "$2" >"$folder/said" 2>&1; do
    [ $SECONDS -lt $end ] || { echo "FAILED: $1: $2"; cat "$folder/said"; inside 'journalctl -n 40 --no-pager'; exit 1; }
    sleep 1
  done
  echo "held: $1"
}
now() { # WHAT COMMAND: has to succeed the first time
  inside "$2" >"$folder/said" 2>&1 || { echo "FAILED: $1: $2"; cat "$folder/said"; inside 'journalctl -n 40 --no-pager'; exit 1; }
  echo "held: $1"
}
# systemd goes with the unshare that is its parent.
trap 'kill -9 ${booted:-} 2>/dev/null || true; rm -rf "$folder/user.d.$$"' EXIT
boot

inside 'for user in drover drover-agent; do id $user || useradd --system --home-dir /var/lib/$user --shell /usr/sbin/nologin $user; done
  grep -q trusted-users /etc/nix/nix.conf || echo "trusted-users = root drover-agent" >> /etc/nix/nix.conf' >/dev/null 2>&1
now 'systemd finds nothing to say of the units' '[ -z "$(systemd-analyze verify /etc/systemd/system/drover-*.service 2>&1 | tee /dev/stderr)" ]'
now 'a coordinator that has started serves' 'systemctl enable --now drover-coordinator && drover status'
now 'an agent starts' 'drover agents add worker-1 --token-file /etc/drover-agent.token && systemctl enable --now drover-agent'
now 'builds with the daemon' 'timeout 100 drover submit --expr slow.nix --argstr n a --wait'
inside 'drover submit --expr slow.nix --argstr n b --argstr turns 6000000' >/dev/null 2>&1
try 'a build runs' 'drover builds list --state running -o name | grep -q .'
now 'a drain waits for it' 'timeout 300 drover agents drain worker-1 --wait --reason "a new kernel" && drover builds list --state succeeded | grep slow-b'
reboot
try 'both are back, and the agent waits' 'drover agents show worker-1 | grep -E "^operator: +drained" && drover agents list | grep connected'
now 'resumed, it builds' 'drover agents resume worker-1 && timeout 100 drover submit --expr slow.nix --argstr n c --wait'
inside 'drover submit --expr slow.nix --argstr n d --argstr turns 6000000' >/dev/null 2>&1
try 'a build runs' 'drover builds list --state running -o name | grep -q .'
reboot
try 'a reboot under a build loses nothing' 'drover builds list --state succeeded | grep "slow-d .* 1  worker-1"'
now 'a wrong setting fails the start, once' 'echo nonsense=1 >> /etc/drover.toml; ! systemctl restart drover-coordinator && sleep 3 && systemctl is-failed drover-coordinator'
now 'and is mended' 'sed -i /nonsense/d /etc/drover.toml; systemctl start drover-coordinator'
inside 'systemctl kill -s KILL drover-coordinator'
try 'kill -9 is a restart' '[ "$(systemctl show -P NRestarts drover-coordinator)" = 1 ] && systemctl is-active drover-coordinator && drover agents list | grep connected'

inside 'systemctl stop drover-agent; chown -R drover-agent /var/lib/drover-agent; sed -i /token-file/d /etc/drover-agent.toml'
mkdir "$root/etc/systemd/system/drover-agent.service.d"
cp "$folder/user.d.$$"/* "$root/etc/systemd/system/drover-agent.service.d/"
now 'with a user and a credential' 'systemctl daemon-reload; systemctl restart nix-daemon; systemctl start drover-agent && timeout 100 drover submit --expr slow.nix --argstr n e --wait && systemctl show -P User drover-agent | grep drover-agent'

rm -r "$root/etc/systemd/system/drover-agent.service.d"
sed -i '1i token-file = "/etc/drover-agent.token"\nstore = "local?root=/srv/store"' "$root/etc/drover-agent.toml"
inside 'systemctl daemon-reload; systemctl stop drover-agent; chown -R root /var/lib/drover-agent'
now 'with a chroot store, as root' 'systemctl start drover-agent && timeout 100 drover submit --expr slow.nix --argstr n f --wait'
inside 'drover submit --expr slow.nix --argstr n g --argstr turns 6000000' >/dev/null 2>&1
try 'a build runs' 'drover builds list --state running -o name | grep -q .'
now 'a restart of the agent lets it end' 'systemctl restart drover-agent && drover builds list --state succeeded | grep "slow-g .* 1  worker-1"'
inside 'systemd-analyze security drover-coordinator --no-pager | tail -1'
leave poweroff
echo 'all of it held'
