/** What `drover replay` can show of a moment. */
export const whatNames = ['status', 'queue', 'build', 'item', 'agent', 'why'] as const;
export type What = (typeof whatNames)[number];
