import type { Invariant } from '../violation.ts';

/** A fault in the code under test, as one of its texts that is replaced by another while it is loaded. */
export interface Plant {
  /** What is wrong then. */
  readonly name: string;
  /** Where, from the root of the repository. */
  readonly file: string;
  /** Occurs there once. */
  readonly find: string;
  readonly replace: string;
  /** What the simulation has to find broken, one of these. */
  readonly breaks: readonly Invariant[];
  /** A seed that is known to show it; others are tried where it does not any more. */
  readonly seed: number;
}

export const plants: readonly Plant[] = [
  {
    name: 'wishes are acknowledged before they are durable',
    file: 'coordinator/log/writer.ts',
    find: 'durable: () => new Promise((resolve, reject) => add({ run: resolve, fail: reject })),',
    replace: 'durable: () => Promise.resolve(),',
    breaks: ['I1'],
    seed: 1,
  },
  {
    name: 'an agent is told what is not durable yet',
    file: 'coordinator/log/writer.ts',
    find: 'afterwards: (effect) => add({ run: effect, fail: () => undefined }),',
    replace: 'afterwards: (effect) => effect(),',
    breaks: ['I1', 'I4', 'I11'],
    seed: 0,
  },
  {
    name: 'the link acknowledges a message before it is handled',
    file: 'adapters/agent-link/server-link.ts',
    find: '        const settled = await work();\n        if (settled && inbox.finish(n)) acknowledge(inbox);',
    replace: '        if (inbox.finish(n)) acknowledge(inbox);\n        await work();',
    breaks: ['I1', 'I5'],
    seed: 1,
  },
  {
    name: 'commits are not linked to each other',
    file: 'coordinator/log/writer.ts',
    find: 'chain?.link(commit, first) ?? commit',
    replace: 'commit',
    breaks: ['I2'],
    seed: 1,
  },
  {
    name: 'the running farm has other times than the log',
    file: 'coordinator/log/writer.ts',
    find: 'farm.apply(category, id, event, first + index, at, meta.correlation',
    replace: 'farm.apply(category, id, event, first + index, at + 1, meta.correlation',
    breaks: ['I3'],
    seed: 1,
  },
  {
    name: 'a slot is free twice',
    file: 'coordinator/agents/allocator.ts',
    find: 'chosen.free--;',
    replace: '',
    breaks: ['I4'],
    seed: 0,
  },
  {
    name: 'agents that are paused get builds',
    file: 'domain/agent/state.ts',
    find: "  if (state.paused) return 'paused';\n",
    replace: '',
    breaks: ['I4'],
    seed: 3,
  },
  {
    name: 'a build that failed in an attempt is given to nobody again',
    file: 'coordinator/builds/wakes.ts',
    find: "    if (event.type === 'BuildRetryScheduled') armRetry(queue.build(id) as BuildRecord);\n    else if",
    replace: '    if',
    breaks: ['I5'],
    seed: 0,
  },
  {
    name: 'timers of retries are forgotten by a restart',
    file: 'coordinator/builds/wakes.ts',
    find: '  for (const build of queue.resting()) armRetry(build);\n',
    replace: '',
    breaks: ['I5', 'memory'],
    seed: 5,
  },
  {
    name: 'what is gone is not built again for those who need it',
    file: 'coordinator/items/rebuilds.ts',
    find: '      if (item !== undefined) queueMicrotask(() => look(consider([item])));\n',
    replace: '',
    breaks: ['I5'],
    seed: 46,
  },
  {
    name: 'failures of the infrastructure have no end',
    file: 'domain/build/decide.ts',
    find: '    ? verdictOf(withBlame(state.blame, failure, command.agent), failure, command.able)',
    replace: '    ? undefined',
    breaks: ['I5'],
    seed: 13,
  },
  {
    name: 'a cancellation ends what others want',
    file: 'projections/wants.ts',
    find: 'if (force || !by.some((wanter) => isOthers(build, wanter))) return true;',
    replace: 'return true;',
    breaks: ['I5'],
    seed: 5,
  },
  {
    name: 'messages to an agent are not sent again over its next link',
    file: 'adapters/agent-link/server-link.ts',
    find: '      for (const message of given.outbox?.pending() ?? []) link.send(message);\n',
    replace: '',
    breaks: ['I5', 'memory'],
    seed: 0,
  },
  {
    name: 'an agent forgets what it had to say when the coordinator was restarted',
    file: 'adapters/agent-link/client.ts',
    find: '      for (const { body } of outbox.pending()) fresh.push(body);\n',
    replace: '',
    breaks: ['I5'],
    seed: 0,
  },
  {
    name: 'an item is added whose bytes are not in their place',
    file: 'coordinator/builds/attempts.ts',
    find: '      await items.publish(upload, (verified.items[index] as StoreItem).file);',
    replace: '      void index;',
    breaks: ['I6'],
    seed: 1,
  },
  {
    name: 'an item is served whose file is gone',
    file: 'adapters/http/cache/narinfo.ts',
    find: "  if (!(await pool.has(item.file))) {\n    await application.doubtItem(item.path, 'size');",
    replace:
      "  if (!(await pool.has(item.file)) && hashPart === '') {\n    await application.doubtItem(item.path, 'size');",
    breaks: ['I7'],
    seed: 39,
  },
  {
    name: 'an item is served although what it refers to is gone',
    file: 'coordinator/coordinator.ts',
    find: 'return farm.availability.isAvailable(item) ? farm.details.get(item) : undefined',
    replace: 'return farm.details.get(item)',
    breaks: ['I7'],
    seed: 30,
  },
  {
    name: 'a deletion is ignored',
    file: 'projections/farm.ts',
    find: '    availability.remove(item);\n    blocked',
    replace: '    blocked',
    breaks: ['I4', 'I5', 'I8', 'I7'],
    seed: 3,
  },
  {
    name: 'an agent builds without inputs that it did not find',
    file: 'agent/inputs/fetch-inputs.ts',
    find: '      if (missing.length > 0) return { missing: missing.sort() };\n',
    replace: '      if (missing.length > 0) return { missing: [] };\n',
    breaks: ['I8'],
    seed: 190,
  },
  {
    name: 'the bytes of an item go although the log did not take that it went',
    file: 'coordinator/items/items.ts',
    find: '    await writer.durable();\n    countDown(leaving, hash);\n',
    replace: '    await writer.durable().finally(() => countDown(leaving, hash));\n',
    breaks: ['I9'],
    seed: 20029,
  },
  {
    name: 'items that were unpublished are forgotten by a restart',
    file: 'coordinator/items/deletions.ts',
    find: '      for (const due of unpublished.times()) awaitItems(due);\n',
    replace: '',
    breaks: ['I5'],
    seed: 1,
  },
  {
    name: 'a hook loses an event whose delivery failed',
    file: 'coordinator/hooks/runner.ts',
    find: "      if (triggers.failed(event, error, now(), random.fraction()) === 'park') park(event, id, error, attempts);",
    replace: '      void attempts;\n      triggers.delivered(event);',
    breaks: ['I10'],
    seed: 2,
  },
  {
    name: 'a restart of the coordinator ends what agents run',
    file: 'coordinator/agents/fleet.ts',
    find: 'adopt(build, name, attempt)) stays.add(',
    replace: 'adopt(build, name, attempt)) void drop.push({ build: id, attempt }) ?? stays.has(',
    breaks: ['I11', 'I5'],
    seed: 30,
  },
  {
    name: 'messages are kept that were acknowledged',
    file: 'adapters/agent-link/outbox.ts',
    find: '      for (; acked < n; acked++) messages.delete(acked + 1);\n',
    replace: '      acked = Math.max(acked, n);\n',
    breaks: ['memory', 'I5'],
    seed: 1,
  },
  {
    name: 'a success counts without its outputs',
    file: 'coordinator/builds/attempts.ts',
    find: '    for (const item of signed) items.add(item, meta);\n    const gone = report.outputs.find((output) => !present(output));\n',
    replace: '    const gone = report.outputs.find((output) => output.name === meta.actor);\n',
    breaks: ['I6'],
    seed: 1,
  },
  {
    name: 'what is in flight at a restart counts as delivered',
    file: 'coordinator/hooks/runner.ts',
    find: '    inFlight.set(event, { ...flight, attempt });\n',
    replace: '    inFlight.set(event, { ...flight, attempt });\n    triggers?.delivered(event);\n',
    breaks: ['I10', 'bug'],
    seed: 1,
  },
];
