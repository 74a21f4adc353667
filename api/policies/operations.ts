import type { Executor } from '../../db/client.ts';
import { insertAudit } from '../../db/queries/audit.ts';
import {
  deletePolicy,
  findPolicy,
  insertPolicy,
  listPolicies,
  lockPolicy,
  type Policy,
  type PolicyLimits,
  updatePolicy,
} from '../../db/queries/policies.ts';
import { type DomainError, domainError } from '../../domain/errors.ts';
import { beforeOf } from '../audit/before-of.ts';
import type { Operator } from '../operator.ts';
import type { Services } from '../services.ts';

/** The policy of users who were given no other; it always exists. */
const usualPolicy = 'default';

function policyNotFound(): DomainError {
  return domainError('not_found', 'There is no such policy.');
}

function limitsOf({
  foldersMax,
  folderBytesMax,
  folderFilesMax,
  requestsMax,
  volumes,
}: Omit<Policy, 'users'>) {
  return { foldersMax, folderBytesMax, folderFilesMax, requestsMax, volumes };
}

async function readPolicy(db: Executor, name: string): Promise<Policy> {
  // Postgres refuses NUL in text; no name contains one.
  const policy = name.includes('\0') ? null : await findPolicy(db, name);
  if (policy === null) throw policyNotFound();
  return policy;
}

/** All policies by name. */
export async function readPolicies(services: Pick<Services, 'db'>): Promise<Policy[]> {
  return await listPolicies(services.db);
}

/** A name that no volume has would shut its users out for a slip of the pen. @throws request_malformed */
function requireVolumes({ volumes }: Pick<Services, 'volumes'>, limits: PolicyLimits): void {
  const unknown = limits.volumes?.find((name) => !volumes.has(name));
  if (unknown === undefined) return;
  const detail = 'There is no such storage host.';
  throw domainError('request_malformed', detail, { errors: [{ pointer: '/volumes', detail }] });
}

/** Makes a policy. @throws policy_taken, request_malformed (an unknown volume) */
export async function createPolicy(
  services: Pick<Services, 'db' | 'volumes'>,
  request: PolicyLimits & { readonly operator: Operator; readonly name: string },
): Promise<Policy> {
  const { operator, ...policy } = request;
  const { name, ...details } = policy;
  requireVolumes(services, policy);
  return await services.db.transaction(async (tx) => {
    if (!(await insertPolicy(tx, policy))) throw domainError('policy_taken', 'A policy has this name.');
    await insertAudit(tx, { ...operator, action: 'policy.create', subject: name, details });
    return await readPolicy(tx, name);
  });
}

/** Changes limits of a policy, for what its users make from then on. @throws not_found, request_malformed (an unknown volume) */
export async function changePolicy(
  services: Pick<Services, 'db' | 'volumes'>,
  request: { readonly operator: Operator; readonly name: string; readonly limits: PolicyLimits },
): Promise<Policy> {
  const { operator, name, limits } = request;
  requireVolumes(services, limits);
  return await services.db.transaction(async (tx) => {
    await readPolicy(tx, name);
    // Changes of a policy happen one after the other, so that each knows what it changed.
    await lockPolicy(tx, name);
    const before = beforeOf(limitsOf(await readPolicy(tx, name)), limits);
    await updatePolicy(tx, name, limits);
    const details = { ...limits, before };
    await insertAudit(tx, { ...operator, action: 'policy.change', subject: name, details });
    return await readPolicy(tx, name);
  });
}

/** Removes a policy that nobody has. @throws not_found, policy_in_use */
export async function removePolicy(
  services: Pick<Services, 'db'>,
  { operator, name }: { readonly operator: Operator; readonly name: string },
): Promise<void> {
  await services.db.transaction(async (tx) => {
    await readPolicy(tx, name);
    if (!(await lockPolicy(tx, name))) throw policyNotFound();
    const { users, ...policy } = await readPolicy(tx, name);
    if (name === usualPolicy) throw domainError('policy_in_use', 'The policy "default" always exists.');
    if (users > 0) {
      throw domainError('policy_in_use', 'Users have this policy; give them another one first.', {
        extra: { users },
      });
    }
    await deletePolicy(tx, name);
    const details = { before: limitsOf(policy) };
    await insertAudit(tx, { ...operator, action: 'policy.remove', subject: name, details });
  });
}
