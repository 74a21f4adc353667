import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { giveBackLinkGuess, takeLinkGuess } from '../../db/queries/link-uses.ts';
import { domainError } from '../../domain/errors.ts';
import type { Services } from '../services.ts';
import { createPasswordTurns, type PasswordTurnLimits } from './password-turns.ts';

/** One of the settings that OWASP has for passwords: 32 MiB, and time, for each look. */
const cost = { log2N: 15, r: 8, p: 3 } as const;
const memoryBytesMax = 64 * 1024 ** 2;
const hashBytes = 32;
const saltBytes = 16;
/** One at work takes a thread of the pool. */
const usualTurns: PasswordTurnLimits = { parallelMax: 2, waitingMax: { making: 16, using: 48 }, ofOneMax: 4 };
/** A password that was right need not be looked at again for this long: a download asks for many parts. */
const knownMs = 10 * 60_000;
const knownMax = 10_000;

/** A link with a password. */
export interface GuardedLink {
  readonly id: string;
  readonly passwordHash: string;
}

/** Makes and checks the passwords of links; one for each process. */
export interface LinkPasswords {
  /** What is kept of a password of a user's link. @throws requests_busy */
  hash(password: string, userId: string): Promise<string>;
  /**
   * Lets pass who knows the password, in constant time. Wrong ones are counted for the link, over all processes.
   * @throws link_password_required; rate_limited after too many wrong ones; requests_busy
   */
  require(services: Pick<Services, 'db'>, link: GuardedLink, given: string | undefined): Promise<void>;
}

interface Salted {
  readonly salt: Buffer;
  readonly log2N: number;
  readonly r: number;
  readonly p: number;
}

function derive(password: string, { salt, log2N, r, p }: Salted): Promise<Buffer> {
  const options = { N: 2 ** log2N, r, p, maxmem: memoryBytesMax };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, hashBytes, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

async function isOf(password: string, kept: string): Promise<boolean> {
  const [, log2N, r, p, salt = '', hash = ''] = kept.split('$');
  const derived = await derive(password, {
    salt: Buffer.from(salt, 'base64url'),
    log2N: Number(log2N),
    r: Number(r),
    p: Number(p),
  });
  return timingSafeEqual(derived, Buffer.from(hash, 'base64url'));
}

/** Remembers for a while which passwords were right, by what says nothing of them outside of this process. */
function createMemory() {
  const key = randomBytes(32);
  const until = new Map<string, number>();
  return {
    nameOf: (link: GuardedLink, password: string): string =>
      createHmac('sha256', key).update(`${link.id}\0${link.passwordHash}\0${password}`).digest('base64'),
    isKnown: (name: string): boolean => (until.get(name) ?? 0) > performance.now(),
    keep: (name: string): void => {
      until.delete(name);
      until.set(name, performance.now() + knownMs);
      const [oldest] = until.keys();
      if (until.size > knownMax && oldest !== undefined) until.delete(oldest);
    },
  };
}

/** Opens the passwords of a process. */
export function openLinkPasswords(turns = usualTurns): LinkPasswords {
  const takeTurn = createPasswordTurns(turns);
  const memory = createMemory();
  /** Looks under way: requests for the parts of one download come together. */
  const looks = new Map<string, Promise<boolean>>();

  const look = async (db: Services['db'], link: GuardedLink, password: string): Promise<boolean> => {
    const waitSeconds = await takeLinkGuess(db, link.id);
    if (waitSeconds !== null) {
      throw domainError('rate_limited', 'Too many wrong passwords came for this link.', {
        retryAfterSeconds: waitSeconds,
      });
    }
    let isWrong = false;
    try {
      isWrong = !(await takeTurn({ side: 'using', of: link.id }, () => isOf(password, link.passwordHash)));
    } finally {
      if (!isWrong) await giveBackLinkGuess(db, link.id);
    }
    return !isWrong;
  };
  return {
    hash: (password, userId) =>
      takeTurn({ side: 'making', of: userId }, async () => {
        const salt = randomBytes(saltBytes);
        const key = await derive(password, { ...cost, salt });
        const { log2N, r, p } = cost;
        return ['scrypt', log2N, r, p, salt.toString('base64url'), key.toString('base64url')].join('$');
      }),
    require: async ({ db }, link, given) => {
      // The hash takes NULs at the end for nothing.
      if (given === undefined || given === '' || given.includes('\0')) throw passwordRequired();
      const name = memory.nameOf(link, given);
      if (memory.isKnown(name)) return;
      const under = looks.get(name) ?? look(db, link, given).finally(() => looks.delete(name));
      looks.set(name, under);
      if (!(await under)) throw passwordRequired();
      memory.keep(name);
    },
  };
}

function passwordRequired() {
  return domainError(
    'link_password_required',
    'Send the password of the link by Basic authentication; any user name will do.',
  );
}

/** The password that came by Basic authentication (RFC 7617), if one did. */
export function givenPassword(header: string | undefined): string | undefined {
  const [, text = ''] = /^basic\s+([A-Za-z0-9+/]+={0,2})$/i.exec(header?.trim() ?? '') ?? [];
  const decoded = Buffer.from(text, 'base64').toString('utf8');
  const mark = decoded.indexOf(':');
  return mark === -1 ? undefined : decoded.slice(mark + 1);
}
