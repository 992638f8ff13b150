/** How far the verification is that goes on by itself; times in milliseconds since the Unix epoch. */
export interface VerifyPlace {
  readonly begun: number;
  /** Base name of the last item that was looked at. */
  readonly after?: string | undefined;
  readonly checked: number;
  readonly wrong: number;
  /** When it was through; then the next one begins from the start. */
  readonly ended?: number | undefined;
}

/** Where that is kept, beside the log: it says nothing of the farm, and where it is lost, a verification begins anew. */
export interface VerifyPlaceStore {
  /** As it was written last; `undefined` where there is none, or none that can be read. */
  read(): VerifyPlace | undefined;
  /** Never rejects. */
  write(place: VerifyPlace): Promise<void>;
}
