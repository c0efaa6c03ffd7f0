/** What a node answers on its connection, where it is not as it should be. */
import { once } from "node:events";
import { performServerHandshake } from "node:http2";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { TUNNEL } from "@evenkeel/api/fleet";
import { expect, test } from "vitest";
import { openConnections } from "../src/http/tunnels.ts";

test("a message that is no URI component refuses one stream", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const node = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [socket] = (await once(server, "connection")) as [Socket];
  const session = performServerHandshake(node);
  session.on("stream", (stream) =>
    stream.respond(
      { ":status": 502, [TUNNEL.code]: "FAILED", [TUNNEL.message]: "100 %" },
      { endStream: true },
    ),
  );
  const connections = openConnections();
  connections.add("n1", socket);
  const refused = { code: "FAILED", message: "the node refused the stream" };
  await expect(connections.open("n1", "s1", 80)).rejects.toMatchObject(refused);
  await expect(connections.open("n1", "s1", 80)).rejects.toMatchObject(refused);
  connections.close();
  session.destroy();
  server.close();
});
