import { type UpstreamCache, UpstreamError } from '../../coordinator/ports/upstream.ts';
import type { UpstreamSource } from '../../coordinator/upstreams/asking.ts';
import { type UpstreamSettings, upstreamSettings } from '../../coordinator/upstreams/settings.ts';
import { fingerprint } from '../../domain/store/fingerprint.ts';
import type { NarInfo } from '../../domain/store/narinfo.ts';
import { generateSigningKey, sign } from '../../domain/store/signature.ts';
import { fakeSha256 } from './paths.ts';

export const upstreamKey = generateSigningKey('up-1', new Uint8Array(32).fill(7));

/** An upstream in memory: what it has, and how it fails, is for the test to say. */
export interface FakeUpstream extends UpstreamSource {
  /** By base name: what it says and gives of it. */
  readonly items: Map<string, { info: NarInfo; nar: Uint8Array | undefined }>;
  /** Base names that it was asked for, in order. */
  readonly asked: string[];
  /** Answers nothing: every request fails. */
  away: boolean;
  /** Called before each answer. */
  before: (path: string) => void | Promise<void>;
  put(
    path: string,
    more?: { references?: readonly string[]; narHash?: string; nar?: Uint8Array; secret?: string },
  ): void;
}

export function createFakeUpstream(name: string, settings: Partial<UpstreamSettings> = {}): FakeUpstream {
  const items: FakeUpstream['items'] = new Map();
  const asked: string[] = [];
  const cache: UpstreamCache = {
    async info() {
      if (fake.away) throw new UpstreamError(`${name}: connect ECONNREFUSED`);
      return 'StoreDir: /nix/store\n';
    },
    async narinfo(hashPart, signal) {
      const path = [...items.keys()].find((known) => known.startsWith(hashPart));
      asked.push(path ?? hashPart);
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
      await Promise.race([fake.before(path ?? hashPart), aborted]);
      if (fake.away) throw new UpstreamError(`${name}: connect ECONNREFUSED`);
      return path === undefined ? undefined : items.get(path)?.info;
    },
    async nar({ url }) {
      if (fake.away) throw new UpstreamError(`${name}: connect ECONNREFUSED`);
      const nar = items.get(url)?.nar;
      return (
        nar &&
        (async function* () {
          yield nar;
        })()
      );
    },
    [Symbol.dispose]() {},
  };
  const fake: FakeUpstream = {
    settings: upstreamSettings.parse({
      name,
      url: `https://${name}.example.org`,
      publicKeys: [upstreamKey.public],
      ...settings,
    }),
    cache,
    items,
    asked,
    away: false,
    before: () => undefined,
    put(path, { references = [], narHash = fakeSha256(9), nar = new Uint8Array(1), secret = upstreamKey.secret } = {}) {
      const storePath = `/nix/store/${path}`;
      const said = { storePath, narHash, narSize: nar.length, references };
      const info = { ...said, url: path, compression: 'none', signatures: [sign(secret, fingerprint(said))] };
      items.set(path, { info, nar });
    },
  };
  return fake;
}
