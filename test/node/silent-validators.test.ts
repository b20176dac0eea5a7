/** For how many blocks the word of a validator that it is silent is good. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import { SilentValidators, type SilentValidatorsDependencies } from '../../src/node/silent-validators.ts'
import { nodeKeys } from './cluster.ts'

const test = suite('silent validators')

/** A chain that stands at `height` with these validators, which say that they are silent through the heights in `through`. */
function world() {
  const state = { height: 10, atMs: 0, seats: [0, 1, 2, 3], through: new Map<number, number>() }
  const indexOf = new Map(Array.from({ length: 8 }, (_, index) => [toHex(nodeKeys(index).consensus.publicKey), index]))
  const dependencies = {
    chain: {
      get tip() {
        const validators = state.seats.map(index => ({ publicKey: nodeKeys(index).consensus.publicKey, power: 1 }))
        return { header: { height: state.height }, validators: { next: { validators } } }
      },
    },
    directory: { byConsensusKey: (key: Uint8Array) => ({ organisation: { networkKey: key } }) },
    peerStatus: { get: (key: Uint8Array) => ({ silentThrough: state.through.get(indexOf.get(toHex(key)) ?? -1) ?? -1 }) },
    now: () => state.atMs,
  } as unknown as SilentValidatorsDependencies
  const silent = new SilentValidators(dependencies)
  /** Blocks that are made for them from here on, of fifty at most, while liars say again and again that they are silent still. */
  const blocks = (liars: readonly number[], ahead = 3): number => {
    for (let made = 0; made < 50; made++) {
      for (const liar of liars) state.through.set(liar, state.height + ahead)
      if (!silent.awaitBlocks()) return made
      state.height++
    }
    return 50
  }
  return { state, silent, blocks }
}

test('one silence is worth three blocks, and whoever is silent again soon is not waited for', () => {
  const { state, silent } = world()
  state.through.set(3, 13)
  for (; silent.awaitBlocks(); state.height++) assert.ok(state.height < 13)
  assert.is(state.height, 13)
  state.through.set(3, 16)
  assert.is(silent.awaitBlocks(), false)
  state.atMs = 600_000
  assert.is(silent.awaitBlocks(), true)
})

test('who says a greater height with each block gets one', () => {
  assert.is(world().blocks([3]), 1)
  assert.is(world().blocks([3], 4), 0)
})

test('a change of validators makes no silence count anew', () => {
  const { state, blocks } = world()
  // All four have had theirs, and a fifth in the place of the first.
  assert.is(blocks([0, 1, 2, 3]), 4)
  for (const liar of [1, 2, 3]) state.through.set(liar, -1)
  state.seats = [4, 1, 2, 3]
  blocks([4])
  blocks([4])
  assert.is(blocks([1, 2, 3]), 0)
})

test.run()
