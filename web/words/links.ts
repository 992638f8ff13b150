/** Addresses of the pages of things. */
export const buildLink = (build: string): string => `/builds/${encodeURIComponent(build)}`;
export const submissionLink = (submission: string): string => `/submissions/${encodeURIComponent(submission)}`;
export const agentLink = (agent: string): string => `/agents/${encodeURIComponent(agent)}`;
export const itemLink = (item: string): string => `/items/${encodeURIComponent(item)}`;
export const hookLink = (hook: string): string => `/hooks/${encodeURIComponent(hook)}`;
export const rootLink = (root: string): string => `/roots/${encodeURIComponent(root)}`;
export const upstreamLink = (upstream: string): string => `/upstreams/${encodeURIComponent(upstream)}`;
/** All builds of a derivation. */
export const derivationLink = (derivation: string): string => `/builds?derivation=${encodeURIComponent(derivation)}`;
/** All builds of other submissions that one joined. */
export const joinedLink = (submission: string): string => `/builds?joinedBy=${encodeURIComponent(submission)}`;
export const eventsLink = (stream: string): string => `/events?stream=${encodeURIComponent(stream)}`;
/** What a token or an agent did of late. */
export const actorLink = (actor: string): string => `/events?actor=${encodeURIComponent(actor)}&back=10000`;
