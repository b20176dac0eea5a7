import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  generateSigningSeed,
  isAdmissiblePublicKey,
  signingKeyFromSeed,
  verifySignature,
  verifySignatureAsync,
} from '../../src/crypto/signature.ts'
import { concat, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { hex } from '../encoding/hex.ts'
import { property } from '../encoding/seeded.ts'
import { throwsCode } from '../encoding/throws.ts'
import { fromLittleEndian, hashToInteger, L, littleEndian, P, satisfiesEquation, scalarOf } from './edwards.ts'

const signature = suite('signature')

/** Both entrances give one verdict. */
async function verdict(publicKey: Uint8Array, message: Uint8Array, signed: Uint8Array): Promise<boolean> {
  const sync = verifySignature(publicKey, message, signed)
  assert.is(await verifySignatureAsync(publicKey, message, signed), sync, 'sync and async must agree')
  return sync
}

/** The eight points of small order in their canonical encodings, then all other encodings of them. */
const ORDER_8 = [
  hex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'),
  hex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'),
]
const SMALL_ORDER = [littleEndian(0n), littleEndian(1n), littleEndian(P - 1n), ...ORDER_8, littleEndian(P), littleEndian(P + 1n)].flatMap(
  point => {
    const negative = point.slice()
    negative[31] = (negative[31] as number) | 128
    return [point, negative]
  },
)

signature('signs and verifies as RFC 8032 section 7.1', async () => {
  const cases = [
    [
      '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      '',
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ],
    [
      '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      '72',
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    ],
  ] as const
  for (const [seed, publicKey, message, signed] of cases) {
    const key = signingKeyFromSeed(hex(seed))
    assert.is(toHex(key.publicKey), publicKey)
    assert.is(toHex(key.sign(hex(message))), signed)
    assert.ok(await verdict(hex(publicKey), hex(message), hex(signed)))
  }
})

/**
 * The twelve cases of Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs" (2020), table 5. Under the stated rule
 * only case 3 (mixed-order A and R that satisfy the cofactorless equation) is valid.
 */
const SPECCHECK: readonly [string, string, string][] = [
  [
    '8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a0000000000000000000000000000000000000000000000000000000000000000',
  ],
  [
    '9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04',
  ],
  [
    'aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab',
    'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e',
  ],
  [
    '9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79',
    'cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d',
    '9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009',
  ],
  [
    'e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c',
    'cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d',
    '160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09',
  ],
  [
    'e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c',
    'cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d',
    '21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405',
  ],
  [
    '85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40',
    '442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623',
    'e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514',
  ],
  [
    '85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40',
    '442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623',
    '8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22',
  ],
  [
    'fdaebc429f4a735932a160da1301080c13280eea8bc280d1b392c6b9e6ba3a5a',
    'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f454d370c8d9fc323a41450f8d513eafeb5b0697390c1e505a0d4ddc71f566607',
  ],
  [
    '84b698d39be126ff55fe45079e6c8bf64a0d7db6994560b4e96b7021eb39c1a1',
    'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f084d5b99c2a9463d9c8bd5026916996984eeec87ddf1d3be329006ace1b37b09',
  ],
  [
    'e96b7021eb39c1a163b6da4e3093dcd3f21387da4cc4572be588fafae23c155b',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dca5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04',
  ],
  [
    '39a591f5321bbe07fd5a23dc2f39d025d74526615746727ceefd6e82ae65c06f',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dca5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04',
  ],
]

signature('gives the one stated verdict on each of the published edge cases', async () => {
  const accepted: number[] = []
  for (const [i, [message, publicKey, signed]] of SPECCHECK.entries()) {
    if (await verdict(hex(publicKey), hex(message), hex(signed))) accepted.push(i)
  }
  assert.equal(accepted, [3])
  const satisfied = SPECCHECK.flatMap(([message, publicKey, signed], i) =>
    satisfiesEquation(hex(publicKey), hex(message), hex(signed)) ? [i] : [],
  )
  assert.equal(satisfied, [0, 1, 2, 3, 6, 7, 9, 10], 'the other cases that a verifier without the byte checks would let pass')
})

signature('no encoding of a small-order point is a public key', async () => {
  // With A of order 1, [S]B = R holds for every message: R = [a]B is a public key, S its scalar.
  const seed = generateSigningSeed()
  const forged = concat(signingKeyFromSeed(seed).publicKey, littleEndian(scalarOf(seed) % L))
  assert.ok(satisfiesEquation(littleEndian(1n), utf8('anything'), forged))
  assert.ok(satisfiesEquation(littleEndian(1n), utf8('anything else'), forged))
  for (const point of SMALL_ORDER) {
    assert.not(isAdmissiblePublicKey(point), toHex(point))
    for (const message of ['anything', 'anything else']) assert.not(await verdict(point, utf8(message), forged), toHex(point))
  }
})

signature('no encoding of a small-order point is the R of a signature', async () => {
  const seed = generateSigningSeed()
  const { publicKey } = signingKeyFromSeed(seed)
  let satisfied = 0
  for (const point of SMALL_ORDER) {
    // R contributes nothing or a torsion point: with S = k * a the equation holds for R of order 1.
    const message = utf8('signed without a nonce')
    const k = hashToInteger(point, publicKey, message) % L
    const forged = concat(point, littleEndian((k * scalarOf(seed)) % L))
    if (satisfiesEquation(publicKey, message, forged)) satisfied++
    assert.not(await verdict(publicKey, message, forged), toHex(point))
  }
  assert.is(satisfied, 4, 'all four encodings of the identity satisfy the equation')
})

signature('a scalar that is not reduced is refused', async () => {
  const key = signingKeyFromSeed(generateSigningSeed())
  const message = utf8('message')
  const signed = key.sign(message)
  const s = fromLittleEndian(signed.subarray(32))
  assert.ok(await verdict(key.publicKey, message, signed))
  for (let multiple = 1n; s + multiple * L < 2n ** 256n; multiple++) {
    const other = concat(signed.subarray(0, 32), littleEndian(s + multiple * L))
    if (multiple === 1n) assert.ok(satisfiesEquation(key.publicKey, message, other), 'the same signature in other bytes')
    assert.not(await verdict(key.publicKey, message, other))
  }
  assert.not(await verdict(key.publicKey, message, concat(signed.subarray(0, 32), littleEndian(L))))
})

signature('a y that is not reduced is neither key nor R', async () => {
  const key = signingKeyFromSeed(generateSigningSeed())
  const signed = key.sign(utf8('message'))
  for (let y = P; y < 2n ** 255n; y++) {
    for (const sign of [0n, 1n]) {
      const encoded = littleEndian(y | (sign << 255n))
      assert.not(isAdmissiblePublicKey(encoded))
      assert.not(await verdict(encoded, utf8('message'), signed))
      assert.not(await verdict(key.publicKey, utf8('message'), concat(encoded, signed.subarray(32))))
    }
  }
  assert.ok(isAdmissiblePublicKey(littleEndian(P - 2n)), 'the greatest reduced y that is not of small order')
})

signature(
  'any change of message, key or signature is noticed',
  property(async random => {
    for (let i = 0; i < 40; i++) {
      const key = signingKeyFromSeed(random.bytes(32))
      const message = random.bytes(1 + random.below(200))
      const signed = key.sign(message)
      assert.ok(await verdict(key.publicKey, message, signed))
      const flip = (bytes: Uint8Array): Uint8Array => {
        const changed = bytes.slice()
        const at = random.below(changed.length)
        changed[at] = (changed[at] as number) ^ (1 << random.below(8))
        return changed
      }
      assert.not(await verdict(key.publicKey, flip(message), signed))
      assert.not(await verdict(flip(key.publicKey), message, signed))
      assert.not(await verdict(key.publicKey, message, flip(signed)))
    }
  }),
)

signature('wrong lengths and points off the curve are invalid, not errors', async () => {
  const key = signingKeyFromSeed(generateSigningSeed())
  const message = utf8('message')
  const signed = key.sign(message)
  for (const length of [0, 31, 33, 64]) assert.not(await verdict(new Uint8Array(length).fill(3), message, signed))
  for (const length of [0, 63, 65]) assert.not(await verdict(key.publicKey, message, new Uint8Array(length)))
  // About half of all y have no x; none of these may throw.
  for (let y = 2n; y < 40n; y++) assert.not(await verdict(littleEndian(y), message, signed))
  throwsCode(() => signingKeyFromSeed(new Uint8Array(31)), 'seed-length')
})

signature('the verdict is over the bytes as they were when asked', async () => {
  const key = signingKeyFromSeed(generateSigningSeed())
  const message = new Uint8Array(1000).fill(1)
  const signed = key.sign(message)
  const asked = verifySignatureAsync(key.publicKey, message, signed)
  message.fill(2)
  signed.fill(0)
  assert.ok(await asked)
})

signature('more keys than the cache holds all still verify', () => {
  const message = utf8('message')
  const first = signingKeyFromSeed(new Uint8Array(32).fill(9))
  const signed = first.sign(message)
  assert.ok(verifySignature(first.publicKey, message, signed))
  // Admissible bytes are enough to fill the cache.
  for (let i = 0; i < 5000; i++) verifySignature(littleEndian(2n ** 200n + BigInt(i)), message, signed)
  assert.ok(verifySignature(first.publicKey, message, signed))
})

signature.run()
