// Made by scripts/generate-docs.ts from the OpenAPI document and the schemas of events; do not edit.

/** How each operation is asked for over HTTP; `{…}` in a path are fields of the request. */
export const operations = {
  createToken: { method: 'POST', path: '/v1/tokens', query: [], headers: [], body: true },
  listTokens: { method: 'GET', path: '/v1/tokens', query: [], headers: [], body: false },
  getOwnToken: { method: 'GET', path: '/v1/tokens/self', query: [], headers: [], body: false },
  revokeToken: { method: 'DELETE', path: '/v1/tokens/{token}', query: ['force'], headers: [], body: false },
  listRoots: { method: 'GET', path: '/v1/roots', query: [], headers: [], body: false },
  addRoot: { method: 'POST', path: '/v1/roots', query: [], headers: [], body: true },
  getRoot: { method: 'GET', path: '/v1/roots/{root}', query: [], headers: [], body: false },
  removeRoot: { method: 'DELETE', path: '/v1/roots/{root}', query: ['target', 'reason'], headers: [], body: false },
  listUpstreams: { method: 'GET', path: '/v1/upstreams', query: [], headers: [], body: false },
  getUpstream: { method: 'GET', path: '/v1/upstreams/{upstream}', query: [], headers: [], body: false },
  checkUpstream: { method: 'POST', path: '/v1/upstreams/{upstream}/check', query: [], headers: [], body: true },
  addAgent: { method: 'POST', path: '/v1/agents', query: [], headers: [], body: true },
  listAgents: { method: 'GET', path: '/v1/agents', query: [], headers: [], body: false },
  getAgent: { method: 'GET', path: '/v1/agents/{agent}', query: [], headers: [], body: false },
  removeAgent: { method: 'DELETE', path: '/v1/agents/{agent}', query: ['reason'], headers: [], body: false },
  pauseAgent: { method: 'POST', path: '/v1/agents/{agent}/pause', query: [], headers: [], body: true },
  resumeAgent: { method: 'POST', path: '/v1/agents/{agent}/resume', query: [], headers: [], body: true },
  drainAgent: { method: 'POST', path: '/v1/agents/{agent}/drain', query: [], headers: [], body: true },
  rotateAgentToken: { method: 'POST', path: '/v1/agents/{agent}/rotate-token', query: [], headers: [], body: true },
  listHooks: { method: 'GET', path: '/v1/hooks', query: [], headers: [], body: false },
  addHook: { method: 'POST', path: '/v1/hooks', query: [], headers: [], body: true },
  getHook: { method: 'GET', path: '/v1/hooks/{hook}', query: [], headers: [], body: false },
  changeHook: { method: 'PUT', path: '/v1/hooks/{hook}', query: [], headers: [], body: true },
  removeHook: { method: 'DELETE', path: '/v1/hooks/{hook}', query: ['reason'], headers: [], body: false },
  pauseHook: { method: 'POST', path: '/v1/hooks/{hook}/pause', query: [], headers: [], body: true },
  resumeHook: { method: 'POST', path: '/v1/hooks/{hook}/resume', query: [], headers: [], body: true },
  skipHookEvents: { method: 'POST', path: '/v1/hooks/{hook}/skip', query: [], headers: [], body: true },
  retryParkedHookEvents: { method: 'POST', path: '/v1/hooks/{hook}/retry-parked', query: [], headers: [], body: true },
  replayHook: { method: 'POST', path: '/v1/hooks/{hook}/replay', query: [], headers: [], body: true },
  testHook: { method: 'POST', path: '/v1/hooks/{hook}/test', query: [], headers: [], body: true },
  getLimits: { method: 'GET', path: '/v1/limits', query: [], headers: [], body: false },
  findMissingDerivations: { method: 'POST', path: '/v1/derivations/missing', query: [], headers: [], body: true },
  findMissingSources: { method: 'POST', path: '/v1/sources/missing', query: [], headers: [], body: true },
  submit: {
    method: 'POST',
    path: '/v1/submissions',
    query: [],
    headers: ['idempotency-key', 'traceparent'],
    body: true,
  },
  listSubmissions: {
    method: 'GET',
    path: '/v1/submissions',
    query: ['limit', 'after', 'key', 'state'],
    headers: [],
    body: false,
  },
  getSubmission: { method: 'GET', path: '/v1/submissions/{submission}', query: [], headers: [], body: false },
  getSubmissionTimes: {
    method: 'GET',
    path: '/v1/submissions/{submission}/times',
    query: [],
    headers: [],
    body: false,
  },
  getSubmissionOutlook: {
    method: 'GET',
    path: '/v1/submissions/{submission}/outlook',
    query: [],
    headers: [],
    body: false,
  },
  getSubmissionGraph: {
    method: 'GET',
    path: '/v1/submissions/{submission}/graph',
    query: ['part', 'shape'],
    headers: [],
    body: false,
  },
  cancelSubmission: { method: 'POST', path: '/v1/submissions/{submission}/cancel', query: [], headers: [], body: true },
  prioritizeSubmission: {
    method: 'POST',
    path: '/v1/submissions/{submission}/prioritize',
    query: [],
    headers: [],
    body: true,
  },
  retrySubmission: { method: 'POST', path: '/v1/submissions/{submission}/retry', query: [], headers: [], body: false },
  resumeSubmission: {
    method: 'POST',
    path: '/v1/submissions/{submission}/resume',
    query: [],
    headers: [],
    body: false,
  },
  listBuilds: {
    method: 'GET',
    path: '/v1/builds',
    query: [
      'system',
      'name',
      'agent',
      'submission',
      'derivation',
      'tag',
      'joinedBy',
      'state',
      'since',
      'until',
      'from',
      'to',
      'limit',
      'after',
    ],
    headers: [],
    body: false,
  },
  getBuild: { method: 'GET', path: '/v1/builds/{build}', query: [], headers: [], body: false },
  explainBuild: { method: 'GET', path: '/v1/builds/{build}/why', query: [], headers: [], body: false },
  listBuildInputs: {
    method: 'GET',
    path: '/v1/builds/{build}/inputs',
    query: ['limit', 'after'],
    headers: [],
    body: false,
  },
  getBuildHistory: {
    method: 'GET',
    path: '/v1/builds/{build}/history',
    query: ['limit', 'after'],
    headers: [],
    body: false,
  },
  cancelBuild: { method: 'POST', path: '/v1/builds/{build}/cancel', query: [], headers: [], body: true },
  prioritizeBuild: { method: 'POST', path: '/v1/builds/{build}/prioritize', query: [], headers: [], body: true },
  deferBuild: { method: 'POST', path: '/v1/builds/{build}/defer', query: [], headers: [], body: true },
  retryBuild: { method: 'POST', path: '/v1/builds/{build}/retry', query: [], headers: [], body: false },
  previewRetry: { method: 'POST', path: '/v1/builds/{build}/retry/preview', query: [], headers: [], body: false },
  cancelBuilds: { method: 'POST', path: '/v1/builds/cancel', query: [], headers: [], body: true },
  retryBuilds: { method: 'POST', path: '/v1/builds/retry', query: [], headers: [], body: true },
  listEarlierBuilds: {
    method: 'GET',
    path: '/v1/earlier-builds',
    query: ['derivation', 'source', 'limit', 'after'],
    headers: [],
    body: false,
  },
  recordEarlierBuilds: { method: 'POST', path: '/v1/earlier-builds', query: [], headers: [], body: true },
  findMissingEarlierBuilds: { method: 'POST', path: '/v1/earlier-builds/missing', query: [], headers: [], body: true },
  findIds: { method: 'GET', path: '/v1/ids', query: ['kind', 'prefix', 'limit'], headers: [], body: false },
  listItems: {
    method: 'GET',
    path: '/v1/items',
    query: ['name', 'deriver', 'agent', 'since', 'limit', 'after'],
    headers: [],
    body: false,
  },
  getItem: { method: 'GET', path: '/v1/items/{item}', query: [], headers: [], body: false },
  deleteItem: {
    method: 'DELETE',
    path: '/v1/items/{item}',
    query: ['reason', 'now', 'force'],
    headers: [],
    body: false,
  },
  findMissingItems: { method: 'POST', path: '/v1/items/missing', query: [], headers: [], body: true },
  whyItem: { method: 'GET', path: '/v1/items/{item}/why', query: [], headers: [], body: false },
  deleteItems: { method: 'POST', path: '/v1/items/delete', query: [], headers: [], body: true },
  getEvent: { method: 'GET', path: '/v1/events/{event}', query: [], headers: [], body: false },
  getStatus: { method: 'GET', path: '/v1/status', query: [], headers: [], body: false },
  getOverview: { method: 'GET', path: '/v1/overview', query: [], headers: ['accept'], body: false },
  getMoments: { method: 'GET', path: '/v1/moments', query: [], headers: [], body: false },
  findMoment: { method: 'GET', path: '/v1/moments/find', query: ['time'], headers: [], body: false },
  getMoment: { method: 'GET', path: '/v1/moments/{position}', query: ['wait'], headers: [], body: false },
  getDifference: {
    method: 'GET',
    path: '/v1/differences',
    query: ['from', 'to', 'limit', 'wait'],
    headers: [],
    body: false,
  },
  beginUpload: { method: 'POST', path: '/v1/uploads', query: [], headers: [], body: true },
  getUpload: { method: 'GET', path: '/v1/uploads/{upload}', query: [], headers: [], body: false },
  listEventSchemas: { method: 'GET', path: '/v1/schemas', query: [], headers: [], body: false },
  getHealth: { method: 'GET', path: '/healthz', query: [], headers: [], body: false },
  getReadiness: { method: 'GET', path: '/readyz', query: [], headers: [], body: false },
  beginSession: { method: 'POST', path: '/v1/session', query: [], headers: [], body: true },
  endSession: { method: 'DELETE', path: '/v1/session', query: [], headers: [], body: false },
  putNarinfo: { method: 'PUT', path: '/{hash}.narinfo', query: [], headers: [], body: false },
  putNar: { method: 'PUT', path: '/nar/{file}', query: [], headers: [], body: false },
  getListing: { method: 'GET', path: '/{hash}.ls', query: [], headers: [], body: false },
  putListing: { method: 'PUT', path: '/{hash}.ls', query: [], headers: [], body: false },
  getDebugInfo: { method: 'GET', path: '/debuginfo/{id}', query: [], headers: [], body: false },
  putDebugInfo: { method: 'PUT', path: '/debuginfo/{id}', query: [], headers: [], body: false },
  putRealisation: { method: 'PUT', path: '/realisations/{id}', query: [], headers: [], body: false },
} as const;

/** What each operation is asked with, parameters and body in one, and what it answers. */
export interface Operations {
  /** Issues a token; its secret is shown only now. */
  readonly createToken: {
    readonly request: {
      readonly name: string;
      readonly scope: 'read' | 'submit' | 'push' | 'admin';
    };
    readonly answer: {
      readonly id: string;
      readonly secret: string;
    };
  };
  /** All tokens, without their secrets. */
  readonly listTokens: {
    readonly request: Readonly<Record<string, never>>;
    readonly answer: {
      readonly rows: readonly {
        readonly id: string;
        readonly name: string;
        readonly scope: 'read' | 'submit' | 'push' | 'agent' | 'admin';
        readonly agent?: string;
        /** milliseconds since the Unix epoch */
        readonly issuedAt: number;
        readonly revoked: boolean;
        /** when it was revoked, and the id and name of the token that did */
        readonly revocation?: {
          /** milliseconds since the Unix epoch */
          readonly at: number;
          readonly by: string;
          readonly name?: string;
        };
        /** when it will be revoked */
        readonly until?: number;
      }[];
    };
  };
  /** The token that this request has: its name and its scope. */
  readonly getOwnToken: {
    readonly request: Readonly<Record<string, never>>;
    readonly answer: {
      readonly id: string;
      readonly name: string;
      readonly scope: 'read' | 'submit' | 'push' | 'agent' | 'admin';
      readonly agent?: string;
    };
  };
  /** Revokes a token. */
  readonly revokeToken: {
    readonly request: {
      /** also the last one of scope admin */
      readonly force?: 'true' | 'false';
      readonly token: string;
    };
    readonly answer: undefined;
  };
  /** All roots. */
  readonly listRoots: {
    readonly request: Readonly<Record<string, never>>;
    readonly answer: {
      readonly rows: readonly {
        readonly name: string;
        /** who keeps it */
        readonly source: 'api' | 'submission' | 'config';
        /** how many store items it names */
        readonly targets: number;
        /** how many of them are not available */
        readonly unavailable: number;
        /** when something was added last */
        readonly addedAt: number;
        readonly addedBy: string;
        /** when something of it expires first */
        readonly until?: number;
      }[];
    };
  };
  /** Keeps store items under a name, with all that they refer to, beside what the name keeps already. */
  readonly addRoot: {
    readonly request: {
      readonly name: string;
      readonly targets: readonly string[];
      /** How long from now on; for good if absent. What is kept for longer already stays so. */
      readonly ttlSeconds?: number;
      /** Whether what it keeps beside these goes. */
      readonly replace?: boolean;
    };
    readonly answer: {
      readonly name: string;
      /** who keeps it */
      readonly source: 'api' | 'submission' | 'config';
      /** how many store items it names */
      readonly targets: number;
      /** how many of them are not available */
      readonly unavailable: number;
      /** when something was added last */
      readonly addedAt: number;
      readonly addedBy: string;
      /** when something of it expires first */
      readonly until?: number;
      readonly kept: readonly {
        readonly item: string;
        readonly state: 'available' | 'unpublished' | 'unavailable';
        /** milliseconds since the Unix epoch */
        readonly until?: number;
      }[];
    };
  };
  /** One root, with all that it keeps. */
  readonly getRoot: {
    readonly request: {
      readonly root: string;
    };
    readonly answer: {
      readonly name: string;
      /** who keeps it */
      readonly source: 'api' | 'submission' | 'config';
      /** how many store items it names */
      readonly targets: number;
      /** how many of them are not available */
      readonly unavailable: number;
      /** when something was added last */
      readonly addedAt: number;
      readonly addedBy: string;
      /** when something of it expires first */
      readonly until?: number;
      readonly kept: readonly {
        readonly item: string;
        readonly state: 'available' | 'unpublished' | 'unavailable';
        /** milliseconds since the Unix epoch */
        readonly until?: number;
      }[];
    };
  };
  /** Keeps no more what a root keeps, or some of it. */
  readonly removeRoot: {
    readonly request: {
      /** Only these; all of it if absent. */
      readonly target?: string | readonly string[];
      /** For the record. */
      readonly reason?: string;
      readonly root: string;
    };
    readonly answer: undefined;
  };
  /** All upstreams of the configuration, the one that is asked first at the head. */
  readonly listUpstreams: {
    readonly request: Readonly<Record<string, never>>;
    readonly answer: {
      readonly rows: readonly {
        readonly name: string;
        readonly url: string;
        /** the lowest is asked first */
        readonly priority: number;
        /** how agents get what it has: through the coordinator, or themselves, and through the coordinator where that fails */
        readonly mode: 'proxy' | 'direct';
        readonly publicKeys: readonly string[];
        /** `resting`: it gave no answer some times in a row, and is left alone for a while */
        readonly state: 'usable' | 'resting';
        /** for how long still */
        readonly restsSeconds?: number;
        /** of the last failure, since the last answer */
        readonly error?: string;
        /** store items that only it has, as far as is known */
        readonly items: number;
        /** what it was asked since the coordinator started: how often it had it, had it not, was not believed, gave no answer */
        readonly asked: {
          readonly found: number;
          readonly absent: number;
          readonly rejected: number;
          readonly failed: number;
        };
        /** why it was not believed, the last time */
        readonly rejection?: string;
        readonly ttlSeconds: number;
        readonly negativeTtlSeconds: number;
      }[];
    };
  };
  /** One upstream. */
  readonly getUpstream: {
    readonly request: {
      readonly upstream: string;
    };
    readonly answer: {
      readonly name: string;
      readonly url: string;
      /** the lowest is asked first */
      readonly priority: number;
      /** how agents get what it has: through the coordinator, or themselves, and through the coordinator where that fails */
      readonly mode: 'proxy' | 'direct';
      readonly publicKeys: readonly string[];
      /** `resting`: it gave no answer some times in a row, and is left alone for a while */
      readonly state: 'usable' | 'resting';
      /** for how long still */
      readonly restsSeconds?: number;
      /** of the last failure, since the last answer */
      readonly error?: string;
      /** store items that only it has, as far as is known */
      readonly items: number;
      /** what it was asked since the coordinator started: how often it had it, had it not, was not believed, gave no answer */
      readonly asked: {
        readonly found: number;
        readonly absent: number;
        readonly rejected: number;
        readonly failed: number;
      };
      /** why it was not believed, the last time */
      readonly rejection?: string;
      readonly ttlSeconds: number;
      readonly negativeTtlSeconds: number;
    };
  };
  /** Asks an upstream now for what it is, and for store items. Changes nothing. */
  readonly checkUpstream: {
    readonly request: {
      readonly upstream: string;
      /** Base names. */
      readonly items?: readonly string[];
    };
    readonly answer: {
      readonly name: string;
      readonly url: string;
      /** whether it answers, as a cache of the right store */
      readonly ok: boolean;
      readonly problem?: string;
      /** how long its nix-cache-info took */
      readonly milliseconds: number;
      readonly items: readonly {
        readonly path: string;
        readonly answer: 'found' | 'doubted' | 'absent' | 'unknown';
        readonly narHash?: string;
        readonly narSize?: number;
        /** why it is not believed, or gave no answer */
        readonly problem?: string;
      }[];
    };
  };
  /** Adds an agent; the secret of its token is shown only now. */
  readonly addAgent: {
    readonly request: {
      readonly name: string;
    };
    readonly answer: {
      readonly name: string;
      readonly secret: string;
    };
  };
  /** All agents. */
  readonly listAgents: {
    readonly request: Readonly<Record<string, never>>;
    readonly answer: {
      readonly rows: readonly {
        readonly name: string;
        readonly state: 'new' | 'connected' | 'disconnected' | 'lost' | 'retired';
        readonly intake: 'accepting' | 'paused' | 'draining' | 'quarantined' | 'unfit' | 'limited' | 'offline';
        readonly reason?: string;
        /** milliseconds since the Unix epoch */
        readonly until?: number;
        readonly operator: {
          readonly said: 'active' | 'paused' | 'draining' | 'drained';
          readonly reason?: string;
          /** milliseconds since the Unix epoch */
          readonly since?: number;
          readonly by?: string;
          readonly byName?: string;
        };
        readonly link: {
          readonly state: 'new' | 'connected' | 'disconnected' | 'left' | 'lost' | 'retired';
          /** milliseconds since the Unix epoch */
          readonly since: number;
          readonly reason?: string;
          readonly leaving?: true;
          readonly place?: {
            readonly host?: string;
            readonly pid?: number;
            readonly address?: string;
          };
        };
        readonly quarantine?: {
          /** milliseconds since the Unix epoch */
          readonly since: number;
          readonly reason?: string;
        };
        readonly unfit?: {
          /** milliseconds since the Unix epoch */
          readonly since: number;
          readonly reason: string;
        };
        readonly limited?: {
          /** milliseconds since the Unix epoch */
          readonly since: number;
          readonly by: 'load' | 'collecting' | 'disk';
          readonly reason: string;
        };
        readonly refused?: {
          readonly code: string;
          readonly message: string;
          /** milliseconds since the Unix epoch */
          readonly at?: number;
          readonly place?: {
            readonly host?: string;
            readonly pid?: number;
            readonly address?: string;
          };
        };
        readonly abilities?: {
          readonly storeDir?: string;
          readonly systems: readonly string[];
          readonly features: readonly string[];
          readonly mandatoryFeatures: readonly string[];
          readonly slots: number;
        };
        readonly version?: string;
        readonly builder?: string;
        readonly running: readonly {
          readonly build: string;
          readonly attempt: number;
          readonly derivation: string;
        }[];
        readonly recent: {
          readonly attempts: number;
          readonly failed: number;
          readonly lastFailure?: {
            readonly build: string;
            readonly attempt: number;
            readonly class:
              | 'builder-failed'
              | 'timed-out'
              | 'silent-too-long'
              | 'log-limit'
              | 'output-missing'
              | 'hash-mismatch'
              | 'not-deterministic'
              | 'rejected'
              | 'unknown'
              | 'inputs-missing'
              | 'fetch-failed'
              | 'upload-failed'
              | 'disk-full'
              | 'agent-error';
            readonly message: string;
            /** milliseconds since the Unix epoch */
            readonly at: number;
          };
        };
        readonly heartbeat?: {
          /** milliseconds since the Unix epoch */
          readonly at: number;
          readonly load1?: number;
          readonly freeBytes?: number;
        };
      }[];
    };
  };
  /** One agent. */
  readonly getAgent: {
    readonly request: {
      readonly agent: string;
    };
    readonly answer: {
      readonly name: string;
      readonly state: 'new' | 'connected' | 'disconnected' | 'lost' | 'retired';
      readonly intake: 'accepting' | 'paused' | 'draining' | 'quarantined' | 'unfit' | 'limited' | 'offline';
      readonly reason?: string;
      /** milliseconds since the Unix epoch */
      readonly until?: number;
      readonly operator: {
        readonly said: 'active' | 'paused' | 'draining' | 'drained';
        readonly reason?: string;
        /** milliseconds since the Unix epoch */
        readonly since?: number;
        readonly by?: string;
        readonly byName?: string;
      };
      readonly link: {
        readonly state: 'new' | 'connected' | 'disconnected' | 'left' | 'lost' | 'retired';
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason?: string;
        readonly leaving?: true;
        readonly place?: {
          readonly host?: string;
          readonly pid?: number;
          readonly address?: string;
        };
      };
      readonly quarantine?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason?: string;
      };
      readonly unfit?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason: string;
      };
      readonly limited?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly by: 'load' | 'collecting' | 'disk';
        readonly reason: string;
      };
      readonly refused?: {
        readonly code: string;
        readonly message: string;
        /** milliseconds since the Unix epoch */
        readonly at?: number;
        readonly place?: {
          readonly host?: string;
          readonly pid?: number;
          readonly address?: string;
        };
      };
      readonly abilities?: {
        readonly storeDir?: string;
        readonly systems: readonly string[];
        readonly features: readonly string[];
        readonly mandatoryFeatures: readonly string[];
        readonly slots: number;
      };
      readonly version?: string;
      readonly builder?: string;
      readonly running: readonly {
        readonly build: string;
        readonly attempt: number;
        readonly derivation: string;
      }[];
      readonly recent: {
        readonly attempts: number;
        readonly failed: number;
        readonly lastFailure?: {
          readonly build: string;
          readonly attempt: number;
          readonly class:
            | 'builder-failed'
            | 'timed-out'
            | 'silent-too-long'
            | 'log-limit'
            | 'output-missing'
            | 'hash-mismatch'
            | 'not-deterministic'
            | 'rejected'
            | 'unknown'
            | 'inputs-missing'
            | 'fetch-failed'
            | 'upload-failed'
            | 'disk-full'
            | 'agent-error';
          readonly message: string;
          /** milliseconds since the Unix epoch */
          readonly at: number;
        };
      };
      readonly heartbeat?: {
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly load1?: number;
        readonly freeBytes?: number;
      };
    };
  };
  /** Removes an agent: its builds are released, its token is revoked. */
  readonly removeAgent: {
    readonly request: {
      readonly reason?: string;
      readonly agent: string;
    };
    readonly answer: {
      readonly name: string;
      readonly state: 'new' | 'connected' | 'disconnected' | 'lost' | 'retired';
      readonly intake: 'accepting' | 'paused' | 'draining' | 'quarantined' | 'unfit' | 'limited' | 'offline';
      readonly reason?: string;
      /** milliseconds since the Unix epoch */
      readonly until?: number;
      readonly operator: {
        readonly said: 'active' | 'paused' | 'draining' | 'drained';
        readonly reason?: string;
        /** milliseconds since the Unix epoch */
        readonly since?: number;
        readonly by?: string;
        readonly byName?: string;
      };
      readonly link: {
        readonly state: 'new' | 'connected' | 'disconnected' | 'left' | 'lost' | 'retired';
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason?: string;
        readonly leaving?: true;
        readonly place?: {
          readonly host?: string;
          readonly pid?: number;
          readonly address?: string;
        };
      };
      readonly quarantine?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason?: string;
      };
      readonly unfit?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason: string;
      };
      readonly limited?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly by: 'load' | 'collecting' | 'disk';
        readonly reason: string;
      };
      readonly refused?: {
        readonly code: string;
        readonly message: string;
        /** milliseconds since the Unix epoch */
        readonly at?: number;
        readonly place?: {
          readonly host?: string;
          readonly pid?: number;
          readonly address?: string;
        };
      };
      readonly abilities?: {
        readonly storeDir?: string;
        readonly systems: readonly string[];
        readonly features: readonly string[];
        readonly mandatoryFeatures: readonly string[];
        readonly slots: number;
      };
      readonly version?: string;
      readonly builder?: string;
      readonly running: readonly {
        readonly build: string;
        readonly attempt: number;
        readonly derivation: string;
      }[];
      readonly recent: {
        readonly attempts: number;
        readonly failed: number;
        readonly lastFailure?: {
          readonly build: string;
          readonly attempt: number;
          readonly class:
            | 'builder-failed'
            | 'timed-out'
            | 'silent-too-long'
            | 'log-limit'
            | 'output-missing'
            | 'hash-mismatch'
            | 'not-deterministic'
            | 'rejected'
            | 'unknown'
            | 'inputs-missing'
            | 'fetch-failed'
            | 'upload-failed'
            | 'disk-full'
            | 'agent-error';
          readonly message: string;
          /** milliseconds since the Unix epoch */
          readonly at: number;
        };
      };
      readonly heartbeat?: {
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly load1?: number;
        readonly freeBytes?: number;
      };
    };
  };
  /** Gives the agent nothing new. */
  readonly pauseAgent: {
    readonly request: {
      readonly agent: string;
      readonly reason?: string;
    };
    readonly answer: {
      readonly name: string;
      readonly state: 'new' | 'connected' | 'disconnected' | 'lost' | 'retired';
      readonly intake: 'accepting' | 'paused' | 'draining' | 'quarantined' | 'unfit' | 'limited' | 'offline';
      readonly reason?: string;
      /** milliseconds since the Unix epoch */
      readonly until?: number;
      readonly operator: {
        readonly said: 'active' | 'paused' | 'draining' | 'drained';
        readonly reason?: string;
        /** milliseconds since the Unix epoch */
        readonly since?: number;
        readonly by?: string;
        readonly byName?: string;
      };
      readonly link: {
        readonly state: 'new' | 'connected' | 'disconnected' | 'left' | 'lost' | 'retired';
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason?: string;
        readonly leaving?: true;
        readonly place?: {
          readonly host?: string;
          readonly pid?: number;
          readonly address?: string;
        };
      };
      readonly quarantine?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason?: string;
      };
      readonly unfit?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason: string;
      };
      readonly limited?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly by: 'load' | 'collecting' | 'disk';
        readonly reason: string;
      };
      readonly refused?: {
        readonly code: string;
        readonly message: string;
        /** milliseconds since the Unix epoch */
        readonly at?: number;
        readonly place?: {
          readonly host?: string;
          readonly pid?: number;
          readonly address?: string;
        };
      };
      readonly abilities?: {
        readonly storeDir?: string;
        readonly systems: readonly string[];
        readonly features: readonly string[];
        readonly mandatoryFeatures: readonly string[];
        readonly slots: number;
      };
      readonly version?: string;
      readonly builder?: string;
      readonly running: readonly {
        readonly build: string;
        readonly attempt: number;
        readonly derivation: string;
      }[];
      readonly recent: {
        readonly attempts: number;
        readonly failed: number;
        readonly lastFailure?: {
          readonly build: string;
          readonly attempt: number;
          readonly class:
            | 'builder-failed'
            | 'timed-out'
            | 'silent-too-long'
            | 'log-limit'
            | 'output-missing'
            | 'hash-mismatch'
            | 'not-deterministic'
            | 'rejected'
            | 'unknown'
            | 'inputs-missing'
            | 'fetch-failed'
            | 'upload-failed'
            | 'disk-full'
            | 'agent-error';
          readonly message: string;
          /** milliseconds since the Unix epoch */
          readonly at: number;
        };
      };
      readonly heartbeat?: {
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly load1?: number;
        readonly freeBytes?: number;
      };
    };
  };
  /** Ends a pause, a drain or a quarantine. */
  readonly resumeAgent: {
    readonly request: {
      readonly agent: string;
      readonly reason?: string;
    };
    readonly answer: {
      readonly name: string;
      readonly state: 'new' | 'connected' | 'disconnected' | 'lost' | 'retired';
      readonly intake: 'accepting' | 'paused' | 'draining' | 'quarantined' | 'unfit' | 'limited' | 'offline';
      readonly reason?: string;
      /** milliseconds since the Unix epoch */
      readonly until?: number;
      readonly operator: {
        readonly said: 'active' | 'paused' | 'draining' | 'drained';
        readonly reason?: string;
        /** milliseconds since the Unix epoch */
        readonly since?: number;
        readonly by?: string;
        readonly byName?: string;
      };
      readonly link: {
        readonly state: 'new' | 'connected' | 'disconnected' | 'left' | 'lost' | 'retired';
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason?: string;
        readonly leaving?: true;
        readonly place?: {
          readonly host?: string;
          readonly pid?: number;
          readonly address?: string;
        };
      };
      readonly quarantine?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason?: string;
      };
      readonly unfit?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason: string;
      };
      readonly limited?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly by: 'load' | 'collecting' | 'disk';
        readonly reason: string;
      };
      readonly refused?: {
        readonly code: string;
        readonly message: string;
        /** milliseconds since the Unix epoch */
        readonly at?: number;
        readonly place?: {
          readonly host?: string;
          readonly pid?: number;
          readonly address?: string;
        };
      };
      readonly abilities?: {
        readonly storeDir?: string;
        readonly systems: readonly string[];
        readonly features: readonly string[];
        readonly mandatoryFeatures: readonly string[];
        readonly slots: number;
      };
      readonly version?: string;
      readonly builder?: string;
      readonly running: readonly {
        readonly build: string;
        readonly attempt: number;
        readonly derivation: string;
      }[];
      readonly recent: {
        readonly attempts: number;
        readonly failed: number;
        readonly lastFailure?: {
          readonly build: string;
          readonly attempt: number;
          readonly class:
            | 'builder-failed'
            | 'timed-out'
            | 'silent-too-long'
            | 'log-limit'
            | 'output-missing'
            | 'hash-mismatch'
            | 'not-deterministic'
            | 'rejected'
            | 'unknown'
            | 'inputs-missing'
            | 'fetch-failed'
            | 'upload-failed'
            | 'disk-full'
            | 'agent-error';
          readonly message: string;
          /** milliseconds since the Unix epoch */
          readonly at: number;
        };
      };
      readonly heartbeat?: {
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly load1?: number;
        readonly freeBytes?: number;
      };
    };
  };
  /** Gives the agent nothing new until it is resumed; what it runs ends first. */
  readonly drainAgent: {
    readonly request: {
      readonly agent: string;
      readonly reason?: string;
    };
    readonly answer: {
      readonly name: string;
      readonly state: 'new' | 'connected' | 'disconnected' | 'lost' | 'retired';
      readonly intake: 'accepting' | 'paused' | 'draining' | 'quarantined' | 'unfit' | 'limited' | 'offline';
      readonly reason?: string;
      /** milliseconds since the Unix epoch */
      readonly until?: number;
      readonly operator: {
        readonly said: 'active' | 'paused' | 'draining' | 'drained';
        readonly reason?: string;
        /** milliseconds since the Unix epoch */
        readonly since?: number;
        readonly by?: string;
        readonly byName?: string;
      };
      readonly link: {
        readonly state: 'new' | 'connected' | 'disconnected' | 'left' | 'lost' | 'retired';
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason?: string;
        readonly leaving?: true;
        readonly place?: {
          readonly host?: string;
          readonly pid?: number;
          readonly address?: string;
        };
      };
      readonly quarantine?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason?: string;
      };
      readonly unfit?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly reason: string;
      };
      readonly limited?: {
        /** milliseconds since the Unix epoch */
        readonly since: number;
        readonly by: 'load' | 'collecting' | 'disk';
        readonly reason: string;
      };
      readonly refused?: {
        readonly code: string;
        readonly message: string;
        /** milliseconds since the Unix epoch */
        readonly at?: number;
        readonly place?: {
          readonly host?: string;
          readonly pid?: number;
          readonly address?: string;
        };
      };
      readonly abilities?: {
        readonly storeDir?: string;
        readonly systems: readonly string[];
        readonly features: readonly string[];
        readonly mandatoryFeatures: readonly string[];
        readonly slots: number;
      };
      readonly version?: string;
      readonly builder?: string;
      readonly running: readonly {
        readonly build: string;
        readonly attempt: number;
        readonly derivation: string;
      }[];
      readonly recent: {
        readonly attempts: number;
        readonly failed: number;
        readonly lastFailure?: {
          readonly build: string;
          readonly attempt: number;
          readonly class:
            | 'builder-failed'
            | 'timed-out'
            | 'silent-too-long'
            | 'log-limit'
            | 'output-missing'
            | 'hash-mismatch'
            | 'not-deterministic'
            | 'rejected'
            | 'unknown'
            | 'inputs-missing'
            | 'fetch-failed'
            | 'upload-failed'
            | 'disk-full'
            | 'agent-error';
          readonly message: string;
          /** milliseconds since the Unix epoch */
          readonly at: number;
        };
      };
      readonly heartbeat?: {
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly load1?: number;
        readonly freeBytes?: number;
      };
    };
  };
  /** Issues a new token for an agent; the one before is revoked after the overlap. */
  readonly rotateAgentToken: {
    readonly request: {
      readonly agent: string;
      /** How long the one before is still accepted; 0 revokes it at once. */
      readonly overlapSeconds?: number;
    };
    readonly answer: {
      readonly name: string;
      readonly id: string;
      readonly secret: string;
      readonly replaced: readonly string[];
      readonly until?: number;
    };
  };
  /** All hooks. */
  readonly listHooks: {
    readonly request: Readonly<Record<string, never>>;
    readonly answer: {
      readonly rows: readonly {
        readonly name: string;
        readonly state: 'active' | 'paused' | 'broken';
        readonly source: 'api' | 'config';
        /** Where events go is for tokens of scope admin; others see only the kind. */
        readonly definition: {
          readonly on: readonly string[];
          readonly where?: {
            readonly tags?: Readonly<Record<string, string>>;
            readonly systems?: readonly string[];
            readonly name?: string;
            readonly classes?: readonly (
              | 'builder-failed'
              | 'timed-out'
              | 'silent-too-long'
              | 'log-limit'
              | 'output-missing'
              | 'hash-mismatch'
              | 'not-deterministic'
              | 'rejected'
              | 'unknown'
              | 'inputs-missing'
              | 'fetch-failed'
              | 'upload-failed'
              | 'disk-full'
              | 'agent-error'
            )[];
            readonly agents?: readonly string[];
          };
          readonly concurrency: number;
          readonly timeoutSeconds: number;
          readonly retry: {
            readonly maxAttempts: number;
            readonly baseSeconds: number;
            readonly maxSeconds: number;
          };
          readonly order: 'stream' | 'all';
          readonly target:
            | {
                readonly kind: 'command';
                readonly run: string | readonly string[];
              }
            | {
                readonly kind: 'webhook';
                readonly url: string;
                readonly secretFile?: string;
                readonly allowPrivate?: boolean;
              }
            | {
                readonly kind: 'notify';
                readonly webhook?: {
                  readonly url: string;
                  readonly secretFile?: string;
                  readonly allowPrivate?: boolean;
                };
                readonly mail?: {
                  readonly server: string;
                  readonly from: string;
                  readonly to: readonly string[];
                  readonly user?: string;
                  readonly passwordFile?: string;
                  readonly plain?: boolean;
                  readonly allowPrivate?: boolean;
                };
              }
            | {
                readonly kind: 'guix-data-service';
                readonly url: string;
                readonly buildServer: number;
                readonly tokenFile: string;
                readonly allowPrivate?: boolean;
              }
            | {
                readonly kind: 'publish';
                readonly folder: string;
                readonly layout?: 'plain' | 'guix-publish';
                readonly compressions?: readonly string[];
              }
            | {
                readonly kind: 'mirror';
                readonly folder: string;
                readonly layout?: 'plain' | 'guix-publish';
                readonly compressions?: readonly string[];
              }
            | {
                readonly kind: 'command' | 'webhook' | 'notify' | 'guix-data-service' | 'publish' | 'mirror';
              };
        };
        /** As it is written down: everything up to there is settled, but what fails or is parked. */
        readonly place: {
          readonly after?: string;
          readonly before?: string;
        };
        /** What it waits for, in words; absent where it has nothing to do, or does it. */
        readonly waits?: string;
        readonly lag: {
          /** events that it owes */
          readonly events: number;
          /** whether these are all: not where it reads the log from further back */
          readonly exact: boolean;
          /** age of the oldest that it owes */
          readonly seconds: number;
        };
        readonly delivered: number;
        readonly inFlight: readonly {
          readonly event: string;
          readonly attempt: number;
          readonly seconds: number;
        }[];
        readonly failing: readonly {
          readonly event: string;
          /** milliseconds since the Unix epoch */
          readonly at: number;
          readonly attempts: number;
          readonly error?: string;
          /** milliseconds since the Unix epoch */
          readonly next?: number;
        }[];
        readonly parked: readonly {
          readonly event: string;
          /** milliseconds since the Unix epoch */
          readonly at: number;
          readonly attempts: number;
          readonly error?: string;
          /** milliseconds since the Unix epoch */
          readonly next?: number;
        }[];
        /** how many there are: of those that fail or are parked, the first 100 are named */
        readonly counts: {
          readonly failing: number;
          readonly parked: number;
        };
        readonly lastFailure?: {
          readonly event: string;
          /** for tokens of scope admin */
          readonly error?: string;
          /** milliseconds since the Unix epoch */
          readonly at: number;
        };
      }[];
    };
  };
  /** Adds a hook. */
  readonly addHook: {
    readonly request: {
      readonly name: string;
      /** Where it begins: `now` (if absent), `start`, or after a position or an event. One that was removed goes on from its place if absent. */
      readonly from?: string;
      /** Types of events that it gets, with `drover.` before their names or without; what is built in has types of its own, and gets all of them if absent. */
      readonly on?: readonly string[];
      /** Conditions beside the type; all have to hold. */
      readonly where?: {
        readonly tags?: Readonly<Record<string, string>>;
        readonly systems?: readonly string[];
        readonly name?: string;
        readonly classes?: readonly (
          | 'builder-failed'
          | 'timed-out'
          | 'silent-too-long'
          | 'log-limit'
          | 'output-missing'
          | 'hash-mismatch'
          | 'not-deterministic'
          | 'rejected'
          | 'unknown'
          | 'inputs-missing'
          | 'fetch-failed'
          | 'upload-failed'
          | 'disk-full'
          | 'agent-error'
        )[];
        readonly agents?: readonly string[];
      };
      /** A command: a text for /bin/sh -c, or a program and its arguments. */
      readonly run?: string | readonly string[];
      /** A webhook. */
      readonly url?: string;
      /** File on the coordinator's machine with the webhook's secret, whsec_…; without, deliveries are not signed. */
      readonly secretFile?: string;
      /** Whether the webhook may be at a private address. */
      readonly allowPrivate?: boolean;
      /** Tells somebody, by a webhook or by mail, when a derivation (by name and system) breaks and when it is fixed, and nothing in between. */
      readonly notify?: {
        readonly webhook?: {
          readonly url: string;
          readonly secretFile?: string;
          readonly allowPrivate?: boolean;
        };
        readonly mail?: {
          readonly server: string;
          readonly from: string;
          readonly to: readonly string[];
          readonly user?: string;
          readonly passwordFile?: string;
          readonly plain?: boolean;
          readonly allowPrivate?: boolean;
        };
      };
      /** A Guix Data Service, which is told how builds go: its url, its number for this buildServer, and the tokenFile. */
      readonly guixDataService?: {
        readonly url: string;
        readonly buildServer: number;
        readonly tokenFile: string;
        readonly allowPrivate?: boolean;
      };
      /** A folder that is kept as a binary cache of the outputs of builds that succeed: plain, or in the layout guix-publish with these compressions. */
      readonly publish?: {
        readonly folder: string;
        readonly layout?: 'plain' | 'guix-publish';
        readonly compressions?: readonly string[];
      };
      /** A folder that is kept as a binary cache of all that the coordinator has, in the same layouts. */
      readonly mirror?: {
        readonly folder: string;
        readonly layout?: 'plain' | 'guix-publish';
        readonly compressions?: readonly string[];
      };
      /** Deliveries at a time. */
      readonly concurrency?: number;
      /** How long one delivery may take. */
      readonly timeoutSeconds?: number;
      readonly retry?: {
        /** Deliveries of one event before it is parked. */
        readonly maxAttempts?: number;
        /** Wait before the second; doubles with each further one, with jitter. */
        readonly baseSeconds?: number;
        /** Longest wait. */
        readonly maxSeconds?: number;
      };
      /** stream: events of one stream one after the other; all: each waits for the one before it in the log. */
      readonly order?: 'stream' | 'all';
    };
    readonly answer: {
      readonly name: string;
      readonly state: 'active' | 'paused' | 'broken';
      readonly source: 'api' | 'config';
      /** Where events go is for tokens of scope admin; others see only the kind. */
      readonly definition: {
        readonly on: readonly string[];
        readonly where?: {
          readonly tags?: Readonly<Record<string, string>>;
          readonly systems?: readonly string[];
          readonly name?: string;
          readonly classes?: readonly (
            | 'builder-failed'
            | 'timed-out'
            | 'silent-too-long'
            | 'log-limit'
            | 'output-missing'
            | 'hash-mismatch'
            | 'not-deterministic'
            | 'rejected'
            | 'unknown'
            | 'inputs-missing'
            | 'fetch-failed'
            | 'upload-failed'
            | 'disk-full'
            | 'agent-error'
          )[];
          readonly agents?: readonly string[];
        };
        readonly concurrency: number;
        readonly timeoutSeconds: number;
        readonly retry: {
          readonly maxAttempts: number;
          readonly baseSeconds: number;
          readonly maxSeconds: number;
        };
        readonly order: 'stream' | 'all';
        readonly target:
          | {
              readonly kind: 'command';
              readonly run: string | readonly string[];
            }
          | {
              readonly kind: 'webhook';
              readonly url: string;
              readonly secretFile?: string;
              readonly allowPrivate?: boolean;
            }
          | {
              readonly kind: 'notify';
              readonly webhook?: {
                readonly url: string;
                readonly secretFile?: string;
                readonly allowPrivate?: boolean;
              };
              readonly mail?: {
                readonly server: string;
                readonly from: string;
                readonly to: readonly string[];
                readonly user?: string;
                readonly passwordFile?: string;
                readonly plain?: boolean;
                readonly allowPrivate?: boolean;
              };
            }
          | {
              readonly kind: 'guix-data-service';
              readonly url: string;
              readonly buildServer: number;
              readonly tokenFile: string;
              readonly allowPrivate?: boolean;
            }
          | {
              readonly kind: 'publish';
              readonly folder: string;
              readonly layout?: 'plain' | 'guix-publish';
              readonly compressions?: readonly string[];
            }
          | {
              readonly kind: 'mirror';
              readonly folder: string;
              readonly layout?: 'plain' | 'guix-publish';
              readonly compressions?: readonly string[];
            }
          | {
              readonly kind: 'command' | 'webhook' | 'notify' | 'guix-data-service' | 'publish' | 'mirror';
            };
      };
      /** As it is written down: everything up to there is settled, but what fails or is parked. */
      readonly place: {
        readonly after?: string;
        readonly before?: string;
      };
      /** What it waits for, in words; absent where it has nothing to do, or does it. */
      readonly waits?: string;
      readonly lag: {
        /** events that it owes */
        readonly events: number;
        /** whether these are all: not where it reads the log from further back */
        readonly exact: boolean;
        /** age of the oldest that it owes */
        readonly seconds: number;
      };
      readonly delivered: number;
      readonly inFlight: readonly {
        readonly event: string;
        readonly attempt: number;
        readonly seconds: number;
      }[];
      readonly failing: readonly {
        readonly event: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly attempts: number;
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly next?: number;
      }[];
      readonly parked: readonly {
        readonly event: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly attempts: number;
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly next?: number;
      }[];
      /** how many there are: of those that fail or are parked, the first 100 are named */
      readonly counts: {
        readonly failing: number;
        readonly parked: number;
      };
      readonly lastFailure?: {
        readonly event: string;
        /** for tokens of scope admin */
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
      };
    };
  };
  /** One hook. */
  readonly getHook: {
    readonly request: {
      readonly hook: string;
    };
    readonly answer: {
      readonly name: string;
      readonly state: 'active' | 'paused' | 'broken';
      readonly source: 'api' | 'config';
      /** Where events go is for tokens of scope admin; others see only the kind. */
      readonly definition: {
        readonly on: readonly string[];
        readonly where?: {
          readonly tags?: Readonly<Record<string, string>>;
          readonly systems?: readonly string[];
          readonly name?: string;
          readonly classes?: readonly (
            | 'builder-failed'
            | 'timed-out'
            | 'silent-too-long'
            | 'log-limit'
            | 'output-missing'
            | 'hash-mismatch'
            | 'not-deterministic'
            | 'rejected'
            | 'unknown'
            | 'inputs-missing'
            | 'fetch-failed'
            | 'upload-failed'
            | 'disk-full'
            | 'agent-error'
          )[];
          readonly agents?: readonly string[];
        };
        readonly concurrency: number;
        readonly timeoutSeconds: number;
        readonly retry: {
          readonly maxAttempts: number;
          readonly baseSeconds: number;
          readonly maxSeconds: number;
        };
        readonly order: 'stream' | 'all';
        readonly target:
          | {
              readonly kind: 'command';
              readonly run: string | readonly string[];
            }
          | {
              readonly kind: 'webhook';
              readonly url: string;
              readonly secretFile?: string;
              readonly allowPrivate?: boolean;
            }
          | {
              readonly kind: 'notify';
              readonly webhook?: {
                readonly url: string;
                readonly secretFile?: string;
                readonly allowPrivate?: boolean;
              };
              readonly mail?: {
                readonly server: string;
                readonly from: string;
                readonly to: readonly string[];
                readonly user?: string;
                readonly passwordFile?: string;
                readonly plain?: boolean;
                readonly allowPrivate?: boolean;
              };
            }
          | {
              readonly kind: 'guix-data-service';
              readonly url: string;
              readonly buildServer: number;
              readonly tokenFile: string;
              readonly allowPrivate?: boolean;
            }
          | {
              readonly kind: 'publish';
              readonly folder: string;
              readonly layout?: 'plain' | 'guix-publish';
              readonly compressions?: readonly string[];
            }
          | {
              readonly kind: 'mirror';
              readonly folder: string;
              readonly layout?: 'plain' | 'guix-publish';
              readonly compressions?: readonly string[];
            }
          | {
              readonly kind: 'command' | 'webhook' | 'notify' | 'guix-data-service' | 'publish' | 'mirror';
            };
      };
      /** As it is written down: everything up to there is settled, but what fails or is parked. */
      readonly place: {
        readonly after?: string;
        readonly before?: string;
      };
      /** What it waits for, in words; absent where it has nothing to do, or does it. */
      readonly waits?: string;
      readonly lag: {
        /** events that it owes */
        readonly events: number;
        /** whether these are all: not where it reads the log from further back */
        readonly exact: boolean;
        /** age of the oldest that it owes */
        readonly seconds: number;
      };
      readonly delivered: number;
      readonly inFlight: readonly {
        readonly event: string;
        readonly attempt: number;
        readonly seconds: number;
      }[];
      readonly failing: readonly {
        readonly event: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly attempts: number;
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly next?: number;
      }[];
      readonly parked: readonly {
        readonly event: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly attempts: number;
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly next?: number;
      }[];
      /** how many there are: of those that fail or are parked, the first 100 are named */
      readonly counts: {
        readonly failing: number;
        readonly parked: number;
      };
      readonly lastFailure?: {
        readonly event: string;
        /** for tokens of scope admin */
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
      };
    };
  };
  /** Makes the hook something else; its place stays. */
  readonly changeHook: {
    readonly request: {
      readonly hook: string;
      /** Types of events that it gets, with `drover.` before their names or without; what is built in has types of its own, and gets all of them if absent. */
      readonly on?: readonly string[];
      /** Conditions beside the type; all have to hold. */
      readonly where?: {
        readonly tags?: Readonly<Record<string, string>>;
        readonly systems?: readonly string[];
        readonly name?: string;
        readonly classes?: readonly (
          | 'builder-failed'
          | 'timed-out'
          | 'silent-too-long'
          | 'log-limit'
          | 'output-missing'
          | 'hash-mismatch'
          | 'not-deterministic'
          | 'rejected'
          | 'unknown'
          | 'inputs-missing'
          | 'fetch-failed'
          | 'upload-failed'
          | 'disk-full'
          | 'agent-error'
        )[];
        readonly agents?: readonly string[];
      };
      /** A command: a text for /bin/sh -c, or a program and its arguments. */
      readonly run?: string | readonly string[];
      /** A webhook. */
      readonly url?: string;
      /** File on the coordinator's machine with the webhook's secret, whsec_…; without, deliveries are not signed. */
      readonly secretFile?: string;
      /** Whether the webhook may be at a private address. */
      readonly allowPrivate?: boolean;
      /** Tells somebody, by a webhook or by mail, when a derivation (by name and system) breaks and when it is fixed, and nothing in between. */
      readonly notify?: {
        readonly webhook?: {
          readonly url: string;
          readonly secretFile?: string;
          readonly allowPrivate?: boolean;
        };
        readonly mail?: {
          readonly server: string;
          readonly from: string;
          readonly to: readonly string[];
          readonly user?: string;
          readonly passwordFile?: string;
          readonly plain?: boolean;
          readonly allowPrivate?: boolean;
        };
      };
      /** A Guix Data Service, which is told how builds go: its url, its number for this buildServer, and the tokenFile. */
      readonly guixDataService?: {
        readonly url: string;
        readonly buildServer: number;
        readonly tokenFile: string;
        readonly allowPrivate?: boolean;
      };
      /** A folder that is kept as a binary cache of the outputs of builds that succeed: plain, or in the layout guix-publish with these compressions. */
      readonly publish?: {
        readonly folder: string;
        readonly layout?: 'plain' | 'guix-publish';
        readonly compressions?: readonly string[];
      };
      /** A folder that is kept as a binary cache of all that the coordinator has, in the same layouts. */
      readonly mirror?: {
        readonly folder: string;
        readonly layout?: 'plain' | 'guix-publish';
        readonly compressions?: readonly string[];
      };
      /** Deliveries at a time. */
      readonly concurrency?: number;
      /** How long one delivery may take. */
      readonly timeoutSeconds?: number;
      readonly retry?: {
        /** Deliveries of one event before it is parked. */
        readonly maxAttempts?: number;
        /** Wait before the second; doubles with each further one, with jitter. */
        readonly baseSeconds?: number;
        /** Longest wait. */
        readonly maxSeconds?: number;
      };
      /** stream: events of one stream one after the other; all: each waits for the one before it in the log. */
      readonly order?: 'stream' | 'all';
    };
    readonly answer: {
      readonly name: string;
      readonly state: 'active' | 'paused' | 'broken';
      readonly source: 'api' | 'config';
      /** Where events go is for tokens of scope admin; others see only the kind. */
      readonly definition: {
        readonly on: readonly string[];
        readonly where?: {
          readonly tags?: Readonly<Record<string, string>>;
          readonly systems?: readonly string[];
          readonly name?: string;
          readonly classes?: readonly (
            | 'builder-failed'
            | 'timed-out'
            | 'silent-too-long'
            | 'log-limit'
            | 'output-missing'
            | 'hash-mismatch'
            | 'not-deterministic'
            | 'rejected'
            | 'unknown'
            | 'inputs-missing'
            | 'fetch-failed'
            | 'upload-failed'
            | 'disk-full'
            | 'agent-error'
          )[];
          readonly agents?: readonly string[];
        };
        readonly concurrency: number;
        readonly timeoutSeconds: number;
        readonly retry: {
          readonly maxAttempts: number;
          readonly baseSeconds: number;
          readonly maxSeconds: number;
        };
        readonly order: 'stream' | 'all';
        readonly target:
          | {
              readonly kind: 'command';
              readonly run: string | readonly string[];
            }
          | {
              readonly kind: 'webhook';
              readonly url: string;
              readonly secretFile?: string;
              readonly allowPrivate?: boolean;
            }
          | {
              readonly kind: 'notify';
              readonly webhook?: {
                readonly url: string;
                readonly secretFile?: string;
                readonly allowPrivate?: boolean;
              };
              readonly mail?: {
                readonly server: string;
                readonly from: string;
                readonly to: readonly string[];
                readonly user?: string;
                readonly passwordFile?: string;
                readonly plain?: boolean;
                readonly allowPrivate?: boolean;
              };
            }
          | {
              readonly kind: 'guix-data-service';
              readonly url: string;
              readonly buildServer: number;
              readonly tokenFile: string;
              readonly allowPrivate?: boolean;
            }
          | {
              readonly kind: 'publish';
              readonly folder: string;
              readonly layout?: 'plain' | 'guix-publish';
              readonly compressions?: readonly string[];
            }
          | {
              readonly kind: 'mirror';
              readonly folder: string;
              readonly layout?: 'plain' | 'guix-publish';
              readonly compressions?: readonly string[];
            }
          | {
              readonly kind: 'command' | 'webhook' | 'notify' | 'guix-data-service' | 'publish' | 'mirror';
            };
      };
      /** As it is written down: everything up to there is settled, but what fails or is parked. */
      readonly place: {
        readonly after?: string;
        readonly before?: string;
      };
      /** What it waits for, in words; absent where it has nothing to do, or does it. */
      readonly waits?: string;
      readonly lag: {
        /** events that it owes */
        readonly events: number;
        /** whether these are all: not where it reads the log from further back */
        readonly exact: boolean;
        /** age of the oldest that it owes */
        readonly seconds: number;
      };
      readonly delivered: number;
      readonly inFlight: readonly {
        readonly event: string;
        readonly attempt: number;
        readonly seconds: number;
      }[];
      readonly failing: readonly {
        readonly event: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly attempts: number;
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly next?: number;
      }[];
      readonly parked: readonly {
        readonly event: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly attempts: number;
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly next?: number;
      }[];
      /** how many there are: of those that fail or are parked, the first 100 are named */
      readonly counts: {
        readonly failing: number;
        readonly parked: number;
      };
      readonly lastFailure?: {
        readonly event: string;
        /** for tokens of scope admin */
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
      };
    };
  };
  /** Removes the hook. Its place is kept, for when it is added again. */
  readonly removeHook: {
    readonly request: {
      /** For the record. */
      readonly reason?: string;
      readonly hook: string;
    };
    readonly answer: undefined;
  };
  /** Has the hook deliver nothing; what it owes waits. */
  readonly pauseHook: {
    readonly request: {
      readonly hook: string;
      /** For the record. */
      readonly reason?: string;
    };
    readonly answer: {
      readonly name: string;
      readonly state: 'active' | 'paused' | 'broken';
      readonly source: 'api' | 'config';
      /** Where events go is for tokens of scope admin; others see only the kind. */
      readonly definition: {
        readonly on: readonly string[];
        readonly where?: {
          readonly tags?: Readonly<Record<string, string>>;
          readonly systems?: readonly string[];
          readonly name?: string;
          readonly classes?: readonly (
            | 'builder-failed'
            | 'timed-out'
            | 'silent-too-long'
            | 'log-limit'
            | 'output-missing'
            | 'hash-mismatch'
            | 'not-deterministic'
            | 'rejected'
            | 'unknown'
            | 'inputs-missing'
            | 'fetch-failed'
            | 'upload-failed'
            | 'disk-full'
            | 'agent-error'
          )[];
          readonly agents?: readonly string[];
        };
        readonly concurrency: number;
        readonly timeoutSeconds: number;
        readonly retry: {
          readonly maxAttempts: number;
          readonly baseSeconds: number;
          readonly maxSeconds: number;
        };
        readonly order: 'stream' | 'all';
        readonly target:
          | {
              readonly kind: 'command';
              readonly run: string | readonly string[];
            }
          | {
              readonly kind: 'webhook';
              readonly url: string;
              readonly secretFile?: string;
              readonly allowPrivate?: boolean;
            }
          | {
              readonly kind: 'notify';
              readonly webhook?: {
                readonly url: string;
                readonly secretFile?: string;
                readonly allowPrivate?: boolean;
              };
              readonly mail?: {
                readonly server: string;
                readonly from: string;
                readonly to: readonly string[];
                readonly user?: string;
                readonly passwordFile?: string;
                readonly plain?: boolean;
                readonly allowPrivate?: boolean;
              };
            }
          | {
              readonly kind: 'guix-data-service';
              readonly url: string;
              readonly buildServer: number;
              readonly tokenFile: string;
              readonly allowPrivate?: boolean;
            }
          | {
              readonly kind: 'publish';
              readonly folder: string;
              readonly layout?: 'plain' | 'guix-publish';
              readonly compressions?: readonly string[];
            }
          | {
              readonly kind: 'mirror';
              readonly folder: string;
              readonly layout?: 'plain' | 'guix-publish';
              readonly compressions?: readonly string[];
            }
          | {
              readonly kind: 'command' | 'webhook' | 'notify' | 'guix-data-service' | 'publish' | 'mirror';
            };
      };
      /** As it is written down: everything up to there is settled, but what fails or is parked. */
      readonly place: {
        readonly after?: string;
        readonly before?: string;
      };
      /** What it waits for, in words; absent where it has nothing to do, or does it. */
      readonly waits?: string;
      readonly lag: {
        /** events that it owes */
        readonly events: number;
        /** whether these are all: not where it reads the log from further back */
        readonly exact: boolean;
        /** age of the oldest that it owes */
        readonly seconds: number;
      };
      readonly delivered: number;
      readonly inFlight: readonly {
        readonly event: string;
        readonly attempt: number;
        readonly seconds: number;
      }[];
      readonly failing: readonly {
        readonly event: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly attempts: number;
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly next?: number;
      }[];
      readonly parked: readonly {
        readonly event: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly attempts: number;
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly next?: number;
      }[];
      /** how many there are: of those that fail or are parked, the first 100 are named */
      readonly counts: {
        readonly failing: number;
        readonly parked: number;
      };
      readonly lastFailure?: {
        readonly event: string;
        /** for tokens of scope admin */
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
      };
    };
  };
  /** Ends a pause. */
  readonly resumeHook: {
    readonly request: {
      readonly hook: string;
    };
    readonly answer: {
      readonly name: string;
      readonly state: 'active' | 'paused' | 'broken';
      readonly source: 'api' | 'config';
      /** Where events go is for tokens of scope admin; others see only the kind. */
      readonly definition: {
        readonly on: readonly string[];
        readonly where?: {
          readonly tags?: Readonly<Record<string, string>>;
          readonly systems?: readonly string[];
          readonly name?: string;
          readonly classes?: readonly (
            | 'builder-failed'
            | 'timed-out'
            | 'silent-too-long'
            | 'log-limit'
            | 'output-missing'
            | 'hash-mismatch'
            | 'not-deterministic'
            | 'rejected'
            | 'unknown'
            | 'inputs-missing'
            | 'fetch-failed'
            | 'upload-failed'
            | 'disk-full'
            | 'agent-error'
          )[];
          readonly agents?: readonly string[];
        };
        readonly concurrency: number;
        readonly timeoutSeconds: number;
        readonly retry: {
          readonly maxAttempts: number;
          readonly baseSeconds: number;
          readonly maxSeconds: number;
        };
        readonly order: 'stream' | 'all';
        readonly target:
          | {
              readonly kind: 'command';
              readonly run: string | readonly string[];
            }
          | {
              readonly kind: 'webhook';
              readonly url: string;
              readonly secretFile?: string;
              readonly allowPrivate?: boolean;
            }
          | {
              readonly kind: 'notify';
              readonly webhook?: {
                readonly url: string;
                readonly secretFile?: string;
                readonly allowPrivate?: boolean;
              };
              readonly mail?: {
                readonly server: string;
                readonly from: string;
                readonly to: readonly string[];
                readonly user?: string;
                readonly passwordFile?: string;
                readonly plain?: boolean;
                readonly allowPrivate?: boolean;
              };
            }
          | {
              readonly kind: 'guix-data-service';
              readonly url: string;
              readonly buildServer: number;
              readonly tokenFile: string;
              readonly allowPrivate?: boolean;
            }
          | {
              readonly kind: 'publish';
              readonly folder: string;
              readonly layout?: 'plain' | 'guix-publish';
              readonly compressions?: readonly string[];
            }
          | {
              readonly kind: 'mirror';
              readonly folder: string;
              readonly layout?: 'plain' | 'guix-publish';
              readonly compressions?: readonly string[];
            }
          | {
              readonly kind: 'command' | 'webhook' | 'notify' | 'guix-data-service' | 'publish' | 'mirror';
            };
      };
      /** As it is written down: everything up to there is settled, but what fails or is parked. */
      readonly place: {
        readonly after?: string;
        readonly before?: string;
      };
      /** What it waits for, in words; absent where it has nothing to do, or does it. */
      readonly waits?: string;
      readonly lag: {
        /** events that it owes */
        readonly events: number;
        /** whether these are all: not where it reads the log from further back */
        readonly exact: boolean;
        /** age of the oldest that it owes */
        readonly seconds: number;
      };
      readonly delivered: number;
      readonly inFlight: readonly {
        readonly event: string;
        readonly attempt: number;
        readonly seconds: number;
      }[];
      readonly failing: readonly {
        readonly event: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly attempts: number;
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly next?: number;
      }[];
      readonly parked: readonly {
        readonly event: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly attempts: number;
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly next?: number;
      }[];
      /** how many there are: of those that fail or are parked, the first 100 are named */
      readonly counts: {
        readonly failing: number;
        readonly parked: number;
      };
      readonly lastFailure?: {
        readonly event: string;
        /** for tokens of scope admin */
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
      };
    };
  };
  /** Goes on without events that fail or are parked. */
  readonly skipHookEvents: {
    readonly request: {
      readonly hook: string;
      /** Ids of events; all that are parked if absent. */
      readonly events?: readonly string[];
      /** For the record. */
      readonly reason?: string;
    };
    readonly answer: {
      readonly skipped: number;
    };
  };
  /** Delivers parked events again. */
  readonly retryParkedHookEvents: {
    readonly request: {
      readonly hook: string;
      /** Ids of events; all that are parked if absent. */
      readonly events?: readonly string[];
    };
    readonly answer: {
      readonly retried: number;
    };
  };
  /** Sets the place of the hook: everything after it is delivered, again where it was before. */
  readonly replayHook: {
    readonly request: {
      readonly hook: string;
      /** `now`, `start`, a position of the log or the id of an event: what comes after it. */
      readonly from: string;
    };
    readonly answer: {
      readonly name: string;
      readonly state: 'active' | 'paused' | 'broken';
      readonly source: 'api' | 'config';
      /** Where events go is for tokens of scope admin; others see only the kind. */
      readonly definition: {
        readonly on: readonly string[];
        readonly where?: {
          readonly tags?: Readonly<Record<string, string>>;
          readonly systems?: readonly string[];
          readonly name?: string;
          readonly classes?: readonly (
            | 'builder-failed'
            | 'timed-out'
            | 'silent-too-long'
            | 'log-limit'
            | 'output-missing'
            | 'hash-mismatch'
            | 'not-deterministic'
            | 'rejected'
            | 'unknown'
            | 'inputs-missing'
            | 'fetch-failed'
            | 'upload-failed'
            | 'disk-full'
            | 'agent-error'
          )[];
          readonly agents?: readonly string[];
        };
        readonly concurrency: number;
        readonly timeoutSeconds: number;
        readonly retry: {
          readonly maxAttempts: number;
          readonly baseSeconds: number;
          readonly maxSeconds: number;
        };
        readonly order: 'stream' | 'all';
        readonly target:
          | {
              readonly kind: 'command';
              readonly run: string | readonly string[];
            }
          | {
              readonly kind: 'webhook';
              readonly url: string;
              readonly secretFile?: string;
              readonly allowPrivate?: boolean;
            }
          | {
              readonly kind: 'notify';
              readonly webhook?: {
                readonly url: string;
                readonly secretFile?: string;
                readonly allowPrivate?: boolean;
              };
              readonly mail?: {
                readonly server: string;
                readonly from: string;
                readonly to: readonly string[];
                readonly user?: string;
                readonly passwordFile?: string;
                readonly plain?: boolean;
                readonly allowPrivate?: boolean;
              };
            }
          | {
              readonly kind: 'guix-data-service';
              readonly url: string;
              readonly buildServer: number;
              readonly tokenFile: string;
              readonly allowPrivate?: boolean;
            }
          | {
              readonly kind: 'publish';
              readonly folder: string;
              readonly layout?: 'plain' | 'guix-publish';
              readonly compressions?: readonly string[];
            }
          | {
              readonly kind: 'mirror';
              readonly folder: string;
              readonly layout?: 'plain' | 'guix-publish';
              readonly compressions?: readonly string[];
            }
          | {
              readonly kind: 'command' | 'webhook' | 'notify' | 'guix-data-service' | 'publish' | 'mirror';
            };
      };
      /** As it is written down: everything up to there is settled, but what fails or is parked. */
      readonly place: {
        readonly after?: string;
        readonly before?: string;
      };
      /** What it waits for, in words; absent where it has nothing to do, or does it. */
      readonly waits?: string;
      readonly lag: {
        /** events that it owes */
        readonly events: number;
        /** whether these are all: not where it reads the log from further back */
        readonly exact: boolean;
        /** age of the oldest that it owes */
        readonly seconds: number;
      };
      readonly delivered: number;
      readonly inFlight: readonly {
        readonly event: string;
        readonly attempt: number;
        readonly seconds: number;
      }[];
      readonly failing: readonly {
        readonly event: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly attempts: number;
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly next?: number;
      }[];
      readonly parked: readonly {
        readonly event: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly attempts: number;
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly next?: number;
      }[];
      /** how many there are: of those that fail or are parked, the first 100 are named */
      readonly counts: {
        readonly failing: number;
        readonly parked: number;
      };
      readonly lastFailure?: {
        readonly event: string;
        /** for tokens of scope admin */
        readonly error?: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
      };
    };
  };
  /** Delivers one event now, whether it matches or not; changes nothing of what the hook owes. */
  readonly testHook: {
    readonly request: {
      readonly hook: string;
      readonly event: string;
    };
    readonly answer: {
      /** whether the hook would get the event by itself */
      readonly matches: boolean;
      readonly ok: boolean;
      readonly error?: string;
      /** why nothing was to be told of the event */
      readonly note?: string;
      readonly ms: number;
    };
  };
  /** What the coordinator takes in, so that a client can say what is too large before it sends anything. */
  readonly getLimits: {
    readonly request: Readonly<Record<string, never>>;
    readonly answer: {
      /** Setting limits.max-derivation-bytes. */
      readonly maxDerivationBytes: number;
      /** What the event store takes in one commit. */
      readonly maxCommitBytes: number;
      /** Setting limits.max-body-bytes. */
      readonly maxBodyBytes: number;
    };
  };
  /** Those of the named derivations that the coordinator lacks. */
  readonly findMissingDerivations: {
    readonly request: {
      readonly paths: readonly string[];
    };
    readonly answer: {
      readonly missing: readonly string[];
    };
  };
  /** Sources that the closures of the derivations name and neither the pool nor an upstream has. */
  readonly findMissingSources: {
    readonly request: {
      readonly roots: readonly string[];
      /** As of the submission that is to come; `never`: no upstream is asked. */
      readonly checkUpstream?: 'never' | 'inputs' | 'all';
    };
    readonly answer: {
      readonly missing: readonly string[];
    };
  };
  /** Submits derivations to be built. */
  readonly submit: {
    readonly request: {
      /** Base names of derivations that were added before. */
      readonly roots: readonly string[];
      /** Tags that are kept with the builds of single roots, by root, beside those of `options`. */
      readonly rootTags?: Readonly<Record<string, Readonly<Record<string, string>>>>;
      /** Holds for every build of the submission. */
      readonly options?: {
        readonly priority?: number;
        readonly maxAttempts?: number;
        readonly timeoutSeconds?: number;
        readonly maxSilentSeconds?: number;
        readonly deferUntil?: number;
        readonly tags?: Readonly<Record<string, string>>;
      };
      /** Also build inputs without an available output or a build. */
      readonly inputs?: boolean;
      /** Also build what is built or under way. */
      readonly force?: boolean;
      /** What upstreams are asked for before anything is built: what is asked for and its inputs (`all`, as if absent), its inputs alone, or nothing. What they are not asked for of `roots` is built where the pool lacks it. */
      readonly checkUpstream?: 'never' | 'inputs' | 'all';
      /** Keeps all outputs of `roots` under this name, for so long from now on; for good if it does not say. */
      readonly root?: {
        readonly name: string;
        readonly keepSeconds?: number;
      };
      readonly 'idempotency-key'?: string;
      readonly traceparent?: string;
    };
    readonly answer: {
      readonly submission: string;
      readonly derivations: number;
      readonly builds: number;
      readonly available: number;
      /** of `available`, those of which an upstream has an output that the pool has not */
      readonly upstream?: number;
      /** store items that upstreams were found to have */
      readonly foundUpstream?: number;
      readonly joined: readonly string[];
    };
  };
  /** Submissions, newest first. */
  readonly listSubmissions: {
    readonly request: {
      readonly limit?: number;
      readonly after?: string;
      /** only the one that this token has made under this idempotency key */
      readonly key?: string;
      /** only those in one of these states; a page may then be short, even empty, and still have a `next` */
      readonly state?: string | readonly string[];
    };
    readonly answer: {
      readonly rows: readonly {
        readonly id: string;
        /** milliseconds since the Unix epoch */
        readonly receivedAt: number;
        readonly queuedAt: number | null;
        /** `blocked`: builds of it have not ended, and nothing under way can set any of these going */
        readonly state: 'under-way' | 'queued' | 'blocked' | 'set-aside' | 'succeeded' | 'failed' | 'canceled';
        /** why it is set aside, where it is */
        readonly setAside: string | null;
        /** when, by whom and why it was cancelled, where it was */
        readonly canceled: {
          /** milliseconds since the Unix epoch */
          readonly at: number;
          /** id of a token */
          readonly by: string;
          /** of that token */
          readonly name?: string;
          readonly reason: string | null;
        } | null;
        /** derivations that were asked for */
        readonly roots: number;
        /** base name of the first of them */
        readonly derivation: string | null;
        readonly reason: string;
        readonly counts: {
          readonly queued: number;
          readonly allocated: number;
          readonly running: number;
          readonly succeeded: number;
          readonly failed: number;
          readonly canceled: number;
        };
      }[];
      readonly next?: string;
    };
  };
  /** One submission, with its builds counted by state, and what blocks those that nothing under way can set going. */
  readonly getSubmission: {
    readonly request: {
      readonly submission: string;
    };
    readonly answer: {
      readonly id: string;
      /** milliseconds since the Unix epoch */
      readonly receivedAt: number;
      readonly queuedAt: number | null;
      /** `blocked`: builds of it have not ended, and nothing under way can set any of these going */
      readonly state: 'under-way' | 'queued' | 'blocked' | 'set-aside' | 'succeeded' | 'failed' | 'canceled';
      /** why it is set aside, where it is */
      readonly setAside: string | null;
      /** when, by whom and why it was cancelled, where it was */
      readonly canceled: {
        /** milliseconds since the Unix epoch */
        readonly at: number;
        /** id of a token */
        readonly by: string;
        /** of that token */
        readonly name?: string;
        readonly reason: string | null;
      } | null;
      /** derivations that were asked for */
      readonly roots: number;
      /** base name of the first of them */
      readonly derivation: string | null;
      readonly reason: string;
      readonly counts: {
        readonly queued: number;
        readonly allocated: number;
        readonly running: number;
        readonly succeeded: number;
        readonly failed: number;
        readonly canceled: number;
      };
      /** builds that have not ended, those that it joined included */
      readonly unfinished: number;
      /** those of them that nothing under way can set going */
      readonly blocked: number;
      /** those of the blocked that nothing but an agent is lacking for */
      readonly agentless: number;
      /** what they wait for, that which most wait for first; at most 20 */
      readonly blockers: readonly {
        readonly item: string;
        readonly state:
          | 'failed'
          | 'canceled'
          | 'no-build'
          | 'source-missing'
          | 'source-lost'
          | 'text-lost'
          | 'no-agent';
        readonly derivation?: string;
        readonly build?: string;
        readonly failure?: {
          readonly attempt: number;
          readonly class:
            | 'builder-failed'
            | 'timed-out'
            | 'silent-too-long'
            | 'log-limit'
            | 'output-missing'
            | 'hash-mismatch'
            | 'not-deterministic'
            | 'rejected'
            | 'unknown'
            | 'inputs-missing'
            | 'fetch-failed'
            | 'upload-failed'
            | 'disk-full'
            | 'agent-error'
            | 'agent-lost';
          readonly message: string;
          readonly agent: string;
          readonly cause?: 'attempts-used-up' | 'not-retried' | 'several-agents' | 'one-agent';
        };
        /** id and name of the token that cancelled it, when, and what was said */
        readonly canceled?: {
          readonly by: string;
          readonly name?: string;
          /** milliseconds since the Unix epoch */
          readonly at: number;
          readonly reason?: string;
          /** nobody cancelled this one: what wanted it was */
          readonly unwanted?: true;
        };
        /** milliseconds since the Unix epoch */
        readonly at?: number;
        /** when and why a source that was there went, and by whom: the id of a token and its name, or what in the coordinator */
        readonly lost?: {
          /** milliseconds since the Unix epoch */
          readonly at: number;
          readonly how: 'deleted' | 'missing';
          readonly reason: string;
          readonly by?: string;
          readonly name?: string;
        };
        readonly system?: string;
        readonly features?: readonly string[];
        readonly storeDir?: string;
        readonly agents?: readonly {
          readonly name: string;
          readonly code:
            | 'never-connected'
            | 'unsuitable'
            | 'no-token'
            | 'offline'
            | 'stopped'
            | 'unfit'
            | 'overloaded'
            | 'collecting'
            | 'no-room'
            | 'quarantined'
            | 'leaving'
            | 'draining'
            | 'paused';
          readonly obstacle: string;
        }[];
        /** how many of the builds wait for it */
        readonly waiting: number;
        /** how many unfinished builds of the whole farm do */
        readonly blocks?: number;
        /** there are more than that */
        readonly more?: boolean;
        /** what would set it going: a command where there is one */
        readonly remedy: string;
      }[];
      /** how many blockers there are */
      readonly total: number;
      /** there may be more of them */
      readonly more?: boolean;
      /** builds of other submissions that it joined, by state, once all of them have ended; `null` before */
      readonly joined: {
        readonly queued: number;
        readonly allocated: number;
        readonly running: number;
        readonly succeeded: number;
        readonly failed: number;
        readonly canceled: number;
      } | null;
      /** `null`: it ended so long ago that this is not held */
      readonly priority: {
        /** what it was submitted with */
        readonly submitted: number;
        /** of unfinished builds of what it asked for; absent where there are none */
        readonly lowest?: number;
        readonly highest?: number;
      } | null;
      /** why its builds could not be made the last time that it was tried, where they are not */
      readonly notQueued: {
        readonly reason: string;
        /** when it is tried again; `null`: once its derivations are submitted again */
        readonly again: number | null;
      } | null;
    };
  };
  /** Where the time of a submission went: the sums of its builds by phase, its critical path, and what would have made it faster. */
  readonly getSubmissionTimes: {
    readonly request: {
      readonly submission: string;
    };
    readonly answer: {
      /** null where it has no build */
      readonly times: {
        /** those that it joined included */
        readonly builds: number;
        /** milliseconds in each phase; one that took no time is absent */
        readonly phases: {
          /** milliseconds */
          readonly deferred?: number;
          /** milliseconds */
          readonly inputs?: number;
          /** milliseconds */
          readonly 'text-lost'?: number;
          /** milliseconds */
          readonly 'back-off'?: number;
          /** milliseconds */
          readonly 'no-agent'?: number;
          /** milliseconds */
          readonly slot?: number;
          /** milliseconds */
          readonly allocated?: number;
          /** milliseconds */
          readonly fetching?: number;
          /** milliseconds */
          readonly building?: number;
          /** milliseconds */
          readonly uploading?: number;
        };
        /** attempts that have ended without their agents saying how long they fetched: that is in `allocated` */
        readonly untold: number;
        readonly criticalPath: {
          /** milliseconds since the Unix epoch */
          readonly from: number;
          /** milliseconds since the Unix epoch */
          readonly to: number;
          /** whether all builds have; otherwise it is the path so far */
          readonly ended: boolean;
          /** milliseconds in each phase; one that took no time is absent */
          readonly phases: {
            /** milliseconds */
            readonly deferred?: number;
            /** milliseconds */
            readonly inputs?: number;
            /** milliseconds */
            readonly 'text-lost'?: number;
            /** milliseconds */
            readonly 'back-off'?: number;
            /** milliseconds */
            readonly 'no-agent'?: number;
            /** milliseconds */
            readonly slot?: number;
            /** milliseconds */
            readonly allocated?: number;
            /** milliseconds */
            readonly fetching?: number;
            /** milliseconds */
            readonly building?: number;
            /** milliseconds */
            readonly uploading?: number;
          };
          /** on the path; `steps` has the last 100 at most */
          readonly builds: number;
          readonly steps: readonly {
            readonly build: string;
            readonly derivation: string;
            /** milliseconds since the Unix epoch */
            readonly from: number;
            /** milliseconds since the Unix epoch */
            readonly to: number;
            /** milliseconds in each phase; one that took no time is absent */
            readonly phases: {
              /** milliseconds */
              readonly deferred?: number;
              /** milliseconds */
              readonly inputs?: number;
              /** milliseconds */
              readonly 'text-lost'?: number;
              /** milliseconds */
              readonly 'back-off'?: number;
              /** milliseconds */
              readonly 'no-agent'?: number;
              /** milliseconds */
              readonly slot?: number;
              /** milliseconds */
              readonly allocated?: number;
              /** milliseconds */
              readonly fetching?: number;
              /** milliseconds */
              readonly building?: number;
              /** milliseconds */
              readonly uploading?: number;
            };
            /** the input that it waited for last */
            readonly item?: string;
          }[];
        };
        /** what would have made it faster */
        readonly advice: readonly {
          readonly kind:
            | 'deferred'
            | 'inputs'
            | 'text-lost'
            | 'back-off'
            | 'no-agent'
            | 'slot'
            | 'allocated'
            | 'fetching'
            | 'building'
            | 'uploading'
            | 'retries'
            | 'lost';
          /** what it would have saved at most */
          readonly ms: number;
          readonly system?: string;
          readonly features?: readonly string[];
          readonly storeDir?: string;
          readonly cause?: string;
          /** of the path, that it is about */
          readonly builds: number;
        }[];
      } | null;
    };
  };
  /** How far a submission is: what runs for it, what waits for that, and when it may end. */
  readonly getSubmissionOutlook: {
    readonly request: {
      readonly submission: string;
    };
    readonly answer: {
      /** when that was so */
      readonly at: number;
      /** its builds, and those that it joined; `fetching`: an agent has it and does not build yet */
      readonly counts: {
        readonly fetching: number;
        readonly building: number;
        readonly ready: number;
        readonly deferred: number;
        readonly 'back-off': number;
        readonly waiting: number;
        readonly blocked: number;
        readonly succeeded: number;
        readonly failed: number;
        readonly canceled: number;
      };
      /** what runs, the most critical first, what could, and upwards what waits for it; not all, where there is much */
      readonly nodes: readonly {
        readonly build: string;
        readonly derivation: string;
        readonly state: 'fetching' | 'building' | 'ready' | 'deferred' | 'back-off' | 'waiting' | 'blocked';
        readonly agent?: string;
        readonly attempt?: number;
        /** when its attempt began */
        readonly since?: number;
        /** milliseconds that others of its name and system took before, in the median of the last five */
        readonly before?: number;
        /** inputs that are not there */
        readonly lacks: number;
        /** of the builds that wait for it, the one with the longest way to go, where it is among these */
        readonly parent?: string;
      }[];
      readonly estimate: {
        /** absent where nothing can be said */
        readonly endsAt?: number;
        /** that are in it */
        readonly builds: number;
        /** of them, those whose like was never built: they are taken to take as long as others in the mean */
        readonly unknown: number;
        /** that are not in it: they are blocked, or no agent takes them */
        readonly without: number;
      };
    };
  };
  /** The builds of a submission, those that it joined included, with their states, and what waits for what. */
  readonly getSubmissionGraph: {
    readonly request: {
      /** only builds of the part with this `prefix` */
      readonly part?: string;
      /** of an earlier answer: `nodes`, `parts` and `edges` are left out while they are the same */
      readonly shape?: string;
      readonly submission: string;
    };
    readonly answer: {
      /** when states were so */
      readonly at: number;
      /** another one where `nodes`, `parts` or `edges` are others */
      readonly shape: string;
      /** derivations of all nodes and parts */
      readonly builds: number;
      /** the last build of each derivation; where there are more than 5000, those that are in no part. Absent, as are `parts` and `edges`, where `shape` is the one that was asked with */
      readonly nodes?: readonly {
        readonly build: string;
        readonly derivation: string;
      }[];
      /** at most 80; what is in one is asked for as `part` */
      readonly parts?: readonly {
        /** with which all of it begin: a name, then a blank and the hash part */
        readonly prefix: string;
        readonly builds: number;
      }[];
      /** pairs: what is needed, and what needs it, by their places among the nodes and, after these, the parts. One that others say already is left out; of parts, all but the three that each needs most of */
      readonly edges?: readonly number[];
      readonly stateNames: readonly (
        | 'fetching'
        | 'building'
        | 'ready'
        | 'deferred'
        | 'back-off'
        | 'waiting'
        | 'blocked'
        | 'succeeded'
        | 'failed'
        | 'canceled'
      )[];
      /** of each node, its state's place in `stateNames` */
      readonly states: readonly number[];
      /** of each part, how many of its builds are at each of `stateNames` */
      readonly partStates: readonly (readonly number[])[];
    };
  };
  /** Cancels a submission: its builds end that nobody else wants, inputs included, and no more are made. */
  readonly cancelSubmission: {
    readonly request: {
      readonly submission: string;
      /** For the record. */
      readonly reason?: string;
      /** Only says what would happen. */
      readonly preview?: boolean;
    };
    readonly answer: {
      /** builds that were cancelled */
      readonly canceled: number;
      /** others that ended with them, as nobody wants them any more */
      readonly unwanted: number;
      /** builds that go on, as other submissions want them */
      readonly kept: number;
      /** unfinished builds that wait for one of those that ended */
      readonly waiting: number;
      /** the first hundred of those that ended or go on */
      readonly builds: readonly {
        readonly build: string;
        readonly derivation: string;
        /** before */
        readonly state: 'none' | 'queued' | 'allocated' | 'running' | 'succeeded' | 'failed' | 'canceled';
        readonly outcome: 'canceled' | 'unwanted' | 'kept';
        /** submissions that want it, one or two of however many */
        readonly wantedBy: readonly string[];
      }[];
    };
  };
  /** Gives a priority to what a submission asked for; what that waits for rises with it. */
  readonly prioritizeSubmission: {
    readonly request: {
      readonly submission: string;
      readonly priority: number;
    };
    readonly answer: {
      /** whose own priority has changed */
      readonly builds: number;
    };
  };
  /** Submits what a submission asked for once more: what failed or was cancelled of it is built again. */
  readonly retrySubmission: {
    readonly request: {
      readonly submission: string;
    };
    readonly answer: {
      readonly submission: string;
      readonly derivations: number;
      readonly builds: number;
      readonly available: number;
      /** of `available`, those of which an upstream has an output that the pool has not */
      readonly upstream?: number;
      /** store items that upstreams were found to have */
      readonly foundUpstream?: number;
      readonly joined: readonly string[];
    };
  };
  /** Has a submission queued that was set aside. */
  readonly resumeSubmission: {
    readonly request: {
      readonly submission: string;
    };
    readonly answer: undefined;
  };
  /** Builds, newest first. */
  readonly listBuilds: {
    readonly request: {
      readonly system?: string;
      /** Part of the derivation's name. */
      readonly name?: string;
      readonly agent?: string;
      readonly submission?: string;
      readonly derivation?: string;
      /** `key` or `key=value`. */
      readonly tag?: string;
      /** Those of other submissions that this one joined, as they were under way. */
      readonly joinedBy?: string;
      /** Some of these. Of what is `queued`: `blocked` where nothing under way can set it going, `deferred` where somebody wants it later, `waiting` for inputs that are coming, `backoff` until its next attempt, `ready` for a slot. `building`: `allocated` or `running`. */
      readonly state?: string | readonly string[];
      /** Only those that changed last then or later, milliseconds since the Unix epoch. */
      readonly since?: number;
      /** Only those that changed last before then. */
      readonly until?: number;
      /** Only those that changed last after this position. */
      readonly from?: string;
      /** Only those that changed last at this position or before it. */
      readonly to?: string;
      readonly limit?: number;
      readonly after?: string;
    };
    readonly answer: {
      readonly rows: readonly {
        readonly id: string;
        readonly derivation: string;
        readonly system: string;
        readonly submission: string;
        readonly state: 'queued' | 'allocated' | 'running' | 'succeeded' | 'failed' | 'canceled';
        /** of one that is queued: nothing under way can set it going, or it waits for a time that somebody deferred it to, for inputs that are coming, for the time of its next attempt, or for a slot */
        readonly standing?: 'blocked' | 'deferred' | 'waiting' | 'backoff' | 'ready';
        /** of one that an agent has: milliseconds that builds of its name and system took before, in the median of the last five; absent where there were none */
        readonly before?: number;
        readonly reason: string;
        readonly priority: number;
        readonly tags: Readonly<Record<string, string>>;
        /** number of the last attempt; 0 before the first */
        readonly attempt: number;
        readonly agent: string | null;
        /** milliseconds since the Unix epoch */
        readonly submittedAt: number;
        readonly startedAt: number | null;
        readonly endedAt: number | null;
        readonly failure: {
          readonly class: string;
          readonly message: string;
        } | null;
        /** when its last event happened; milliseconds since the Unix epoch */
        readonly changedAt: number;
      }[];
      readonly next?: string;
    };
  };
  /** One build with its attempts. */
  readonly getBuild: {
    readonly request: {
      readonly build: string;
    };
    readonly answer: {
      readonly id: string;
      readonly derivation: string;
      readonly system: string;
      readonly submission: string;
      readonly state: 'queued' | 'allocated' | 'running' | 'succeeded' | 'failed' | 'canceled';
      /** of one that is queued: nothing under way can set it going, or it waits for a time that somebody deferred it to, for inputs that are coming, for the time of its next attempt, or for a slot */
      readonly standing?: 'blocked' | 'deferred' | 'waiting' | 'backoff' | 'ready';
      /** of one that an agent has: milliseconds that builds of its name and system took before, in the median of the last five; absent where there were none */
      readonly before?: number;
      readonly reason: string;
      readonly priority: number;
      readonly tags: Readonly<Record<string, string>>;
      /** number of the last attempt; 0 before the first */
      readonly attempt: number;
      readonly agent: string | null;
      /** milliseconds since the Unix epoch */
      readonly submittedAt: number;
      readonly startedAt: number | null;
      readonly endedAt: number | null;
      readonly failure: {
        readonly class: string;
        readonly message: string;
      } | null;
      /** when its last event happened; milliseconds since the Unix epoch */
      readonly changedAt: number;
      /** id and name of the token that cancelled it, when, and what was said */
      readonly canceled?: {
        readonly by: string;
        readonly name?: string;
        /** milliseconds since the Unix epoch */
        readonly at: number;
        readonly reason?: string;
        /** nobody cancelled this one: what wanted it was */
        readonly unwanted?: true;
      };
      readonly outputs: Readonly<Record<string, string>>;
      readonly attempts: readonly {
        readonly attempt: number;
        readonly agent: string;
        /** milliseconds since the Unix epoch */
        readonly allocatedAt: number;
        readonly startedAt: number | null;
        readonly endedAt: number | null;
        readonly outcome: string;
        readonly failure: {
          readonly class: string;
          readonly message: string;
        } | null;
        readonly logBytes: number | null;
      }[];
      readonly options: {
        readonly maxAttempts?: number;
        readonly timeoutSeconds?: number;
        readonly maxSilentSeconds?: number;
        /** no agent is given it before then */
        readonly deferUntil?: number;
      };
      /** of the same derivation, 20 at most */
      readonly earlier?: readonly {
        /** the coordinator that told of it, as the import calls it */
        readonly source: string;
        /** what it is called there */
        readonly id: string;
        readonly derivation: string;
        /** by the word of the source; nothing here rests on it */
        readonly outcome: 'succeeded' | 'failed' | 'canceled';
        readonly system: string | null;
        readonly agent: string | null;
        readonly submittedAt: number | null;
        readonly startedAt: number | null;
        readonly endedAt: number | null;
        /** what it failed with */
        readonly message: string | null;
        /** when it was taken over */
        readonly recordedAt: number;
      }[];
    };
  };
  /** Why the build is not running, and what would end the wait. */
  readonly explainBuild: {
    readonly request: {
      readonly build: string;
    };
    readonly answer:
      | {
          readonly build: string;
          readonly state: string;
          /** of one that is queued: nothing under way can set it going, or it waits for a time that somebody deferred it to, for inputs that are coming, for the time of its next attempt, or for a slot */
          readonly standing?: 'blocked' | 'deferred' | 'waiting' | 'backoff' | 'ready';
          readonly summary: string;
          readonly reason: 'ended';
          /** milliseconds since the Unix epoch */
          readonly at?: number;
          readonly failure?: {
            readonly attempt: number;
            readonly class:
              | 'builder-failed'
              | 'timed-out'
              | 'silent-too-long'
              | 'log-limit'
              | 'output-missing'
              | 'hash-mismatch'
              | 'not-deterministic'
              | 'rejected'
              | 'unknown'
              | 'inputs-missing'
              | 'fetch-failed'
              | 'upload-failed'
              | 'disk-full'
              | 'agent-error'
              | 'agent-lost';
            readonly message: string;
            readonly agent: string;
            readonly cause?: 'attempts-used-up' | 'not-retried' | 'several-agents' | 'one-agent';
          };
          /** id and name of the token that cancelled it, when, and what was said */
          readonly canceled?: {
            readonly by: string;
            readonly name?: string;
            /** milliseconds since the Unix epoch */
            readonly at: number;
            readonly reason?: string;
            /** nobody cancelled this one: what wanted it was */
            readonly unwanted?: true;
          };
          /** what would set it going: a command where there is one */
          readonly remedy?: string;
        }
      | {
          readonly build: string;
          readonly state: string;
          /** of one that is queued: nothing under way can set it going, or it waits for a time that somebody deferred it to, for inputs that are coming, for the time of its next attempt, or for a slot */
          readonly standing?: 'blocked' | 'deferred' | 'waiting' | 'backoff' | 'ready';
          readonly summary: string;
          readonly reason: 'running';
          readonly agent: string;
          readonly attempt: number;
          /** milliseconds since the Unix epoch */
          readonly leaseUntil?: number;
          readonly wait?: {
            readonly for: 'inputs' | 'upload';
            readonly reason: string;
          };
          /** the event that ends the wait */
          readonly until: string;
        }
      | {
          readonly build: string;
          readonly state: string;
          /** of one that is queued: nothing under way can set it going, or it waits for a time that somebody deferred it to, for inputs that are coming, for the time of its next attempt, or for a slot */
          readonly standing?: 'blocked' | 'deferred' | 'waiting' | 'backoff' | 'ready';
          readonly summary: string;
          readonly reason: 'deferred';
          /** milliseconds since the Unix epoch */
          readonly notBefore: number;
          /** id and name of the token that deferred it, when, and what was said */
          readonly deferral?: {
            readonly by: string;
            readonly name?: string;
            /** milliseconds since the Unix epoch */
            readonly at: number;
            readonly reason?: string;
            /** it was to be built later still, and this one, which needs it, is deferred to then */
            readonly submission?: string;
          };
          /** the event that ends the wait */
          readonly until: string;
        }
      | {
          readonly build: string;
          readonly state: string;
          /** of one that is queued: nothing under way can set it going, or it waits for a time that somebody deferred it to, for inputs that are coming, for the time of its next attempt, or for a slot */
          readonly standing?: 'blocked' | 'deferred' | 'waiting' | 'backoff' | 'ready';
          readonly summary: string;
          readonly reason: 'back-off';
          /** milliseconds since the Unix epoch */
          readonly notBefore: number;
          readonly failure?: {
            readonly attempt: number;
            readonly class:
              | 'builder-failed'
              | 'timed-out'
              | 'silent-too-long'
              | 'log-limit'
              | 'output-missing'
              | 'hash-mismatch'
              | 'not-deterministic'
              | 'rejected'
              | 'unknown'
              | 'inputs-missing'
              | 'fetch-failed'
              | 'upload-failed'
              | 'disk-full'
              | 'agent-error'
              | 'agent-lost';
            readonly message: string;
            readonly agent: string;
            readonly cause?: 'attempts-used-up' | 'not-retried' | 'several-agents' | 'one-agent';
          };
          /** the event that ends the wait */
          readonly until: string;
        }
      | {
          readonly build: string;
          readonly state: string;
          /** of one that is queued: nothing under way can set it going, or it waits for a time that somebody deferred it to, for inputs that are coming, for the time of its next attempt, or for a slot */
          readonly standing?: 'blocked' | 'deferred' | 'waiting' | 'backoff' | 'ready';
          readonly summary: string;
          readonly reason: 'inputs';
          readonly inputs: readonly {
            readonly item: string;
            readonly state:
              | 'source-missing'
              | 'source-lost'
              | 'building'
              | 'queued'
              | 'blocked'
              | 'text-lost'
              | 'failed'
              | 'canceled'
              | 'no-build'
              | 'reference-missing';
            readonly derivation?: string;
            readonly build?: string;
            readonly missing?: readonly string[];
            /** when and why a source that was there went, and by whom: the id of a token and its name, or what in the coordinator */
            readonly lost?: {
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly how: 'deleted' | 'missing';
              readonly reason: string;
              readonly by?: string;
              readonly name?: string;
            };
          }[];
          readonly total: number;
          readonly blockers: readonly {
            readonly item: string;
            readonly state:
              | 'failed'
              | 'canceled'
              | 'no-build'
              | 'source-missing'
              | 'source-lost'
              | 'text-lost'
              | 'no-agent';
            readonly derivation?: string;
            readonly build?: string;
            readonly failure?: {
              readonly attempt: number;
              readonly class:
                | 'builder-failed'
                | 'timed-out'
                | 'silent-too-long'
                | 'log-limit'
                | 'output-missing'
                | 'hash-mismatch'
                | 'not-deterministic'
                | 'rejected'
                | 'unknown'
                | 'inputs-missing'
                | 'fetch-failed'
                | 'upload-failed'
                | 'disk-full'
                | 'agent-error'
                | 'agent-lost';
              readonly message: string;
              readonly agent: string;
              readonly cause?: 'attempts-used-up' | 'not-retried' | 'several-agents' | 'one-agent';
            };
            /** id and name of the token that cancelled it, when, and what was said */
            readonly canceled?: {
              readonly by: string;
              readonly name?: string;
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly reason?: string;
              /** nobody cancelled this one: what wanted it was */
              readonly unwanted?: true;
            };
            /** milliseconds since the Unix epoch */
            readonly at?: number;
            /** when and why a source that was there went, and by whom: the id of a token and its name, or what in the coordinator */
            readonly lost?: {
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly how: 'deleted' | 'missing';
              readonly reason: string;
              readonly by?: string;
              readonly name?: string;
            };
            readonly system?: string;
            readonly features?: readonly string[];
            readonly storeDir?: string;
            readonly agents?: readonly {
              readonly name: string;
              readonly code:
                | 'never-connected'
                | 'unsuitable'
                | 'no-token'
                | 'offline'
                | 'stopped'
                | 'unfit'
                | 'overloaded'
                | 'collecting'
                | 'no-room'
                | 'quarantined'
                | 'leaving'
                | 'draining'
                | 'paused';
              readonly obstacle: string;
            }[];
            /** how many of the builds wait for it */
            readonly waiting: number;
            /** how many unfinished builds of the whole farm do */
            readonly blocks?: number;
            /** there are more than that */
            readonly more?: boolean;
            /** what would set it going: a command where there is one */
            readonly remedy: string;
          }[];
          /** how many there are, where not all are named */
          readonly blockerTotal?: number;
          readonly more?: boolean;
          /** the event that ends the wait */
          readonly until: string;
        }
      | {
          readonly build: string;
          readonly state: string;
          /** of one that is queued: nothing under way can set it going, or it waits for a time that somebody deferred it to, for inputs that are coming, for the time of its next attempt, or for a slot */
          readonly standing?: 'blocked' | 'deferred' | 'waiting' | 'backoff' | 'ready';
          readonly summary: string;
          readonly reason: 'text-lost';
          readonly derivation: string;
          readonly blockers: readonly {
            readonly item: string;
            readonly state:
              | 'failed'
              | 'canceled'
              | 'no-build'
              | 'source-missing'
              | 'source-lost'
              | 'text-lost'
              | 'no-agent';
            readonly derivation?: string;
            readonly build?: string;
            readonly failure?: {
              readonly attempt: number;
              readonly class:
                | 'builder-failed'
                | 'timed-out'
                | 'silent-too-long'
                | 'log-limit'
                | 'output-missing'
                | 'hash-mismatch'
                | 'not-deterministic'
                | 'rejected'
                | 'unknown'
                | 'inputs-missing'
                | 'fetch-failed'
                | 'upload-failed'
                | 'disk-full'
                | 'agent-error'
                | 'agent-lost';
              readonly message: string;
              readonly agent: string;
              readonly cause?: 'attempts-used-up' | 'not-retried' | 'several-agents' | 'one-agent';
            };
            /** id and name of the token that cancelled it, when, and what was said */
            readonly canceled?: {
              readonly by: string;
              readonly name?: string;
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly reason?: string;
              /** nobody cancelled this one: what wanted it was */
              readonly unwanted?: true;
            };
            /** milliseconds since the Unix epoch */
            readonly at?: number;
            /** when and why a source that was there went, and by whom: the id of a token and its name, or what in the coordinator */
            readonly lost?: {
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly how: 'deleted' | 'missing';
              readonly reason: string;
              readonly by?: string;
              readonly name?: string;
            };
            readonly system?: string;
            readonly features?: readonly string[];
            readonly storeDir?: string;
            readonly agents?: readonly {
              readonly name: string;
              readonly code:
                | 'never-connected'
                | 'unsuitable'
                | 'no-token'
                | 'offline'
                | 'stopped'
                | 'unfit'
                | 'overloaded'
                | 'collecting'
                | 'no-room'
                | 'quarantined'
                | 'leaving'
                | 'draining'
                | 'paused';
              readonly obstacle: string;
            }[];
            /** how many of the builds wait for it */
            readonly waiting: number;
            /** how many unfinished builds of the whole farm do */
            readonly blocks?: number;
            /** there are more than that */
            readonly more?: boolean;
            /** what would set it going: a command where there is one */
            readonly remedy: string;
          }[];
          /** the event that ends the wait */
          readonly until: string;
        }
      | {
          readonly build: string;
          readonly state: string;
          /** of one that is queued: nothing under way can set it going, or it waits for a time that somebody deferred it to, for inputs that are coming, for the time of its next attempt, or for a slot */
          readonly standing?: 'blocked' | 'deferred' | 'waiting' | 'backoff' | 'ready';
          readonly summary: string;
          readonly reason: 'no-agent';
          readonly system: string;
          readonly features: readonly string[];
          readonly storeDir?: string;
          readonly agents: readonly {
            readonly name: string;
            readonly code:
              | 'never-connected'
              | 'unsuitable'
              | 'no-token'
              | 'offline'
              | 'stopped'
              | 'unfit'
              | 'overloaded'
              | 'collecting'
              | 'no-room'
              | 'quarantined'
              | 'leaving'
              | 'draining'
              | 'paused';
            readonly obstacle: string;
          }[];
          /** none where an agent will take it by itself */
          readonly blockers: readonly {
            readonly item: string;
            readonly state:
              | 'failed'
              | 'canceled'
              | 'no-build'
              | 'source-missing'
              | 'source-lost'
              | 'text-lost'
              | 'no-agent';
            readonly derivation?: string;
            readonly build?: string;
            readonly failure?: {
              readonly attempt: number;
              readonly class:
                | 'builder-failed'
                | 'timed-out'
                | 'silent-too-long'
                | 'log-limit'
                | 'output-missing'
                | 'hash-mismatch'
                | 'not-deterministic'
                | 'rejected'
                | 'unknown'
                | 'inputs-missing'
                | 'fetch-failed'
                | 'upload-failed'
                | 'disk-full'
                | 'agent-error'
                | 'agent-lost';
              readonly message: string;
              readonly agent: string;
              readonly cause?: 'attempts-used-up' | 'not-retried' | 'several-agents' | 'one-agent';
            };
            /** id and name of the token that cancelled it, when, and what was said */
            readonly canceled?: {
              readonly by: string;
              readonly name?: string;
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly reason?: string;
              /** nobody cancelled this one: what wanted it was */
              readonly unwanted?: true;
            };
            /** milliseconds since the Unix epoch */
            readonly at?: number;
            /** when and why a source that was there went, and by whom: the id of a token and its name, or what in the coordinator */
            readonly lost?: {
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly how: 'deleted' | 'missing';
              readonly reason: string;
              readonly by?: string;
              readonly name?: string;
            };
            readonly system?: string;
            readonly features?: readonly string[];
            readonly storeDir?: string;
            readonly agents?: readonly {
              readonly name: string;
              readonly code:
                | 'never-connected'
                | 'unsuitable'
                | 'no-token'
                | 'offline'
                | 'stopped'
                | 'unfit'
                | 'overloaded'
                | 'collecting'
                | 'no-room'
                | 'quarantined'
                | 'leaving'
                | 'draining'
                | 'paused';
              readonly obstacle: string;
            }[];
            /** how many of the builds wait for it */
            readonly waiting: number;
            /** how many unfinished builds of the whole farm do */
            readonly blocks?: number;
            /** there are more than that */
            readonly more?: boolean;
            /** what would set it going: a command where there is one */
            readonly remedy: string;
          }[];
          /** the event that ends the wait */
          readonly until: string;
        }
      | {
          readonly build: string;
          readonly state: string;
          /** of one that is queued: nothing under way can set it going, or it waits for a time that somebody deferred it to, for inputs that are coming, for the time of its next attempt, or for a slot */
          readonly standing?: 'blocked' | 'deferred' | 'waiting' | 'backoff' | 'ready';
          readonly summary: string;
          readonly reason: 'no-slot';
          readonly agents: readonly string[];
          readonly ahead: number;
          /** the event that ends the wait */
          readonly until: string;
        };
  };
  /** What a build needs, whether that is there, and what builds it. */
  readonly listBuildInputs: {
    readonly request: {
      /** Most of them. */
      readonly limit?: number;
      /** `next` of the page before. */
      readonly after?: number;
      readonly build: string;
    };
    readonly answer: {
      readonly derivation: string;
      readonly inputs: readonly {
        /** absent for a source */
        readonly derivation?: string;
        readonly items: readonly {
          /** of the derivation */
          readonly output?: string;
          /** base name of the store item */
          readonly path: string;
          /** whether it can be had now, with all that it refers to */
          readonly available: boolean;
        }[];
        /** the last one of the derivation that is remembered */
        readonly build?: string;
        /** how that stands */
        readonly state?:
          | 'queued'
          | 'allocated'
          | 'running'
          | 'succeeded'
          | 'failed'
          | 'canceled'
          | 'blocked'
          | 'deferred'
          | 'waiting'
          | 'backoff'
          | 'ready';
      }[];
      readonly total: number;
      /** to be given as `after`, where there are more */
      readonly next?: number;
    };
  };
  /** What happened to a build and around it, in order, with every wait. */
  readonly getBuildHistory: {
    readonly request: {
      /** Most of the build's own events. */
      readonly limit?: number;
      /** `next` of the page before. */
      readonly after?: number;
      readonly build: string;
    };
    readonly answer: {
      readonly build: string;
      readonly derivation: string;
      readonly state: string;
      /** when it was submitted */
      readonly from: number;
      /** when it ended, or now */
      readonly to: number;
      /** milliseconds in each phase; one that took no time is absent */
      readonly phases: {
        /** milliseconds */
        readonly deferred?: number;
        /** milliseconds */
        readonly inputs?: number;
        /** milliseconds */
        readonly 'text-lost'?: number;
        /** milliseconds */
        readonly 'back-off'?: number;
        /** milliseconds */
        readonly 'no-agent'?: number;
        /** milliseconds */
        readonly slot?: number;
        /** milliseconds */
        readonly allocated?: number;
        /** milliseconds */
        readonly fetching?: number;
        /** milliseconds */
        readonly building?: number;
        /** milliseconds */
        readonly uploading?: number;
      };
      readonly entries: readonly {
        readonly kind: 'event' | 'wait' | 'hook';
        /** milliseconds since the Unix epoch */
        readonly at: number;
        /** milliseconds since the entry before */
        readonly since: number;
        readonly position?: string;
        /** id of the event; for a hook, of that which it was for */
        readonly event?: string;
        readonly type?: string;
        readonly actor?: string;
        readonly summary: string;
        readonly attempt?: number;
        /** where the log of the attempt is */
        readonly log?: string;
        /** milliseconds in each phase; one that took no time is absent */
        readonly phases?: {
          /** milliseconds */
          readonly deferred?: number;
          /** milliseconds */
          readonly inputs?: number;
          /** milliseconds */
          readonly 'text-lost'?: number;
          /** milliseconds */
          readonly 'back-off'?: number;
          /** milliseconds */
          readonly 'no-agent'?: number;
          /** milliseconds */
          readonly slot?: number;
          /** milliseconds */
          readonly allocated?: number;
          /** milliseconds */
          readonly fetching?: number;
          /** milliseconds */
          readonly building?: number;
          /** milliseconds */
          readonly uploading?: number;
        };
        /** phases that the agent did not tell */
        readonly unknown?: readonly (
          | 'deferred'
          | 'inputs'
          | 'text-lost'
          | 'back-off'
          | 'no-agent'
          | 'slot'
          | 'allocated'
          | 'fetching'
          | 'building'
          | 'uploading'
        )[];
        readonly wait?:
          | 'deferred'
          | 'inputs'
          | 'text-lost'
          | 'back-off'
          | 'no-agent'
          | 'slot'
          | 'allocated'
          | 'fetching'
          | 'building'
          | 'uploading';
        /** how long it waited */
        readonly ms?: number;
        /** that it waited for, the last to come first; `total` counts all */
        readonly inputs?: readonly {
          readonly item: string;
          /** milliseconds since the Unix epoch */
          readonly at?: number;
          readonly build?: string;
        }[];
        readonly total?: number;
        readonly hook?: string;
        readonly result?: 'delivered' | 'settled' | 'skipped' | 'parked' | 'failing' | 'owed';
      }[];
      /** to be given as `after`, where the build has more events */
      readonly next?: number;
      /** of the same derivation, 20 at most */
      readonly earlier?: readonly {
        /** the coordinator that told of it, as the import calls it */
        readonly source: string;
        /** what it is called there */
        readonly id: string;
        readonly derivation: string;
        /** by the word of the source; nothing here rests on it */
        readonly outcome: 'succeeded' | 'failed' | 'canceled';
        readonly system: string | null;
        readonly agent: string | null;
        readonly submittedAt: number | null;
        readonly startedAt: number | null;
        readonly endedAt: number | null;
        /** what it failed with */
        readonly message: string | null;
        /** when it was taken over */
        readonly recordedAt: number;
      }[];
      /** what was left out */
      readonly cut: readonly string[];
    };
  };
  /** Cancels a build for the submission that it belongs to, and what nobody wants without it. */
  readonly cancelBuild: {
    readonly request: {
      readonly build: string;
      /** For the record. */
      readonly reason?: string;
      /** Also what other submissions want. */
      readonly force?: boolean;
      /** Also all that waits for them, each for the submission that it belongs to. */
      readonly dependents?: boolean;
      /** Only says what would happen. */
      readonly preview?: boolean;
    };
    readonly answer: {
      /** builds that were cancelled */
      readonly canceled: number;
      /** others that ended with them, as nobody wants them any more */
      readonly unwanted: number;
      /** builds that go on, as other submissions want them */
      readonly kept: number;
      /** unfinished builds that wait for one of those that ended */
      readonly waiting: number;
      /** the first hundred of those that ended or go on */
      readonly builds: readonly {
        readonly build: string;
        readonly derivation: string;
        /** before */
        readonly state: 'none' | 'queued' | 'allocated' | 'running' | 'succeeded' | 'failed' | 'canceled';
        readonly outcome: 'canceled' | 'unwanted' | 'kept';
        /** submissions that want it, one or two of however many */
        readonly wantedBy: readonly string[];
      }[];
    };
  };
  /** Changes a build's own priority. */
  readonly prioritizeBuild: {
    readonly request: {
      readonly build: string;
      readonly priority: number;
    };
    readonly answer: undefined;
  };
  /** Has no agent given a queued build before a time. */
  readonly deferBuild: {
    readonly request: {
      readonly build: string;
      /** Milliseconds since the Unix epoch, at most 366 days from now; `null`, or a time that has passed: it is not deferred any more. */
      readonly until: number | null;
      /** For the record. */
      readonly reason?: string;
    };
    readonly answer: undefined;
  };
  /** Builds the derivation of a build that failed or was cancelled again. */
  readonly retryBuild: {
    readonly request: {
      readonly build: string;
    };
    readonly answer: {
      readonly submission: string;
      readonly derivations: number;
      readonly builds: number;
      readonly available: number;
      /** of `available`, those of which an upstream has an output that the pool has not */
      readonly upstream?: number;
      /** store items that upstreams were found to have */
      readonly foundUpstream?: number;
      readonly joined: readonly string[];
    };
  };
  /** Says what a retry of that build would do, and changes nothing. */
  readonly previewRetry: {
    readonly request: {
      readonly build: string;
    };
    readonly answer: {
      /** derivations that are built again */
      readonly retried: number;
      /** builds that were passed over: another of the derivation is under way */
      readonly underWay: number;
      /** builds that were passed over: their outputs are there */
      readonly available: number;
      /** the first hundred of those that are built again */
      readonly builds: readonly {
        readonly build: string;
        readonly derivation: string;
      }[];
      readonly submissions: readonly {
        readonly submission: string;
        readonly derivations: number;
        readonly builds: number;
        readonly available: number;
        /** of `available`, those of which an upstream has an output that the pool has not */
        readonly upstream?: number;
        /** store items that upstreams were found to have */
        readonly foundUpstream?: number;
        readonly joined: readonly string[];
      }[];
    };
  };
  /** Cancels all builds that have not ended and meet every condition, each for the submission that it belongs to. */
  readonly cancelBuilds: {
    readonly request: {
      readonly system?: string;
      /** Part of the derivation's name. */
      readonly name?: string;
      readonly agent?: string;
      readonly submission?: string;
      readonly derivation?: string;
      /** `key` or `key=value`. */
      readonly tag?: string;
      /** Some of these. Of what is `queued`: `blocked` where nothing under way can set it going, `deferred` where somebody wants it later, `waiting` for inputs that are coming, `backoff` until its next attempt, `ready` for a slot. `building`: `allocated` or `running`. */
      readonly state?: readonly (
        | 'queued'
        | 'allocated'
        | 'running'
        | 'blocked'
        | 'deferred'
        | 'waiting'
        | 'backoff'
        | 'ready'
        | 'building'
      )[];
      /** Only those that changed last then or later, milliseconds since the Unix epoch. */
      readonly since?: number;
      /** Only those that changed last before then. */
      readonly until?: number;
      /** Only those that changed last after this position. */
      readonly from?: string;
      /** Only those that changed last at this position or before it. */
      readonly to?: string;
      /** For the record. */
      readonly reason?: string;
      /** Also what other submissions want. */
      readonly force?: boolean;
      /** Also all that waits for them, each for the submission that it belongs to. */
      readonly dependents?: boolean;
      /** Only says what would happen. */
      readonly preview?: boolean;
    };
    readonly answer: {
      /** builds that were cancelled */
      readonly canceled: number;
      /** others that ended with them, as nobody wants them any more */
      readonly unwanted: number;
      /** builds that go on, as other submissions want them */
      readonly kept: number;
      /** unfinished builds that wait for one of those that ended */
      readonly waiting: number;
      /** the first hundred of those that ended or go on */
      readonly builds: readonly {
        readonly build: string;
        readonly derivation: string;
        /** before */
        readonly state: 'none' | 'queued' | 'allocated' | 'running' | 'succeeded' | 'failed' | 'canceled';
        readonly outcome: 'canceled' | 'unwanted' | 'kept';
        /** submissions that want it, one or two of however many */
        readonly wantedBy: readonly string[];
      }[];
    };
  };
  /** Builds again what failed or was cancelled and meets every condition. */
  readonly retryBuilds: {
    readonly request: {
      readonly system?: string;
      /** Part of the derivation's name. */
      readonly name?: string;
      readonly agent?: string;
      readonly submission?: string;
      readonly derivation?: string;
      /** `key` or `key=value`. */
      readonly tag?: string;
      readonly state?: readonly ('failed' | 'canceled')[];
      /** Only those that changed last then or later, milliseconds since the Unix epoch. */
      readonly since?: number;
      /** Only those that changed last before then. */
      readonly until?: number;
      /** Only those that changed last after this position. */
      readonly from?: string;
      /** Only those that changed last at this position or before it. */
      readonly to?: string;
      /** Only says what would happen. */
      readonly preview?: boolean;
    };
    readonly answer: {
      /** derivations that are built again */
      readonly retried: number;
      /** builds that were passed over: another of the derivation is under way */
      readonly underWay: number;
      /** builds that were passed over: their outputs are there */
      readonly available: number;
      /** the first hundred of those that are built again */
      readonly builds: readonly {
        readonly build: string;
        readonly derivation: string;
      }[];
      readonly submissions: readonly {
        readonly submission: string;
        readonly derivations: number;
        readonly builds: number;
        readonly available: number;
        /** of `available`, those of which an upstream has an output that the pool has not */
        readonly upstream?: number;
        /** store items that upstreams were found to have */
        readonly foundUpstream?: number;
        readonly joined: readonly string[];
      }[];
    };
  };
  /** Builds that ended at other coordinators, as these tell of them, those recorded last first. */
  readonly listEarlierBuilds: {
    readonly request: {
      readonly derivation?: string;
      /** What the other coordinator is called here. */
      readonly source?: string;
      readonly limit?: number;
      readonly after?: string;
    };
    readonly answer: {
      readonly rows: readonly {
        /** the coordinator that told of it, as the import calls it */
        readonly source: string;
        /** what it is called there */
        readonly id: string;
        readonly derivation: string;
        /** by the word of the source; nothing here rests on it */
        readonly outcome: 'succeeded' | 'failed' | 'canceled';
        readonly system: string | null;
        readonly agent: string | null;
        readonly submittedAt: number | null;
        readonly startedAt: number | null;
        readonly endedAt: number | null;
        /** what it failed with */
        readonly message: string | null;
        /** when it was taken over */
        readonly recordedAt: number;
      }[];
      readonly next?: string;
    };
  };
  /** Takes over builds that ended at another coordinator, each of them once. */
  readonly recordEarlierBuilds: {
    readonly request: {
      /** What the other coordinator is called here. */
      readonly source: string;
      readonly builds: readonly {
        readonly id: string;
        readonly derivation: string;
        readonly outcome: 'succeeded' | 'failed' | 'canceled';
        readonly system?: string;
        readonly fixed?: boolean;
        readonly agent?: string;
        readonly submittedAt?: number;
        readonly startedAt?: number;
        readonly endedAt?: number;
        readonly message?: string;
      }[];
    };
    readonly answer: {
      readonly recorded: number;
      /** that were taken over before */
      readonly known: number;
    };
  };
  /** Those of the builds of another coordinator that were not taken over from it. */
  readonly findMissingEarlierBuilds: {
    readonly request: {
      /** What the other coordinator is called here. */
      readonly source: string;
      readonly ids: readonly string[];
    };
    readonly answer: {
      readonly missing: readonly string[];
    };
  };
  /** Ids that begin so, for who types them. */
  readonly findIds: {
    readonly request: {
      readonly kind: 'builds' | 'submissions' | 'items' | 'derivations';
      /** How the id begins; of an item or a derivation its base name, so a part of its hash. */
      readonly prefix?: string;
      readonly limit?: number;
    };
    readonly answer: {
      readonly rows: readonly {
        readonly id: string;
        /** Base name of the derivation or item; of a submission, of one that it builds. */
        readonly name: string | null;
      }[];
    };
  };
  /** Store items in the pool, newest first. */
  readonly listItems: {
    readonly request: {
      /** Part of the item's name. */
      readonly name?: string;
      readonly deriver?: string;
      /** Only what this agent has built. */
      readonly agent?: string;
      /** Only what was added then or later, milliseconds since the Unix epoch. */
      readonly since?: number;
      readonly limit?: number;
      readonly after?: string;
    };
    readonly answer: {
      readonly rows: readonly {
        readonly path: string;
        readonly storeDir?: string;
        readonly narHash: string;
        readonly narSize: number;
        readonly references: readonly string[];
        readonly deriver?: string;
        readonly ca?: string;
        readonly file: {
          readonly hash: string;
          readonly size: number;
          readonly compression: 'none' | 'zstd';
        };
        readonly signatures: readonly string[];
        readonly guixSignature?: string;
        /** milliseconds since the Unix epoch */
        readonly addedAt: number;
        readonly addedBy: string;
        /** what that token is called */
        readonly addedByName?: string;
        /** It is being deleted: nobody gets it any more, and its bytes go then. */
        readonly unpublished?: {
          /** milliseconds since the Unix epoch */
          readonly at: number;
          /** milliseconds since the Unix epoch */
          readonly until: number;
          readonly by: string;
          readonly byName?: string;
          readonly reason: string;
        };
      }[];
      readonly next?: string;
    };
  };
  /** One store item, by the base name of its path. */
  readonly getItem: {
    readonly request: {
      readonly item: string;
    };
    readonly answer: {
      readonly path: string;
      readonly storeDir?: string;
      readonly narHash: string;
      readonly narSize: number;
      readonly references: readonly string[];
      readonly deriver?: string;
      readonly ca?: string;
      readonly file: {
        readonly hash: string;
        readonly size: number;
        readonly compression: 'none' | 'zstd';
      };
      readonly signatures: readonly string[];
      readonly guixSignature?: string;
      /** milliseconds since the Unix epoch */
      readonly addedAt: number;
      readonly addedBy: string;
      /** what that token is called */
      readonly addedByName?: string;
      /** It is being deleted: nobody gets it any more, and its bytes go then. */
      readonly unpublished?: {
        /** milliseconds since the Unix epoch */
        readonly at: number;
        /** milliseconds since the Unix epoch */
        readonly until: number;
        readonly by: string;
        readonly byName?: string;
        readonly reason: string;
      };
    };
  };
  /** Deletes a store item, in two phases, unless somebody needs it. */
  readonly deleteItem: {
    readonly request: {
      readonly reason?: string;
      /** Whether the bytes go at once, too, also of what is unpublished already. */
      readonly now?: 'true' | 'false';
      /** Also what is needed. */
      readonly force?: 'true' | 'false';
      readonly item: string;
    };
    readonly answer: undefined;
  };
  /** Those of the named store items that are not available here. */
  readonly findMissingItems: {
    readonly request: {
      /** Base names. */
      readonly items: readonly string[];
    };
    readonly answer: {
      readonly missing: readonly string[];
    };
  };
  /** What keeps a store item from being collected, or when it goes. */
  readonly whyItem: {
    readonly request: {
      readonly item: string;
    };
    readonly answer: {
      readonly item: string;
      readonly state: 'present' | 'unpublished' | 'gone';
      /** what keeps it; absent where nothing does */
      readonly reason?: 'root' | 'build' | 'upload' | 'recent';
      /** From what is kept for itself down to the item, each referring to the next. */
      readonly chain: readonly string[];
      readonly root?: string;
      readonly build?: string;
      /** until when the reason holds, or when the bytes of what is unpublished go */
      readonly until?: number;
      /** when the next collection of the schedule comes */
      readonly nextCollection?: number;
      readonly summary: string;
    };
  };
  /** Deletes store items, in two phases: all of them, or none where somebody needs one. */
  readonly deleteItems: {
    readonly request: {
      /** Base names. */
      readonly items: readonly string[];
      readonly reason?: string;
      /** Whether the bytes go at once, too, also of what is unpublished already. */
      readonly now?: boolean;
      /** Also what is needed. */
      readonly force?: boolean;
      /** Only says what would happen, and changes nothing. */
      readonly preview?: boolean;
      /** Whether what there is not is passed over. */
      readonly skipMissing?: boolean;
    };
    readonly answer: {
      /** All that were named, as they are now. */
      readonly items: readonly {
        readonly item: string;
        readonly state: 'present' | 'unpublished' | 'deleted';
        /** milliseconds since the Unix epoch */
        readonly until?: number;
      }[];
      /** how many of them somebody needs */
      readonly needed: number;
      /** The first hundred of these, each with some of who needs it. */
      readonly needs: readonly {
        readonly item: string;
        readonly by: readonly {
          readonly kind: 'root' | 'build' | 'upload' | 'item';
          readonly root?: string;
          readonly build?: string;
          readonly derivation?: string;
          readonly item?: string;
          readonly text: string;
        }[];
      }[];
      /** how many derivations are built again, as unfinished builds or roots need what they make */
      readonly rebuilds: number;
      /** The first hundred of these. */
      readonly derivations: readonly string[];
      /** Needed, and no known derivation makes them: builds wait until somebody sends them. */
      readonly sources: readonly string[];
      /** bytes of files that go */
      readonly freed: number;
    };
  };
  /** One event, by its id. */
  readonly getEvent: {
    readonly request: {
      readonly event: string;
    };
    readonly answer: {
      readonly specversion: '1.0';
      /** `<stream>@<revision>`; unique with `source` */
      readonly id: string;
      /** `urn:drover:log:` and the id of the log’s first commit */
      readonly source: string;
      /** `drover.` and the name of the event */
      readonly type: string;
      /** the stream */
      readonly subject: string;
      /** when the coordinator decided it */
      readonly time: string;
      readonly datacontenttype: 'application/json';
      /** the thing that it happened to */
      readonly stream: string;
      /** its place in the stream */
      readonly revision: number;
      /** its place in the whole log: a reader goes on from the last one */
      readonly position: string;
      /** schema version of `data` */
      readonly version: number;
      /** who did it: a token, an agent, or a part of the coordinator */
      readonly actor: string;
      /** the submission or command that it belongs to */
      readonly correlation?: string;
      /** the event or command that led to it */
      readonly causation?: string;
      /** W3C trace context */
      readonly traceparent?: string;
      readonly data: unknown;
    };
  };
  /** Figures of the whole farm. */
  readonly getStatus: {
    readonly request: Readonly<Record<string, never>>;
    readonly answer: {
      /** every build is in one of these */
      readonly builds: {
        readonly blocked: number;
        readonly waiting: number;
        readonly ready: number;
        readonly backoff: number;
        readonly deferred: number;
        readonly allocated: number;
        readonly running: number;
        readonly succeeded: number;
        readonly failed: number;
        readonly canceled: number;
      };
      /** blocked builds by what blocks them at the root; one that several things block is in several */
      readonly blocked: {
        readonly failed: number;
        readonly canceled: number;
        readonly 'no-build': number;
        readonly 'source-missing': number;
        readonly 'source-lost': number;
        readonly 'text-lost': number;
        readonly 'no-agent': number;
      };
      /** ready builds per system; beyond those of agents 24 are named, and the rest are `others` */
      readonly ready: Readonly<Record<string, number>>;
      /** builds that would be ready, did any agent take them, named likewise; they are blocked */
      readonly unattended: Readonly<Record<string, number>>;
      readonly derivations: number;
      /** in the pool */
      readonly items: number;
      /** those that only upstreams have, as far as is known */
      readonly upstreamItems?: number;
      readonly agents: {
        readonly connected: number;
        readonly registered: number;
        readonly slots: number;
        readonly busy: number;
        readonly excess: number;
        readonly away: number;
      };
      readonly position: string | null;
      readonly pendingCommits: number;
      readonly uploads: {
        readonly waiting: number;
        readonly refused: number;
      };
      /** how far the verification is that goes on by itself */
      readonly verification?: {
        readonly state: 'running' | 'waiting';
        /** milliseconds since the Unix epoch */
        readonly begun?: number;
        /** milliseconds since the Unix epoch */
        readonly ended?: number;
        /** milliseconds since the Unix epoch */
        readonly next?: number;
        readonly checked: number;
        readonly total: number;
        readonly bytes: number;
        readonly wrong: number;
      };
    };
  };
  /** What is looked at first: figures, agents, hooks, what builds, the newest submissions; once, or (Accept: text/event-stream) as it changes. */
  readonly getOverview: {
    readonly request: {
      readonly accept?: string;
    };
    readonly answer: {
      readonly status: {
        /** every build is in one of these */
        readonly builds: {
          readonly blocked: number;
          readonly waiting: number;
          readonly ready: number;
          readonly backoff: number;
          readonly deferred: number;
          readonly allocated: number;
          readonly running: number;
          readonly succeeded: number;
          readonly failed: number;
          readonly canceled: number;
        };
        /** blocked builds by what blocks them at the root; one that several things block is in several */
        readonly blocked: {
          readonly failed: number;
          readonly canceled: number;
          readonly 'no-build': number;
          readonly 'source-missing': number;
          readonly 'source-lost': number;
          readonly 'text-lost': number;
          readonly 'no-agent': number;
        };
        /** ready builds per system; beyond those of agents 24 are named, and the rest are `others` */
        readonly ready: Readonly<Record<string, number>>;
        /** builds that would be ready, did any agent take them, named likewise; they are blocked */
        readonly unattended: Readonly<Record<string, number>>;
        readonly derivations: number;
        /** in the pool */
        readonly items: number;
        /** those that only upstreams have, as far as is known */
        readonly upstreamItems?: number;
        readonly agents: {
          readonly connected: number;
          readonly registered: number;
          readonly slots: number;
          readonly busy: number;
          readonly excess: number;
          readonly away: number;
        };
        readonly position: string | null;
        readonly pendingCommits: number;
        readonly uploads: {
          readonly waiting: number;
          readonly refused: number;
        };
        /** how far the verification is that goes on by itself */
        readonly verification?: {
          readonly state: 'running' | 'waiting';
          /** milliseconds since the Unix epoch */
          readonly begun?: number;
          /** milliseconds since the Unix epoch */
          readonly ended?: number;
          /** milliseconds since the Unix epoch */
          readonly next?: number;
          readonly checked: number;
          readonly total: number;
          readonly bytes: number;
          readonly wrong: number;
        };
      };
      /** why the coordinator takes no writes; empty if it does */
      readonly unready: readonly string[];
      /** what will not go well for ever */
      readonly warnings: readonly string[];
      readonly agents: readonly {
        readonly name: string;
        readonly state: 'new' | 'connected' | 'disconnected' | 'lost' | 'retired';
        readonly intake: 'accepting' | 'paused' | 'draining' | 'quarantined' | 'unfit' | 'limited' | 'offline';
        readonly reason?: string;
        /** milliseconds since the Unix epoch */
        readonly until?: number;
        readonly operator: {
          readonly said: 'active' | 'paused' | 'draining' | 'drained';
          readonly reason?: string;
          /** milliseconds since the Unix epoch */
          readonly since?: number;
          readonly by?: string;
          readonly byName?: string;
        };
        readonly link: {
          readonly state: 'new' | 'connected' | 'disconnected' | 'left' | 'lost' | 'retired';
          /** milliseconds since the Unix epoch */
          readonly since: number;
          readonly reason?: string;
          readonly leaving?: true;
          readonly place?: {
            readonly host?: string;
            readonly pid?: number;
            readonly address?: string;
          };
        };
        readonly quarantine?: {
          /** milliseconds since the Unix epoch */
          readonly since: number;
          readonly reason?: string;
        };
        readonly unfit?: {
          /** milliseconds since the Unix epoch */
          readonly since: number;
          readonly reason: string;
        };
        readonly limited?: {
          /** milliseconds since the Unix epoch */
          readonly since: number;
          readonly by: 'load' | 'collecting' | 'disk';
          readonly reason: string;
        };
        readonly refused?: {
          readonly code: string;
          readonly message: string;
          /** milliseconds since the Unix epoch */
          readonly at?: number;
          readonly place?: {
            readonly host?: string;
            readonly pid?: number;
            readonly address?: string;
          };
        };
        readonly abilities?: {
          readonly storeDir?: string;
          readonly systems: readonly string[];
          readonly features: readonly string[];
          readonly mandatoryFeatures: readonly string[];
          readonly slots: number;
        };
        readonly version?: string;
        readonly builder?: string;
        readonly running: readonly {
          readonly build: string;
          readonly attempt: number;
          readonly derivation: string;
        }[];
        readonly recent: {
          readonly attempts: number;
          readonly failed: number;
          readonly lastFailure?: {
            readonly build: string;
            readonly attempt: number;
            readonly class:
              | 'builder-failed'
              | 'timed-out'
              | 'silent-too-long'
              | 'log-limit'
              | 'output-missing'
              | 'hash-mismatch'
              | 'not-deterministic'
              | 'rejected'
              | 'unknown'
              | 'inputs-missing'
              | 'fetch-failed'
              | 'upload-failed'
              | 'disk-full'
              | 'agent-error';
            readonly message: string;
            /** milliseconds since the Unix epoch */
            readonly at: number;
          };
        };
        readonly heartbeat?: {
          /** milliseconds since the Unix epoch */
          readonly at: number;
          readonly load1?: number;
          readonly freeBytes?: number;
        };
      }[];
      readonly hooks: readonly {
        readonly name: string;
        readonly state: 'active' | 'paused' | 'broken';
        readonly source: 'api' | 'config';
        /** Where events go is for tokens of scope admin; others see only the kind. */
        readonly definition: {
          readonly on: readonly string[];
          readonly where?: {
            readonly tags?: Readonly<Record<string, string>>;
            readonly systems?: readonly string[];
            readonly name?: string;
            readonly classes?: readonly (
              | 'builder-failed'
              | 'timed-out'
              | 'silent-too-long'
              | 'log-limit'
              | 'output-missing'
              | 'hash-mismatch'
              | 'not-deterministic'
              | 'rejected'
              | 'unknown'
              | 'inputs-missing'
              | 'fetch-failed'
              | 'upload-failed'
              | 'disk-full'
              | 'agent-error'
            )[];
            readonly agents?: readonly string[];
          };
          readonly concurrency: number;
          readonly timeoutSeconds: number;
          readonly retry: {
            readonly maxAttempts: number;
            readonly baseSeconds: number;
            readonly maxSeconds: number;
          };
          readonly order: 'stream' | 'all';
          readonly target:
            | {
                readonly kind: 'command';
                readonly run: string | readonly string[];
              }
            | {
                readonly kind: 'webhook';
                readonly url: string;
                readonly secretFile?: string;
                readonly allowPrivate?: boolean;
              }
            | {
                readonly kind: 'notify';
                readonly webhook?: {
                  readonly url: string;
                  readonly secretFile?: string;
                  readonly allowPrivate?: boolean;
                };
                readonly mail?: {
                  readonly server: string;
                  readonly from: string;
                  readonly to: readonly string[];
                  readonly user?: string;
                  readonly passwordFile?: string;
                  readonly plain?: boolean;
                  readonly allowPrivate?: boolean;
                };
              }
            | {
                readonly kind: 'guix-data-service';
                readonly url: string;
                readonly buildServer: number;
                readonly tokenFile: string;
                readonly allowPrivate?: boolean;
              }
            | {
                readonly kind: 'publish';
                readonly folder: string;
                readonly layout?: 'plain' | 'guix-publish';
                readonly compressions?: readonly string[];
              }
            | {
                readonly kind: 'mirror';
                readonly folder: string;
                readonly layout?: 'plain' | 'guix-publish';
                readonly compressions?: readonly string[];
              }
            | {
                readonly kind: 'command' | 'webhook' | 'notify' | 'guix-data-service' | 'publish' | 'mirror';
              };
        };
        /** As it is written down: everything up to there is settled, but what fails or is parked. */
        readonly place: {
          readonly after?: string;
          readonly before?: string;
        };
        /** What it waits for, in words; absent where it has nothing to do, or does it. */
        readonly waits?: string;
        readonly lag: {
          /** events that it owes */
          readonly events: number;
          /** whether these are all: not where it reads the log from further back */
          readonly exact: boolean;
          /** age of the oldest that it owes */
          readonly seconds: number;
        };
        readonly delivered: number;
        readonly inFlight: readonly {
          readonly event: string;
          readonly attempt: number;
          readonly seconds: number;
        }[];
        readonly failing: readonly {
          readonly event: string;
          /** milliseconds since the Unix epoch */
          readonly at: number;
          readonly attempts: number;
          readonly error?: string;
          /** milliseconds since the Unix epoch */
          readonly next?: number;
        }[];
        readonly parked: readonly {
          readonly event: string;
          /** milliseconds since the Unix epoch */
          readonly at: number;
          readonly attempts: number;
          readonly error?: string;
          /** milliseconds since the Unix epoch */
          readonly next?: number;
        }[];
        /** how many there are: of those that fail or are parked, the first 100 are named */
        readonly counts: {
          readonly failing: number;
          readonly parked: number;
        };
        readonly lastFailure?: {
          readonly event: string;
          /** for tokens of scope admin */
          readonly error?: string;
          /** milliseconds since the Unix epoch */
          readonly at: number;
        };
      }[];
      /** those builds, the newest first */
      readonly building: readonly {
        readonly id: string;
        readonly derivation: string;
        readonly system: string;
        readonly submission: string;
        readonly state: 'queued' | 'allocated' | 'running' | 'succeeded' | 'failed' | 'canceled';
        /** of one that is queued: nothing under way can set it going, or it waits for a time that somebody deferred it to, for inputs that are coming, for the time of its next attempt, or for a slot */
        readonly standing?: 'blocked' | 'deferred' | 'waiting' | 'backoff' | 'ready';
        /** of one that an agent has: milliseconds that builds of its name and system took before, in the median of the last five; absent where there were none */
        readonly before?: number;
        readonly reason: string;
        readonly priority: number;
        readonly tags: Readonly<Record<string, string>>;
        /** number of the last attempt; 0 before the first */
        readonly attempt: number;
        readonly agent: string | null;
        /** milliseconds since the Unix epoch */
        readonly submittedAt: number;
        readonly startedAt: number | null;
        readonly endedAt: number | null;
        readonly failure: {
          readonly class: string;
          readonly message: string;
        } | null;
        /** when its last event happened; milliseconds since the Unix epoch */
        readonly changedAt: number;
      }[];
      /** the newest */
      readonly submissions: readonly {
        readonly id: string;
        /** milliseconds since the Unix epoch */
        readonly receivedAt: number;
        readonly queuedAt: number | null;
        /** `blocked`: builds of it have not ended, and nothing under way can set any of these going */
        readonly state: 'under-way' | 'queued' | 'blocked' | 'set-aside' | 'succeeded' | 'failed' | 'canceled';
        /** why it is set aside, where it is */
        readonly setAside: string | null;
        /** when, by whom and why it was cancelled, where it was */
        readonly canceled: {
          /** milliseconds since the Unix epoch */
          readonly at: number;
          /** id of a token */
          readonly by: string;
          /** of that token */
          readonly name?: string;
          readonly reason: string | null;
        } | null;
        /** derivations that were asked for */
        readonly roots: number;
        /** base name of the first of them */
        readonly derivation: string | null;
        readonly reason: string;
        readonly counts: {
          readonly queued: number;
          readonly allocated: number;
          readonly running: number;
          readonly succeeded: number;
          readonly failed: number;
          readonly canceled: number;
        };
      }[];
      /** events a second that the log has grown by over the last ten */
      readonly rate: number;
      /** builds that ended in the last three hours, by the minute; minutes without any are left out */
      readonly ended: readonly {
        /** when the minute began */
        readonly at: number;
        readonly succeeded: number;
        readonly failed: number;
      }[];
      /** builds by system: queued, whatever they wait for, and with agents; beyond 24 systems, `others` */
      readonly systems: readonly {
        readonly name: string;
        readonly queued: number;
        readonly building: number;
      }[];
      /** the same in the last three hours, by the minute; the first is how it was before them */
      readonly loads: readonly {
        /** when the minute began */
        readonly at: number;
        /** systems of which something changed in it, as they were at its end */
        readonly systems: Readonly<
          Record<
            string,
            {
              readonly queued: number;
              readonly building: number;
            }
          >
        >;
      }[];
      readonly room: {
        /** bytes of the files of all items */
        readonly poolBytes: number;
        /** bytes of the files of the log, where it is in files of that machine */
        readonly logBytes?: number;
        /** disks of the coordinator, as they were some seconds ago; none where nobody has looked yet */
        readonly disks: readonly {
          /** what is on it */
          readonly name: 'pool' | 'log' | 'pool and log';
          /** bytes */
          readonly bytes: number;
          /** bytes */
          readonly freeBytes: number;
          /** bytes that are left free by all but the log */
          readonly keptBytes: number;
        }[];
      };
    };
  };
  /** Where the log begins and ends: any event of it is a moment that can be asked about. */
  readonly getMoments: {
    readonly request: Readonly<Record<string, never>>;
    readonly answer: {
      readonly first: {
        readonly position: string;
        /** when its event happened; `null` on EventStoreDB while the views have not come so far, until the log was read up to there */
        readonly at: string | null;
      };
      readonly last: {
        readonly position: string;
        /** when its event happened; `null` on EventStoreDB while the views have not come so far, until the log was read up to there */
        readonly at: string | null;
      };
      /** whether positions are 1, 2, 3 … in 16 digits, without gaps */
      readonly numbered: boolean;
    };
  };
  /** The last event before a time. */
  readonly findMoment: {
    readonly request: {
      /** As 2026-01-31T12:00:00Z. */
      readonly time: string;
    };
    readonly answer: {
      readonly position: string;
      /** when its event happened; `null` on EventStoreDB while the views have not come so far, until the log was read up to there */
      readonly at: string | null;
    };
  };
  /** How far the log is read up to a position; begins with it where nobody has. */
  readonly getMoment: {
    readonly request: {
      /** How long the answer may wait for the log to be read, in seconds. */
      readonly wait?: number;
      readonly position: string;
    };
    readonly answer: {
      readonly position: string;
      /** when its event happened; `null` on EventStoreDB while the views have not come so far, until the log was read up to there */
      readonly at: string | null;
      readonly ready: boolean;
      /** events that were read */
      readonly read: number;
      /** events that are to be read; absent where the engine does not number them */
      readonly total?: number;
      /** why it came to nothing; who asks again has it begun anew */
      readonly error?: string;
      /** events of the log up to there, once it is ready */
      readonly events?: number;
    };
  };
  /** What is not the same at two positions, and what was done in between; how far it is until it is known. */
  readonly getDifference: {
    readonly request: {
      /** The earlier one. */
      readonly from: string;
      /** The later one. */
      readonly to: string;
      /** Rows of each list. */
      readonly limit?: number;
      /** How long the answer may wait for the log to be read, in seconds. */
      readonly wait?: number;
    };
    readonly answer:
      | {
          readonly ready: true;
          readonly from: {
            readonly position: string;
            readonly time: string;
          };
          readonly to: {
            readonly position: string;
            readonly time: string;
          };
          /** between the two */
          readonly events: number;
          /** those that were not known before */
          readonly derivations: number;
          readonly builds: {
            readonly total: number;
            /** how many went from one state to another; `null`: it was not there */
            readonly counts: readonly {
              readonly from: string | null;
              readonly to: string | null;
              readonly count: number;
            }[];
            /** in the order of the events that made them what they are */
            readonly rows: readonly {
              readonly id: string;
              readonly name: string;
              readonly from: {
                readonly state: string;
              } | null;
              readonly to: {
                readonly state: string;
              } | null;
              /** the event that made it what it is */
              readonly event: string;
              readonly type: string;
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly by: {
                readonly id: string;
                readonly kind: 'token' | 'agent' | 'system';
                /** of a token or an agent */
                readonly name?: string;
              };
              readonly why?: string;
            }[];
          };
          readonly items: {
            readonly total: number;
            /** how many went from one state to another; `null`: it was not there */
            readonly counts: readonly {
              readonly from: string | null;
              readonly to: string | null;
              readonly count: number;
            }[];
            /** in the order of the events that made them what they are */
            readonly rows: readonly {
              readonly id: string;
              readonly name: string;
              readonly from: {
                readonly state: string;
              } | null;
              readonly to: {
                readonly state: string;
              } | null;
              /** the event that made it what it is */
              readonly event: string;
              readonly type: string;
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly by: {
                readonly id: string;
                readonly kind: 'token' | 'agent' | 'system';
                /** of a token or an agent */
                readonly name?: string;
              };
              readonly why?: string;
            }[];
          };
          readonly agents: {
            readonly total: number;
            /** how many went from one state to another; `null`: it was not there */
            readonly counts: readonly {
              readonly from: string | null;
              readonly to: string | null;
              readonly count: number;
            }[];
            /** in the order of the events that made them what they are */
            readonly rows: readonly {
              readonly id: string;
              readonly name: string;
              readonly from: {
                readonly state: string;
              } | null;
              readonly to: {
                readonly state: string;
              } | null;
              /** the event that made it what it is */
              readonly event: string;
              readonly type: string;
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly by: {
                readonly id: string;
                readonly kind: 'token' | 'agent' | 'system';
                /** of a token or an agent */
                readonly name?: string;
              };
              readonly why?: string;
            }[];
          };
          readonly submissions: {
            readonly total: number;
            /** how many went from one state to another; `null`: it was not there */
            readonly counts: readonly {
              readonly from: string | null;
              readonly to: string | null;
              readonly count: number;
            }[];
            /** in the order of the events that made them what they are */
            readonly rows: readonly {
              readonly id: string;
              readonly name: string;
              readonly from: {
                readonly state: string;
              } | null;
              readonly to: {
                readonly state: string;
              } | null;
              /** the event that made it what it is */
              readonly event: string;
              readonly type: string;
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly by: {
                readonly id: string;
                readonly kind: 'token' | 'agent' | 'system';
                /** of a token or an agent */
                readonly name?: string;
              };
              readonly why?: string;
            }[];
          };
          readonly tokens: {
            readonly total: number;
            /** how many went from one state to another; `null`: it was not there */
            readonly counts: readonly {
              readonly from: string | null;
              readonly to: string | null;
              readonly count: number;
            }[];
            /** in the order of the events that made them what they are */
            readonly rows: readonly {
              readonly id: string;
              readonly name: string;
              readonly from: {
                readonly state: string;
              } | null;
              readonly to: {
                readonly state: string;
              } | null;
              /** the event that made it what it is */
              readonly event: string;
              readonly type: string;
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly by: {
                readonly id: string;
                readonly kind: 'token' | 'agent' | 'system';
                /** of a token or an agent */
                readonly name?: string;
              };
              readonly why?: string;
            }[];
          };
          readonly hooks: {
            readonly total: number;
            /** how many went from one state to another; `null`: it was not there */
            readonly counts: readonly {
              readonly from: string | null;
              readonly to: string | null;
              readonly count: number;
            }[];
            /** in the order of the events that made them what they are */
            readonly rows: readonly {
              readonly id: string;
              readonly name: string;
              readonly from: {
                readonly state: string;
              } | null;
              readonly to: {
                readonly state: string;
              } | null;
              /** the event that made it what it is */
              readonly event: string;
              readonly type: string;
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly by: {
                readonly id: string;
                readonly kind: 'token' | 'agent' | 'system';
                /** of a token or an agent */
                readonly name?: string;
              };
              readonly why?: string;
            }[];
          };
          readonly roots: {
            readonly total: number;
            /** how many went from one state to another; `null`: it was not there */
            readonly counts: readonly {
              readonly from: string | null;
              readonly to: string | null;
              readonly count: number;
            }[];
            /** in the order of the events that made them what they are */
            readonly rows: readonly {
              readonly id: string;
              readonly name: string;
              readonly from: {
                readonly state: string;
              } | null;
              readonly to: {
                readonly state: string;
              } | null;
              /** the event that made it what it is */
              readonly event: string;
              readonly type: string;
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly by: {
                readonly id: string;
                readonly kind: 'token' | 'agent' | 'system';
                /** of a token or an agent */
                readonly name?: string;
              };
              readonly why?: string;
            }[];
          };
          readonly texts: {
            readonly total: number;
            /** how many went from one state to another; `null`: it was not there */
            readonly counts: readonly {
              readonly from: string | null;
              readonly to: string | null;
              readonly count: number;
            }[];
            /** in the order of the events that made them what they are */
            readonly rows: readonly {
              readonly id: string;
              readonly name: string;
              readonly from: {
                readonly state: string;
              } | null;
              readonly to: {
                readonly state: string;
              } | null;
              /** the event that made it what it is */
              readonly event: string;
              readonly type: string;
              /** milliseconds since the Unix epoch */
              readonly at: number;
              readonly by: {
                readonly id: string;
                readonly kind: 'token' | 'agent' | 'system';
                /** of a token or an agent */
                readonly name?: string;
              };
              readonly why?: string;
            }[];
          };
          readonly actors: {
            readonly total: number;
            /** what each did: events by type, most first */
            readonly rows: readonly {
              readonly by: {
                readonly id: string;
                readonly kind: 'token' | 'agent' | 'system';
                /** of a token or an agent */
                readonly name?: string;
              };
              readonly events: number;
              readonly types: Readonly<Record<string, number>>;
            }[];
          };
        }
      | {
          readonly ready: false;
          /** events that were read */
          readonly read: number;
          /** events that are to be read; absent where the engine does not number them */
          readonly total?: number;
          /** why it came to nothing; who asks again has it begun anew */
          readonly error?: string;
        };
  };
  /** Begins an upload, or finds the one that was begun with the same declaration. */
  readonly beginUpload: {
    readonly request: {
      readonly path: string;
      readonly narHash: string;
      readonly narSize: number;
      readonly references: readonly string[];
      readonly compression: 'none' | 'zstd';
      readonly deriver?: string;
      readonly fileSize: number;
      readonly build?: string;
      readonly attempt?: number;
      readonly push?: {
        readonly ca?: string;
        readonly storeDir?: string;
      };
    };
    readonly answer: {
      readonly id: string;
      readonly owner: string;
      readonly path: string;
      /** bytes that are safe; the next part starts here */
      readonly offset: number;
      readonly fileSize: number;
      readonly finished: boolean;
    };
  };
  /** How far an upload is; also in the header Upload-Offset. */
  readonly getUpload: {
    readonly request: {
      readonly upload: string;
    };
    readonly answer: {
      readonly id: string;
      readonly owner: string;
      readonly path: string;
      /** bytes that are safe; the next part starts here */
      readonly offset: number;
      readonly fileSize: number;
      readonly finished: boolean;
    };
  };
  /** The types of events, with the newest version of each. */
  readonly listEventSchemas: {
    readonly request: Readonly<Record<string, never>>;
    readonly answer: readonly {
      readonly type: string;
      readonly name: string;
      readonly version: number;
      readonly when: string;
    }[];
  };
  /** The process is up. */
  readonly getHealth: {
    readonly request: Readonly<Record<string, never>>;
    readonly answer: {
      readonly status: 'up';
    };
  };
  /** The coordinator takes writes; otherwise 503 with the reasons. */
  readonly getReadiness: {
    readonly request: Readonly<Record<string, never>>;
    readonly answer: {
      readonly ready: true;
      readonly warnings: readonly string[];
    };
  };
  /** Sets a cookie that stands for a token, for a while: for browsers, which send it by themselves. */
  readonly beginSession: {
    readonly request: {
      readonly token: string;
    };
    readonly answer: {
      readonly id: string;
      readonly name: string;
      readonly scope: 'read' | 'submit' | 'push' | 'agent' | 'admin';
      readonly agent?: string;
      /** milliseconds since the Unix epoch */
      readonly until: number;
    };
  };
  /** Takes the cookie of a session from the browser. */
  readonly endSession: {
    readonly request: Readonly<Record<string, never>>;
    readonly answer: undefined;
  };
  /** Makes a store item of a NAR that was sent before, once it is verified. */
  readonly putNarinfo: {
    readonly request: {
      readonly hash: string;
    };
    readonly answer: undefined;
  };
  /** Sends a NAR, compressed or not, ahead of its narinfo. */
  readonly putNar: {
    readonly request: {
      readonly file: string;
    };
    readonly answer: undefined;
  };
  /** What is in a store item: its files, with their places in the NAR. */
  readonly getListing: {
    readonly request: {
      readonly hash: string;
    };
    readonly answer: unknown;
  };
  /** A listing, which is taken and left: it is made of the NAR here. */
  readonly putListing: {
    readonly request: {
      readonly hash: string;
    };
    readonly answer: undefined;
  };
  /** Where the debug information of a program is, by its build id. */
  readonly getDebugInfo: {
    readonly request: {
      readonly id: string;
    };
    readonly answer: {
      readonly archive: string;
      readonly member: string;
    };
  };
  /** An index of debug information, which is taken and left: it is made of the NAR here. */
  readonly putDebugInfo: {
    readonly request: {
      readonly id: string;
    };
    readonly answer: undefined;
  };
  /** Refused: which output a content-addressed derivation has is not kept. */
  readonly putRealisation: {
    readonly request: {
      readonly id: string;
    };
    readonly answer: undefined;
  };
}

/** What goes before the name of an event in its type: `drover.BuildFailed`. */
export const typePrefix = 'drover.';

/** `data` of each event, by its name. */
export interface EventData {
  /** A client submitted derivations, all of them verified. Acted upon once `rootCount` roots are on the stream. */
  readonly SubmissionReceived: {
    readonly storeDir: string;
    readonly rootCount: number;
    readonly roots: readonly string[];
    readonly rootTags?: Readonly<Record<string, Readonly<Record<string, string>>>>;
    readonly options: {
      readonly priority: number;
      readonly maxAttempts?: number;
      readonly timeoutSeconds?: number;
      readonly maxSilentSeconds?: number;
      readonly deferUntil?: number;
      readonly tags?: Readonly<Record<string, string>>;
    };
    readonly inputs: boolean;
    readonly force: boolean;
    readonly checkUpstream?: 'never' | 'inputs' | 'all';
    readonly root?: {
      readonly name: string;
      readonly until?: number;
    };
    readonly reason: 'requested' | 'rebuild' | 'retry';
    readonly key?: string;
    readonly wish?: string;
  };
  /** The next part of the roots of a large submission. */
  readonly SubmissionRootsAdded: {
    readonly roots: readonly string[];
    readonly rootTags?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  };
  /** Builds that were under way already build roots of this submission. */
  readonly SubmissionJoined: {
    readonly builds: readonly string[];
  };
  /** Every derivation and build of the submission is on its stream. */
  readonly SubmissionQueued: {
    readonly derivations: number;
    readonly builds: number;
    readonly available: number;
    readonly upstream?: number;
    readonly foundUpstream?: number;
    readonly joined: number;
  };
  /** The coordinator stood still over this submission and was ended by its watchdog. The builds that it has go on; no more are made. */
  readonly SubmissionSetAside: {
    readonly reason: string;
    readonly stack: readonly string[];
  };
  /** An operator has it queued after all. */
  readonly SubmissionResumed: Readonly<Record<string, never>>;
  /** A client cancelled it: it wants nothing any more. Its builds end that nobody else wants, and no more are made. */
  readonly SubmissionCanceled: {
    readonly reason?: string;
  };
  /** A submission brought a derivation that was not known, and its paths are the ones its content determines. */
  readonly DerivationAdded: {
    readonly path: string;
    readonly storeDir?: string;
    readonly system: string;
    readonly features?: readonly string[];
    readonly outputs: Readonly<Record<string, string>>;
    readonly fixed?: {
      readonly method: string;
      readonly hash: string;
    };
    readonly inputs: readonly string[];
    readonly sources: readonly string[];
  };
  /** The derivation store turned out not to have the text any more, or it cannot be read. Builds of the derivation wait for DerivationTextRestored. */
  readonly DerivationTextLost: {
    readonly path: string;
    readonly reason: string;
  };
  /** The text is there again: a client sent it, or the derivation store was restored. */
  readonly DerivationTextRestored: {
    readonly path: string;
  };
  /** A build of one derivation was asked for, by a client or as an input of what a client asked for. */
  readonly BuildSubmitted: {
    readonly derivation: string;
    readonly submission: string;
    readonly reason: 'requested' | 'input' | 'rebuild' | 'retry';
    readonly options: {
      readonly priority: number;
      readonly maxAttempts?: number;
      readonly timeoutSeconds?: number;
      readonly maxSilentSeconds?: number;
      readonly deferUntil?: number;
      readonly tags?: Readonly<Record<string, string>>;
    };
  };
  /** Its own priority was changed. */
  readonly BuildPrioritized: {
    readonly priority: number;
  };
  /** No agent is given it before `until`; without that, it is not deferred any more. */
  readonly BuildDeferred: {
    readonly until?: number;
    readonly reason?: string;
    readonly submission?: string;
  };
  /** An attempt was given to an agent. One that was given before, and taken back, goes on there: its agent is still at it. */
  readonly BuildAllocated: {
    readonly attempt: number;
    readonly agent: string;
  };
  /** The agent has the inputs and started the builder. */
  readonly BuildStarted: {
    readonly attempt: number;
  };
  /** The agent could not start the builder: inputs missing, or they could not be fetched. */
  readonly BuildSetupFailed: {
    readonly attempt: number;
    readonly class:
      | 'builder-failed'
      | 'timed-out'
      | 'silent-too-long'
      | 'log-limit'
      | 'output-missing'
      | 'hash-mismatch'
      | 'not-deterministic'
      | 'rejected'
      | 'unknown'
      | 'inputs-missing'
      | 'fetch-failed'
      | 'upload-failed'
      | 'disk-full'
      | 'agent-error';
    readonly missing?: readonly string[];
    readonly below?: readonly string[];
    readonly message: string;
    readonly phases?: {
      readonly waitingMs?: number;
      readonly fetchingMs?: number;
      readonly buildingMs?: number;
      readonly uploadingMs?: number;
    };
  };
  /** An attempt ended without the outputs. */
  readonly BuildAttemptFailed: {
    readonly attempt: number;
    readonly class:
      | 'builder-failed'
      | 'timed-out'
      | 'silent-too-long'
      | 'log-limit'
      | 'output-missing'
      | 'hash-mismatch'
      | 'not-deterministic'
      | 'rejected'
      | 'unknown'
      | 'inputs-missing'
      | 'fetch-failed'
      | 'upload-failed'
      | 'disk-full'
      | 'agent-error';
    readonly message: string;
    readonly durationMs?: number;
    readonly logBytes?: number;
    readonly phases?: {
      readonly waitingMs?: number;
      readonly fetchingMs?: number;
      readonly buildingMs?: number;
      readonly uploadingMs?: number;
    };
  };
  /** After an attempt that failed, or was handed back once too often: the build may be allocated again from `notBefore` on. */
  readonly BuildRetryScheduled: {
    readonly attempt: number;
    readonly notBefore: number;
  };
  /** The attempt was taken back: the agent is lost, gone or handed it back. It uses up nothing; the build is queued again. */
  readonly BuildReleased: {
    readonly attempt: number;
    readonly agent: string;
    readonly reason: 'agent-lost' | 'handed-back' | 'agent-removed' | 'agent-forgot' | 'token-revoked';
  };
  /** The agent that was given up for lost came back with the attempt, while another has the build: both go on, and what counts is which ends first. The loss counts no more. */
  readonly BuildAttemptKept: {
    readonly attempt: number;
    readonly agent: string;
  };
  /** Every output is durable in the pool and verified (I6). */
  readonly BuildSucceeded: {
    readonly attempt: number;
    readonly agent: string;
    readonly outputs: Readonly<Record<string, string>>;
    readonly durationMs: number;
    readonly logBytes?: number;
    readonly phases?: {
      readonly waitingMs?: number;
      readonly fetchingMs?: number;
      readonly buildingMs?: number;
      readonly uploadingMs?: number;
    };
  };
  /** It needs no attempt any more: while it was queued, something else made all its outputs available, like a build of another derivation with the same output, or an upstream has them. For whoever waits it has succeeded. */
  readonly BuildSatisfied: {
    readonly upstreams?: readonly string[];
  };
  /** All attempts are used up, the failure is one that a retry does not change, or agents are lost over it again and again. */
  readonly BuildFailed: {
    readonly attempt: number;
    readonly class:
      | 'builder-failed'
      | 'timed-out'
      | 'silent-too-long'
      | 'log-limit'
      | 'output-missing'
      | 'hash-mismatch'
      | 'not-deterministic'
      | 'rejected'
      | 'unknown'
      | 'inputs-missing'
      | 'fetch-failed'
      | 'upload-failed'
      | 'disk-full'
      | 'agent-error'
      | 'agent-lost';
    readonly message: string;
    readonly cause?: 'attempts-used-up' | 'not-retried' | 'several-agents' | 'one-agent';
  };
  /** A client cancelled it, or nobody wants it any more. */
  readonly BuildCanceled: {
    readonly reason?: string;
    readonly unwanted?: true;
  };
  /** It was cancelled for the submission that it belongs to, and goes on as others want it. */
  readonly BuildWantWithdrawn: {
    readonly submission: string;
    readonly reason?: string;
  };
  /** A second build of a derivation gave other bytes than the pool holds. The pool keeps what it has. */
  readonly OutputsDiverged: {
    readonly attempt: number;
    readonly agent: string;
    readonly output: string;
    readonly path: string;
    readonly kept: string;
    readonly got: string;
  };
  /** An operator added an agent. */
  readonly AgentRegistered: {
    readonly name: string;
  };
  /** The agent opened its link and said what it can build. */
  readonly AgentConnected: {
    readonly abilities: {
      readonly storeDir?: string;
      readonly systems: readonly string[];
      readonly features: readonly string[];
      readonly mandatoryFeatures: readonly string[];
      readonly slots: number;
    };
    readonly version: string;
    readonly builder: string;
    readonly place?: {
      readonly host?: string;
      readonly pid?: number;
      readonly address?: string;
    };
  };
  /** The link was lost. What the agent runs goes on until the lease ends. */
  readonly AgentDisconnected: {
    readonly leaseUntil: number;
    readonly reason: string;
  };
  /** The lease ended without the agent coming back. */
  readonly AgentLost: Readonly<Record<string, never>>;
  /** An operator paused it: it gets no new builds. Said again, it is for another reason; of a pause and a drain the last counts. */
  readonly AgentPaused: {
    readonly reason?: string;
  };
  /** A pause, a drain or a quarantine ended. */
  readonly AgentResumed: {
    readonly reason?: string;
  };
  /** It gets no new builds, and waits once its builds have ended. Where it said so itself, it leaves then. */
  readonly AgentDraining: {
    readonly reason?: string;
    readonly byAgent?: true;
  };
  /** Too many attempts failed through the fault of the machine; it gets no builds until `until`. */
  readonly AgentQuarantined: {
    readonly until: number;
    readonly reason: string;
  };
  /** The agent tried itself and found that it cannot build, for this reason: it gets no builds until AgentFit. */
  readonly AgentUnfit: {
    readonly reason: string;
  };
  /** The agent tried itself again, and it can build. */
  readonly AgentFit: Readonly<Record<string, never>>;
  /** It takes nothing new for now, as its machine is busy or its store over its bounds: until AgentUnlimited, or its next connection. */
  readonly AgentLimited: {
    readonly by: 'load' | 'collecting' | 'disk';
    readonly reason: string;
  };
  /** It takes builds again. */
  readonly AgentUnlimited: Readonly<Record<string, never>>;
  /** An operator removed it. */
  readonly AgentRetired: Readonly<Record<string, never>>;
  /** A NAR is durable in the pool and was verified. */
  readonly StoreItemAdded: {
    readonly path: string;
    readonly storeDir?: string;
    readonly narHash: string;
    readonly narSize: number;
    readonly references: readonly string[];
    readonly deriver?: string;
    readonly ca?: string;
    readonly file: {
      readonly hash: string;
      readonly size: number;
      readonly compression: 'none' | 'zstd';
    };
    readonly signatures: readonly string[];
    readonly guixSignature?: string;
    readonly addresses?: readonly string[];
  };
  /** An operator or the collector decided that the item goes: it is not available from now on, and its narinfo is not served. Its NAR can be fetched by the name of its file until `until`, for clients that have the narinfo; then the item is deleted, unless it is added again before. */
  readonly StoreItemUnpublished: {
    readonly path: string;
    readonly reason: string;
    readonly until: number;
  };
  /** The item is gone, and its NAR with it, unless another item has the same file. What was unpublished before was not available any more; older versions deleted at once. */
  readonly StoreItemDeleted: {
    readonly path: string;
    readonly reason: string;
  };
  /** The pool was found not to hold, or to hold damaged, what it should. */
  readonly StoreItemMissing: {
    readonly path: string;
    readonly reason: string;
  };
  /** An upstream has the item, signed by one of its keys, and all that it refers to is available: it is available as well, until the upstream is found not to have it any more. From `expires` on the upstream is asked again. Of no consequence while the pool has the item. */
  readonly StoreItemFoundUpstream: {
    readonly path: string;
    readonly storeDir?: string;
    readonly narHash: string;
    readonly narSize: number;
    readonly references: readonly string[];
    readonly deriver?: string;
    readonly ca?: string;
    readonly signatures: readonly string[];
    readonly upstream: string;
    readonly url: string;
    readonly compression: string;
    readonly expires: number;
  };
  /** An upstream does not have the item any more, or cannot give what it said: unless the pool has it, the item is not available from now on. Until `until` the upstream is not believed to have it, and then not before it has given all of it to the coordinator. */
  readonly StoreItemLostUpstream: {
    readonly path: string;
    readonly upstream: string;
    readonly reason: string;
    readonly until?: number;
  };
  /** A token was made. The log has its SHA-256, never the token. */
  readonly TokenIssued: {
    readonly name: string;
    readonly scope: 'read' | 'submit' | 'push' | 'agent' | 'admin';
    readonly hash?: string;
    readonly agent?: string;
  };
  /** Another token takes its place; it is accepted until `at`, when it is revoked. */
  readonly TokenRevocationScheduled: {
    readonly at: number;
  };
  /** The token is refused from here on. */
  readonly TokenRevoked: Readonly<Record<string, never>>;
  /** An operator or the configuration added a hook. */
  readonly HookAdded: {
    readonly definition?: {
      readonly on: readonly string[];
      readonly where?: {
        readonly tags?: Readonly<Record<string, string>>;
        readonly systems?: readonly string[];
        readonly name?: string;
        readonly classes?: readonly (
          | 'builder-failed'
          | 'timed-out'
          | 'silent-too-long'
          | 'log-limit'
          | 'output-missing'
          | 'hash-mismatch'
          | 'not-deterministic'
          | 'rejected'
          | 'unknown'
          | 'inputs-missing'
          | 'fetch-failed'
          | 'upload-failed'
          | 'disk-full'
          | 'agent-error'
        )[];
        readonly agents?: readonly string[];
      };
      readonly target:
        | {
            readonly kind: 'command';
            readonly run: string | readonly string[];
          }
        | {
            readonly kind: 'webhook';
            readonly url: string;
            readonly secretFile?: string;
            readonly allowPrivate?: boolean;
          }
        | {
            readonly kind: 'notify';
            readonly webhook?: {
              readonly url: string;
              readonly secretFile?: string;
              readonly allowPrivate?: boolean;
            };
            readonly mail?: {
              readonly server: string;
              readonly from: string;
              readonly to: readonly string[];
              readonly user?: string;
              readonly passwordFile?: string;
              readonly plain?: boolean;
              readonly allowPrivate?: boolean;
            };
          }
        | {
            readonly kind: 'guix-data-service';
            readonly url: string;
            readonly buildServer: number;
            readonly tokenFile: string;
            readonly allowPrivate?: boolean;
          }
        | {
            readonly kind: 'publish';
            readonly folder: string;
            readonly layout?: 'plain' | 'guix-publish';
            readonly compressions?: readonly string[];
          }
        | {
            readonly kind: 'mirror';
            readonly folder: string;
            readonly layout?: 'plain' | 'guix-publish';
            readonly compressions?: readonly string[];
          };
      readonly concurrency: number;
      readonly timeoutSeconds: number;
      readonly retry: {
        readonly maxAttempts: number;
        readonly baseSeconds: number;
        readonly maxSeconds: number;
      };
      readonly order: 'stream' | 'all';
    };
    readonly from?: {
      readonly after?: string;
      readonly before?: string;
    };
    readonly source: 'api' | 'config';
  };
  /** It is something else from here on; its place stays. */
  readonly HookChanged: {
    readonly definition?: {
      readonly on: readonly string[];
      readonly where?: {
        readonly tags?: Readonly<Record<string, string>>;
        readonly systems?: readonly string[];
        readonly name?: string;
        readonly classes?: readonly (
          | 'builder-failed'
          | 'timed-out'
          | 'silent-too-long'
          | 'log-limit'
          | 'output-missing'
          | 'hash-mismatch'
          | 'not-deterministic'
          | 'rejected'
          | 'unknown'
          | 'inputs-missing'
          | 'fetch-failed'
          | 'upload-failed'
          | 'disk-full'
          | 'agent-error'
        )[];
        readonly agents?: readonly string[];
      };
      readonly target:
        | {
            readonly kind: 'command';
            readonly run: string | readonly string[];
          }
        | {
            readonly kind: 'webhook';
            readonly url: string;
            readonly secretFile?: string;
            readonly allowPrivate?: boolean;
          }
        | {
            readonly kind: 'notify';
            readonly webhook?: {
              readonly url: string;
              readonly secretFile?: string;
              readonly allowPrivate?: boolean;
            };
            readonly mail?: {
              readonly server: string;
              readonly from: string;
              readonly to: readonly string[];
              readonly user?: string;
              readonly passwordFile?: string;
              readonly plain?: boolean;
              readonly allowPrivate?: boolean;
            };
          }
        | {
            readonly kind: 'guix-data-service';
            readonly url: string;
            readonly buildServer: number;
            readonly tokenFile: string;
            readonly allowPrivate?: boolean;
          }
        | {
            readonly kind: 'publish';
            readonly folder: string;
            readonly layout?: 'plain' | 'guix-publish';
            readonly compressions?: readonly string[];
          }
        | {
            readonly kind: 'mirror';
            readonly folder: string;
            readonly layout?: 'plain' | 'guix-publish';
            readonly compressions?: readonly string[];
          };
      readonly concurrency: number;
      readonly timeoutSeconds: number;
      readonly retry: {
        readonly maxAttempts: number;
        readonly baseSeconds: number;
        readonly maxSeconds: number;
      };
      readonly order: 'stream' | 'all';
    };
    readonly source: 'api' | 'config';
  };
  /** It delivers nothing until it is resumed; what it owes waits. */
  readonly HookPaused: {
    readonly reason?: string;
  };
  /** It goes on from its place. */
  readonly HookResumed: Readonly<Record<string, never>>;
  /** An operator or the configuration removed it. Its place is kept, for when it is added again. */
  readonly HookRemoved: {
    readonly reason?: string;
  };
  /** How far its deliveries are: one event for many of them, at most one a second and one at shutdown. */
  readonly HookCheckpointed: {
    readonly through?: string;
    readonly held?: readonly {
      readonly stream: string;
      readonly revision: number;
      readonly at: number;
      readonly attempts: number;
      readonly error?: string;
      readonly notBefore?: number;
    }[];
    readonly released?: readonly string[];
    readonly delivered: number;
  };
  /** All attempts to deliver an event failed: it, and what comes after it on its stream, waits for an operator. */
  readonly HookParked: {
    readonly event: string;
    readonly at: number;
    readonly attempts: number;
    readonly error?: string;
  };
  /** An operator has parked events delivered again. */
  readonly HookRetried: {
    readonly events: readonly string[];
  };
  /** An operator has the hook go on without these events. */
  readonly HookSkipped: {
    readonly events: readonly string[];
    readonly reason?: string;
  };
  /** An operator set its place: everything after it is delivered, again where it was before. */
  readonly HookReplayed: {
    readonly from: {
      readonly after?: string;
      readonly before?: string;
    };
    readonly kept?: readonly string[];
  };
  /** The coordinator signed what the log is: a checkpoint of all commits before this one (docs/audit.md). */
  readonly LogCheckpointed: {
    readonly size: number;
    readonly root: string;
    readonly note: string;
    readonly subtrees: readonly string[];
  };
  /** Store items are kept under a name, with all that they refer to, beside those that the name keeps already. */
  readonly RootAdded: {
    readonly targets: readonly string[];
    readonly until?: number;
    readonly source: 'api' | 'submission' | 'config';
    readonly submission?: string;
  };
  /** Targets that were kept until `until` or before are kept no more. */
  readonly RootExpired: {
    readonly until: number;
  };
  /** Targets are kept no more under this name: these, or all of them if absent. */
  readonly RootRemoved: {
    readonly targets?: readonly string[];
    readonly reason?: string;
  };
  /** Builds that ended at another coordinator were taken over from there, which is what its name in the stream says. They are believed for the history and for estimates alone: no output is available, no build here has ended, and none is spared or blocked by them. */
  readonly EarlierBuildsRecorded: {
    readonly builds: readonly {
      readonly id: string;
      readonly derivation: string;
      readonly outcome: 'succeeded' | 'failed' | 'canceled';
      readonly system?: string;
      readonly fixed?: boolean;
      readonly agent?: string;
      readonly submittedAt?: number;
      readonly startedAt?: number;
      readonly endedAt?: number;
      readonly message?: string;
    }[];
  };
  /** From here on the coordinator forgets what has ended once that many builds have ended after it, and store items that are gone and of no use likewise: what it needs again, it adds to the log again. Before the first of these events nothing is forgotten. */
  readonly BuildsRemembered: {
    readonly builds: number;
    /** How fast: 1, as if absent, a little after each event; 2, as fast as there is something to forget. */
    readonly pace?: number;
  };
}
