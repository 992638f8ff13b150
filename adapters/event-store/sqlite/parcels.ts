/**
 * Texts on their way to another thread, as the UTF-8 of all of them behind each other, in memory that goes there instead of being copied.
 * One long string of them would be made first, copied for the message, and copied once more on the other side.
 */
export interface Parcels {
  /** Texts that are in no parcel yet. */
  readonly waiting: number;
  add(text: string): void;
  /** Sends what waits; nothing where nothing does. */
  send(): void;
}
export type Parcel = ArrayBuffer;

/**
 * Bytes of a parcel, unless one text alone is longer. Beyond some 100 KiB both the memory and the text that is made of it would be taken from the system each
 * time and given back, page by page, which has been seen to cost ten times as much.
 */
const parcelBytes = 64 * 1024;
/** A UTF-16 unit takes at most so many in UTF-8. */
const bytesPerUnit = 3;

/** @param post is given what is to be transferred. */
export function createParcels(post: (parcel: Parcel) => void): Parcels {
  const memory = Buffer.from(new ArrayBuffer(parcelBytes));
  let used = 0;
  let waiting = 0;

  function send(): void {
    if (waiting === 0) return;
    const parcel = memory.buffer.slice(0, used);
    used = 0;
    waiting = 0;
    post(parcel);
  }

  return {
    get waiting() {
      return waiting;
    },
    add(text) {
      const most = text.length * bytesPerUnit;
      if (used + most > parcelBytes) send();
      if (most > parcelBytes) return post(new TextEncoder().encode(text).buffer);
      used += memory.write(text, used);
      waiting++;
    },
    send,
  };
}

/** The texts of a parcel behind each other. */
export function openParcel(parcel: Parcel): string {
  return Buffer.from(parcel).toString();
}
