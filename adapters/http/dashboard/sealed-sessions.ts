import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Clock } from '../../../coordinator/ports/runtime.ts';

/** A person who has logged in: the secret of the token that was given, and when the session ends, milliseconds since the Unix epoch. */
export interface Session {
  readonly secret: string;
  readonly ends: number;
}

/**
 * Sessions as values of a cookie. All that a session is is in its value, sealed: none is kept here, a restart ends none, and who has the value has no
 * token that works elsewhere or for longer.
 */
export interface SealedSessions {
  /** How long each is, in seconds. */
  readonly seconds: number;
  seal(secret: string): { readonly value: string; readonly ends: number };
  /** The session in a value; `undefined` if it was not sealed with this key, was changed, or has ended. */
  open(value: string): Session | undefined;
}

/** AES-256-GCM, with the lengths of NIST SP 800-38D: nonce and tag, in bytes. */
const nonceBytes = 12;
const tagBytes = 16;
/** When it ends, before the secret. */
const endsBytes = 8;
/** What is sealed under this key for another purpose, or in another form, opens as no session. */
const purpose = Buffer.from('session of the dashboard, 1');
/** The longest secret takes some 200 characters. */
const valuePattern = /^[0-9A-Za-z_-]{1,512}$/;

/** @param key 32 bytes */
export function createSealedSessions(options: {
  readonly key: Uint8Array;
  readonly seconds: number;
  readonly clock: Pick<Clock, 'now'>;
}): SealedSessions {
  const { key, seconds, clock } = options;
  return {
    seconds,
    seal(secret) {
      const ends = clock.now() + seconds * 1000;
      const plain = Buffer.alloc(endsBytes + Buffer.byteLength(secret));
      plain.writeBigUInt64BE(BigInt(ends));
      plain.write(secret, endsBytes);
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes }).setAAD(purpose);
      const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
      return { value: Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url'), ends };
    },
    open(value) {
      if (!valuePattern.test(value)) return undefined;
      const bytes = Buffer.from(value, 'base64url');
      if (bytes.length <= nonceBytes + tagBytes + endsBytes) return undefined;
      const plain = unsealed(bytes);
      if (plain === undefined) return undefined;
      const ends = Number(plain.readBigUInt64BE());
      if (ends <= clock.now()) return undefined;
      return { secret: plain.toString('utf8', endsBytes), ends };
    },
  };

  function unsealed(bytes: Buffer): Buffer | undefined {
    const tagEnd = nonceBytes + tagBytes;
    const nonce = bytes.subarray(0, nonceBytes);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes })
      .setAAD(purpose)
      .setAuthTag(bytes.subarray(nonceBytes, tagEnd));
    const plain = decipher.update(bytes.subarray(tagEnd));
    try {
      return Buffer.concat([plain, decipher.final()]);
    } catch {
      // It was not sealed with this key, or was changed: nothing of it is told.
      return undefined;
    }
  }
}
