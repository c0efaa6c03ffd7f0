/** Limits of what stands around us, which several packages keep. */

/**
 * Bytes of a request's body that Firecracker's API takes; it drops a longer one.
 * Source: HTTP_MAX_PAYLOAD_SIZE in src/vmm/src/lib.rs, v1.5.0 to v1.16.0.
 */
export const API_BODY_LIMIT = 51_200;

/** Bytes of a Unix socket's path on Linux: `sun_path` has 108 with its end (unix(7)). */
export const SOCKET_PATH_LIMIT = 107;
