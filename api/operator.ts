import type { ApiRequest } from './route.ts';

/** Who changes the installation, and by which request, as the audit log names them. */
export interface Operator {
  readonly actorId: string;
  readonly requestId: string;
}

/** Whom a request acts for. */
export function operatorOf({
  principal,
  requestId,
}: Pick<ApiRequest<unknown>, 'principal' | 'requestId'>): Operator {
  return { actorId: principal.userId, requestId };
}
