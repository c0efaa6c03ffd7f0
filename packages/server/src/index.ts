/** The public face of `@evenkeel/server`: the fleet service. */
export { loadServerConfig, type ServerConfig } from "./config/load.ts";
export { SERVER_OPTIONS } from "./config/options.ts";
export { SERVER_ERRORS, ServerError } from "./errors.ts";
export { layOutFleet, type FleetNode } from "./placement/fleet.ts";
export { place } from "./placement/place.ts";
export { openVerdictIndex } from "./placement/verdict-index.ts";
export { createServer, type Server, type ServerOptions } from "./server.ts";
export { exportTo, importFrom } from "./store/export.ts";
