import type { FromFolder, ToFolder } from './folder-protocol.ts';
import { openFolderWriter } from './folder-writer.ts';
import { openPoolSource } from './pool-source.ts';

/*
 * Writes one folder, in a process of its own: a disk or a network that hangs holds this process alone, and nothing of the coordinator.
 * It ends with the coordinator, however that ends.
 */

type Answer = Extract<ToFolder, { kind: 'answer' }>;

/** A question before it has its number. */
type Question = FromFolder extends infer Message
  ? Message extends { kind: 'ask' | 'open' | 'read' }
    ? Omit<Message, 'id'>
    : never
  : never;

const questions = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
let lastQuestion = 0;

function send(message: FromFolder): void {
  if (process.connected) process.send?.(message);
}

function ask(question: Question): Promise<Answer> {
  const id = ++lastQuestion;
  return new Promise((resolve, reject) => {
    questions.set(id, { resolve, reject });
    send({ ...question, id });
  });
}

const askFor = async (what: Extract<FromFolder, { kind: 'ask' }>['what'], of: string): Promise<string | undefined> =>
  (await ask({ kind: 'ask', what, of })).text;

/** The NAR comes from the coordinator, which alone knows the way to upstreams: as much at a time as is asked for. */
async function openUpstreamNar(url: string): Promise<AsyncIterable<Uint8Array> | undefined> {
  const { id, text } = await ask({ kind: 'open', url });
  return text === undefined ? undefined : readUpstreamNar(id);
}

async function* readUpstreamNar(nar: number): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const { bytes } = await ask({ kind: 'read', nar });
      if (bytes === undefined) return;
      yield bytes;
    }
  } finally {
    send({ kind: 'close', nar });
  }
}

const opened = Promise.withResolvers<Awaited<ReturnType<typeof openFolderWriter>>>();
opened.promise.catch((error: Error) => {
  const message: FromFolder = { kind: 'failed', error: error.message };
  process.send?.(message, () => process.connected && process.disconnect());
});

process.on('message', (message: ToFolder) => {
  if (message.kind === 'open') {
    const { folder, log, form, begun, cacheInfo, pool } = message;
    const source = {
      ...openPoolSource(pool, openUpstreamNar),
      narinfo: (hashPart: string) => askFor(form.compressions ? 'guix-narinfo' : 'narinfo', hashPart),
      lackOf: (path: string) => askFor('lack', path),
    };
    const say = (text: string): void => send({ kind: 'say', message: text });
    const doubt = (path: string): void => send({ kind: 'doubt', path });
    openFolderWriter({ folder, log, form, begun, cacheInfo, source, connections: 8, say, doubt }).then(
      opened.resolve,
      opened.reject,
    );
  } else if (message.kind === 'apply') {
    const { id, task } = message;
    opened.promise
      .then((writer) => writer.apply(task))
      .then(
        () => send({ kind: 'done', id }),
        (error: Error) => send({ kind: 'done', id, error: error.message }),
      );
  } else {
    const question = questions.get(message.id);
    questions.delete(message.id);
    if (message.error === undefined) question?.resolve(message);
    else question?.reject(new Error(message.error));
  }
});
// Who ends the coordinator with Ctrl-C, or a whole group, ends it alone: it sees to what is under way, and to this process.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit(0));
