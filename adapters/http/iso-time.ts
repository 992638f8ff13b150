let second = Number.NaN;
let text = '';

/** `new Date(at).toISOString()`, which takes a microsecond; events that are read one after the other mostly share their second. */
export function isoTime(at: number): string {
  const whole = Math.floor(at / 1000);
  if (whole !== second) {
    text = new Date(whole * 1000).toISOString().slice(0, -4);
    second = whole;
  }
  return `${text}${String(at - whole * 1000).padStart(3, '0')}Z`;
}
