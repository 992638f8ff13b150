import { type ContentAddress, caFor, expectedCa, isAddressedBy, parseCa } from '../../domain/store/content-address.ts';
import { excerpt, FormatError } from '../../domain/store/format-error.ts';
import { parseSha256 } from '../../domain/store/hash-text.ts';
import { type BuildRecord, buildId } from '../../projections/builds.ts';
import type { Principal } from '../application.ts';
import type { Core } from '../core.ts';
import { DroverError, wrongField } from '../errors.ts';
import type { FinishedUpload, UploadDeclaration } from '../ports/pool.ts';
import type { Items } from './items.ts';
import { refuseNamesake } from './namesakes.ts';

/** Items that no build here has made: whoever pushes one is believed what its path stands for, and nothing else. */
export interface PushedItems {
  /**
   * Whether it may be sent, before it is. Hash parts to look for in its NAR: none besides its references, which have to be in it; `undefined`
   * where its path vouches for them.
   */
  check(by: Principal, declaration: UploadDeclaration): readonly string[] | undefined;
  /** Makes an item of a finished upload. Resolves once that is durable. */
  finish(by: Principal, upload: FinishedUpload): Promise<void>;
}

type Declared = Pick<UploadDeclaration, 'path' | 'references' | 'narHash' | 'push'>;

export function createPushedItems(
  { farm, pool, policy, writer }: Pick<Core, 'farm' | 'pool' | 'policy' | 'writer'>,
  items: Items,
): PushedItems {
  /** The content address that is to be held against the content; `undefined` where the item has none that can be. */
  function addressOf({ path, references, narHash, push }: Declared): ContentAddress | undefined {
    const addressed = { path, references, storeDir: push?.storeDir ?? policy.storeDir };
    if (push?.ca === undefined) {
      // What is silent about it may be a source all the same.
      const hash = Buffer.from(parseSha256(narHash)).toString('hex');
      const source = { method: 'r:', algo: 'sha256', hash } as const;
      return isAddressedBy(addressed, source) ? source : undefined;
    }
    const address = parsed(push.ca);
    // Hashed otherwise than we hash: trees of Git, and content with the places blanked where it names itself.
    if (address.method === 'git:' || references.includes(path)) return undefined;
    if (isAddressedBy(addressed, address)) return address;
    throw new DroverError(
      'not-content-addressed',
      `push.ca: expected the content address that determines ${path} with ${references.length} references, got ${push.ca}`,
    );
  }

  /** The narinfo of what is published has to be one that can be followed to its end (I7). */
  function requireReferences({ path, references, push }: Declared): void {
    const isThere = (reference: string): boolean => {
      if (reference === path) return true;
      const item = farm.graph.itemOf(reference);
      if (item === undefined || !farm.availability.isAvailable(item)) return false;
      const details = farm.details.get(item);
      return details === undefined || details.storeDir === push?.storeDir;
    };
    const missing = references.filter((reference) => !isThere(reference));
    const [first] = missing;
    if (first === undefined) return;
    const more = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
    throw new DroverError(
      'references-missing',
      `${path} refers to ${first}${more}, not available here: send that first, with all that it refers to`,
      { missing: missing.slice(0, 100) },
    );
  }

  /**
   * What a build is about to make is for the build to say: whoever may only push does not decide it before, nor end the build with it (I6). What its path vouches
   * for is the same whoever sends it, and an operator may do as he likes.
   */
  function refuseAwaited({ scope }: Principal, path: string): void {
    const item = scope === 'push' ? farm.graph.itemOf(path) : undefined;
    if (item === undefined || farm.availability.isPresent(item)) return;
    let awaited: BuildRecord | undefined;
    farm.graph.eachProducer(item, (drv) => {
      awaited = farm.queue.unfinished(drv);
      return awaited !== undefined;
    });
    if (awaited === undefined) return;
    const id = buildId(awaited);
    throw new DroverError(
      'output-awaited',
      `${path}: expected what no build is about to make, but the build ${id} (${awaited.state.status}) makes it: wait for that, or have an operator cancel it ('drover builds cancel ${id}') or push with a token of scope admin`,
      { build: id },
    );
  }

  async function isAddressed({ id }: FinishedUpload, { method, algo, hash }: ContentAddress): Promise<boolean> {
    const flat = method !== 'r:';
    return (await pool.contentHash(id, flat ? algo : `r:${algo}`)) === hash;
  }

  return {
    check(by, declaration) {
      if (by.scope !== 'push' && by.scope !== 'admin')
        throw new DroverError('scope-insufficient', `push: expected a token of scope push or admin, got ${by.scope}`, {
          expected: ['push', 'admin'],
          got: by.scope,
        });
      const { deriver } = declaration;
      if (deriver !== undefined && !deriver.endsWith('.drv'))
        throw wrongField('deriver', 'a derivation (….drv)', deriver);
      requireReferences(declaration);
      if (addressOf(declaration) !== undefined) return undefined;
      refuseAwaited(by, declaration.path);
      return [];
    },
    async finish(by, upload) {
      const { item } = upload;
      const declared = { ...item, ...(upload.push && { push: upload.push }) };
      const address = addressOf(declared);
      if (address !== undefined && !(await isAddressed(upload, address))) {
        await pool.abandon(upload.id);
        throw new DroverError(
          'not-content-addressed',
          `push.ca: the content of ${item.path} has another hash than ${caFor(address)} says`,
        );
      }
      requireReferences(declared);
      const storeDir = upload.push?.storeDir;
      const signed = await items.sign({
        ...item,
        ...(storeDir !== undefined && { storeDir }),
        ...(address !== undefined && { ca: caFor(address) }),
      });
      await items.publish(upload.id, item);
      try {
        // They may have gone meanwhile, or a build been submitted; nothing waits between this look and the commit.
        requireReferences(declared);
        refuseNamesake(farm, item.path);
        if (address === undefined) refuseAwaited(by, item.path);
      } catch (error) {
        await items.retract(item.file);
        throw error;
      }
      items.add(signed, { actor: by.id });
      await writer.durable();
    },
  };
}

function parsed(ca: string): ContentAddress {
  try {
    return parseCa(ca);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const errors = [{ field: 'push.ca', expected: expectedCa, got: excerpt(ca, 160) }];
    throw new DroverError('invalid-request', `push.ca: ${error.message}`, { errors });
  }
}
