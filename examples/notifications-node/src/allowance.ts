/** How many mails a mailbox may get at once. Anybody can order for any address, so its owner must be protected. */
export const MAILS = 10;
/** After so many milliseconds it may get a further one. */
export const EVERY = 3_600_000;

/** What a mailbox may still get: a token bucket. */
export interface Allowance {
  wholeAt: string; // when the allowance is whole again, without further mails
}

export const WHOLE: Allowance = { wholeAt: "0001-01-01T00:00:00Z" };

const left = (a: Allowance, now: number) => Date.parse(a.wholeAt) - now;

/** Reports whether the mailbox may get a mail now. */
export const permits = (a: Allowance, now: number): boolean => left(a, now) <= (MAILS - 1) * EVERY;

/** Returns the allowance after n more mails. */
export const used = (a: Allowance, now: number, n = 1): Allowance => ({
  wholeAt: new Date(now + Math.max(left(a, now), 0) + n * EVERY).toISOString(),
});

/** How many seconds the allowance differs from a whole one. */
export const lifeSeconds = (a: Allowance, now: number): number => left(a, now) / 1000;
