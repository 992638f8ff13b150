/** A state in its colour and, for those who do not see it, its own word. */
export function State({ state }: { readonly state: string }) {
  return <span class={`state ${kindOf(state)}`}>{state.replace(/-/g, ' ')}</span>;
}

/** States are good, bad, stuck until somebody does something, at work, or waiting; what is none of these is plain. */
export type Kind = 'good' | 'bad' | 'stuck' | 'work' | 'wait' | 'plain';

export function kindOf(state: string): Kind {
  for (const [kind, states] of Object.entries(kinds)) if (states.includes(state)) return kind as Kind;
  return 'plain';
}

const kinds: Readonly<Record<Exclude<Kind, 'plain'>, readonly string[]>> = {
  good: ['succeeded', 'connected', 'accepting', 'active', 'present', 'available', 'delivered', 'usable'],
  bad: ['failed', 'lost', 'broken', 'quarantined', 'unfit', 'parked'],
  stuck: ['blocked', 'set-aside', 'text-lost', 'source-lost', 'no-agent', 'no-build', 'source-missing'],
  work: ['running', 'allocated', 'building', 'fetching', 'under-way'],
  wait: [
    'queued',
    'waiting',
    'ready',
    'backoff',
    'back-off',
    'deferred',
    'disconnected',
    'limited',
    'draining',
    'drained',
    'paused',
    'unpublished',
    'unavailable',
    'resting',
  ],
};
