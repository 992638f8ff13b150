/** What happens at one number of the demo's newspaper. */
export interface Plan {
  /** Its proof fails until somebody sees to the ink. */
  readonly ink: boolean;
  /** It has an edition for a system that no agent is of. */
  readonly far: boolean;
  /** The earlier number whose ink has come. */
  readonly mended: number | undefined;
  /** The earlier number whose far edition nobody waits for any longer. */
  readonly withdrawn: number | undefined;
  /** Whether the readers take nothing until the next number. */
  readonly shut: boolean;
}

const [inkEvery, inkAfter] = [4, 2];
const [farEvery, farAfter] = [6, 3];
const shutEvery = 5;

const isFaulty = (number: number): boolean => number > 0 && number % inkEvery === 2;
const isFar = (number: number): boolean => number > 0 && number % farEvery === 3;

/** @param number from 1 on; the second one has no ink, so that soon there is something to see to */
export function planOf(number: number): Plan {
  return {
    ink: !isFaulty(number),
    far: isFar(number),
    mended: isFaulty(number - inkAfter) ? number - inkAfter : undefined,
    withdrawn: isFar(number - farAfter) ? number - farAfter : undefined,
    shut: number % shutEvery === 4,
  };
}

/** How long until the next number, in milliseconds: after an hour nobody looks all the time. */
export const pauseAfter = (number: number): number => (number < 120 ? 30_000 : 60_000);
