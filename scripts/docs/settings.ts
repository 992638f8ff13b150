import type * as z from 'zod';
import { agentSettings } from '../../cli/config/agent-settings.ts';
import { fieldsOf } from '../../cli/config/fields.ts';
import { showSetting } from '../../cli/config/options.ts';
import { coordinatorConfigSchema } from '../../coordinator/config.ts';

/** Tables of settings in docs/operating.md, by the name in their markers. */
export const settingsTables: Readonly<Record<string, z.ZodObject>> = {
  coordinator: coordinatorConfigSchema,
  agent: agentSettings,
};

/** Puts the tables between their markers, `<!-- settings:NAME -->` and `<!-- /settings:NAME -->`. */
export function withSettings(page: string): string {
  return Object.entries(settingsTables).reduce((text, [name, schema]) => {
    const [open, close] = [`<!-- settings:${name} -->`, `<!-- /settings:${name} -->`];
    const [start, end] = [text.indexOf(open), text.indexOf(close)];
    if (start < 0 || end < start) throw new Error(`expected ${open} and ${close} in docs/operating.md`);
    return `${text.slice(0, start + open.length)}\n${settingsTable(schema)}\n${text.slice(end)}`;
  }, page);
}

function settingsTable(schema: z.ZodObject): string {
  const rows = fieldsOf(schema).map(({ key, type, fallback, required, description, choices }) => {
    const shown = showSetting(fallback);
    const usual = required ? 'has to be given' : shown === undefined || shown === '' ? '' : `\`${shown}\``;
    const words = choices === undefined ? '' : ` One of ${choices.map((choice) => `\`${choice}\``).join(', ')}.`;
    return `| \`${type === 'tables' ? `[[${key}]]` : key}\` | ${usual} | ${description.replaceAll('|', '\\|')}${words} |`;
  });
  return `| setting | default | meaning |\n|---|---|---|\n${rows.join('\n')}`;
}
