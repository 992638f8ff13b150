/**
 * What is seen as nothing, or turns the direction of what comes after it, but for what emojis are put together with. Source: Unicode Standard Annex 44,
 * Default_Ignorable_Code_Point; Annex 9, section 2.
 */
const hidden = /(?![\t\n\r]|[\ufe00-\ufe0f])[\p{Cc}\p{DI}]/gu;
const emoji = /\p{Extended_Pictographic}\ufe0f?$/u;
/** Most texts have nothing but these, and are not looked at for long. */
const plain = /^[\n\r\t\x20-\x7e]*$/;

/** Names and messages come from elsewhere: marks that would hide something of them, or have it read as something else, as `\xNN`, `\uNNNN`. */
export function visible(text: string): string {
  if (plain.test(text)) return text;
  return text.replace(hidden, (mark, at: number) => {
    if (mark === '\u200d' && emoji.test(text.slice(Math.max(0, at - 3), at))) return mark;
    const code = (mark.codePointAt(0) as number).toString(16);
    if (code.length > 4) return `\\u{${code}}`;
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
  });
}
