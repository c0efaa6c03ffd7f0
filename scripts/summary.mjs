/** Prints the one line that sums up a test report: `node scripts/summary.mjs REPORT`. */
import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"));
const { numPassedTests, numFailedTests, numPendingTests, numTotalTestSuites, success } = report;
// A file that does not load counts no test of its own.
const failed = success || numFailedTests > 0 ? numFailedTests : Math.max(1, numTotalTestSuites);
const skipped = numPendingTests > 0 ? `, ${numPendingTests} skipped` : "";
process.stdout.write(`${numPassedTests} passed, ${failed} failed${skipped}\n`);
