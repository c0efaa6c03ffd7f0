import { measureFlood, measureRealFlood, measureRunaway } from "./flood.ts";
console.log("runaway", await measureRunaway());
console.log("100", await measureFlood(5, 100));
console.log("real", await measureRealFlood("/work/real/bin/firecracker-v1.14.1", 5));
