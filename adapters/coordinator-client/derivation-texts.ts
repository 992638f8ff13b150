import type { DerivationTexts } from '../../agent/ports/derivation-texts.ts';
import { mostDerivationBytes } from '../../domain/limits.ts';
import { type HttpClient, readBody, refusal } from './http-request.ts';

/** The texts of the coordinator's derivations, over HTTP. */
export function openDerivationTexts(http: HttpClient): DerivationTexts {
  return {
    async text(base, signal) {
      const path = `v1/derivations/${encodeURIComponent(base)}/text`;
      const response = await http.send({ method: 'GET', path, signal });
      if (response.statusCode === 404) {
        response.resume();
        return undefined;
      }
      if (response.statusCode !== 200) throw await refusal(response, path);
      return readBody(response, mostDerivationBytes);
    },
  };
}
