#!/bin/sh
# Debian's kernel for the tests of test/vm, which need what the kernel of a build machine may lack (VRF, MPLS, VLAN, bond, ...).
# It is unpacked, not installed, into .cache/vm/, once:
#   kernel           decompressed, which saves each boot some seconds
#   initrd           mounts the host's root, by 9p and with what is written kept in memory, and goes on with test/lib/vm/stage.sh
#   lib/modules/     the kernel's modules that have to do with networks
# Called by peers.sh, which has seen to the tools. A second call finds what the first has made, and asks the network nothing.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
made=.cache/vm
cmp -s scripts/vm.sh "$made/made-by" && exit 0

fail() { echo "grevy: the tests need Debian's kernel for a virtual machine: $1" >&2; exit 1; }
command -v apt-get >/dev/null || fail "there is no apt-get to download it with (linux-image-amd64)"

! ldd /bin/busybox >/dev/null 2>&1 || fail "/bin/busybox has to be the one of the package busybox-static"

mkdir -p .cache
new=$(mktemp -d .cache/vm.XXXXXX)
trap 'rm -rf "$new"' EXIT
trap 'exit 1' INT TERM HUP

# linux-image-amd64 is empty, and depends on the image of the day.
download() {
  image=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9]\S*\)$/\1/p' | head -n 1)
  [ -n "$image" ] && (cd "$new" && apt-get download -qq -o APT::Sandbox::User=root "$image")
}
echo "grevy: downloading Debian's kernel for tests in a virtual machine (70 MB, once) ..." >&2
# An old list of packages names an image that is gone.
download 2>/dev/null || { apt-get update -qq && download; } >&2 ||
  fail "this failed: apt-get update && apt-get download \$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: //p')"

modules=./lib/modules/*
dpkg-deb --fsys-tarfile "$new"/*.deb | tar -x -C "$new" --wildcards \
  --exclude='*/drivers/net/ethernet' --exclude='*/drivers/net/wireless' --exclude='*/drivers/net/usb' \
  ./boot/vmlinuz-'*' "$modules/modules.*" "$modules"/kernel/crypto "$modules"/kernel/arch/x86/crypto "$modules"/kernel/lib \
  "$modules"/kernel/net "$modules"/kernel/drivers/net "$modules"/kernel/drivers/virtio \
  "$modules"/kernel/drivers/char/virtio_console.ko "$modules"/kernel/fs/9p "$modules"/kernel/fs/netfs \
  "$modules"/kernel/fs/fscache "$modules"/kernel/fs/overlayfs
rm "$new"/*.deb
mv "$new"/boot/vmlinuz-* "$new/kernel"
rmdir "$new/boot"
# Where the compressed kernel starts in the file: setup_sects and payload_offset of the header (Documentation/arch/x86/boot.rst).
number() { od -An -tu"$2" -j "$1" -N "$2" "$new/kernel" | tr -d ' '; }
start=$((($(number 0x1f1 1) + 1) * 512 + $(number 0x248 4)))
if tail -c +$((start + 1)) "$new/kernel" | xz -dc --single-stream >"$new/vmlinux" 2>/dev/null; then
  mv "$new/vmlinux" "$new/kernel"
else
  rm "$new/vmlinux" # Compressed in another way: it decompresses itself.
fi
version=$(ls "$new/lib/modules")
depmod -b "$new" "$version" 2>/dev/null

# What it takes to mount the host's root, in the order in which it has to be loaded.
root=$new/root
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/host" "$root/memory" "$root/both"
cp /bin/busybox "$root/bin/"
for module in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
  modprobe -d "$new" -S "$version" --show-depends "$module"
done | sed -n 's/^insmod \(.*\.ko\).*/\1/p' | awk '!seen[$0]++' | while read -r file; do
  cp "$file" "$root/"
  basename "$file"
done >"$root/modules"
cat >"$root/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
while read -r module; do $b insmod "/$module"; done </modules
$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=1048576 host /host || $b poweroff -f
$b mount -t tmpfs memory /memory
$b mkdir /memory/upper /memory/work
$b mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work both /both || $b poweroff -f
$b mount --move /dev /both/dev
files=$($b sed 's/.*grevy.files=\([^ ]*\).*/\1/' /proc/cmdline)
$b umount /proc
exec $b switch_root /both /bin/sh "$files/stage.sh" "$files"
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$new/initrd"
rm -rf "$root"

cp scripts/vm.sh "$new/made-by"
chmod 755 "$new"
rm -rf "$made"
mv "$new" "$made"
