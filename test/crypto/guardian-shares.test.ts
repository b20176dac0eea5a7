import { combine } from 'shamir-secret-sharing'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { combineShares, type GuardianShare, MAX_GUARDIANS, SHARE_LENGTH, splitSecret } from '../../src/crypto/guardian-shares.ts'
import { openRecoveryBox, sealRecoveryBox } from '../../src/crypto/recovery-box.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { property } from '../encoding/seeded.ts'
import { throwsCode } from '../encoding/throws.ts'

const test = suite('guardian shares')

async function failure(run: Promise<unknown>): Promise<EpioneError> {
  try {
    await run
  } catch (error) {
    if (error instanceof EpioneError) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** All subsets of 0..count-1, as lists of positions. */
function subsets(count: number): number[][] {
  return Array.from({ length: 2 ** count }, (_, bits) => Array.from({ length: count }, (_, i) => i).filter(i => (bits >> i) & 1))
}

const changed = (share: GuardianShare, at: number): GuardianShare => {
  const bytes = share.share.slice()
  bytes[at] = (bytes[at] as number) ^ 1
  return { ...share, share: bytes }
}

test('every set of enough shares gives the secret, every smaller one nothing', async () => {
  for (const [threshold, count] of [
    [2, 2],
    [2, 3],
    [3, 5],
    [5, 5],
  ] as const) {
    const secret = crypto.getRandomValues(new Uint8Array(32))
    const shares = await splitSecret(secret, { threshold, count })
    assert.equal([shares.length, ...new Set(shares.map(({ share }) => share.length))], [count, SHARE_LENGTH])
    for (const chosen of subsets(count)) {
      const given = chosen.map(i => shares[i] as GuardianShare)
      if (chosen.length >= threshold) assert.equal(await combineShares(given.reverse()), { secret, rejected: [] })
      else assert.is((await failure(combineShares(given))).code, 'too-few-shares')
    }
  }
})

test('one share less than needed leaves every secret as likely as any other', async () => {
  const [first, second] = (await splitSecret(new Uint8Array(32).fill(7), { threshold: 2, count: 2 })) as [GuardianShare, GuardianShare]
  // With the first share fixed, each value that the second may have gives another secret: the first alone rules none out.
  const found = new Set<number>()
  for (let value = 0; value < 256; value++) {
    const other = second.share.slice()
    other[0] = value
    const secret = await combine([first.share, other])
    found.add(secret[0] as number)
    assert.equal(secret.slice(1), new Uint8Array(31).fill(7))
  }
  assert.is(found.size, 256)
})

test('a false share is named, wherever it was changed, and spoils nothing', async () => {
  const secret = new Uint8Array(32).fill(9)
  const shares = await splitSecret(secret, { threshold: 3, count: 5 })
  for (let at = 0; at < SHARE_LENGTH; at++) {
    const given = shares.with(1, changed(shares[1] as GuardianShare, at))
    assert.equal(await combineShares(given), { secret, rejected: [1] })
  }
  const two = [shares[0], changed(shares[1] as GuardianShare, 3), shares[4]] as GuardianShare[]
  const error = await failure(combineShares(two))
  assert.equal([error.code, error.metadata], ['too-few-shares', { held: 2, needed: 3, rejected: '2' }])
})

test('a guardian that makes its own list of checks is named, too, and so are fewer than enough of them together', async () => {
  const secret = new Uint8Array(32).fill(3)
  const shares = await splitSecret(secret, { threshold: 3, count: 5 })
  const forged = await splitSecret(new Uint8Array(32).fill(66), { threshold: 3, count: 5 })
  const mixed = [forged[0], shares[1], forged[2], shares[3], shares[4]] as GuardianShare[]
  assert.equal(await combineShares(mixed), { secret, rejected: [0, 2] })
  // A lower threshold in a share's own list does not let fewer count.
  const [a, b] = shares as [GuardianShare, GuardianShare]
  const lowered = [a, b].map(share => ({ ...share, set: { ...share.set, threshold: 2 } }))
  assert.is((await failure(combineShares(lowered))).code, 'too-few-shares')
  assert.is((await failure(combineShares([]))).code, 'too-few-shares')
  assert.is((await failure(combineShares([{ ...a, set: { ...a.set, checks: [] } }]))).code, 'too-few-shares')
})

test('the same share twice counts once; a share under another number is false', async () => {
  const shares = await splitSecret(new Uint8Array(32).fill(1), { threshold: 2, count: 3 })
  const first = shares[0] as GuardianShare
  assert.is((await failure(combineShares([first, first]))).code, 'too-few-shares')
  const error = await failure(combineShares([first, { ...first, number: 2 }]))
  assert.is(error.metadata.rejected, '2')
})

test('who shares among too few, too many, or for one to open, is told', async () => {
  const bad = [
    { threshold: 1, count: 3 },
    { threshold: 4, count: 3 },
    { threshold: 2, count: MAX_GUARDIANS + 1 },
    { threshold: 2.5, count: 3 },
  ]
  for (const input of bad) assert.is((await failure(splitSecret(new Uint8Array(32), input))).code, 'threshold-invalid')
  assert.is(errorCode(await failure(splitSecret(new Uint8Array(31), { threshold: 2, count: 2 }))), 'seed-length')
})

test('two sharings of one secret have nothing in common', async () => {
  const secret = new Uint8Array(32).fill(5)
  const all = [...(await splitSecret(secret, { threshold: 2, count: 4 })), ...(await splitSecret(secret, { threshold: 2, count: 4 }))]
  const hashes = all.flatMap(({ set, share }) => [toHex(share), toHex(set.secretCheck), toHex(set.id)])
  assert.is(new Set(hashes).size, 8 + 2 + 2)
})

test(
  'the recovery box opens with its seed alone',
  property(random => {
    const seed = random.bytes(32)
    const content = random.bytes(100)
    const box = sealRecoveryBox(seed, content)
    assert.equal(openRecoveryBox(seed, box), content)
    assert.not.equal(sealRecoveryBox(seed, content), box)
    throwsCode(() => openRecoveryBox(random.bytes(32), box), 'unsealing-failed')
    throwsCode(() => openRecoveryBox(seed, box.slice(0, -1)), 'unsealing-failed')
    throwsCode(() => openRecoveryBox(seed, new Uint8Array(3)), 'unsealing-failed')
  }),
)

test.run()
