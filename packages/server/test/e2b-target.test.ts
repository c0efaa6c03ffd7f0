/** Which sandbox a request is for, and who may reach it: pure parts of E2B's data plane. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mayReach } from "../src/e2b/admit.ts";
import { e2bAnswerOf } from "../src/e2b/errors.ts";
import { ServerError } from "../src/errors.ts";
import { hostOf, targetOf } from "../src/e2b/target.ts";

const DOMAIN = "sbx.example";
const byHeader = { "e2b-sandbox-id": "s1", "e2b-sandbox-port": "49983" };

describe("a request is for", () => {
  test.each([
    [{ host: "3000-s1.sbx.example" }, { sandbox: "s1", port: 3000 }],
    [{ host: "3000-S1.SBX.example:8443" }, { sandbox: "s1", port: 3000 }],
    [{ host: "1-a-b.sbx.example" }, { sandbox: "a-b", port: 1 }],
    // The host's name counts where it names a sandbox, whatever the headers say.
    [
      { host: "80-s2.sbx.example", ...byHeader },
      { sandbox: "s2", port: 80 },
    ],
    [
      { host: "sandbox.sbx.example", ...byHeader },
      { sandbox: "s1", port: 49_983 },
    ],
    [
      { host: "localhost:7703", ...byHeader },
      { sandbox: "s1", port: 49_983 },
    ],
    [
      { host: "[::1]:7703", ...byHeader },
      { sandbox: "s1", port: 49_983 },
    ],
    [{ host: "api.sbx.example" }, "api"],
    [{ host: "api.sbx.example", ...byHeader }, "api"],
    [{ host: "127.0.0.1:7703" }, "api"],
    [{ host: "0-s1.sbx.example" }, "unknown"],
    [{ host: "65536-s1.sbx.example" }, "unknown"],
    [{ host: "x.80-s1.sbx.example" }, "unknown"],
    [{ host: "80-s1.sbx.example.evil.example" }, "unknown"],
    [{ host: "80-s1evilsbx.example" }, "unknown"],
    [{ host: "evil.example", ...byHeader }, "unknown"],
    [{}, "unknown"],
    [{ host: "localhost", "e2b-sandbox-id": "../x", "e2b-sandbox-port": "80" }, "unknown"],
    [{ host: "localhost", "e2b-sandbox-id": "s1" }, "unknown"],
  ])("%j: %j", (headers, target) => {
    expect(targetOf(headers, DOMAIN)).toEqual(target);
  });

  test("nothing that a host can be makes another sandbox than a whole name", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (host) => {
        const target = targetOf({ host: `${host}.${DOMAIN}` }, DOMAIN);
        if (typeof target === "string") return;
        expect(hostOf(host)).toBe(`${target.port}-${target.sandbox}`);
      }),
    );
  });
});

describe("the guest's agent", () => {
  const tokens = {
    access: (id: string) => `access ${id}`,
    traffic: (id: string) => `traffic ${id}`,
  };
  const may = (
    url: string,
    headers: object = {},
    { port = 49_983, open = true, method = "GET" } = {},
  ) => mayReach({ url, headers, method } as IncomingMessage, { sandbox: "s1", port }, open, tokens);
  const signed = (path: string, operation: string, until?: number) => {
    const words = [path, operation, "root", "access s1", ...(until === undefined ? [] : [until])];
    const signature = createHash("sha256")
      .update(words.join(":"))
      .digest("base64")
      .replace(/=+$/, "");
    const end = until === undefined ? "" : `&signature_expiration=${until}`;
    return `/files?path=${path}&username=root&signature=${encodeURIComponent(`v1_${signature}`)}${end}`;
  };

  test("is for who has the sandbox's token, and /init for nobody", () => {
    expect(may("/health")).toBe(true);
    expect(may("/process.Process/Start")).toBe(false);
    expect(may("/process.Process/Start", { "x-access-token": "access s1" })).toBe(true);
    expect(may("/process.Process/Start", { "x-access-token": "access s2" })).toBe(false);
    expect(may("/init", { "x-access-token": "access s1" }, { method: "POST" })).toBe(false);
    expect(may("//init", { "x-access-token": "x" })).toBe(false);
  });

  test("sends and takes files by signed URLs, for what they were signed for", () => {
    expect(may(signed("/a", "read"))).toBe(true);
    expect(may(signed("/a", "read"), {}, { method: "POST" })).toBe(false);
    expect(may(signed("/a", "write"), {}, { method: "POST" })).toBe(true);
    expect(may(signed("/a", "read").replace("path=/a", "path=/b"))).toBe(false);
    expect(may(signed("/a", "read").replace("/files", "/process.Process/List"))).toBe(false);
    const now = Math.floor(Date.now() / 1000);
    expect(may(signed("/a", "read", now + 100))).toBe(true);
    expect(may(signed("/a", "read", now - 100))).toBe(false);
  });

  test("other ports are public, unless the sandbox's are not", () => {
    expect(may("/", {}, { port: 3000 })).toBe(true);
    expect(may("/", {}, { port: 3000, open: false })).toBe(false);
    const token = { "e2b-traffic-access-token": "traffic s1" };
    expect(may("/", token, { port: 3000, open: false })).toBe(true);
    expect(may("/", { "e2b-traffic-access-token": "access s1" }, { port: 3000, open: false })).toBe(
      false,
    );
  });
});

describe("a refused placement", () => {
  const refusal = (...problems: [path: string, message: string][]) =>
    e2bAnswerOf(
      new ServerError("NO_NODE", "none of 2 nodes can run it; it needs AVX2", {
        problems: problems.map(([path, message]) => ({ path, message })),
      }),
    );

  test("by CPUs alone is not to be tried again, and says by which feature", () => {
    const answer = refusal(
      ["verdict", "2 nodes"],
      ["AVX2", "incompatible on 2 nodes"],
      ["way out", "boot it anew"],
    );
    expect(answer).toMatchObject({ status: 503, retry: false });
    expect(answer.body).toMatchObject({ code: 503, error_code: "sandbox_no_compatible_node" });
    expect(answer.body.message).toContain("AVX2");
  });

  test("where a node that can is full or away, is worth another try", () => {
    for (const way of ["wait for room: 1 node can resume it and are full", "bring back: 1 node"]) {
      const answer = refusal(["verdict", "1 nodes"], ["capacity", "1 nodes"], ["way out", way]);
      expect([answer.body.error_code, answer.retry]).toEqual([
        "sandbox_capacity_unavailable",
        true,
      ]);
    }
  });
});
