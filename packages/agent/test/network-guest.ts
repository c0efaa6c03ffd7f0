/** A guest with a network: Debian's kernel and busybox, which talks to a world that the test makes. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findKernel, initramfs, programEntries, type ArchiveEntry } from "@evenkeel/host";

const BUSYBOX = "/bin/busybox";

/** In the order that they need each other. */
const MODULES = [
  "drivers/virtio/virtio_ring.ko",
  "drivers/virtio/virtio.ko",
  "drivers/virtio/virtio_pci_legacy_dev.ko",
  "drivers/virtio/virtio_pci_modern_dev.ko",
  "drivers/virtio/virtio_pci.ko",
  "net/core/failover.ko",
  "drivers/net/net_failover.ko",
  "drivers/net/virtio_net.ko",
];

const names = MODULES.map((path) => path.slice(path.lastIndexOf("/") + 1, -3)).join(" ");

/** Brings up the guest's interface, as a boot of an image would. */
export const NETWORK_UP = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for m in ${names}; do insmod /modules/$m.ko; done
ip addr add 169.254.0.21/30 dev eth0
ip link set lo up
ip link set eth0 up
ip route add default via 169.254.0.22
`;

/**
 * Says `ready` once its interface is up, then asks 93.184.1.1 for a page again and again. When it
 * gets one, it opens a connection to port 7000 there and sends a line each second as long as it
 * lasts. It serves a page of its own on port 8080. No wget, which a static busybox cannot look up
 * services with.
 */
const INIT = `${NETWORK_UP}
mkdir -p /www && echo "a page of the guest" >/www/index.html && httpd -p 8080 -h /www
echo ready
talk() { n=0; while true; do n=$((n+1)); echo "line $n"; sleep 1; done | nc 93.184.1.1 7000; echo "talk: over"; }
while true; do
  page=$(printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1 93.184.1.1 80 2>/dev/null | tail -n 1)
  if [ -n "$page" ]; then
    echo "web: $page"
    if [ -z "$talking" ]; then talking=1; talk & fi
  else echo "web: nothing"; fi
  ip -4 -o addr show dev eth0 | sed 's/.*inet /address: /'
  sleep 1
done
`;

export function missingGuest(): string | undefined {
  if (existsSync(BUSYBOX)) return undefined;
  return "there is no static busybox: apt-get install busybox-static";
}

function moduleAt(root: string, path: string): Buffer {
  const plain = join(root, "kernel", path);
  if (existsSync(plain)) return readFileSync(plain);
  const { stdout, status } = spawnSync("xz", ["-dc", `${plain}.xz`], { maxBuffer: 2 ** 26 });
  if (status !== 0) throw new Error(`${plain} is not there, neither plain nor as .xz`);
  return stdout;
}

/**
 * Directories of kernels and images with that guest in them, called `net` both; or with another
 * program for its init, and more files.
 */
export async function makeNetworkGuest(
  directory: string,
  init = INIT,
  files: readonly ArchiveEntry[] = [],
) {
  const kernel = await findKernel({ report: (line) => process.stderr.write(`${line}\n`) });
  const [kernelsDir, imagesDir] = [join(directory, "kernels"), join(directory, "images")];
  mkdirSync(join(kernelsDir, "net"), { recursive: true });
  mkdirSync(imagesDir, { recursive: true });
  symlinkSync(kernel.path, join(kernelsDir, "net/vmlinux.bin"));
  const modules = MODULES.map((path): ArchiveEntry => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const data = moduleAt(kernel.modules ?? "", path);
    return { kind: "file", path: `modules/${name}`, mode: 0o644, data };
  });
  const archive = initramfs([
    ...programEntries(Buffer.from(init)),
    { kind: "directory", path: "bin", mode: 0o755 },
    { kind: "file", path: "bin/busybox", mode: 0o755, data: readFileSync(BUSYBOX) },
    { kind: "directory", path: "modules", mode: 0o755 },
    ...modules,
    ...files,
  ]);
  writeFileSync(join(imagesDir, "net"), archive);
  return { kernelsDir, imagesDir, kernel: kernel.path };
}

export const NETWORK_MACHINE = {
  kernel: "net",
  initrd: "net",
  network: true,
  memoryMib: 128,
  bootArgs: "console=ttyS0 quiet reboot=t panic=-1",
} as const;
