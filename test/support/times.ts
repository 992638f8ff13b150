/**
 * How many times as much to try as usual, where what costs is the number of tries and not what they show: `DROVER_TEST_TIMES=10 npm test -- contract`
 * before a release, or after a change of what they are about.
 */
export const times = Math.max(1, Number(process.env.DROVER_TEST_TIMES ?? 1));
