/** A state in its colour and, for those who do not see it, its own word. */
export function State({ state }: { readonly state: string }) {
  return <span class={`state ${kindOf(state)}`}>{state.replace(/-/g, ' ')}</span>;
}

/** States are good, bad, at work, or waiting; what is none of these is plain. */
export function kindOf(state: string): 'good' | 'bad' | 'work' | 'wait' | 'plain' {
  for (const [kind, states] of Object.entries(kinds)) if (states.includes(state)) return kind as 'good';
  return 'plain';
}

const kinds: Readonly<Record<'good' | 'bad' | 'work' | 'wait', readonly string[]>> = {
  good: ['succeeded', 'connected', 'accepting', 'active', 'present', 'available', 'delivered', 'usable'],
  bad: [
    'failed',
    'blocked',
    'lost',
    'broken',
    'quarantined',
    'unfit',
    'set-aside',
    'text-lost',
    'source-lost',
    'parked',
    'no-agent',
    'no-build',
    'source-missing',
  ],
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
