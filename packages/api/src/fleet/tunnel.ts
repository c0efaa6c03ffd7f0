/** The connection on which a server reaches the ports of a node's guests; both ends go by this. */
export const TUNNEL = {
  path: "/v1/node/tunnel",
  /** What the node asks to upgrade to: HTTP/2, on which the server is the client. */
  protocol: "evenkeel-tunnel",
  /** Headers of a stream that was refused: the agent's error code, and its message, URI-encoded. */
  code: "evenkeel-code",
  message: "evenkeel-message",
  /** Bytes under way on a stream, and on all. */
  window: 1024 * 1024,
  connectionWindow: 16 * 1024 * 1024,
  streams: 4096,
  /** The server pings so often, and takes the connection for lost after silence. */
  pingMs: 10_000,
  silenceMs: 35_000,
} as const;
