import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { hpkeKeySchedule } from '../../src/crypto/hpke.ts'
import { keystream } from '../../src/crypto/keystream.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import {
  SEALED_OVERHEAD,
  SEALING_PUBLIC_KEY_LENGTH,
  type SealingKey,
  SUITE_XWING,
  seal,
  sealingKeyFromSeed,
} from '../../src/crypto/sealing.ts'
import { xwingEncapsulate, xwingKeyFromSeed } from '../../src/crypto/xwing.ts'
import { concat, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { hex } from '../encoding/hex.ts'
import { property } from '../encoding/seeded.ts'
import { throwsCode } from '../encoding/throws.ts'

const sealing = suite('sealing')
const context = { info: utf8('epione/test'), aad: utf8('grant 7') }

/** First test vector of draft-connolly-cfrg-xwing-kem, appendix C. */
const VECTOR = {
  seed: hex('7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26'),
  publicKeyStart: 'e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5',
  publicKeyEnd: '859edb06eff389b27dce59844570216223593d4ba32d9abac8cd049040ef6534',
  sharedSecret: 'd2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384',
  ciphertext: hex(`
    b83aa828d4d62b9a83ceffe1d3d3bb1ef31264643c070c5798927e41fb07914a273f8f96e7826cd5375a283d7da885304c5de0516a0f0654243dc5b97f8bfeb8
    31f68251219aabdd723bc6512041acbaef8af44265524942b902e68ffd23221cda70b1b55d776a92d1143ea3a0c475f63ee6890157c7116dae3f62bf72f60acd
    2bb8cc31ce2ba0de364f52b8ed38c79d719715963a5dd3842d8e8b43ab704e4759b5327bf027c63c8fa857c4908d5a8a7b88ac7f2be394d93c3706ddd4e698cc
    6ce370101f4d0213254238b4a2e8821b6e414a1cf20f6c1244b699046f5a01caa0a1a55516300b40d2048c77cc73afba79afeea9d2c0118bdf2adb8870dc328c
    5516cc45b1a2058141039e2c90a110a9e16b318dfb53bd49a126d6b73f215787517b8917cc01cabd107d06859854ee8b4f9861c226d3764c87339ab16c3667d2
    f49384e55456dd40414b70a6af841585f4c90c68725d57704ee8ee7ce6e2f9be582dbee985e038ffc346ebfb4e22158b6c84374a9ab4a44e1f91de5aac5197f8
    9bc5e5442f51f9a5937b102ba3beaebf6e1c58380a4a5fedce4a4e5026f88f528f59ffd2db41752b3a3d90efabe463899b7d40870c530c8841e8712b733668ed
    033adbfafb2d49d37a44d4064e5863eb0af0a08d47b3cc888373bc05f7a33b841bc2587c57eb69554e8a3767b7506917b6b70498727f16eac1a36ec8d8cfaf75
    1549f2277db277e8a55a9a5106b23a0206b4721fa9b3048552c5bd5b594d6e247f38c18c591aea7f56249c72ce7b117afcc3a8621582f9cf71787e183dee0936
    7976e98409ad9217a497df888042384d7707a6b78f5f7fb8409e3b535175373461b776002d799cbad62860be70573ecbe13b246e0da7e93a52168e0fb6a9756b
    895ef7f0147a0dc81bfa644b088a9228160c0f9acf1379a2941cd28c06ebc80e44e17aa2f8177010afd78a97ce0868d1629ebb294c5151812c583daeb8868522
    0f4da9118112e07041fcc24d5564a99fdbde28869fe0722387d7a9a4d16e1cc8555917e09944aa5ebaaaec2cf62693afad42a3f518fce67d273cc6c9fb5472b3
    80e8573ec7de06a3ba2fd5f931d725b493026cb0acbd3fe62d00e4c790d965d7a03a3c0b4222ba8c2a9a16e2ac658f572ae0e746eafc4feba023576f08942278
    a041fb82a70a595d5bacbf297ce2029898a71e5c3b0d1c6228b485b1ade509b35fbca7eca97b2132e7cb6bc465375146b7dceac969308ac0c2ac89e7863eb894
    3015b24314cafb9c7c0e85fe543d56658c213632599efabfc1ec49dd8c88547bb2cc40c9d38cbd3099b4547840560531d0188cd1e9c23a0ebee0a03d5577d66b
    1d2bcb4baaf21cc7fef1e03806ca96299df0dfbc56e1b2b43e4fc20c37f834c4af62127e7dae86c3c25a2f696ac8b589dec71d595bfbe94b5ed4bc07d800b330
    796fda89edb77be0294136139354eb8cd37591578f9c600dd9be8ec6219fdd507adf3397ed4d68707b8d13b24ce4cd8fb22851bfe9d632407f31ed6f7cb1600d
    e56f17576740ce2a32fc5145030145cfb97e63e0e41d354274a079d3e6fb2e15`),
}

sealing('X-Wing decapsulates the test vector of its draft', () => {
  const key = xwingKeyFromSeed(VECTOR.seed)
  assert.is(key.publicKey.length, 1216)
  assert.is(toHex(key.publicKey.subarray(0, 32)), VECTOR.publicKeyStart)
  assert.is(toHex(key.publicKey.subarray(1184)), VECTOR.publicKeyEnd)
  // ML-KEM's implicit rejection hashes its public key: the whole of it is right where the secret is.
  assert.is(toHex(key.decapsulate(VECTOR.ciphertext)), VECTOR.sharedSecret)
})

sealing('the key schedule gives the test vectors of RFC 9180 and draft-ietf-hpke-pq', () => {
  const info = utf8('Ode on a Grecian Urn')
  // RFC 9180 appendix A.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM.
  const rfc = hpkeKeySchedule({ kem: 0x0020, kdf: 1, aead: 1, keyLength: 16 })
  const first = rfc(hex('fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc'), info)
  assert.is(toHex(first.key), '4531685d41d65f03dc48f6b8302c05b0')
  assert.is(toHex(first.nonce), '56d890e5accaaf011cff4b7d')
  // draft-ietf-hpke-pq-04 appendix A.5.1: X-Wing, HKDF-SHA256, ChaCha20Poly1305; its info is the hex text itself.
  const draft = hpkeKeySchedule({ kem: 0x647a, kdf: 1, aead: 3, keyLength: 32 })
  const second = draft(hex('58200ed1f137bd95a921bb47f6aaecf2395b26f7fd24efd3a5ffae4849e8dea3'), utf8(toHex(info)))
  assert.is(toHex(second.key), '131c2ebb469b909a40915914afd7ff5e638888ac7195dcaaaef8f9a84f0e4030')
  assert.is(toHex(second.nonce), '2b7a68f19e6cdbd43dda3c6d')
})

sealing(
  'what is sealed opens with the key and the context, and with nothing else',
  property(random => {
    const key = sealingKeyFromSeed(random.bytes(32))
    const other = sealingKeyFromSeed(random.bytes(32))
    assert.is(key.publicKey.length, SEALING_PUBLIC_KEY_LENGTH)
    assert.is(key.publicKey[0], SUITE_XWING)
    for (const length of [0, 1, 32, 1000]) {
      const plaintext = random.bytes(length)
      const sealed = seal(key.publicKey, plaintext, context)
      assert.is(sealed.length, length + SEALED_OVERHEAD)
      assert.equal(key.open(sealed, context), plaintext)
      assert.is.not(toHex(seal(key.publicKey, plaintext, context)), toHex(sealed), 'every seal is fresh')
      throwsCode(() => other.open(sealed, context), 'unsealing-failed')
      throwsCode(() => key.open(sealed, { ...context, info: utf8('another network') }), 'unsealing-failed')
      throwsCode(() => key.open(sealed, { ...context, aad: utf8('grant 8') }), 'unsealing-failed')
      throwsCode(() => key.open(sealed, { info: context.aad, aad: context.info }), 'unsealing-failed')
    }
  }),
)

sealing(
  'a change of any byte after the suite is noticed',
  property(random => {
    const key = sealingKeyFromSeed(random.bytes(32))
    const sealed = seal(key.publicKey, random.bytes(32), context)
    // Borders of the ML-KEM share, the X25519 share, ciphertext and tag, and places between.
    const places = [1, 1088, 1089, 1120, 1121, 1152, 1153, sealed.length - 1, ...Array.from({ length: 40 }, () => 1 + random.below(1168))]
    for (const place of places) {
      const changed = sealed.slice()
      changed[place] = (changed[place] as number) ^ (1 << random.below(8))
      // The top bit of an X25519 share is ignored by the curve, yet it must not make a second valid message.
      throwsCode(() => key.open(changed, context), 'unsealing-failed')
    }
    for (const length of [1, 1120, 1121, 1136, sealed.length - 1]) {
      throwsCode(() => key.open(sealed.subarray(0, length), context), 'unsealing-failed')
    }
    throwsCode(() => key.open(concat(sealed, Uint8Array.of(0)), context), 'unsealing-failed')
    throwsCode(() => key.open(new Uint8Array(0), context), 'unsealing-failed')
  }),
)

sealing('an X25519 share of small order does not open', () => {
  const key = sealingKeyFromSeed(randomBytes(32))
  const sealed = seal(key.publicKey, utf8('text'), context)
  sealed.fill(0, 1089, 1121)
  throwsCode(() => key.open(sealed, context), 'unsealing-failed')
})

sealing('unknown suites are named as such, on both sides', () => {
  const key = sealingKeyFromSeed(randomBytes(32))
  const sealed = seal(key.publicKey, utf8('text'), context)
  for (const suiteByte of [0, 2, 255]) {
    throwsCode(() => key.open(concat(Uint8Array.of(suiteByte), sealed.subarray(1)), context), 'unknown-suite')
    throwsCode(() => key.open(Uint8Array.of(suiteByte), context), 'unknown-suite')
    throwsCode(() => seal(concat(Uint8Array.of(suiteByte), key.publicKey.subarray(1)), utf8('text'), context), 'unknown-suite')
  }
})

sealing('public keys that are not valid are refused before anything is sealed', () => {
  const { publicKey } = sealingKeyFromSeed(randomBytes(32))
  for (const length of [0, 1, 1216]) throwsCode(() => seal(publicKey.subarray(0, length), utf8('text'), context), 'malformed')
  throwsCode(() => seal(concat(publicKey, Uint8Array.of(0)), utf8('text'), context), 'malformed')
  // FIPS 203 section 7.2: coefficients must be reduced.
  const unreduced = publicKey.slice()
  unreduced.fill(0xff, 1, 4)
  throwsCode(() => seal(unreduced, utf8('text'), context), 'malformed')
  const smallOrder = publicKey.slice()
  smallOrder.fill(0, 1185)
  throwsCode(() => seal(smallOrder, utf8('text'), context), 'malformed')
  throwsCode(() => xwingEncapsulate(publicKey), 'malformed')
  throwsCode(() => sealingKeyFromSeed(new Uint8Array(31)), 'seed-length')
})

sealing(
  'two sealing keys have one key in common, another for every use and every pair',
  property(random => {
    const [a, b, c] = [0, 1, 2].map(() => sealingKeyFromSeed(random.bytes(32))) as [SealingKey, SealingKey, SealingKey]
    const info = utf8('use 1')
    const shared = toHex(a.sharedKey(b.publicKey, info))
    assert.is(toHex(b.sharedKey(a.publicKey, info)), shared)
    const others = [a.sharedKey(c.publicKey, info), b.sharedKey(c.publicKey, info), a.sharedKey(b.publicKey, utf8('use 2'))].map(toHex)
    assert.is(new Set([shared, ...others]).size, 4)
    // Both keys are bound whole: who puts another ML-KEM half beside somebody's X25519 half gets nothing in common.
    const mixed = concat(c.publicKey.subarray(0, 1 + 1184), b.publicKey.subarray(1 + 1184))
    assert.is.not(toHex(a.sharedKey(mixed, info)), shared)
  }),
)

sealing('a key of small order, of another suite or of a wrong length has nothing in common with any', () => {
  const key = sealingKeyFromSeed(randomBytes(32))
  const other = sealingKeyFromSeed(randomBytes(32)).publicKey
  const smallOrder = concat(other.subarray(0, 1 + 1184), new Uint8Array(32))
  throwsCode(() => key.sharedKey(smallOrder, utf8('use')), 'malformed')
  throwsCode(() => key.sharedKey(other.subarray(0, 100), utf8('use')), 'malformed')
  throwsCode(() => key.sharedKey(concat(Uint8Array.of(2), other.subarray(1)), utf8('use')), 'unknown-suite')
})

sealing('a keystream is AES-256 of a counter, the same from any block on', () => {
  // AES-256 of a zero block under a zero key, and of the block 1: FIPS 197 by way of NIST's known answers.
  const key = new Uint8Array(32)
  const stream = keystream(key, 0, 100)
  assert.is(toHex(stream.subarray(0, 16)), 'dc95c078a2408989ad48a21492842087')
  assert.is(toHex(keystream(key, 32, 68)), toHex(stream.subarray(32)))
  throwsCode(() => keystream(key, 5, 1), 'offset-invalid')
})

sealing.run()
