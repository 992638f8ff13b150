import { isEnded } from '../../domain/build/state.ts';
import type { AddedItem } from '../../domain/item/events.ts';
import { referencesExcess } from '../../domain/limits.ts';
import { addressOfSource, caFor } from '../../domain/store/content-address.ts';
import type { Item } from '../../projections/graph.ts';
import type { Application, Principal } from '../application.ts';
import { type Core, findBuild } from '../core.ts';
import { DroverError, type ErrorCode, wrongField } from '../errors.ts';
import type { FinishedUpload, Push, UploadDeclaration, UploadRefusal, UploadStatus } from '../ports/pool.ts';
import type { Items } from './items.ts';
import { refuseNamesake } from './namesakes.ts';
import { createPushedItems } from './pushed-items.ts';
import type { Room } from './room.ts';

/** Uploads: agents send outputs, which wait in the pool for the report of success; clients send sources, or push what they have, which are items at once. */
export type Uploads = Pick<Application, 'beginUpload' | 'uploadStatus' | 'writeUpload'>;

interface OfAttempt {
  readonly build?: string;
  readonly attempt?: number;
}

/** Whose the uploads of an agent are, with whichever of its tokens they were begun. */
export const ownerOfAgent = (agent: string): string => `agent-${agent}`;

export function createUploads(core: Core, items: Items, room: Room): Uploads {
  const { farm, pool, policy, writer, tracing } = core;
  const { graph, availability } = farm;
  const pushed = createPushedItems(core, items);

  const ownerOf = (by: Principal): string => (by.agent === undefined ? `token-${by.id}` : ownerOfAgent(by.agent));

  const keyOf = (owner: string, path: string): string => `${owner} ${path}`;

  function refuse({ code, message, offset, room: lack }: UploadRefusal, owner: string, path: string): never {
    if (code === 'disk-full') room.refused(keyOf(owner, path), path, lack?.needed ?? 0, lack?.free);
    else if (code === 'pool-unavailable') room.refused(keyOf(owner, path), path, 0, undefined, message);
    throw new DroverError(code satisfies ErrorCode, message, offset === undefined ? {} : { offset });
  }

  /** Items that a build can refer to: the closure of its inputs, and its own outputs. */
  function referable(drv: number): Set<Item> {
    const found = new Set<Item>();
    const pending: Item[] = [];
    graph.eachNeed(drv, (item) => pending.push(item));
    for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
      if (found.has(item)) continue;
      found.add(item);
      pending.push(...availability.references(item));
    }
    for (const { item } of graph.outputs(drv)) found.add(item);
    return found;
  }

  /** Hash parts to look for in what is sent besides its references; `undefined` where its references are vouched for. */
  function scanFor(by: Principal, declaration: UploadDeclaration & OfAttempt): readonly string[] | undefined {
    if (by.agent === undefined || declaration.push !== undefined) refuseAttempt(declaration);
    if (declaration.push !== undefined) return pushed.check(by, declaration);
    return by.agent === undefined ? checkSource(by, declaration) : checkOutput(by.agent, declaration);
  }

  /** Whoever says that it is an output has more in mind than becomes of it. */
  function refuseAttempt(declaration: OfAttempt): void {
    for (const field of ['build', 'attempt'] as const) {
      const given = declaration[field];
      if (given !== undefined)
        throw wrongField(field, "none, as outputs of attempts come with an agent's token and without push", `${given}`);
    }
  }

  /** Hash parts to look for in an output's NAR. */
  function checkOutput(agent: string, declaration: UploadDeclaration & OfAttempt): string[] {
    const { path, build: id, attempt } = declaration;
    if (id === undefined || attempt === undefined)
      throw wrongField(id === undefined ? 'build' : 'attempt', 'that of the attempt whose output this is', 'none');
    const build = findBuild(core, id);
    if (build.state.agents[attempt - 1] !== agent)
      throw new DroverError('not-your-attempt', `attempt ${attempt} of ${id} was not given to ${agent}`);
    if (isEnded(build.state.status))
      throw new DroverError('stale-attempt', `the build ${id} has ended: ${build.state.status}`);
    if (!graph.outputs(build.drv).some(({ item }) => graph.itemPath(item) === path))
      throw new DroverError('output-unverified', `path: ${path} is not an output of ${graph.drvPath(build.drv)}`);
    const allowed = new Set([...referable(build.drv)].map((item) => graph.itemPath(item)));
    const stranger = declaration.references.find((reference) => !allowed.has(reference));
    if (stranger !== undefined)
      throw new DroverError(
        'wrong-references',
        `references: ${stranger} is neither in the closure of the build's inputs nor one of its outputs`,
      );
    return [...allowed].map((base) => base.slice(0, 32));
  }

  /** What a client says of a source that nothing checks later. Its NAR is not looked through for references: its path vouches for them. */
  function checkSource({ scope }: Principal, { path, deriver }: UploadDeclaration): undefined {
    if (scope === 'push')
      throw new DroverError('scope-insufficient', 'expected a token of scope submit or admin for a source, got push');
    if (deriver === undefined) return;
    const drv = graph.drvOf(deriver);
    if (drv !== undefined && graph.outputs(drv).some(({ item }) => graph.itemPath(item) === path)) return;
    throw wrongField('deriver', `none, or a derivation that has the output ${path}`, deriver);
  }

  /** What a client has sent is an item once it is whole: a source, if its path is the one that its content determines, or what it pushes. */
  async function finishOwn(by: Principal, status: UploadStatus): Promise<UploadStatus> {
    if (!status.finished || by.agent !== undefined) return status;
    const upload = await pool.finished(status.id, status.owner);
    if (!upload) throw notAsSent(status);
    if (upload.push !== undefined) {
      await pushed.finish(by, upload);
      return status;
    }
    const address = sourceAddress(upload);
    if (address === undefined) {
      await pool.abandon(upload.id);
      throw new DroverError(
        'not-content-addressed',
        `path: ${upload.item.path} is not the path that its content and references determine; only sources can be sent by clients`,
      );
    }
    const signed = await items.sign({ ...upload.item, ...address });
    await items.publish(upload.id, upload.item);
    items.add(signed, { actor: by.id });
    await writer.durable();
    return status;
  }

  /** Its content address and the store directory of which its path is the one that this determines; `undefined`: of none. */
  function sourceAddress({ item, flatSha256 }: FinishedUpload): Pick<AddedItem, 'ca' | 'storeDir'> | undefined {
    for (const storeDir of policy.storeDirs) {
      const address = addressOfSource({ ...item, storeDir }, { narHash: item.narHash, flatSha256 });
      if (address === undefined) continue;
      return { ca: caFor(address), ...(storeDir !== policy.storeDir && { storeDir }) };
    }
    return undefined;
  }

  /** As events have it: the first store directory goes without saying. */
  function placed({ storeDir = policy.storeDir, ...push }: Push): Push {
    if (!policy.storeDirs.includes(storeDir))
      throw new DroverError(
        'wrong-store-dir',
        `push.storeDir: expected ${policy.storeDirs.join(' or ')}, got ${storeDir}`,
      );
    return { ...push, ...(storeDir !== policy.storeDir && { storeDir }) };
  }

  async function statusOf(by: Principal, id: string): Promise<UploadStatus> {
    const status = await pool.status(id, ownerOf(by));
    if (!status) throw new DroverError('unknown-upload', `there is no upload ${id} of yours`);
    return status;
  }

  return {
    async beginUpload(by, declaration) {
      const { path, narHash, narSize, references, compression, deriver, fileSize } = declaration;
      const push = declaration.push && placed(declaration.push);
      if (narSize > policy.maxNarBytes)
        throw new DroverError(
          'too-large',
          `narSize: expected at most ${policy.maxNarBytes} (setting limits.max-nar-bytes), got ${narSize}`,
        );
      // The item's event names all of them, and has to fit into one commit.
      const excess = referencesExcess(references, policy.maxCommitBytes);
      if (excess !== undefined) throw new DroverError('too-large', `references: ${excess}`);
      const scan = scanFor(by, { ...declaration, ...(push && { push }) });
      refuseNamesake(farm, path);
      // The upload is what repairs bytes that are wrong, so none is turned away for them.
      if (await items.isVerified(path))
        throw new DroverError('item-exists', `${path} is there already`, {
          narHash: farm.details.narHash(graph.itemOf(path) as Item),
        });
      const plain = {
        path,
        narHash,
        narSize,
        references,
        compression,
        fileSize,
        ...(deriver !== undefined && { deriver }),
        ...(push !== undefined && { push }),
      };
      const owner = ownerOf(by);
      const attempt = by.agent === undefined ? undefined : `${declaration.build}#${declaration.attempt}`;
      const begun = await pool.begin(owner, plain, scan, attempt);
      if ('refused' in begun) refuse(begun.refused, owner, path);
      if (begun.finished) room.taken(keyOf(owner, path));
      return finishOwn(by, begun);
    },
    uploadStatus: async (by, id) => finishOwn(by, await statusOf(by, id)),
    async writeUpload(by, id, offset, body) {
      const { owner, path } = await statusOf(by, id);
      const receive = async (): Promise<UploadStatus> => {
        const written = await pool.write(id, owner, offset, body);
        if ('refused' in written) refuse(written.refused, owner, path);
        room.taken(keyOf(owner, path));
        return finishOwn(by, written);
      };
      const { agent } = by;
      return agent === undefined ? receive() : tracing.receiving({ agent, upload: id, path, offset }, receive);
    },
  };
}

function notAsSent({ id }: UploadStatus): DroverError {
  return new DroverError(
    'unknown-upload',
    `expected the bytes of the upload ${id} as they were sent, got none or others: they have to be sent again`,
  );
}
