/** What is asked of a Firecracker: command lines, and calls of its API in and out of order. */

/** `METHOD path body`, as it is sent. */
export type Call = string;

const DRIVE =
  '{"drive_id":"rootfs","path_on_host":"file","is_root_device":true,"is_read_only":true}';

export const COMMANDS: readonly (readonly string[])[] = [
  ["--version"],
  ["--version", "--nonsense"],
  ["--snapshot-version"],
  ["--snapshot-version", "--id", "x"],
  ["--help"],
  ["-h"],
  ["--nonsense"],
  ["nonsense"],
  ["--api-sock"],
  ["--api-sock=x"],
  ["--id", "--x"],
  ["--id", "a/b", "--snapshot-version"],
  ["--no-api"],
  ["--level", "a", "--level", "b"],
  ["--level", "nonsense", "--api-sock", "no.sock"],
  ["--no-seccomp", "--seccomp-filter", "x"],
  ["--enable-pci", "--snapshot-version"],
  ["--snapshot-version", "--", "--nonsense"],
  ["--describe-snapshot"],
  ["--describe-snapshot", "nowhere"],
  ["--describe-snapshot", "file"],
  ["--log-path", "nowhere/log", "--api-sock", "no.sock"],
  ["--api-sock", "nowhere/no.sock"],
  ["--api-sock", "file"],
];

/** Before a boot, in one process: what is read, checked, refused and kept. */
export const BEFORE_BOOT: readonly Call[] = [
  "GET /",
  "GET /version",
  "GET /machine-config",
  "GET /vm/config",
  "GET /nowhere",
  "GET /mmds",
  "GET /balloon",
  "GET /vm",
  'PUT /machine-config {"vcpu_count": "x"}',
  'PUT /machine-config {"vcpu_count": 1}',
  'PUT /machine-config {"vcpu_count": 1, "foo": 2}',
  'PUT /machine-config {"vcpu_count": 300, "mem_size_mib": 128}',
  'PUT /machine-config {"vcpu_count": 33, "mem_size_mib": 128}',
  'PUT /machine-config {"vcpu_count": 0, "mem_size_mib": 128}',
  'PUT /machine-config {"vcpu_count": 3, "mem_size_mib": 128, "smt": true}',
  'PUT /machine-config {"vcpu_count": 1, "mem_size_mib": 0}',
  'PUT /machine-config {"vcpu_count": 1, "mem_size_mib": -1}',
  'PUT /machine-config {"vcpu_count": 1, "mem_size_mib": 129, "huge_pages": "2M"}',
  'PUT /machine-config {"vcpu_count": 1, "mem_size_mib": 128, "huge_pages": "1G"}',
  'PUT /machine-config {"vcpu_count": 1, "mem_size_mib": 128, "cpu_template": "T9"}',
  'PUT /machine-config {"vcpu_count": null, "mem_size_mib": 128}',
  'PUT /machine-config {"vcpu_count": 1.5, "mem_size_mib": 128}',
  'PUT /machine-config {"vcpu_count": 1, "vcpu_count": 1, "mem_size_mib": 128}',
  'PUT /machine-config {"vcpu_count": 1, "mem_size_mib": 128,\n "smt": 1}',
  "PUT /machine-config []",
  "PUT /machine-config {",
  "PUT /machine-config nonsense",
  "PUT /cpu-config {}",
  'PUT /cpu-config {"cpuid_modifiers": []}',
  'PUT /cpu-config {"nonsense": 1}',
  'PUT /cpu-config {"reg_modifiers": []}',
  'PUT /cpu-config {"msr_modifiers": null}',
  "GET /vm/config",
  'PUT /machine-config {"vcpu_count": 1, "mem_size_mib": 128, "cpu_template": "T2"}',
  "GET /machine-config",
  "GET /vm/config",
  'PATCH /machine-config {"cpu_template": "None"}',
  "GET /machine-config",
  "PATCH /machine-config {}",
  'PATCH /machine-config {"foo": 1}',
  'PUT /actions {"action_type": "InstanceStart"}',
  'PUT /actions {"action_type": "Nonsense"}',
  'PUT /actions {"action_type": "FlushMetrics"}',
  'PUT /actions {"action_type": "SendCtrlAltDel"}',
  "PUT /actions {}",
  'PATCH /vm {"state": "Paused"}',
  'PATCH /vm {"state": "Resumed"}',
  'PATCH /vm {"state": "Nonsense"}',
  "PUT /vm {}",
  'PUT /snapshot/create {"snapshot_path": "a", "mem_file_path": "b"}',
  'PUT /snapshot/create {"snapshot_path": "a"}',
  'PUT /snapshot/create {"snapshot_type": "Half", "snapshot_path": "a", "mem_file_path": "b"}',
  'PUT /snapshot/load {"snapshot_path": "a"}',
  'PUT /snapshot/load {"snapshot_path": "a", "mem_file_path": "b"}',
  'PUT /snapshot/load {"snapshot_path": "a", "mem_file_path": "b", "foo": 1}',
  'PUT /snapshot/load {"snapshot_path": "a", "mem_file_path": "b", "mem_backend": {"backend_type": "File", "backend_path": "b"}}',
  'PUT /snapshot/load {"snapshot_path": "a", "mem_backend": {"backend_type": "Nonsense", "backend_path": "b"}}',
  "PUT /snapshot/nonsense {}",
  "PUT /snapshot {}",
  'PUT /boot-source {"kernel_image_path": "/nowhere"}',
  'PUT /boot-source {"kernel_image_path": "file", "initrd_path": "/nowhere"}',
  "PUT /boot-source {}",
  'PUT /boot-source {"kernel_image_path": "file", "foo": 1}',
  `PUT /drives/rootfs ${DRIVE.replace('"file"', '"/nowhere"')}`,
  `PUT /drives/other ${DRIVE}`,
  "PUT /drives {}",
  "PUT /drives/a-b {}",
  `PUT /drives/rootfs ${DRIVE}`,
  `PUT /drives/second ${DRIVE.replace('"rootfs"', '"second"')}`,
  'PUT /network-interfaces/eth0 {"iface_id": "eth1", "host_dev_name": "x"}',
  "PATCH /drives/rootfs",
  "PUT /drives/rootfs",
  "PUT /mmds/nonsense {}",
  'PATCH /mmds {"a": 1}',
  'PUT /boot-source {"kernel_image_path": "file"}',
  "GET /vm/config",
  "GET /",
];

/** The same resource by other paths: whoever stands in front has to know them too. */
export const PATHS: readonly Call[] = [
  "GET //",
  "GET //version",
  "GET ///version",
  "GET /version/",
  "GET /version//",
  "GET /version/more",
  "GET /version?more",
  "GET /version#more",
  "GET /Version",
  "GET /%76ersion",
  "GET http://localhost/version",
  "GET http://localhost//version",
  "GET version",
  "GET *",
  "GET /vm//config",
  "GET //vm/config",
  "GET /vm/config/",
  "GET /vm/config/more",
  "GET /./version",
  "GET /vm/../version",
  'PUT //machine-config {"vcpu_count": 2, "mem_size_mib": 128}',
  'PUT /machine-config/ {"vcpu_count": 3, "mem_size_mib": 128}',
  'PUT /machine-config/more {"vcpu_count": 4, "mem_size_mib": 128}',
  'PUT http://localhost/machine-config {"vcpu_count": 5, "mem_size_mib": 128}',
  "GET /machine-config",
  "PUT //cpu-config {}",
  "PUT /cpu-config/more {}",
  "PUT /cpu-config?more {}",
  'PUT /snapshot//load {"snapshot_path": "a", "mem_file_path": "b"}',
  'PUT //snapshot/load {"snapshot_path": "a"}',
  'PUT /snapshot/load/ {"snapshot_path": "a"}',
  'PUT /snapshot/load/more {"snapshot_path": "a"}',
  'PUT /snapshot/load?more {"snapshot_path": "a"}',
  'PUT /snapshot%2Fload {"snapshot_path": "a"}',
  'PUT //actions {"action_type": "InstanceStart"}',
];

/** Methods that the API has not, and requests that its HTTP server itself refuses. */
export const METHODS: readonly Call[] = [
  "GET /version {}",
  "DELETE /machine-config",
  "DELETE /drives/rootfs",
  "POST /machine-config {}",
  "HEAD /version",
  "OPTIONS /version",
  "put /machine-config {}",
  "PATCH /version {}",
  "PATCH /version",
  "PUT /version",
];

const BOOT: readonly Call[] = [
  'PUT /boot-source {"kernel_image_path": "kernel"}',
  'PUT /machine-config {"vcpu_count": 1, "mem_size_mib": 16}',
];

const START: Call = 'PUT /actions {"action_type": "InstanceStart"}';
const PAUSE: Call = 'PATCH /vm {"state": "Paused"}';
const RESUME: Call = 'PATCH /vm {"state": "Resumed"}';
const FILES = '"snapshot_path": "s", "mem_file_path": "m"';

/** A microVM that leaves its snapshot in the files `s` and `m`. */
export const TAKE: readonly Call[] = [
  ...BOOT,
  `PUT /drives/rootfs ${DRIVE}`,
  START,
  PAUSE,
  `PUT /snapshot/create {${FILES}}`,
];

/** From a boot to its end, with everything that a running or paused microVM refuses. */
export const LIFE: readonly Call[] = [
  ...BOOT,
  START,
  START,
  `PUT /snapshot/create {${FILES}}`,
  PAUSE,
  PAUSE,
  "GET /",
  `PUT /snapshot/create {${FILES}}`,
  `PUT /snapshot/create {"snapshot_type": "Diff", ${FILES}}`,
  'PUT /snapshot/create {"snapshot_path": "nowhere/s", "mem_file_path": "m"}',
  'PUT /snapshot/create {"snapshot_path": "s", "mem_file_path": "nowhere/m"}',
  "PUT /cpu-config {}",
  ...BOOT,
  'PATCH /machine-config {"vcpu_count": 2}',
  `PUT /drives/rootfs ${DRIVE}`,
  'PUT /snapshot/load {"snapshot_path": "s", "mem_file_path": "m"}',
  RESUME,
  RESUME,
  "GET /",
  "GET /vm/config",
  'PUT /actions {"action_type": "FlushMetrics"}',
];

export function load(more = "", memory = "m"): Call {
  const backend = `{"backend_type": "File", "backend_path": "${memory}"}`;
  return `PUT /snapshot/load {"snapshot_path": "s", "mem_backend": ${backend}${more}}`;
}

/** Loads, and what the loaded microVM says; each in a process of its own. */
export const LOADS: Readonly<Record<string, readonly Call[]>> = {
  "paused, then resumed": [load(), "GET /", "GET /vm/config", RESUME, "GET /", PAUSE, "GET /"],
  "at once": [load(', "resume_vm": true'), "GET /", load()],
  "with tracked pages": [load(', "track_dirty_pages": true'), "GET /machine-config"],
  "with the old name of tracked pages": [
    load(', "enable_diff_snapshots": true'),
    "GET /machine-config",
  ],
  "with the old name of memory": [
    'PUT /snapshot/load {"snapshot_path": "s", "mem_file_path": "m"}',
    "GET /",
  ],
  "after a CPU template": ["PUT /cpu-config {}", load(), "GET /"],
  "after a machine's configuration": [...BOOT.slice(1), load(), "GET /"],
  "by a path with slashes": [
    "PUT //snapshot/load/ " + load().split(" ").slice(2).join(" "),
    "GET /",
  ],
};

/** Loads that end the process. */
export const FAILED_LOADS: Readonly<Record<string, Call>> = {
  "of no memory": load("", "nowhere"),
  "of memory that is too short": load("", "file"),
  "of memory that nobody hands out": load().replace("File", "Uffd"),
  "at once of no memory": load(', "resume_vm": true', "nowhere"),
};

const entry = (leaf: string, modifiers = "[]") =>
  `{"leaf": "${leaf}", "subleaf": "0x7", "flags": 0, "modifiers": ${modifiers}}`;

/** CPU templates that are refused when they are given, or at the boot. */
export const TEMPLATES: Readonly<Record<string, string>> = {
  "a leaf that KVM has not": `{"cpuid_modifiers": [${entry("0x3fff")}]}`,
  "an MSR that KVM has not": '{"msr_modifiers": [{"addr": "0x3fff", "bitmap": "0b1"}]}',
  "a capability that KVM has not": '{"kvm_capabilities": ["65000"]}',
  "a capability that is taken away": '{"kvm_capabilities": ["!65000"]}',
  "everything that changes nothing":
    '{"kvm_capabilities": [], "cpuid_modifiers": [], "msr_modifiers": []}',
};

export function bootWith(template: string): readonly Call[] {
  const [source = "", machine = ""] = BOOT;
  return [source, `PUT /cpu-config ${template}`, machine, START, "GET /"];
}
