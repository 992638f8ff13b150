/** The agent's token, which an operator may replace while the agent runs. */
export interface AgentToken {
  /** Where it is read from, for messages. */
  readonly from: string;
  /** As it was read last. */
  readonly current: string;
  /** Looks for a newer one; whether there is. Where none can be had the current one stays. */
  refresh(): Promise<boolean>;
}
