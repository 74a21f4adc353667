import { randomBytes } from 'node:crypto';
import { coalesce } from '../../db/coalesce.ts';
import { type Credential, findCredential } from '../../db/queries/keypairs.ts';
import { isAccessKeyForm } from '../../domain/access-key.ts';
import { domainError } from '../../domain/errors.ts';
import type { Services } from '../services.ts';

/** What somebody shows to be the holder of a keypair. */
export interface Proof {
  readonly accessKey: string;
  /** Tells whether the proof was made with `secret`; takes as long whether or not it was. */
  isMadeWith(secret: string): boolean;
}

/** Requests under one access key that come at the same time share a look, which begins after they came. */
function makeLookUp({ db }: Pick<Services, 'db'>): (accessKey: string) => Promise<Credential | null> {
  return coalesce({
    keyOf: (accessKey) => accessKey,
    run: async (accessKeys) => {
      const [accessKey = ''] = accessKeys;
      const credential = isAccessKeyForm(accessKey) ? await findCredential(db, accessKey) : null;
      return accessKeys.map(() => credential);
    },
  });
}

/**
 * Makes the check of a proof. The keypair and its user are read each time, never from memory; an unknown access key costs the same work as a
 * known one and gets the same answer as a wrong proof: `auth_failed`.
 */
export function makeKeypairCheck(
  services: Pick<Services, 'db' | 'secrets'>,
): (proof: Proof) => Promise<Credential> {
  const lookUp = makeLookUp(services);
  const decoy = services.secrets.seal(randomBytes(30).toString('base64'));
  return async (proof) => {
    const credential = await lookUp(proof.accessKey);
    const isProven = proof.isMadeWith(services.secrets.open(credential?.secretSealed ?? decoy));
    if (credential === null || !isProven || !credential.isActive) {
      throw domainError('auth_failed', 'The access key or its proof is not accepted.');
    }
    return credential;
  };
}
