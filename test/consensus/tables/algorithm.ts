/** Every clause of Algorithm 1 of arXiv:1807.04938, over the public entry. */
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

export const algorithm: readonly Scenario[] = [
  {
    name: 'lines 11-21: who does not propose waits for the proposal',
    steps: [
      { in: start, out: [{ ...timer('propose', 0), ms: 1000 }], view: { round: 0, step: 'propose', proposer: 'a' } },
      { in: start, out: [dropped('known')] },
    ],
  },
  {
    name: 'lines 14-19: the proposer asks for a fresh value, proposes it and prevotes it',
    setup: { self: 'a' },
    steps: [
      { in: start, out: [{ type: 'get-value', round: 0 }, timer('propose', 0)] },
      {
        in: { type: 'value', round: 0, value: 'v', batches: ['x', 'y'] },
        out: [{ type: 'propose', round: 0, value: 'v', validRound: -1, batches: ['x', 'y'] }, saysPrevote(0, 'v')],
        view: { step: 'prevote' },
      },
    ],
  },
  {
    name: 'line 18: a value that comes after timeoutPropose is not proposed',
    setup: { self: 'a' },
    steps: [
      { in: start, out: [{ type: 'get-value' }, timer('propose', 0)] },
      { in: timeout('propose', 0), out: [saysPrevote(0, null)] },
      { in: { type: 'value', round: 0, value: 'v' }, out: [dropped('known')] },
    ],
  },
  {
    name: 'lines 15-16: the proposer of a later round repeats the valid value with its round',
    setup: { self: 'b' },
    steps: [
      { in: proposal('v', 0), out: [timer('propose', 0), saysPrevote(0, 'v')] },
      { in: prevotes(0, 'v', 'ac'), out: [saysPrecommit(0, 'v')] },
      { in: precommits(0, null, 'ac'), out: [timer('precommit', 0)] },
      {
        in: timeout('precommit', 0),
        out: [{ type: 'propose', round: 1, value: 'v', validRound: 0 }, saysPrevote(1, 'v'), timer('propose', 1)],
      },
    ],
  },
  {
    name: 'lines 22-24: a valid value is prevoted where there is no lock',
    steps: [{ in: proposal('v', 0), out: [timer('propose', 0), saysPrevote(0, 'v')], view: { step: 'prevote', lockedRound: -1 } }],
  },
  {
    name: 'lines 25-26: an invalid value gets nil',
    steps: [{ in: proposal('v', 0, { valid: false }), out: [timer('propose', 0), saysPrevote(0, null)] }],
  },
  {
    name: 'line 22: a verdict that is not there yet leaves step and timer; it may come after the timeout and make line 36 hold',
    steps: [
      { in: proposal('v', 0, { valid: 'ask' }), out: [timer('propose', 0), { type: 'validate', value: 'v' }] },
      { in: prevotes(0, 'v', 'abc'), out: [], view: { step: 'propose' } },
      { in: timeout('propose', 0), out: [saysPrevote(0, null), timer('prevote', 0)] },
      { in: { type: 'verdict', value: 'v', valid: true }, out: [saysPrecommit(0, 'v')], view: lockedOn('v', 0) },
    ],
  },
  {
    name: 'line 22: an untimely fresh value gets nil, without asking the application',
    steps: [
      { in: proposal('v', 0, { timely: false, valid: 'ask' }), out: [timer('propose', 0), saysPrevote(0, null), { type: 'validate' }] },
    ],
  },
  {
    name: 'line 22: a value that another proposer made is not fresh',
    steps: [
      { in: [start, ...precommits(1, null, 'ab')], out: [timer('propose', 0), timer('propose', 1)] },
      { in: proposal('v@0', 1), out: [saysPrevote(1, null)] },
    ],
  },
  {
    name: 'line 22: only the proposer of the round proposes',
    steps: [{ in: proposal('v', 0, { from: 'b' }), out: [dropped('wrong-proposer')], view: { step: 'idle' } }],
  },
  {
    name: 'line 23: locked on another value, a fresh one gets nil',
    steps: [...lockInRound0(), { in: proposal('w@1', 1), out: [saysPrevote(1, null)], view: lockedOn('v', 0) }],
  },
  {
    name: 'lines 28-30: a repeated value with its polka is prevoted',
    steps: [
      { in: [start, ...prevotes(0, 'v', 'abc')], out: [timer('propose', 0)] },
      { in: precommits(1, null, 'ab'), out: [timer('propose', 1)] },
      { in: proposal('v', 1, { validRound: 0 }), out: [saysPrevote(1, 'v')] },
    ],
  },
  {
    name: 'line 28: a missing polka is no reason to act; the timer runs, and the value is prevoted when the polka comes',
    steps: [
      { in: [start, ...precommits(2, null, 'ab')], out: [timer('propose', 0), timer('propose', 2)] },
      { in: proposal('v', 2, { validRound: 1 }), out: [], view: { step: 'propose' } },
      { in: bundle('prevote', 1, 'v', 'abc'), out: [saysPrevote(2, 'v')] },
    ],
  },
  {
    name: 'line 28: a polka that never comes costs timeoutPropose',
    steps: [
      { in: [start, ...precommits(2, null, 'ab')], out: [timer('propose', 0), timer('propose', 2)] },
      { in: proposal('v', 2, { validRound: 1 }), out: [] },
      { in: timeout('propose', 2), out: [saysPrevote(2, null)] },
    ],
  },
  {
    name: 'line 29: a polka later than the lock permits another value',
    steps: [
      ...lockInRound0(),
      { in: [timeout('propose', 1), ...prevotes(1, 'w@1', 'abc')], out: [saysPrevote(1, null), timer('prevote', 1)] },
      { in: precommits(2, null, 'ab'), out: [timer('propose', 2)] },
      { in: proposal('w@1', 2, { validRound: 1 }), out: [saysPrevote(2, 'w@1')], view: { lockedValue: 'v', lockedRound: 0 } },
    ],
  },
  {
    name: 'line 29: a polka of the very round of the lock permits another value',
    steps: [
      ...lockInRound0(),
      {
        in: bundle('prevote', 0, 'w', 'abc'),
        out: [
          { type: 'evidence', against: 'a' },
          { type: 'evidence', against: 'b' },
        ],
      },
      { in: proposal('w', 1, { validRound: 0 }), out: [saysPrevote(1, 'w')] },
    ],
  },
  {
    name: 'lines 31-32: locked in a later round than the polka, nil',
    steps: [
      { in: [start, ...prevotes(0, 'w', 'abc')], out: [timer('propose', 0)] },
      { in: [...precommits(1, null, 'ab'), proposal('v@1', 1)], out: [timer('propose', 1), saysPrevote(1, 'v@1')] },
      { in: prevotes(1, 'v@1', 'ab'), out: [saysPrecommit(1, 'v@1'), timer('precommit', 1)] },
      { in: precommits(2, null, 'ab'), out: [timer('propose', 2)] },
      { in: proposal('w', 2, { validRound: 0 }), out: [saysPrevote(2, null)], view: lockedOn('v@1', 1) },
    ],
  },
  {
    name: 'line 29: locked in a later round on this very value, it is prevoted',
    steps: [
      { in: [start, ...prevotes(0, 'v', 'abc')], out: [timer('propose', 0)] },
      { in: [...precommits(1, null, 'ab'), proposal('v', 1, { validRound: 0 })], out: [timer('propose', 1), saysPrevote(1, 'v')] },
      { in: prevotes(1, 'v', 'ab'), out: [saysPrecommit(1, 'v'), timer('precommit', 1)] },
      { in: precommits(2, null, 'ab'), out: [timer('propose', 2)] },
      { in: proposal('v', 2, { validRound: 0 }), out: [saysPrevote(2, 'v')] },
    ],
  },
  {
    name: 'lines 34-35: a quorum of any prevotes starts timeoutPrevote, once and in step prevote alone',
    steps: [
      { in: proposal('v', 0), out: [timer('propose', 0), saysPrevote(0, 'v')] },
      { in: prevotes(0, null, 'a'), out: [] },
      { in: prevotes(0, 'w', 'b'), out: [{ ...timer('prevote', 0), ms: 500 }] },
      { in: prevotes(0, null, 'c'), out: [] },
    ],
  },
  {
    name: 'lines 36-43: a polka in step prevote locks and precommits',
    steps: [
      { in: proposal('v', 0), out: [timer('propose', 0), saysPrevote(0, 'v')] },
      { in: prevotes(0, 'v', 'ab'), out: [saysPrecommit(0, 'v')], view: { step: 'precommit', ...lockedOn('v', 0) } },
    ],
  },
  {
    name: 'lines 42-43: a polka in step precommit sets the valid value and no lock',
    steps: [
      {
        in: [proposal('v', 0), ...prevotes(0, null, 'a'), ...prevotes(0, 'v', 'b')],
        out: [timer('propose', 0), saysPrevote(0, 'v'), timer('prevote', 0)],
      },
      { in: timeout('prevote', 0), out: [saysPrecommit(0, null)] },
      { in: prevotes(0, 'v', 'c'), out: [], view: { validValue: 'v', validRound: 0, lockedValue: null, lockedRound: -1 } },
    ],
  },
  {
    name: 'line 36: votes that come before the proposal are kept and count when it comes',
    steps: [
      { in: prevotes(0, 'v', 'abc'), out: [timer('propose', 0)] },
      { in: proposal('v', 0), out: [saysPrevote(0, 'v'), saysPrecommit(0, 'v')] },
    ],
  },
  {
    name: 'lines 44-46: a polka for nil precommits nil, and the lock stays',
    steps: [
      ...lockInRound0(),
      { in: timeout('propose', 1), out: [saysPrevote(1, null)] },
      { in: prevotes(1, null, 'ab'), out: [saysPrecommit(1, null)], view: lockedOn('v', 0) },
    ],
  },
  {
    name: 'lines 47-48: a quorum of any precommits starts timeoutPrecommit, in any step and once',
    steps: [
      { in: start, out: [timer('propose', 0)] },
      {
        in: [...precommits(0, null, 'a'), ...precommits(0, 'v', 'b'), ...precommits(0, 'w', 'c')],
        out: [timer('precommit', 0)],
        view: { step: 'propose' },
      },
    ],
  },
  {
    name: 'lines 49-54: decide in the present round, without a vote of its own',
    steps: [
      { in: [start, ...precommits(0, 'v', 'abc')], out: [timer('propose', 0), timer('precommit', 0)] },
      { in: proposal('v', 0), out: [{ ...decides(0, 'v'), from: ['a', 'b', 'c'] }], view: { step: 'decided' } },
      { in: prevotes(0, 'v', 'a'), out: [dropped('known')] },
    ],
  },
  {
    name: 'line 49: decide for an earlier round than the present one',
    steps: [
      {
        in: [start, timeout('propose', 0), ...precommits(1, null, 'ab')],
        out: [timer('propose', 0), saysPrevote(0, null), timer('propose', 1)],
      },
      { in: precommits(0, 'v', 'abc'), out: [] },
      { in: proposal('v', 0), out: [decides(0, 'v')] },
    ],
  },
  {
    name: 'line 49: decide for a later round than the present one, with the proposal of that round',
    steps: [
      { in: start, out: [timer('propose', 0)] },
      { in: proposal('v@2', 2, { valid: 'ask' }), out: [] },
      { in: bundle('precommit', 2, 'v@2', 'abc'), out: [timer('propose', 2), timer('precommit', 2), { type: 'validate', value: 'v@2' }] },
      { in: { type: 'verdict', value: 'v@2', valid: true }, out: [decides(2, 'v@2')] },
    ],
  },
  {
    name: 'line 49: an invalid value is not decided; the node looks again at the rebroadcast',
    show: ['log'],
    steps: [
      { in: proposal('v', 0, { valid: 'ask' }), out: [timer('propose', 0), { type: 'validate' }] },
      { in: { type: 'verdict', value: 'v', valid: false }, out: [saysPrevote(0, null)] },
      { in: precommits(0, 'v', 'abc'), out: [timer('precommit', 0), { type: 'log', event: 'verdict-against-quorum' }] },
      { in: timeout('rebroadcast', 0), out: [{ type: 'validate', value: 'v' }] },
      { in: { type: 'verdict', value: 'v', valid: true }, out: [{ type: 'log', event: 'decided' }, decides(0, 'v')] },
    ],
  },
  {
    name: 'line 49: a certificate decides once the value is there, and asks for it until then',
    steps: [
      { in: { type: 'certificate', round: 3, value: 'v', from: ['a', 'b', 'c'] }, out: [{ type: 'behind', height: 1 }] },
      { in: proposal('v', 0), out: [timer('propose', 0), { ...decides(3, 'v'), from: ['a', 'b', 'c'] }] },
    ],
  },
  {
    name: 'lines 55-56: f + 1 senders of any message; straight to their round and its proposer',
    steps: [
      { in: [start, ...prevotes(7, null, 'a'), ...precommits(7, null, 'a')], out: [timer('propose', 0)], view: { round: 0 } },
      { in: prevotes(7, null, 'b'), out: [{ type: 'get-value', round: 7 }, timer('propose', 7)], view: { round: 7, proposer: 'd' } },
    ],
  },
  {
    name: 'lines 55-56: a proposal counts as a message of its round',
    steps: [
      { in: [start, proposal('w@2', 2)], out: [timer('propose', 0)] },
      { in: prevotes(2, null, 'a'), out: [timer('propose', 2), saysPrevote(2, 'w@2')] },
    ],
  },
  {
    name: 'lines 57-60: timeoutPropose prevotes nil, in its round and step alone',
    steps: [
      { in: [start, timeout('propose', 1)], out: [timer('propose', 0), dropped('known')] },
      { in: timeout('propose', 0), out: [saysPrevote(0, null)] },
      { in: timeout('propose', 0), out: [] },
    ],
  },
  {
    name: 'lines 61-64: timeoutPrevote precommits nil',
    steps: [
      {
        in: [proposal('v', 0), ...prevotes(0, null, 'a'), ...prevotes(0, 'w', 'b')],
        out: [timer('propose', 0), saysPrevote(0, 'v'), timer('prevote', 0)],
      },
      { in: timeout('prevote', 0), out: [saysPrecommit(0, null)], view: { step: 'precommit', lockedRound: -1 } },
      { in: timeout('prevote', 0), out: [] },
    ],
  },
  {
    name: 'lines 65-67: timeoutPrecommit starts the next round, whose timers are longer',
    steps: [
      { in: [start, ...precommits(0, null, 'abc')], out: [timer('propose', 0), timer('precommit', 0)] },
      { in: timeout('precommit', 0), out: [{ ...timer('propose', 1), ms: 1250 }], view: { round: 1, step: 'propose' } },
      { in: timeout('precommit', 0), out: [dropped('known')] },
    ],
  },
]
