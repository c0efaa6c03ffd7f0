/** The daemon of one node. */
import { AGENT_OPTIONS, flagOf } from "@evenkeel/agent/options";
import { verb, type Parent, type SetExit } from "./arguments.ts";

function helpOf({ help, env, default: value }: (typeof AGENT_OPTIONS)[keyof typeof AGENT_OPTIONS]) {
  const by = value === undefined || value === false ? "" : `, default ${value}`;
  return `${help} (${env}${by})`;
}

export function addAgentVerbs(program: Parent, setExit: SetExit): void {
  const agent = verb(program, "agent")
    .summary("the daemon of one node: templates, sandboxes, snapshots")
    .description(
      "Runs the node's agent: an HTTP API for building templates and for running, pausing and moving sandboxes, where every resume needs a verdict. microVMs outlive the agent, which finds them again when restarted. Flags override the environment, which overrides the file.",
    )
    .option("--config <file>", "a JSON file with these options, in camelCase");
  for (const [key, row] of Object.entries(AGENT_OPTIONS)) {
    const { argument } = row;
    agent.option(`${flagOf(key)}${argument === undefined ? "" : ` <${argument}>`}`, helpOf(row));
  }
  agent
    .option("--check", "print the effective configuration and exit")
    .option("--json", "with --check: print it as JSON")
    .action(async (flags: object) => {
      const { setFlagsFromString } = process.getBuiltinModule("node:v8");
      // A daemon that mostly waits has no use for a young generation of 48 MiB.
      setFlagsFromString("--semi-space-growth-factor=1");
      const { runAgent } = await import("../commands/agent.ts");
      setExit(await runAgent(flags));
    });
}
