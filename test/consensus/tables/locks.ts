/**
 * Lock scenarios by which real engines are tested: those of CometBFT v1 (internal/consensus/state_test.go) and of Malachite (core-driver), told
 * over the public entry. Where an older engine had another rule, the paper's holds.
 */
import {
  bundle,
  decides,
  dropped,
  lockedOn,
  lockInRound0,
  precommits,
  prevotes,
  proposal,
  type Scenario,
  saysPrecommit,
  saysPrevote,
  start,
  timeout,
  timer,
} from './table.ts'

export const locks: readonly Scenario[] = [
  {
    name: 'no polka: the lock of round 0 holds over rounds whose prevotes go apart',
    steps: [
      ...lockInRound0(),
      { in: proposal('w@1', 1), out: [saysPrevote(1, null)] },
      { in: [...prevotes(1, 'w@1', 'b'), ...prevotes(1, null, 'a')], out: [timer('prevote', 1)] },
      { in: timeout('prevote', 1), out: [saysPrecommit(1, null)], view: lockedOn('v', 0) },
      { in: [...precommits(1, null, 'ab'), timeout('precommit', 1)], out: [timer('precommit', 1), timer('propose', 2)] },
      { in: proposal('x@2', 2), out: [saysPrevote(2, null)], view: lockedOn('v', 0) },
    ],
  },
  {
    name: 'a polka for another value, seen after prevoting nil for it, replaces the lock',
    steps: [
      ...lockInRound0(),
      { in: proposal('w@1', 1), out: [saysPrevote(1, null)] },
      { in: prevotes(1, 'w@1', 'abc'), out: [timer('prevote', 1), saysPrecommit(1, 'w@1')], view: lockedOn('w@1', 1) },
    ],
  },
  {
    name: 'a polka for the locked value in a later round locks it again, with that round',
    steps: [
      ...lockInRound0(),
      { in: proposal('v', 1, { validRound: 0 }), out: [saysPrevote(1, 'v')] },
      { in: prevotes(1, 'v', 'ab'), out: [saysPrecommit(1, 'v')], view: lockedOn('v', 1) },
    ],
  },
  {
    name: 'locked and without a proposal: prevote nil at the timeout, not the lock',
    steps: [...lockInRound0(), { in: timeout('propose', 1), out: [saysPrevote(1, null)], view: lockedOn('v', 0) }],
  },
  {
    name: 'locked and offered another value: prevote nil',
    steps: [...lockInRound0(), { in: proposal('w@1', 1), out: [saysPrevote(1, null)], view: lockedOn('v', 0) }],
  },
  {
    name: 'a nil polka does not unlock, twenty rounds long, and the lock is prevoted when it comes back',
    steps: [
      ...lockInRound0(),
      ...Array.from({ length: 20 }, (_, i) => i + 1).map(round => ({
        in: [timeout('propose', round), ...prevotes(round, null, 'ab'), ...precommits(round, null, 'ab'), timeout('precommit', round)],
        view: { round: round + 1, ...lockedOn('v', 0) },
      })),
      { in: proposal('v', 21, { validRound: 0 }), out: [saysPrevote(21, 'v')] },
    ],
  },
  {
    name: 'a polka for a value that is not here changes no lock',
    steps: [
      ...lockInRound0(),
      { in: timeout('propose', 1), out: [saysPrevote(1, null)] },
      { in: prevotes(1, 'w@1', 'abc'), out: [timer('prevote', 1)], view: lockedOn('v', 0) },
      { in: timeout('prevote', 1), out: [saysPrecommit(1, null)], view: lockedOn('v', 0) },
    ],
  },
  {
    name: 'a polka for the locked value without its proposal in this round does not lock again',
    steps: [
      ...lockInRound0(),
      { in: timeout('propose', 1), out: [saysPrevote(1, null)] },
      { in: prevotes(1, 'v', 'abc'), out: [timer('prevote', 1)], view: lockedOn('v', 0) },
      { in: timeout('prevote', 1), out: [saysPrecommit(1, null)], view: lockedOn('v', 0) },
    ],
  },
  {
    name: 'the polka of an old round lets a node prevote the value and does not lock it',
    steps: [
      { in: [start, ...prevotes(0, 'v', 'abc'), ...precommits(1, null, 'ab')], out: [timer('propose', 0), timer('propose', 1)] },
      { in: proposal('v', 1, { validRound: 0 }), out: [saysPrevote(1, 'v')], view: { lockedRound: -1, validRound: -1 } },
      { in: prevotes(1, null, 'ab'), out: [timer('prevote', 1)], view: { lockedRound: -1 } },
    ],
  },
  {
    name: 'a node that never locked prevotes a fresh value although an old round had a polka that it never saw',
    steps: [
      { in: [start, timeout('propose', 0)], out: [timer('propose', 0), saysPrevote(0, null)] },
      { in: [...precommits(0, null, 'abc'), timeout('precommit', 0)], out: [timer('precommit', 0), timer('propose', 1)] },
      { in: proposal('w@1', 1), out: [saysPrevote(1, 'w@1')] },
      // The prevotes of round 0 arrive now: the value of round 1 is not given up for them.
      { in: prevotes(0, 'v', 'abc'), out: [], view: { round: 1, step: 'prevote', lockedRound: -1 } },
      { in: prevotes(1, 'w@1', 'ab'), out: [saysPrecommit(1, 'w@1')], view: lockedOn('w@1', 1) },
    ],
  },
  {
    name: 'a polka older than the lock cannot move a locked node, whoever repeats its value',
    steps: [
      {
        in: [start, timeout('propose', 0), ...prevotes(0, 'w', 'abc')],
        out: [timer('propose', 0), saysPrevote(0, null), timer('prevote', 0)],
      },
      { in: [...precommits(1, null, 'ab'), proposal('v@1', 1)], out: [timer('propose', 1), saysPrevote(1, 'v@1')] },
      { in: prevotes(1, 'v@1', 'ab'), out: [saysPrecommit(1, 'v@1'), timer('precommit', 1)], view: lockedOn('v@1', 1) },
      { in: timeout('precommit', 1), out: [timer('propose', 2)] },
      { in: proposal('w', 2, { validRound: 0 }), out: [saysPrevote(2, null)], view: lockedOn('v@1', 1) },
    ],
  },
  {
    name: 'a later polka from a round that this node slept through frees it from its lock',
    steps: [
      ...lockInRound0(),
      { in: precommits(4, null, 'ab'), out: [timer('propose', 4)], view: { round: 4 } },
      { in: bundle('prevote', 3, 'x@3', 'abc'), out: [] },
      { in: proposal('x@3', 4, { validRound: 3 }), out: [saysPrevote(4, 'x@3')], view: { lockedValue: 'v', lockedRound: 0 } },
      { in: prevotes(4, 'x@3', 'ab'), out: [saysPrecommit(4, 'x@3'), timer('precommit', 4)], view: lockedOn('x@3', 4) },
    ],
  },
  {
    name: 'a node that proposes repeats its valid value, not its lock',
    setup: { self: 'c' },
    steps: [
      { in: proposal('v', 0), out: [timer('propose', 0), saysPrevote(0, 'v')] },
      { in: prevotes(0, 'v', 'ab'), out: [saysPrecommit(0, 'v')], view: lockedOn('v', 0) },
      { in: [...precommits(0, null, 'ab'), timeout('precommit', 0)], out: [timer('precommit', 0), timer('propose', 1)] },
      { in: [proposal('w@1', 1), ...prevotes(1, null, 'a'), ...prevotes(1, 'w@1', 'b')], out: [saysPrevote(1, null), timer('prevote', 1)] },
      { in: timeout('prevote', 1), out: [saysPrecommit(1, null)] },
      {
        in: bundle('prevote', 1, 'w@1', 'abd'),
        out: [{ type: 'evidence', against: 'a', kind: 'prevote', round: 1 }],
        view: { lockedValue: 'v', lockedRound: 0, validValue: 'w@1', validRound: 1 },
      },
      {
        in: [...precommits(1, null, 'ab'), timeout('precommit', 1)],
        out: [
          timer('precommit', 1),
          { type: 'propose', round: 2, value: 'w@1', validRound: 1 },
          saysPrevote(2, 'w@1'),
          timer('propose', 2),
        ],
      },
    ],
  },
  {
    name: 'the valid value is set by a prevote that comes after the precommit',
    steps: [
      {
        in: [proposal('v', 0), ...prevotes(0, 'v', 'a'), ...prevotes(0, null, 'b')],
        out: [timer('propose', 0), saysPrevote(0, 'v'), timer('prevote', 0)],
      },
      { in: timeout('prevote', 0), out: [saysPrecommit(0, null)], view: { validRound: -1 } },
      { in: prevotes(0, 'v', 'c'), out: [], view: { validValue: 'v', validRound: 0, lockedRound: -1 } },
    ],
  },
  {
    name: 'the valid value is set by a proposal that comes after the precommit',
    steps: [
      {
        in: [start, timeout('propose', 0), ...prevotes(0, 'v', 'abc')],
        out: [timer('propose', 0), saysPrevote(0, null), timer('prevote', 0)],
      },
      { in: timeout('prevote', 0), out: [saysPrecommit(0, null)], view: { validRound: -1 } },
      { in: proposal('v', 0), out: [], view: { validValue: 'v', validRound: 0, lockedRound: -1 } },
    ],
  },
  {
    name: 'the value of an earlier round is decided by its precommits that come late, whatever this node is locked on',
    steps: [
      ...lockInRound0(),
      { in: [timeout('propose', 1), ...prevotes(1, null, 'ab')], out: [saysPrevote(1, null), saysPrecommit(1, null)] },
      { in: bundle('precommit', 0, 'v', 'abc'), out: [{ type: 'evidence' }, { type: 'evidence' }, decides(0, 'v')] },
    ],
  },
  {
    name: 'nil prevotes of all in a higher round take a node there, and on to precommit nil',
    steps: [
      { in: start, out: [timer('propose', 0)] },
      { in: prevotes(1, null, 'abc'), out: [timer('propose', 1)], view: { round: 1, step: 'propose' } },
      { in: timeout('propose', 1), out: [saysPrevote(1, null), saysPrecommit(1, null)] },
    ],
  },
  {
    name: 'halted at three for the value and one unseen: the late precommit decides in the next round',
    steps: [
      { in: proposal('v', 0), out: [timer('propose', 0), saysPrevote(0, 'v')] },
      { in: prevotes(0, 'v', 'ab'), out: [saysPrecommit(0, 'v')] },
      { in: [...precommits(0, null, 'a'), ...precommits(0, 'v', 'b')], out: [timer('precommit', 0)] },
      { in: timeout('precommit', 0), out: [timer('propose', 1)], view: { round: 1 } },
      { in: precommits(0, 'v', 'c'), out: [{ ...decides(0, 'v'), from: ['b', 'c', 'd'] }] },
    ],
  },
  {
    name: 'the lock that the signing guard remembers binds a node whose log lost it',
    steps: [
      { in: { type: 'lock', round: 2, value: 'v@2' }, out: [], view: { lockedValue: 'v@2', lockedRound: 2 } },
      { in: { type: 'lock', round: 1, value: 'w@1' }, out: [dropped('known')] },
      // Its turn, and nothing to propose that it would vote for.
      { in: precommits(3, null, 'ab'), out: [timer('propose', 0), timer('propose', 3)] },
      { in: precommits(4, null, 'ab'), out: [timer('propose', 4)] },
      { in: proposal('x@4', 4), out: [saysPrevote(4, null)] },
    ],
  },
]
