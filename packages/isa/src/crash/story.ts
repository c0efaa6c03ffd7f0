/** What happened and what to do, in sentences: one function per cause. */
import type { Cause } from "./cause.ts";
import { noPermission, notEnabled } from "./enablement-story.ts";
import type { Facts, Story } from "./facts.ts";
import { featureStory } from "./feature-story.ts";
import { otherFaultStory } from "./other-faults.ts";
import {
  breakpoint,
  cannotFault,
  cutShort,
  deliberate,
  everyCpu,
  hypervisor,
  newer,
  notCode,
  privileged,
  sent,
} from "./program-story.ts";
import { refusedStory } from "./refusals.ts";
import { aarch64, noBytes, otherBuildStory } from "./unknown-story.ts";

const STORIES: Readonly<Record<Cause, (facts: Facts) => Story>> = {
  "missing-feature": featureStory,
  "needs-feature": featureStory,
  "not-promised": featureStory,
  "not-enabled": notEnabled,
  "no-permission": noPermission,
  deliberate,
  breakpoint,
  privileged,
  hypervisor,
  "cannot-fault": cannotFault,
  "every-cpu": everyCpu,
  "not-code": notCode,
  newer,
  "cut-short": cutShort,
  "other-build": otherBuildStory,
  refused: refusedStory,
  sent,
  "no-bytes": noBytes,
  "other-fault": otherFaultStory,
  aarch64,
};

export function storyOf(cause: Cause, facts: Facts): Story {
  return STORIES[cause](facts);
}
