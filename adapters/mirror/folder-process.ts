import type { FromFolder, ToFolder } from './folder-protocol.ts';
import { openFolderWriter } from './folder-writer.ts';
import { openPoolSource } from './pool-source.ts';

/*
 * Writes one folder, in a process of its own: a disk or a network that hangs holds this process alone, and nothing of the coordinator.
 * It ends with the coordinator, however that ends.
 */

const questions = new Map<number, { resolve(text: string | undefined): void; reject(error: Error): void }>();
let lastQuestion = 0;

function send(message: FromFolder): void {
  if (process.connected) process.send?.(message);
}

function ask(what: 'narinfo' | 'lack', of: string): Promise<string | undefined> {
  const id = ++lastQuestion;
  return new Promise((resolve, reject) => {
    questions.set(id, { resolve, reject });
    send({ kind: 'ask', id, what, of });
  });
}

const opened = Promise.withResolvers<Awaited<ReturnType<typeof openFolderWriter>>>();
opened.promise.catch((error: Error) => {
  const message: FromFolder = { kind: 'failed', error: error.message };
  process.send?.(message, () => process.connected && process.disconnect());
});

process.on('message', (message: ToFolder) => {
  if (message.kind === 'open') {
    const { folder, log, begun, cacheInfo, pool } = message;
    const source = {
      ...openPoolSource(pool),
      narinfo: (hashPart: string) => ask('narinfo', hashPart),
      lackOf: (path: string) => ask('lack', path),
    };
    const say = (text: string): void => send({ kind: 'say', message: text });
    const doubt = (path: string): void => send({ kind: 'doubt', path });
    openFolderWriter({ folder, log, begun, cacheInfo, source, connections: 8, say, doubt }).then(
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
    if (message.error === undefined) question?.resolve(message.text);
    else question?.reject(new Error(message.error));
  }
});
// Who ends the coordinator with Ctrl-C, or a whole group, ends it alone: it sees to what is under way, and to this process.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit(0));
