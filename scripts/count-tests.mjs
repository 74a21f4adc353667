/**
 * Prints "passed failed skipped" from vitest's JSON report. A report that is missing, empty or says failure without a
 * failed test (a file that did not load) counts as one failure, so that silence is never success.
 */
import { readFileSync } from 'node:fs';

function countTests(file) {
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const passed = report.numPassedTests ?? 0;
  const failed = report.numFailedTests ?? 0;
  const skipped = (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0);
  const isSilentFailure = failed === 0 && (report.success !== true || passed === 0);
  return { passed, failed: isSilentFailure ? 1 : failed, skipped };
}

const { passed, failed, skipped } = countTests(process.argv[2] ?? '');
console.log(passed, failed, skipped);
