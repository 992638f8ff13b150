/**
 * What goes between the main thread and the signing thread: fingerprints, one per line, answered in the same order by as many
 * signatures, one per line. One string crosses threads at a tenth of the cost of a structure.
 */
export const joinLines = (lines: readonly string[]): string => lines.join('\n');
export const splitLines = (text: string): string[] => text.split('\n');
