import type { UploadRefusal } from '../../../coordinator/ports/pool.ts';

/** A refusal on its way out of the verifier's innards; a value again where the pool answers. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly refusal: UploadRefusal;
  constructor(code: UploadRefusal['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.refusal = { code, message };
  }
}
