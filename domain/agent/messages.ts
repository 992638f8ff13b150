import * as z from 'zod';
import { attemptPhases } from '../build/attempt-phases.ts';
import { failureClasses } from '../build/failure-class.ts';
import { baseName, count, identifier, sha256Text, shortText } from '../event.ts';
import { maxLogChunkBytes, maxOutputs } from '../limits.ts';
import { agentAbilities, agentLimit, agentPlace } from './events.ts';

/**
 * The frames of the agent link, protocol version 1: each a msgpack map in one binary WebSocket message.
 *
 * The agent opens with `hello`, the coordinator answers `welcome`; after that both send `message` frames, numbered 1, 2, 3 …
 * per direction and session and kept by the sender until an `ack` covers them, and `oob` frames, which may be lost with
 * the connection. The coordinator acknowledges a message once what it caused is durable (I1). A reconnect of the same two
 * sessions resends what was not acknowledged; where either side restarted, `hello.running` and `welcome` settle by state
 * what each believes, and deciders drop what they have seen (I11).
 *
 * That an agent is there, and how it is, it says in a heartbeat every `welcome.heartbeatSeconds`. Where `hello.answers` and `welcome.asks`
 * say so, the coordinator sends a WebSocket ping as often instead, to all agents in one turn; the pong says that the agent is there, and a
 * heartbeat follows only where it has news (adapters/agent-link/beat-news.ts). Whoever leaves them out beats as before.
 *
 * What its store holds an agent says where `welcome.holdings` asks for it: after the welcome, and whenever it has collected garbage.
 */
export const protocolVersion = 1;

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected bytes');
const logChunk = bytes.refine(
  (value) => value.length <= maxLogChunkBytes,
  `expected at most ${maxLogChunkBytes} bytes of log`,
);
const attemptKey = { build: identifier, attempt: z.int().min(1) };
const failure = z.enum(failureClasses);
const unfit = shortText.min(1);
/** Agents of before leave it out. */
const phases = attemptPhases.optional();

/** An attempt that the agent knows of when it connects. */
export const knownAttempt = z.object({
  ...attemptKey,
  /**
   * `preparing`: fetching inputs; `building`; `uploading`: built, outputs on their way; `ended`: the result is in a message that
   * will be sent.
   */
  phase: z.enum(['preparing', 'building', 'uploading', 'ended']),
});
export type KnownAttempt = z.infer<typeof knownAttempt>;

/** One output of a finished build, uploaded and waiting in the pool. */
export const builtOutput = z.object({
  name: z.string().min(1).max(211),
  path: baseName,
  narHash: sha256Text,
  narSize: z.int().min(1),
  references: z.array(baseName).max(100_000),
  /** Id of the finished upload; absent when the coordinator already had the item with the same NAR hash. */
  upload: identifier.optional(),
});
export type BuiltOutput = z.infer<typeof builtOutput>;

export const agentMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('started'), ...attemptKey }),
  z.object({
    type: z.literal('setup-failed'),
    ...attemptKey,
    class: failure,
    missing: z.array(baseName).max(1000).optional(),
    /** Inputs that came with other bytes than their narinfo says, however often they were fetched. */
    damaged: z.array(baseName).max(16).optional(),
    message: shortText,
    phases,
  }),
  z.object({
    type: z.literal('failed'),
    ...attemptKey,
    class: failure,
    message: shortText,
    durationMs: count.optional(),
    logBytes: count.optional(),
    phases,
  }),
  z.object({
    type: z.literal('succeeded'),
    ...attemptKey,
    outputs: z.array(builtOutput).min(1).max(maxOutputs),
    durationMs: count,
    logBytes: count,
    phases,
  }),
  /** The agent will not do it: it is shutting down, or was told to cancel and has stopped. */
  z.object({
    type: z.literal('released'),
    ...attemptKey,
    reason: z.enum(['handed-back', 'canceled', 'unknown-attempt']),
  }),
]);
export type AgentMessage = z.infer<typeof agentMessage>;

/** Most waits that one heartbeat names, and characters of each one's reason: they fit into a frame. */
export const mostWaiting = 256;
export const maxWaitReason = 1024;
/** An attempt that waits for the coordinator: it could not be reached over HTTP, or has no room. */
const waitingAttempt = z.object({
  ...attemptKey,
  for: z.enum(['inputs', 'upload']),
  /** What was heard instead. */
  reason: z.string().max(maxWaitReason),
});
export type WaitingAttempt = z.infer<typeof waitingAttempt>;

/** Items that an agent names at most, the largest of its store, and in one frame. */
export const mostHoldings = 16_384;
export const holdingsPerFrame = 2048;

export const agentOob = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('heartbeat'),
    load1: z.number().min(0).optional(),
    freeBytes: count.optional(),
    running: count,
    /** It is being stopped and wants nothing new; sent at once then, and see `hello.leaving`. */
    leaving: z.boolean().optional(),
    /** Why it cannot build, by what it found when it tried itself; absent: it can. Sent at once when that changes. */
    unfit: unfit.optional(),
    /** Why it takes nothing new for now; absent: it does. Sent at once when that changes. */
    limited: agentLimit.optional(),
    /** Attempts that wait for the coordinator; sent at once when that begins or ends. */
    waiting: z.array(waitingAttempt).max(mostWaiting).optional(),
    /** Attempts that are built, whose outputs are on their way; sent at once when that begins. Coordinators of before give nothing in their place. */
    delivering: z.array(z.object(attemptKey)).max(mostWaiting).optional(),
  }),
  /** Items of its store: the 32 characters of each one's hash part, one after the other. `fresh`: what was said before does not count any more. */
  z.object({
    type: z.literal('holds'),
    hashes: z
      .string()
      .max(32 * holdingsPerFrame)
      .regex(/^([0-9a-z]{32})*$/, 'expected hash parts of 32 characters each'),
    fresh: z.boolean().optional(),
  }),
  /** The log of an attempt from byte `offset` on; the coordinator keeps what continues what it has. */
  z.object({ type: z.literal('log'), ...attemptKey, offset: count, data: logChunk }),
]);
export type AgentOob = z.infer<typeof agentOob>;

export const coordinatorMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('allocate'),
    ...attemptKey,
    /** Base name of the derivation. */
    derivation: baseName,
    /** Its text, as in the store. */
    text: bytes,
    /** Base names of the store items it needs directly: sources and the outputs of input derivations. */
    inputs: z.array(baseName),
    timeoutSeconds: z.int().min(1),
    maxSilentSeconds: z.int().min(1),
    maxLogBytes: z.int().min(1),
  }),
  z.object({ type: z.literal('cancel'), ...attemptKey, reason: shortText }),
  /** Nothing new comes until an operator resumes the agent. Agents of before leave when all has ended. */
  z.object({ type: z.literal('drain') }),
  /** Try yourself, and build nothing before that has gone well. */
  z.object({ type: z.literal('self-test'), reason: shortText }),
]);
export type CoordinatorMessage = z.infer<typeof coordinatorMessage>;

/** How far this side has got with the other's messages: the session they belong to and the last number seen. */
const received = z.object({ session: identifier, n: count }).optional();

export const hello = z.object({
  kind: z.literal('hello'),
  protocol: z.int().min(1),
  version: z.string().max(64),
  /** Which program builds, for people: `nix 2.8.0`. */
  builder: z.string().max(128),
  /** New at each start of the agent. */
  session: identifier,
  storeDir: z.string().max(1024),
  abilities: agentAbilities,
  /** Where this process runs. Agents of before leave it out. */
  place: agentPlace.pick({ host: true, pid: true }).optional(),
  running: z.array(knownAttempt).max(8192),
  /** It is being stopped: it connects for what it has, and wants nothing new. */
  leaving: z.boolean().optional(),
  /** Why it cannot build, by what it found when it tried itself; absent: it can. */
  unfit: unfit.optional(),
  /** Why it takes nothing new for now; absent: it does. Agents of before say it in a heartbeat only. */
  limited: agentLimit.optional(),
  /** It says that it is there when it is asked by a ping, where the coordinator asks. Agents of before leave it out. */
  answers: z.boolean().optional(),
  received,
});
export type Hello = z.infer<typeof hello>;

/** An upstream whose NARs agents fetch themselves: never one that wants a secret. */
const directUpstream = z.object({
  name: identifier,
  url: z.string().max(1024),
  publicKeys: z.array(z.string()).max(20),
  timeoutSeconds: z.number().positive(),
  allowPrivate: z.boolean(),
});
export type DirectUpstreamSettings = z.infer<typeof directUpstream>;

export const welcome = z.object({
  kind: z.literal('welcome'),
  protocol: z.int().min(1),
  /** The agent's name, by its token. */
  agent: identifier,
  /** New at each start of the coordinator. */
  session: identifier,
  received,
  heartbeatSeconds: z.number().positive(),
  leaseSeconds: z.number().positive(),
  /** It sends a ping each `heartbeatSeconds`, and needs no other heartbeat than news. Coordinators of before leave it out. */
  asks: z.boolean().optional(),
  /** How many of the largest items of its store the agent is asked to name. Coordinators of before leave it out, and understand no answer. */
  holdings: count.optional(),
  /** Size of the log the coordinator has of each attempt that stays with the agent; it goes on from there. */
  logs: z.array(z.object({ ...attemptKey, size: count })),
  /** Attempts of `hello.running` that are not the agent's any more: it stops them and forgets them. */
  drop: z.array(z.object(attemptKey)),
  /** Public keys of the cache. */
  publicKeys: z.array(z.string()),
  /** Upstreams whose NARs the agent fetches itself, where a narinfo says so; what does not come from there comes from the coordinator. */
  upstreams: z.array(directUpstream).max(20).optional(),
});
export type Welcome = z.infer<typeof welcome>;

const number = z.int().min(1);
export const fromAgent = z.discriminatedUnion('kind', [
  hello,
  z.object({ kind: z.literal('message'), n: number, body: agentMessage }),
  z.object({ kind: z.literal('oob'), body: agentOob }),
  z.object({ kind: z.literal('ack'), n: number }),
]);
export type FromAgent = z.infer<typeof fromAgent>;

export const fromCoordinator = z.discriminatedUnion('kind', [
  welcome,
  z.object({ kind: z.literal('message'), n: number, body: coordinatorMessage }),
  z.object({ kind: z.literal('ack'), n: number }),
  /** The last frame before the coordinator closes the link. `fatal`: do not come back with the same question. */
  z.object({ kind: z.literal('refused'), code: z.string(), message: z.string(), fatal: z.boolean() }),
]);
export type FromCoordinator = z.infer<typeof fromCoordinator>;
