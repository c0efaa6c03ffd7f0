/** What shells, supervisors and container runtimes say of a program that died of SIGILL. */
import { basename } from "node:path";
import { siteOf, type CrashSite } from "./site.ts";

/**
 * Each with an example. Source: zsh Src/signames, bash jobs.c, Go os/exec (ProcessState.String),
 * systemd's exit-status texts, kubectl describe, docker ps and inspect, QEMU linux-user/signal.c.
 */
const EXITS: readonly RegExp[] = [
  // `zsh: illegal hardware instruction (core dumped)  ./node app.js`
  /illegal hardware instruction(?: \(core dumped\))?(?: {2}(?<command>\S{1,255}))?/,
  // `bash: line 1: 5712 Illegal instruction     (core dumped) ./node`
  /(?:(?<pid>\d{1,10}) +)?Illegal instruction(?: +(?:\(core dumped\) )? *(?<command>[./]\S{1,255}))?/,
  // `signal: illegal instruction (core dumped)`
  /\bsignal: illegal instruction/,
  // `Main process exited, code=dumped, status=4/ILL`
  /\bstatus=4\/ILL\b|\bcode=(?:killed|dumped), (?:status|signal)=(?:4\/)?ILL\b/,
  // `exited with code 132`, `Exit Code: 132`, `"ExitCode": 132`, `Exited (132) 5 minutes ago`
  /\bexit(?:ed|s|code)?\b(?:[ _-]?(?:with|error|exit|code|status|of|was|is)\b){0,4}["']?[\s:=(,]{0,16}132\b/i,
  // `killed by signal 4`, `terminated by signal 4`, `died with <Signals.SIGILL: 4>`
  /\b(?:killed|terminated|died|exited)\b.{0,24}\bsignal:? (?:number )?4\b/i,
  // `wait status 132`: 4, and 128 for a core
  /\bwait(?:pid)? ?status\b\W{0,4}(?:4|132|0x0*(?:4|84))\b/i,
  /\bSIGILL\b/,
];

/** A line that says SIGILL and nothing else. */
export function parseExitLine(text: string, line: number): CrashSite | undefined {
  const facts = { report: "exit status", fault: "invalid-opcode", line } as const;
  if (text.trim() === "132") return siteOf({ ...facts, words: "exit code 132" });
  for (const pattern of EXITS) {
    const match = pattern.exec(text);
    if (match === null) continue;
    const { command, pid } = match.groups ?? {};
    return siteOf({
      ...facts,
      words:
        match[0]
          .replace(/^\d+ +/, "")
          .split(/ {2,}/)[0]
          ?.trim() ?? match[0],
      ...(command === undefined ? {} : { process: basename(command) }),
      ...(pid === undefined ? {} : { pid: Number(pid) }),
    });
  }
  return undefined;
}
