import { domainError } from '../../domain/errors.ts';

/** Who works with a password: a user who makes a link, or somebody who uses one. */
export type PasswordSide = 'making' | 'using';

/** How many passwords are hashed at the same time, and how many may wait for it. */
export interface PasswordTurnLimits {
  readonly parallelMax: number;
  /** Places to wait for each side, so that neither takes those of the other. */
  readonly waitingMax: Readonly<Record<PasswordSide, number>>;
  /** Of one user who makes links, and of one link that is used; those at work included. */
  readonly ofOneMax: number;
}

/** Whose password it is: the id of the user who makes a link, or of the link that is used. */
export interface PasswordTurn {
  readonly side: PasswordSide;
  readonly of: string;
}

/** Does the work once it is its turn. @throws requests_busy; what `work` throws */
export type TakePasswordTurn = <T>(turn: PasswordTurn, work: () => Promise<T>) => Promise<T>;

const other = { making: 'using', using: 'making' } as const;

/** Counts who is there by name, and forgets who is not. */
function createPresence(max: number) {
  const present = new Map<string, number>();
  return {
    enter: (name: string): boolean => {
      const count = present.get(name) ?? 0;
      if (count >= max) return false;
      present.set(name, count + 1);
      return true;
    },
    leave: (name: string): void => {
      const count = (present.get(name) ?? 1) - 1;
      if (count === 0) present.delete(name);
      else present.set(name, count);
    },
  };
}

/** Lets a few work at a time. Of those that wait the two sides go in turn, each in the order of arrival. */
export function createPasswordTurns({
  parallelMax,
  waitingMax,
  ofOneMax,
}: PasswordTurnLimits): TakePasswordTurn {
  const waiting: Readonly<Record<PasswordSide, (() => void)[]>> = { making: [], using: [] };
  const presence = createPresence(ofOneMax);
  let working = 0;
  let last: PasswordSide = 'making';
  const begin = async (side: PasswordSide): Promise<void> => {
    if (working < parallelMax) {
      working += 1;
      return;
    }
    await new Promise<void>((resolve) => waiting[side].push(resolve));
  };
  // Whoever ends hands its place on.
  const end = (): void => {
    const side = waiting[other[last]].length > 0 ? other[last] : last;
    const next = waiting[side].shift();
    last = side;
    if (next === undefined) working -= 1;
    else next();
  };
  return async ({ side, of }, work) => {
    const isFull = working >= parallelMax && waiting[side].length >= waitingMax[side];
    const name = `${side}:${of}`;
    if (isFull || !presence.enter(name)) {
      throw domainError('requests_busy', 'Too many passwords of links are looked at at the same time.');
    }
    try {
      await begin(side);
      try {
        return await work();
      } finally {
        end();
      }
    } finally {
      presence.leave(name);
    }
  };
}
