import assert from 'node:assert/strict';
import type { Decision, DomainEvent } from '../../domain/event.ts';

/** given(events).when(command).then(events) or .refused(code), for any decider. */
export function specification<State, Event extends DomainEvent, Command, Refusal>(decider: {
  initial: State;
  evolve(state: State, event: Event): State;
  decide(state: State, command: Command): Decision<Event, Refusal>;
}) {
  return (...events: Event[]) => ({
    when(command: Command) {
      const state = events.reduce((before, event) => decider.evolve(before, event), decider.initial);
      const decision = decider.decide(state, command);
      return {
        then: (...expected: Event[]) => assert.deepEqual(decision, { events: expected }),
        /** Only the types of the events, where their data is not the point. */
        thenTypes: (...types: string[]) =>
          assert.deepEqual(decision.events?.map(({ type }) => type) ?? decision, types),
        refused: (code: Refusal) => assert.deepEqual(decision, { refused: code }),
      };
    },
  });
}
