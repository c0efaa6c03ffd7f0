/** The built agent and nothing else, for tests that start it hundreds of times. */
import { readFileSync } from "node:fs";
import { createAgent, listen, parseAddress } from "../dist/index.js";
import { parseJson, readProfile } from "../../core/dist/index.js";
import { createFirecrackerDriver } from "../../host/dist/index.js";

const [binary, version] = process.argv.slice(2);
const { env } = process;
const agent = await createAgent({
  driver: createFirecrackerDriver({ binary, version }),
  profile: readProfile(parseJson(readFileSync(env.EVENKEEL_PROFILE, "utf8")), "node"),
  directory: env.EVENKEEL_DATA_DIR,
  kernelsDir: env.HOST_KERNELS_DIR,
  imagesDir: env.EVENKEEL_IMAGES_DIR,
});
await listen(agent, parseAddress(env.EVENKEEL_LISTEN));
