/** Calls that answer what the server's pages draw. */
import { z } from "zod";
import {
  Compatibility,
  Drifts,
  MergeTreeView,
  Overview,
  RolloutView,
  SnapshotDetail,
} from "./look.ts";
import { ByName, Digest } from "./names.ts";
import { route } from "./route.ts";

export const LOOK_ROUTES = {
  overview: route(
    "GET",
    "/v1/overview",
    "view",
    "The fleet in numbers: nodes, snapshots, and what is left if a class goes.",
    {},
    { 200: Overview },
  ),
  compatibility: route(
    "GET",
    "/v1/compatibility",
    "view",
    "Contracts against classes, with the findings.",
    {},
    { 200: Compatibility },
  ),
  mergeTree: route(
    "GET",
    "/v1/pools/:name/tree",
    "view",
    "Which of a pool's classes belong together, and what joining them costs.",
    { params: ByName },
    { 200: MergeTreeView },
  ),
  getRollout: route(
    "GET",
    "/v1/pools/:name/rollout",
    "view",
    "The last rollout of a pool, node by node.",
    { params: ByName },
    { 200: RolloutView },
  ),
  drifts: route(
    "GET",
    "/v1/drifts",
    "view",
    "What changed on nodes, by class, and what it did to verdicts.",
    {},
    { 200: Drifts },
  ),
  getSnapshot: route(
    "GET",
    "/v1/snapshots/:digest",
    "view",
    "A snapshot's verdicts by class, its lineage, and overrides.",
    { params: z.strictObject({ digest: Digest }) },
    { 200: SnapshotDetail },
  ),
} as const;
