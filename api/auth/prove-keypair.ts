import { randomBytes } from 'node:crypto';
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

async function lookUp(services: Pick<Services, 'db'>, accessKey: string): Promise<Credential | null> {
  return isAccessKeyForm(accessKey) ? findCredential(services.db, accessKey) : null;
}

/**
 * Makes the check of a proof. The keypair and its user are read each time; an unknown access key costs the same work as a
 * known one and gets the same answer as a wrong proof: `auth_failed`.
 */
export function makeKeypairCheck(
  services: Pick<Services, 'db' | 'secrets'>,
): (proof: Proof) => Promise<Credential> {
  const decoy = services.secrets.seal(randomBytes(30).toString('base64'));
  return async (proof) => {
    const credential = await lookUp(services, proof.accessKey);
    const isProven = proof.isMadeWith(services.secrets.open(credential?.secretSealed ?? decoy));
    if (credential === null || !isProven || !credential.isActive) {
      throw domainError('auth_failed', 'The access key or its proof is not accepted.');
    }
    return credential;
  };
}
