/** What the store of an agent takes, and how it gives room back. */
export interface StoreUpkeep {
  /** @param wholeStore whether what the store holds is wanted, too, which takes longer. */
  room(wholeStore: boolean): Promise<StoreRoom>;
  /**
   * Has the store's garbage collector remove what nothing keeps, until so many bytes are free: what a session holds, what is being built and
   * the store's own roots stay. Gives how many bytes went.
   */
  collectGarbage(bytes: number): Promise<number>;
  /** Full paths of valid items, the largest of those that the store holds, `most` of them at most. Rejects where it cannot be told. */
  largest(most: number): Promise<readonly string[]>;
}

export interface StoreRoom {
  /** Free bytes of the disk that the store is on. */
  readonly freeBytes: number;
  /** What the disk holds in all. */
  readonly diskBytes: number;
  /** Sum of the NAR sizes of what the store holds; absent where that was not asked for. */
  readonly storeBytes?: number;
}
