#!/usr/bin/env bash
# A machine's first boot with user data, as far as that goes without booting: real cloud-init in a root laid over
# this machine's own, in namespaces of its own, so that nothing of it stays.
#
#   first_boot.sh DIRECTORY CLOUD_INIT_DEB
#
# DIRECTORY holds user-data; what came of it is put there. Of cloud-init's modules only those run that run commands:
# the others would configure this machine's disks and network.
set -euo pipefail
if [ -z "${UNSHARED:-}" ]; then
    UNSHARED=1 exec unshare --mount --uts --pid --fork "$0" "$@"
fi
directory=$1
cloud_init=$2

mkdir "$directory/over"
mount -t tmpfs tmpfs "$directory/over"
cd "$directory/over"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
dpkg --fsys-tarfile "$cloud_init" | tar -x --keep-directory-symlink -C root
mount -t proc proc root/proc
mount --bind /dev root/dev
mount -t tmpfs tmpfs root/run
# There is no systemd to start a unit: it is enabled, and that is all.
export SYSTEMD_OFFLINE=1

rm -rf root/etc/cloud/cloud.cfg.d root/etc/pin53
cat > root/etc/cloud/cloud.cfg <<'CONFIG'
datasource_list: [NoCloud]
network: {config: disabled}
cloud_init_modules: []
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
CONFIG
seed=root/var/lib/cloud/seed/nocloud
mkdir -p $seed
cp "$directory/user-data" $seed/user-data
echo 'instance-id: i-0123456789abcdef0' > $seed/meta-data

chroot root cloud-init schema --config-file /${seed#root/}/user-data > "$directory/schema" 2>&1 || true
for stage in 'init --local' init 'modules --mode=config' 'modules --mode=final'; do
    # shellcheck disable=SC2086
    chroot root cloud-init $stage >> "$directory/log" 2>&1 || true
done
cp root/var/lib/cloud/data/result.json "$directory/result.json"

cp root/etc/pin53/pin53.toml "$directory/pin53.toml" || true
chroot root systemctl is-enabled pin53 > "$directory/enabled" 2>&1 || true
chroot root dpkg-query -W -f '${Status}' pin53 > "$directory/installed" 2>&1 || true
chroot root pin53 --once > "$directory/once" 2>&1 || true
