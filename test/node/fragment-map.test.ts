/** Who keeps which fragment, as one custodian tells it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import { type FragmentMapSources, fragmentMap } from '../../src/node/fragment-map.ts'

const test = suite('map of fragments')
const ROOT = new Uint8Array(32).fill(9)
const FOLDER = new Uint8Array(32).fill(8)
const [OWN, OTHER] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]

function sourcesOf({ isKnown = true, isPlaced = true, isWhole = true } = {}): FragmentMapSources {
  const asked: string[] = []
  return {
    account: OWN,
    submissions: { get: async () => (isKnown ? ({ folder: FOLDER } as never) : undefined) },
    holdings: {
      placed: folder => {
        asked.push(toHex(folder))
        assert.equal(asked, [toHex(FOLDER)], 'the folder of the submission is looked up')
        return isPlaced ? ({ holders: [OTHER, OWN, undefined] } as never) : undefined
      },
    },
    repair: { isWhole: async () => isWhole },
    directory: { byId: id => ({ organisation: { name: `Hospital ${id[0]}`, jurisdiction: 'KE' } }) as never },
  }
}

test('every index with its custodian; of others it is not known whether they hold theirs', async () => {
  for (const [isWhole, holds] of [
    [true, 'yes'],
    [false, 'no'],
  ] as const) {
    assert.equal(await fragmentMap(ROOT, sourcesOf({ isWhole })), [
      { index: 0, custodian: toHex(OTHER), name: 'Hospital 2', jurisdiction: 'KE', holds: 'unknown' },
      { index: 1, custodian: toHex(OWN), name: 'Hospital 1', jurisdiction: 'KE', holds },
      { index: 2, custodian: '', name: '', jurisdiction: '', holds: 'unknown' },
    ])
  }
})

test('nothing is told of what this node was never given, or what is not anchored', async () => {
  assert.is(await fragmentMap(ROOT, sourcesOf({ isKnown: false })), null)
  assert.is(await fragmentMap(ROOT, sourcesOf({ isPlaced: false })), null)
})

test.run()
