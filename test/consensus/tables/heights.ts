/** Heights, weights, skips, equivocation, certificates and bounds, over the public entry. */
import {
  bundle,
  decides,
  dropped,
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

const decideV = [proposal('v', 0), ...prevotes(0, 'v', 'ab'), ...precommits(0, 'v', 'ab')]
const HEAVY = { validators: [{ name: 'a', power: 5 }, { name: 'b' }, { name: 'c' }, { name: 'd' }], self: 'd' }

export const heights: readonly Scenario[] = [
  {
    name: 'one height after another: decide, enter, idle again, and the next proposer',
    steps: [
      {
        in: decideV,
        out: [timer('propose', 0), saysPrevote(0, 'v'), saysPrecommit(0, 'v'), { ...decides(0, 'v'), from: ['a', 'b', 'd'] }],
      },
      { in: { type: 'enter' }, out: [], view: { height: 2, round: -1, step: 'idle', proposer: 'b', lockedRound: -1 } },
      { in: proposal('v', 0, { from: 'a' }), out: [dropped('wrong-proposer')] },
      { in: proposal('v', 0), out: [timer('propose', 0), saysPrevote(0, 'v')] },
    ],
  },
  {
    name: 'an idle height runs no timer; work, a proposal or a vote starts it',
    steps: [
      { in: timeout('propose', 0), out: [dropped('known')], view: { step: 'idle' } },
      { in: prevotes(0, null, 'a'), out: [timer('propose', 0)], view: { round: 0 } },
    ],
  },
  {
    name: 'messages of later heights are kept, and handled when their height comes',
    steps: [
      {
        in: [...prevotes(0, 'w', 'b').map(vote => ({ ...vote, height: 2 })), proposal('w', 0, { height: 2 })],
        out: [
          { type: 'kept', height: 2 },
          { type: 'kept', height: 2 },
        ],
      },
      { in: prevotes(0, 'w', 'b').map(vote => ({ ...vote, height: 12 })), out: [dropped('beyond-bounds')] },
      { in: decideV, out: [timer('propose', 0), saysPrevote(0, 'v'), saysPrecommit(0, 'v'), decides(0, 'v')] },
      { in: { type: 'enter' }, out: [{ type: 'redeliver', messages: 2 }, timer('propose', 0), saysPrevote(0, 'w')] },
    ],
  },
  {
    name: 'what belongs to a height that is over is dropped',
    steps: [
      {
        in: [{ type: 'enter' }, ...prevotes(0, 'v', 'a').map(vote => ({ ...vote, height: 1 })), { type: 'enter', height: 1 }],
        out: [dropped('old'), dropped('old')],
      },
    ],
  },
  {
    name: 'synchronisation may jump several heights',
    steps: [{ in: { type: 'enter', height: 9 }, out: [], view: { height: 10, proposer: 'b' } }],
  },
  {
    name: 'a validator that is removed follows on without a word; one that is added speaks',
    steps: [
      { in: { type: 'enter', validators: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] }, out: [] },
      {
        in: [proposal('v', 0), ...prevotes(0, 'v', 'abc'), ...precommits(0, 'v', 'abc')],
        out: [timer('propose', 0), timer('precommit', 0), decides(0, 'v')].filter((_, i) => i !== 1),
      },
      { in: prevotes(0, 'v', 'd'), out: [dropped('known')] },
      { in: { type: 'enter', validators: [{ name: 'd' }] }, out: [], view: { height: 3, proposer: 'd' } },
      { in: start, out: [{ type: 'get-value', round: 0 }, timer('propose', 0)] },
      {
        in: { type: 'value', round: 0, value: 'x' },
        out: [{ type: 'propose', value: 'x' }, saysPrevote(0, 'x'), saysPrecommit(0, 'x'), decides(0, 'x')],
      },
    ],
  },
  {
    name: 'a vote of somebody who is no validator is dropped and its sender named',
    steps: [{ in: prevotes(0, 'v', 'x'), out: [dropped('unknown-validator')], view: { step: 'idle' } }],
  },
  {
    name: 'weights count, not heads: three light validators are no quorum, a heavy and a light one are',
    setup: HEAVY,
    steps: [
      { in: [start, proposal('v', 0), ...prevotes(0, 'v', 'bc')], out: [timer('propose', 0), saysPrevote(0, 'v')] },
      { in: prevotes(0, 'v', 'a'), out: [saysPrecommit(0, 'v')] },
      { in: precommits(0, 'v', 'a'), out: [{ ...decides(0, 'v'), from: ['a', 'd'] }] },
    ],
  },
  {
    name: 'exactly two thirds of the weight are no quorum',
    setup: {
      validators: [
        { name: 'a', power: 2 },
        { name: 'b', power: 2 },
        { name: 'd', power: 2 },
      ],
      self: 'd',
    },
    steps: [
      { in: [proposal('v', 0), ...prevotes(0, 'v', 'a')], out: [timer('propose', 0), saysPrevote(0, 'v')], view: { step: 'prevote' } },
      { in: prevotes(0, 'v', 'b'), out: [saysPrecommit(0, 'v')] },
    ],
  },
  {
    name: 'exactly a third of the weight skips no round; a little more does',
    setup: {
      validators: [
        { name: 'a', power: 2 },
        { name: 'b', power: 2 },
        { name: 'd', power: 2 },
      ],
      self: 'd',
    },
    steps: [
      { in: [start, ...prevotes(5, null, 'a')], out: [timer('propose', 0)], view: { round: 0 } },
      { in: prevotes(5, null, 'b'), view: { round: 5 } },
    ],
  },
  {
    name: 'a heavy validator alone skips rounds',
    setup: HEAVY,
    steps: [{ in: [start, ...prevotes(6, null, 'a')], view: { round: 6 } }],
  },
  {
    name: 'the weighted rotation gives each its share of a period',
    setup: {
      validators: [
        { name: 'a', power: 3 },
        { name: 'b', power: 1 },
      ],
      self: null,
    },
    steps: [
      { in: { type: 'enter', height: 3 }, view: { proposer: 'a' } },
      { in: { type: 'enter', height: 4 }, view: { proposer: 'a' } },
      { in: { type: 'enter', height: 5 }, view: { proposer: 'a' } },
      { in: { type: 'enter', height: 6 }, view: { proposer: 'b' } },
      { in: { type: 'enter', height: 7 }, view: { proposer: 'a' } },
    ],
  },
  {
    name: 'two votes of one voter: the first counts, the second is evidence, once',
    steps: [
      { in: [proposal('v', 0), ...prevotes(0, 'w', 'a')], out: [timer('propose', 0), saysPrevote(0, 'v')] },
      { in: prevotes(0, 'v', 'a'), out: [{ type: 'evidence', against: 'a', kind: 'prevote', height: 1, round: 0 }] },
      { in: prevotes(0, null, 'a'), out: [dropped('known')] },
      { in: prevotes(0, 'v', 'b'), out: [timer('prevote', 0)], view: { step: 'prevote' } },
    ],
  },
  {
    name: 'two proposals of one proposer: the first counts, the second is evidence, once',
    steps: [
      { in: proposal('v', 0), out: [timer('propose', 0), saysPrevote(0, 'v')] },
      { in: proposal('w', 0), out: [{ type: 'evidence', against: 'a', kind: 'proposal', height: 1, round: 0 }] },
      { in: proposal('x', 0), out: [dropped('known')] },
      { in: proposal('v', 0), out: [dropped('known')] },
    ],
  },
  {
    name: 'one header with two lists of batches is two proposals, and a wrong list does not spoil the header',
    steps: [
      { in: proposal('v', 0, { batches: ['wrong'], valid: false }), out: [timer('propose', 0), saysPrevote(0, null)] },
      { in: proposal('v', 0, { batches: ['right'] }), out: [{ type: 'evidence', against: 'a', kind: 'proposal', values: ['v', 'v'] }] },
      { in: [...prevotes(0, 'v', 'abc'), ...precommits(1, null, 'ab')], out: [timer('prevote', 0), timer('propose', 1)] },
      { in: proposal('v', 1, { batches: ['right'], validRound: 0 }), out: [saysPrevote(1, 'v')] },
    ],
  },
  {
    name: 'a whole polka counts against the first vote of its equivocating signer',
    steps: [
      {
        in: [proposal('v', 0), ...prevotes(0, 'w', 'c'), ...prevotes(0, 'v', 'a')],
        out: [timer('propose', 0), saysPrevote(0, 'v'), timer('prevote', 0)],
      },
      { in: bundle('prevote', 0, 'v', 'acd'), out: [{ type: 'evidence', against: 'c' }, saysPrecommit(0, 'v')] },
    ],
  },
  {
    name: 'decision and round skip in one message: the decision wins',
    steps: [
      {
        in: [proposal('v', 0), ...prevotes(0, 'v', 'ab'), ...precommits(0, 'v', 'a')],
        out: [timer('propose', 0), saysPrevote(0, 'v'), saysPrecommit(0, 'v')],
      },
      {
        in: {
          type: 'votes',
          votes: [
            { kind: 'precommit', round: 0, value: 'v', from: 'b' },
            { kind: 'prevote', round: 3, value: null, from: 'a' },
            { kind: 'prevote', round: 3, value: null, from: 'b' },
          ],
        },
        out: [decides(0, 'v')],
        view: { round: 0 },
      },
    ],
  },
  {
    name: 'the rebroadcast says again what a peer may lack, and runs on',
    show: ['broadcast', 'rebroadcast'],
    setup: { self: 'c' },
    steps: [
      { in: proposal('v', 0) },
      { in: prevotes(0, 'v', 'ab') },
      {
        in: timeout('rebroadcast', 0),
        out: [
          { type: 'broadcast', message: { type: 'proposal', height: 1, round: 0, value: 'v', validRound: -1, from: 'a', batches: [] } },
          {
            type: 'broadcast',
            message: {
              type: 'votes',
              height: 1,
              by: 'c',
              votes: [
                { kind: 'prevote', round: 0, value: 'v', from: 'c' },
                { kind: 'prevote', round: 0, value: 'v', from: 'a' },
                { kind: 'prevote', round: 0, value: 'v', from: 'b' },
                { kind: 'precommit', round: 0, value: 'v', from: 'c' },
              ],
            },
          },
          { type: 'schedule', kind: 'rebroadcast', round: 0, ms: 2000 },
        ],
      },
    ],
  },
  {
    name: 'without a signer nothing is said again, and the votes come back as inputs',
    setup: { sign: false },
    steps: [
      { in: proposal('v', 0), out: [timer('propose', 0), saysPrevote(0, 'v')] },
      { in: prevotes(0, 'v', 'ab'), out: [], view: { step: 'prevote' } },
      { in: prevotes(0, 'v', 'd'), out: [saysPrecommit(0, 'v')] },
    ],
  },
  {
    name: 'a follower decides and never speaks',
    setup: { self: null },
    steps: [
      { in: start, out: [dropped('known')] },
      { in: [proposal('v', 0), ...prevotes(0, 'v', 'abc')], out: [timer('propose', 0)] },
      { in: precommits(0, 'v', 'abc'), out: [decides(0, 'v')] },
    ],
  },
  {
    name: 'a verdict that nobody needs any more is given back',
    steps: [
      { in: proposal('v', 0, { valid: 'ask' }), out: [timer('propose', 0), { type: 'validate', value: 'v' }] },
      { in: precommits(5, null, 'ab'), out: [timer('propose', 5), { type: 'abandon', value: 'v' }] },
      { in: { type: 'verdict', value: 'v', valid: true }, out: [dropped('known')] },
    ],
  },
]
