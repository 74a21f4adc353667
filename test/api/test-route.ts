import { defineRoute, type Route } from '../../api/route.ts';

let made = 0;

/** A route for tests of everything around routes: it may answer whatever it likes, and no document describes it. */
export function defineTestRoute<Input>(route: Omit<Route<Input>, 'answers' | 'doc'>): Route {
  made += 1;
  return defineRoute<Input, Route['answers']>({
    ...route,
    answers: {},
    doc: { tag: 'Service', id: `test${made}`, summary: 'Is there for a test' },
  });
}
