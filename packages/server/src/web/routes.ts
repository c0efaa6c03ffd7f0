/** `/`: the fleet to look at. Pages only read; everything they show is an answer of the API. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import {
  assetText,
  OUTCOME,
  renderFleetPage,
  type FleetAssets,
  type FleetPage,
} from "@evenkeel/web";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Context } from "../context.ts";
import { messageOf, SERVER_ERRORS, ServerError } from "../errors.ts";
import { openEvents } from "./events.ts";
import { PAGES, type Deferred, type Desk, type Question } from "./pages.ts";
import { isForeign, isSignedIn, localPath, signIn, signOut } from "./session.ts";

const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "connect-src 'self'",
  "img-src data:",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Anyone may ask; pages look at the cookie themselves. Not part of the API's document. */
const OPEN = { config: { allow: "anyone" }, schema: { hide: true } } as const;
const FORM_LIMIT = 4096;
const YEAR = 31_536_000;

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

const TYPES = { css: "text/css; charset=utf-8", js: "text/javascript; charset=utf-8" } as const;
type Asset = keyof typeof TYPES;

/** Their names change with what is in them, so that browsers may keep them. */
function assetPath(name: Asset): string {
  return `/assets/page-${digestOf(assetText(name))}.${name}`;
}

function addAsset(app: FastifyInstance, name: Asset): void {
  app.get(assetPath(name), OPEN, async (_, reply) => {
    void reply.type(TYPES[name]).header("cache-control", `public, max-age=${YEAR}, immutable`);
    return assetText(name);
  });
}

function addHeaders(reply: FastifyReply): void {
  void reply
    .type("text/html; charset=utf-8")
    .header("content-security-policy", POLICY)
    .header("cache-control", "no-store")
    .header("referrer-policy", "no-referrer");
}

function textOf(data: FleetPage, signedIn: boolean): string {
  const assets: FleetAssets = { css: assetPath("css"), js: assetPath("js"), events: "/events" };
  return renderFleetPage(data, assets, signedIn);
}

function send(reply: FastifyReply, data: FleetPage, signedIn: boolean): string {
  addHeaders(reply);
  return textOf(data, signedIn);
}

/** All that stands before the outcome, and the rest once it is there. */
async function* partsOf({ first, whole }: Deferred): AsyncGenerator<string> {
  const text = textOf(first, true);
  yield text.slice(0, text.indexOf(OUTCOME));
  const all = textOf(await whole(), true);
  yield all.slice(all.indexOf(OUTCOME));
}

/** What went wrong, as a page. */
function handleErrors(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => {
    const known = error instanceof ServerError;
    const { status, hint } = SERVER_ERRORS[known ? error.code : "SERVER_DEFECT"];
    if (status >= 500) request.log.error({ err: error }, messageOf(error));
    const message = known ? error.message : "The page could not be made.";
    return reply.code(status).send(send(reply, { page: "error", message, hint }, false));
  });
}

function addSession(app: FastifyInstance, context: Context): void {
  const parse = { parseAs: "string", bodyLimit: FORM_LIMIT } as const;
  app.addContentTypeParser("application/x-www-form-urlencoded", parse, (_, body, done) =>
    done(null, body),
  );
  const formOf = ({ body }: FastifyRequest) =>
    new URLSearchParams(typeof body === "string" ? body : "");
  const refuseForeign = (request: FastifyRequest) => {
    if (isForeign(request)) throw new ServerError("FORBIDDEN", "this form is of another site");
  };
  app.get("/sign-in", OPEN, async (request, reply) => {
    const { to } = request.query as { to?: unknown };
    const page = { page: "sign-in", refused: false } as const;
    return send(reply, { ...page, to: localPath(typeof to === "string" ? to : null) }, false);
  });
  app.post("/sign-in", OPEN, async (request, reply) => {
    refuseForeign(request);
    const form = formOf(request);
    const to = localPath(form.get("to"));
    if (await signIn(context, reply, (form.get("token") ?? "").trim())) {
      return await reply.redirect(to, 303);
    }
    void reply.code(401);
    return send(reply, { page: "sign-in", to, refused: true }, false);
  });
  app.post("/sign-out", OPEN, async (request, reply) => {
    refuseForeign(request);
    signOut(reply);
    return await reply.redirect("/sign-in", 303);
  });
}

function addEvents(app: FastifyInstance, context: Context): void {
  const events = openEvents(context);
  app.addHook("preClose", async () => events.close());
  app.get("/events", OPEN, async (request, reply) => {
    if (!(await isSignedIn(context, request))) {
      throw new ServerError("UNAUTHORIZED", "sign in first");
    }
    if (!events.listen(reply.raw)) return await reply.code(204).send();
    return reply.hijack();
  });
}

/** Characters of a parameter. */
const LONGEST = 2000;

function questionOf({ params, query }: FastifyRequest): Question {
  const { name = "" } = params as { name?: string };
  const given = query as Readonly<Record<string, unknown>>;
  return {
    name,
    query: (parameter) => {
      const value = Object.hasOwn(given, parameter) ? given[parameter] : undefined;
      return typeof value === "string" ? value.slice(0, LONGEST) : "";
    },
  };
}

/** Adds the pages; in a scope of their own, so that errors of the API stay JSON. */
export async function addPages(root: FastifyInstance, context: Context, trees: Desk["trees"]) {
  await root.register(async (app) => {
    handleErrors(app);
    for (const name of ["css", "js"] as const) addAsset(app, name);
    addSession(app, context);
    addEvents(app, context);
    for (const [path, read] of Object.entries(PAGES)) {
      app.get(path, OPEN, async (request, reply) => {
        if (!(await isSignedIn(context, request))) {
          return await reply.redirect(`/sign-in?to=${encodeURIComponent(request.url)}`, 303);
        }
        const answer = await read({ context, trees }, questionOf(request));
        if (!("whole" in answer)) return send(reply, answer, true);
        addHeaders(reply);
        return await reply.send(Readable.from(partsOf(answer)));
      });
    }
  });
}
