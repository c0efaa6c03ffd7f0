/** Firecracker's command line, as a list of arguments. */

export interface FirecrackerArguments {
  /** Relative to the process's working directory, or absolute. */
  readonly socket: string;
  readonly id?: string;
  /** Its log goes there instead of standard output, which then is the guest's console alone. */
  readonly logFile?: string;
}

export function firecrackerArguments({ socket, id, logFile }: FirecrackerArguments): string[] {
  return [
    "--api-sock",
    socket,
    ...(id === undefined ? [] : ["--id", id]),
    ...(logFile === undefined ? [] : ["--log-path", logFile]),
  ];
}
