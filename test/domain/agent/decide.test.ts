import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decideAgent } from '../../../domain/agent/decide.ts';
import type { AgentEvent } from '../../../domain/agent/events.ts';
import { evolveAgent, initialAgent, intakeOf, leftOnPurpose, reasonOf } from '../../../domain/agent/state.ts';
import { specification } from '../../support/decider.ts';

const given = specification({ initial: initialAgent, evolve: evolveAgent, decide: decideAgent });
const abilities = { systems: ['x86_64-linux'], features: [], mandatoryFeatures: [], slots: 2 };
const registered: AgentEvent = { type: 'AgentRegistered', data: { name: 'a' } };
const connected: AgentEvent = { type: 'AgentConnected', data: { abilities, version: '1', builder: 'nix' } };
const disconnected: AgentEvent = { type: 'AgentDisconnected', data: { leaseUntil: 5, reason: 'cut' } };
const leaving: AgentEvent = { type: 'AgentDraining', data: { reason: 'it is being stopped', byAgent: true } };
const stateAfter = (...events: AgentEvent[]) =>
  events.reduce((state, event, n) => evolveAgent(state, event, { at: n, by: 't-1' }), initialAgent);
const intake = (...events: AgentEvent[]) => intakeOf(stateAfter(...events));

describe('an agent', () => {
  it('is added once, and again after it was removed', () => {
    given().when({ type: 'register', name: 'a' }).then(registered);
    given(registered).when({ type: 'register', name: 'a' }).refused('agent-exists');
    given(registered, { type: 'AgentRetired', data: {} }).when({ type: 'register', name: 'a' }).then(registered);
  });
  it('connects when it is known', () => {
    given().when({ type: 'connect', abilities, version: '1', builder: 'nix' }).refused('unknown-agent');
    given(registered).when({ type: 'connect', abilities, version: '1', builder: 'nix' }).then(connected);
    given(registered, { type: 'AgentRetired', data: {} })
      .when({ type: 'connect', abilities, version: '1', builder: 'nix' })
      .refused('agent-retired');
  });
  it('is lost once its lease has ended, not when it came back in between', () => {
    given(registered, connected, disconnected).when({ type: 'lose' }).then({ type: 'AgentLost', data: {} });
    given(registered, connected, disconnected, connected).when({ type: 'lose' }).then();
  });
  it('disconnects once', () =>
    given(registered, connected, disconnected).when({ type: 'disconnect', reason: 'x', leaseUntil: 9 }).then());
  it('takes builds only while it is connected and neither paused, draining nor in quarantine', () => {
    assert.equal(intake(registered), 'offline');
    assert.equal(intake(registered, connected), 'accepting');
    assert.equal(intake(registered, connected, { type: 'AgentPaused', data: {} }), 'paused');
    assert.equal(intake(registered, connected, { type: 'AgentDraining', data: {} }), 'draining');
    assert.equal(
      intake(registered, connected, { type: 'AgentQuarantined', data: { until: 9, reason: 'sick' } }),
      'quarantined',
    );
    assert.equal(
      intake(
        registered,
        connected,
        { type: 'AgentQuarantined', data: { until: 9, reason: 'sick' } },
        { type: 'AgentResumed', data: {} },
      ),
      'accepting',
    );
    assert.equal(intake(registered, connected, disconnected), 'offline');
  });
  it('keeps apart what an operator said, how the link is, and what it found itself', () => {
    const paused: AgentEvent = { type: 'AgentPaused', data: { reason: 'new disk' } };
    const sick: AgentEvent = { type: 'AgentQuarantined', data: { until: 9, reason: 'sick' } };
    const both = stateAfter(registered, connected, paused, sick, disconnected, { type: 'AgentLost', data: {} });
    assert.deepEqual(
      [both.paused, both.quarantine, both.connection, both.since, both.gone],
      [{ at: 2, by: 't-1', reason: 'new disk' }, { at: 3, reason: 'sick' }, 'lost', 4, 'cut'],
    );
    const back = stateAfter(registered, connected, paused, sick, disconnected, connected);
    assert.deepEqual(
      [back.connection, back.since, intakeOf(back), reasonOf(back)],
      ['connected', 5, 'paused', 'new disk'],
    );
  });
  it('left on purpose where it was stopped, and only then', () => {
    assert.equal(leftOnPurpose(stateAfter(registered, connected, leaving, disconnected)), true);
    assert.equal(leftOnPurpose(stateAfter(registered, connected, leaving)), false);
    assert.equal(leftOnPurpose(stateAfter(registered, connected, disconnected)), false);
    assert.equal(
      leftOnPurpose(stateAfter(registered, connected, leaving, disconnected, connected, disconnected)),
      false,
    );
  });
  it('that is paused or drained again for another reason has that from then on; the same again, or none, changes nothing', () => {
    for (const [wish, type] of [
      ['pause', 'AgentPaused'],
      ['drain', 'AgentDraining'],
    ] as const) {
      const first: AgentEvent = { type, data: { reason: 'new disk' } };
      const second: AgentEvent = { type, data: { reason: 'new kernel' } };
      given(registered, connected, first).when({ type: wish, reason: 'new kernel' }).then(second);
      assert.equal(reasonOf(stateAfter(registered, connected, first, second)), 'new kernel');
      given(registered, connected, first).when({ type: wish, reason: 'new disk' }).then();
      given(registered, connected, first).when({ type: wish, reason: undefined }).then();
    }
  });
  it('is what an operator said last of it, paused or drained', () => {
    const paused: AgentEvent = { type: 'AgentPaused', data: { reason: 'a look' } };
    const drained: AgentEvent = { type: 'AgentDraining', data: { reason: 'a new kernel' } };
    for (const [first, last, said] of [
      [paused, drained, 'draining'],
      [drained, paused, 'paused'],
    ] as const) {
      const state = stateAfter(registered, connected, first, last);
      assert.deepEqual([intakeOf(state), reasonOf(state)], [said, last.data.reason]);
      assert.deepEqual([state.paused?.at, state.draining?.at], said === 'paused' ? [3, undefined] : [undefined, 3]);
      given(registered, connected, last, first)
        .when({ type: said === 'paused' ? 'pause' : 'drain', reason: undefined })
        .then({ type: last.type, data: {} });
    }
    assert.equal(intake(registered, connected, paused, leaving), 'paused', 'what it says itself ends no pause');
  });
  it('stays paused over a reconnect', () =>
    assert.equal(intake(registered, connected, { type: 'AgentPaused', data: {} }, disconnected, connected), 'paused'));
  const unfit: AgentEvent = { type: 'AgentUnfit', data: { reason: 'no sandbox' } };
  const fit: AgentEvent = { type: 'AgentFit', data: {} };
  it('that found that it cannot build says so once per reason, and gets nothing until it can, over reconnects too', () => {
    given(registered, connected).when({ type: 'report-fitness', unfit: undefined }).then();
    given(registered, connected).when({ type: 'report-fitness', unfit: 'no sandbox' }).then(unfit);
    given(registered, connected, unfit).when({ type: 'report-fitness', unfit: 'no sandbox' }).then();
    given(registered, connected, unfit)
      .when({ type: 'report-fitness', unfit: 'no store' })
      .then({ type: 'AgentUnfit', data: { reason: 'no store' } });
    given(registered, connected, unfit).when({ type: 'report-fitness', unfit: undefined }).then(fit);
    assert.equal(intake(registered, connected, unfit), 'unfit');
    assert.equal(intake(registered, unfit, connected, disconnected, connected), 'unfit');
    assert.equal(intake(registered, connected, unfit, fit), 'accepting');
    const sick: AgentEvent = { type: 'AgentQuarantined', data: { until: 9, reason: 'sick' } };
    assert.equal(intake(registered, connected, sick, unfit, { type: 'AgentResumed', data: {} }), 'unfit');
  });
  it('that is being stopped says so once, and gets nothing new until it connects again', () => {
    given(registered, connected).when({ type: 'leave' }).then(leaving);
    given(registered, connected, leaving).when({ type: 'leave' }).then();
    given(registered, connected, leaving, disconnected).when({ type: 'leave' }).then();
    assert.equal(intake(registered, connected, leaving), 'draining');
    assert.equal(intake(registered, connected, leaving, disconnected, connected), 'accepting');
  });
  it('that an operator drains stays so over a reconnect, whatever it says itself', () => {
    const drained: AgentEvent = { type: 'AgentDraining', data: {} };
    assert.equal(intake(registered, connected, drained, leaving, disconnected, connected), 'draining');
    given(registered, connected, leaving).when({ type: 'drain', reason: undefined }).then(drained);
  });
  it('says why it gets nothing, as long as that is so: a connection that ended is no reason once there is another', () => {
    const reason = (...events: AgentEvent[]) => reasonOf(stateAfter(registered, connected, ...events));
    const paused: AgentEvent = { type: 'AgentPaused', data: { reason: 'a look at it' } };
    assert.equal(reason(disconnected), 'cut');
    assert.equal(reason(disconnected, { type: 'AgentLost', data: {} }), 'cut');
    assert.equal(reason(disconnected, connected), undefined);
    assert.equal(reason(paused, disconnected), 'cut');
    assert.equal(reason(paused, disconnected, connected), 'a look at it');
    assert.equal(reason(leaving), 'it is being stopped');
    assert.equal(reason(leaving, connected), undefined);
    assert.equal(reason(unfit), 'no sandbox');
    assert.equal(reason(disconnected, { type: 'AgentRetired', data: {} }), undefined);
  });
});
