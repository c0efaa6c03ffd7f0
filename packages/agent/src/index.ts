/** The public face of `@evenkeel/agent`: the daemon of one node. */
export { createAgent, type Agent, type AgentOptions } from "./agent.ts";
export type { CpuShape } from "./cpu/shape.ts";
export { AGENT_ERRORS, AgentError, type AgentErrorCode } from "./errors.ts";
export type { Crash, ExplainCrash } from "./sandboxes/console.ts";
export { loadConfig, type ConfigSources } from "./config/load.ts";
export { AGENT_OPTIONS, flagOf, type AgentOptionKey } from "./config/options.ts";
export type { AgentConfig } from "./config/schema.ts";
export { openLogger } from "./log.ts";
export { listen, parseAddress, type Address } from "./serve.ts";
