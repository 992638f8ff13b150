import type { Application } from '../../coordinator/application.ts';
import { isDroverError } from '../../coordinator/errors.ts';
import { EventStoreError } from '../../coordinator/ports/event-store.ts';
import type { AgentMessage, CoordinatorMessage, KnownAttempt } from '../../domain/agent/messages.ts';
import { fakeSha256 } from '../support/paths.ts';
import type { VirtualTime } from './time.ts';

export interface AgentWorld {
  readonly time: VirtualTime;
  /** The running coordinator, if there is one. */
  application(): Application | undefined;
  outputsOf(derivation: string): readonly { readonly name: string; readonly path: string }[];
  /** Seconds that a build takes, and whether it fails. */
  outcome(
    derivation: string,
    attempt: number,
  ): { ms: number; failure?: Extract<AgentMessage, { type: 'failed' }>['class'] };
  /** Whether the coordinator serves the item now. */
  isServed(path: string): Promise<boolean>;
  /** Something went wrong that is nobody's fault but Drover's. */
  bug(error: unknown): void;
}

interface Attempt extends KnownAttempt {
  phase: KnownAttempt['phase'];
  timer?: Disposable;
}

/**
 * A simulated agent: what it runs and what it has not got acknowledged survive a lost connection; a crash loses what runs and keeps what
 * has ended, as a real agent's state folder does. Speaks to the application directly; each message takes some time on its way.
 */
export function createSimulatedAgent(
  name: string,
  slots: number,
  systems: readonly string[],
  features: readonly string[],
  world: AgentWorld,
) {
  const { time } = world;
  const attempts = new Map<string, Attempt>();
  let outbox: AgentMessage[] = [];
  let link = 0; // Number of the open link; 0: none.
  let links = 0;
  let sending = false;
  let down = false;

  function report(message: AgentMessage): void {
    outbox.push(message);
    pump();
  }

  /** Sends the oldest message and takes the next when it was acknowledged. */
  function pump(): void {
    const [message] = outbox;
    if (link === 0 || sending || !message) return;
    const mine = link;
    sending = true;
    time.after(time.random() * 30, () => {
      if (mine !== link) return;
      const acknowledge = (): void => {
        if (mine !== link) return;
        // The acknowledgement takes its time too; a link that is cut in between makes the agent send the message again.
        time.after(time.random() * 30, () => {
          if (mine !== link) return;
          sending = false;
          outbox = outbox.slice(1);
          if (message.type !== 'started') attempts.delete(`${message.build}#${message.attempt}`);
          pump();
        });
      };
      const application = world.application();
      if (!application) return cut();
      application.agentMessage(name, message).then(acknowledge, (error: unknown) => {
        if (isDroverError(error) && error.code !== 'store-unavailable') return acknowledge();
        // The coordinator lost its store on the way; anything else is a bug in it.
        if (!isDroverError(error) && !(error instanceof EventStoreError)) world.bug(error);
        cut();
      });
    });
  }

  function end(attempt: Attempt, message: AgentMessage): void {
    attempt.phase = 'ended';
    report(message);
  }

  async function prepare(attempt: Attempt, message: Extract<CoordinatorMessage, { type: 'allocate' }>): Promise<void> {
    const { build, attempt: n, derivation, inputs } = message;
    const missing: string[] = [];
    for (const input of inputs) if (!(await world.isServed(input))) missing.push(input);
    if (attempts.get(`${build}#${n}`) !== attempt) return;
    if (missing.length > 0)
      return end(attempt, {
        type: 'setup-failed',
        build,
        attempt: n,
        class: 'inputs-missing',
        missing,
        message: 'not in the cache',
      });
    attempt.phase = 'building';
    report({ type: 'started', build, attempt: n });
    const { ms, failure } = world.outcome(derivation, n);
    attempt.timer = time.after(ms, () =>
      failure
        ? end(attempt, { type: 'failed', build, attempt: n, class: failure, message: 'as planned', durationMs: ms })
        : void upload(attempt, derivation, ms),
    );
  }

  async function upload(attempt: Attempt, derivation: string, durationMs: number): Promise<void> {
    const { build, attempt: n } = attempt;
    const outputs: Extract<AgentMessage, { type: 'succeeded' }>['outputs'] = [];
    for (const { name: output, path } of world.outputsOf(derivation)) {
      const narHash = fakeSha256(
        path
          .slice(33)
          .split('')
          .reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7),
      );
      const application = world.application();
      // No coordinator: the upload is tried again, as a real agent does.
      if (!application) {
        attempt.timer = time.after(500, () => void upload(attempt, derivation, durationMs));
        return;
      }
      try {
        const declaration = {
          path,
          narHash,
          narSize: 1,
          references: [],
          compression: 'zstd',
          fileSize: 1,
          build,
          attempt: n,
        } as const;
        const { id } = await application.beginUpload({ id: 'agent', scope: 'agent', agent: name }, declaration);
        outputs.push({ name: output, path, narHash, narSize: 1, references: [], upload: id });
      } catch (error) {
        if (!isDroverError(error)) throw error;
        if (error.code === 'item-exists') outputs.push({ name: output, path, narHash, narSize: 1, references: [] });
        else
          return end(attempt, {
            type: 'failed',
            build,
            attempt: n,
            class: 'upload-failed',
            message: error.message,
            durationMs,
          });
      }
    }
    if (attempts.get(`${build}#${n}`) === attempt)
      end(attempt, { type: 'succeeded', build, attempt: n, outputs, durationMs, logBytes: 0 });
  }

  function stop(key: string): void {
    attempts.get(key)?.timer?.[Symbol.dispose]();
    attempts.delete(key);
    outbox = outbox.filter((message) => `${message.build}#${message.attempt}` !== key);
  }

  function receive(message: CoordinatorMessage): void {
    if (message.type === 'drain' || message.type === 'self-test') return;
    const key = `${message.build}#${message.attempt}`;
    if (message.type === 'cancel') {
      stop(key);
      return report({ type: 'released', build: message.build, attempt: message.attempt, reason: 'canceled' });
    }
    if (attempts.has(key)) return;
    const attempt: Attempt = { build: message.build, attempt: message.attempt, phase: 'preparing' };
    attempts.set(key, attempt);
    attempt.timer = time.after(time.random() * 100, () => void prepare(attempt, message));
  }

  function cut(): void {
    if (link === 0) return;
    link = 0;
    sending = false;
    const application = world.application();
    if (application) application.agentDisconnected(name, 'simulated').catch(() => undefined);
    time.after(200 + time.random() * 2000, connect);
  }

  function connect(): void {
    const application = world.application();
    if (down || link !== 0) return;
    if (!application) return void time.after(300, connect);
    const mine = ++links;
    link = mine;
    const running = [...attempts.values()].map(({ build, attempt, phase }) => ({ build, attempt, phase }));
    const abilities = { systems: [...systems], features: [...features], mandatoryFeatures: [], slots };
    application
      .agentConnected(name, {
        kind: 'hello',
        protocol: 1,
        version: '0',
        builder: 'simulated',
        session: `x${mine}`,
        storeDir: '/nix/store',
        abilities,
        running,
      })
      .then(
        ({ drop }) => {
          if (mine !== link) return;
          for (const { build, attempt } of drop) stop(`${build}#${attempt}`);
          pump();
        },
        () => {
          if (mine !== link) return;
          link = 0;
          time.after(500, connect);
        },
      );
  }

  return {
    name,
    connect,
    cut,
    /** What the coordinator sends; lost where no link is open. */
    deliver(message: CoordinatorMessage): void {
      const mine = link;
      if (mine !== 0) time.after(time.random() * 30, () => mine === link && receive(message));
    },
    crash(): void {
      const application = world.application();
      if (link !== 0 && application) application.agentDisconnected(name, 'crashed').catch(() => undefined);
      link = 0;
      sending = false;
      down = true;
      for (const [key, attempt] of attempts) if (attempt.phase !== 'ended') stop(key);
    },
    start(): void {
      down = false;
      connect();
    },
    /** The coordinator was killed: every link is gone. */
    coordinatorGone(): void {
      link = 0;
      sending = false;
      if (!down) time.after(100 + time.random() * 1000, connect);
    },
    get isDown() {
      return down;
    },
  };
}
