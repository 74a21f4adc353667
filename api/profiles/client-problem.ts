import type { ProblemBody } from '../problem.ts';

/** A problem with what published clients show of it besides `title`: `msg`, and `data` for complaints by parameter. */
export function toClientProblem(problem: ProblemBody): ProblemBody {
  const complaints = (problem.errors ?? []).map(({ pointer, detail }) => [pointer, detail]);
  return {
    ...problem,
    msg: problem.detail,
    ...(complaints.length === 0 ? {} : { data: Object.fromEntries(complaints) }),
  };
}
