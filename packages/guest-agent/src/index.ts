export { GUEST_PORT, main, startGuestAgent } from "./main.ts";
