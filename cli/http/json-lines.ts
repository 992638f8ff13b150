import { CliError } from '../output/cli-error.ts';

const usualLine = 1024 * 1024;

/** The values of an answer of lines of JSON, as they come. A line that was cut off is none; whether the last value came is for the caller to see. */
export async function* jsonLines<Value>(response: Response, longestLine: number = usualLine): AsyncGenerator<Value> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body ?? []) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() as string;
    if (rest.length > longestLine)
      throw new CliError(
        'unexpected-answer',
        `the coordinator answered with a line of more than ${longestLine} characters`,
      );
    for (const line of lines) if (line !== '') yield parse<Value>(line);
  }
}

function parse<Value>(line: string): Value {
  try {
    return JSON.parse(line) as Value;
  } catch (cause) {
    throw new CliError('unexpected-answer', 'the coordinator answered with a line that is not JSON', { cause });
  }
}
