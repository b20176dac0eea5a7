import { combine } from 'shamir-secret-sharing'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { randomBytes } from '../../src/crypto/random.ts'
import {
  combineShares,
  isTrueShare,
  MAX_SHARES,
  type PositionedShare,
  SHARE_LENGTH,
  type SplitSecret,
  shareCommitmentsCodec,
  splitSecret,
} from '../../src/crypto/secret-sharing.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'
import { rejectsCode } from '../encoding/throws.ts'

const sharing = suite('secret sharing')

const positioned = ({ shares }: SplitSecret): PositionedShare[] => shares.map((share, position) => ({ position, share }))

function some<T>(random: SeededRandom, items: readonly T[], count: number): T[] {
  const rest = [...items]
  return Array.from({ length: count }, () => rest.splice(random.below(rest.length), 1)[0] as T)
}

sharing(
  'any threshold of the shares give the secret, in any order, and no fewer',
  property(async random => {
    for (let round = 0; round < 20; round++) {
      const shares = 2 + random.below(15)
      const threshold = 2 + random.below(shares - 1)
      const secret = randomBytes(32)
      const split = await splitSecret(secret, { shares, threshold })
      const all = positioned(split)
      assert.equal(await combineShares(some(random, all, threshold), split.commitments), secret)
      assert.equal(await combineShares(all, split.commitments), secret, 'more than are needed')
      const few = some(random, all, threshold - 1)
      await rejectsCode(combineShares(few, split.commitments), 'too-few-shares')
      await rejectsCode(combineShares([...few, ...few], split.commitments), 'too-few-shares')
    }
  }),
)

sharing('one share less leaves every value of the secret open', async () => {
  const secret = randomBytes(32)
  const { shares } = await splitSecret(secret, { shares: 3, threshold: 3 })
  const [first, second] = shares as [Uint8Array, Uint8Array]
  // At a third coordinate each value of the third share's first byte gives another first byte of the secret: none is ruled out.
  const used = new Set([first[32], second[32]])
  const coordinate = [1, 2, 3].find(x => !used.has(x)) as number
  const seen = new Set<number>()
  for (let value = 0; value < 256; value++) {
    const guess = new Uint8Array(SHARE_LENGTH)
    guess[0] = value
    guess[32] = coordinate
    seen.add((await combine([first, second, guess]))[0] as number)
  }
  assert.is(seen.size, 256)
})

sharing('shares, and splits of one secret, have nothing in common', async () => {
  const secret = randomBytes(32)
  const one = await splitSecret(secret, { shares: 5, threshold: 3 })
  const other = await splitSecret(secret, { shares: 5, threshold: 3 })
  const all = [...one.shares, ...other.shares]
  assert.is(new Set(all.map(toHex)).size, all.length)
  assert.not.ok(all.some(share => equalBytes(share.subarray(0, 32), secret)))
  const [a, b] = positioned(one) as [PositionedShare, PositionedShare]
  const c = positioned(other)[2] as PositionedShare
  const error = await rejectsCode(combineShares([a, b, c], one.commitments), 'share-false')
  assert.equal((error as unknown as { metadata: unknown }).metadata, { position: 2 })
})

sharing(
  'a false share is named, whatever bit of it was changed, and where it was moved to another position',
  property(async random => {
    const split = await splitSecret(randomBytes(32), { shares: 6, threshold: 4 })
    const all = positioned(split)
    for (let round = 0; round < 40; round++) {
      const chosen = some(random, all, 4)
      const victim = random.below(4)
      const { position, share } = chosen[victim] as PositionedShare
      const changed = Uint8Array.from(share)
      const bit = random.below(SHARE_LENGTH * 8)
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
      chosen[victim] = { position, share: changed }
      assert.not.ok(isTrueShare(chosen[victim] as PositionedShare, split.commitments))
      const error = await rejectsCode(combineShares(chosen, split.commitments), 'share-false')
      assert.equal((error as unknown as { metadata: unknown }).metadata, { position })
    }
    const [first, second] = all as [PositionedShare, PositionedShare]
    assert.not.ok(isTrueShare({ position: 1, share: first.share }, split.commitments))
    assert.not.ok(isTrueShare({ position: 6, share: first.share }, split.commitments))
    assert.not.ok(isTrueShare({ position: -1, share: first.share }, split.commitments))
    assert.not.ok(isTrueShare({ position: 1, share: second.share.subarray(1) }, split.commitments))
  }),
)

sharing('a dealer whose shares do not belong together is found out', async () => {
  const one = await splitSecret(randomBytes(32), { shares: 3, threshold: 2 })
  const other = await splitSecret(randomBytes(32), { shares: 3, threshold: 2 })
  const mixed = { ...one.commitments, secret: other.commitments.secret }
  await rejectsCode(combineShares(positioned(one), mixed), 'shares-inconsistent')
})

sharing('plans that are none are refused, and the largest one works', async () => {
  const secret = randomBytes(32)
  for (const [shares, threshold] of [
    [1, 1],
    [3, 1],
    [2, 3],
    [MAX_SHARES + 1, 2],
    [3.5, 2],
    [Number.NaN, 2],
  ] as const) {
    await rejectsCode(splitSecret(secret, { shares, threshold }), 'sharing-invalid')
  }
  await rejectsCode(splitSecret(randomBytes(31), { shares: 3, threshold: 2 }), 'sharing-invalid')
  const split = await splitSecret(Buffer.from(secret), { shares: MAX_SHARES, threshold: 200 })
  const { commitments } = split
  assert.equal(shareCommitmentsCodec.decode(shareCommitmentsCodec.encode(commitments)), commitments)
  assert.equal(await combineShares(positioned(split).slice(50), commitments), secret)
})

sharing.run()
