/** What tests need to run Firecracker without Firecracker, and a guest without Linux. */
export { installDouble, type DoubleSettings, type InstalledDouble } from "./install.ts";
export { GREETING, writeFloodingKernel, writeTinyKernel } from "./tiny-kernel.ts";
