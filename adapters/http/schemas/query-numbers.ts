import * as z from 'zod';

/** What a query says of a number, once it is one. */
type QueryNumber = z.ZodPreprocess<z.ZodNumber>;

/**
 * A whole number of a query, in plain decimal digits. What `Number` takes besides (`0x10`, `1e3`, blanks, an empty text as 0) was hardly meant
 * so, and is refused. `.prefault` gives it a default that the OpenAPI document says.
 */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): QueryNumber {
  return inDigits(/^(?:0|-?[1-9][0-9]{0,19})$/, 'a whole number in decimal digits', z.int().min(least).max(most));
}

/** Seconds of a query, from 0 on: in plain decimal digits, with a fraction if need be. */
export function seconds(most: number): QueryNumber {
  return inDigits(/^-?[0-9]{1,19}(?:\.[0-9]{1,19})?$/, 'seconds in decimal digits', z.number().min(0).max(most));
}

function inDigits(form: RegExp, expected: string, number: z.ZodNumber): QueryNumber {
  return z.preprocess((given, context) => {
    // A default is a number already.
    if (typeof given === 'number') return given;
    if (typeof given === 'string' && form.test(given)) return Number(given);
    context.addIssue({ code: 'custom', message: `expected ${expected}`, input: given });
    return z.NEVER;
  }, number);
}
