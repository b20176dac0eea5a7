import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { hpkeKeySchedule } from '../../src/crypto/hpke.ts'
import { keystream } from '../../src/crypto/keystream.ts'
import { mlkem1024Encapsulate, mlkem1024Key, mlkem1024KeyFromSeed, mlkem1024Seed } from '../../src/crypto/mlkem1024.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import { type SealingKey, seal, sealingKeyFromSeed, sealingOpener } from '../../src/crypto/sealing.ts'
import {
  SEALED_OVERHEAD,
  SEALING_PUBLIC_KEY_LENGTH,
  SUITE_MLKEM1024,
  SUITE_NAMES,
  SUITE_XWING,
  sealingPublicKeySchema,
  suiteOf,
} from '../../src/crypto/sealing-suites.ts'
import { xwingEncapsulate, xwingKeyFromSeed } from '../../src/crypto/xwing.ts'
import { concat, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { codec } from '../../src/encoding/schema.ts'
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

/** Third test vector of draft-ietf-hpke-pq: ML-KEM-1024. Its info is the hex text itself, as in the draft's other vectors. */
const MLKEM1024_VECTOR = {
  ikm: hex(
    'ece1c121b5cc978bdce5eb8d60e9ff101d65b94379898e800c37f79164a25d03264a357df7cd28214b11e171c94dea2338b736e7dbb6f00a0b1b280ae6ad1ba4',
  ),
  seed: 'c58f733ea1245a7a54723c30dbf0837acdd7e93c188692523b53b132b993a25af933368a76bbcbf1212e1d34d7128e32c387dc9b04a7ceb0e2b40e1e5769c57d',
  publicKeyHash: '121abb2e70d21f6bead6d5cdf57f9cbc3dc460081b36007054cb01963b6f6140',
  sharedSecret: 'a9f5e349635145bb8a06c0b50b027bef523c5868dd3477a8a92cb5deecc4113b',
  ciphertext: hex(`
    f4a53a8db87e065bc2929f5d4e827ef6f6aed7c8f457e19dd8d0c1930e3e1bd2ae6183590d45a037d13f5fa7ff1d1d7ec9873d625fec2727c0a940a66fe5bd65
    01946f3bfb8f027da703e82ea1d86ac8089d7f6e359e9ac6ec95661be7958489d48e930e9eb9e77e842adc9774525dafbbb6675727cea9501aeb53a33fe08bda
    a43418486d3391add4a6cb72bd6865f616e3b9ae4339871e6662f03500e05c0ed883fc3ab9ed8940a7a48037f37b8701dc2daa42469b88086732bca4b7ecfe41
    2b5217defa3b0db1df8b7b003938535cfaf72e55ae08fb76687a5268dfc1e3b2d827bb66f2d09a689b69b5d06cc51aeffd76479fce38e952af5fc0ed1e019592
    9ba7d1172d509d26b133ec3f415273de4c8acc302435ea4afbfa0cb3e1b669d0e968f3326da174b10de6e29adcb4970036dd17567b376ad97e0a94d3fe7cbff0
    daaa3ea698ce12ba7fdede4c51f88502dddcc5a62a146253464c8f60ecffbf4c1469435c18c3380cb226931804497b9e73f8a0ced189770b626239531b709f9f
    c9b299b1f3dd403cdebda088104adac23ede52b4d225b5140f34e3f7da50b8a671807be7c0c408b1b7e665609bb2bf0680d942d33f99fa24d8f9c9d41ac6d056
    a5d59de974c0e16dd89e2c9794dc4f2a23f12d4d1dcdcd799ea56a185c0453348016a4bf05c5daeb71aa8a911eab43d787a81656a4f9a36fac5304ef89490776
    36b96536dfced3e005d8c30d053f06bc30bdf97251d842e1a4a1713521bdc43ae1d0af798c33d383e36e1049f7040ca35dcc25537b93411959103e0be8a3c16b
    68c499e8f7ed2f18372e6a7d605e5efdaa79d06a78e9e8c1fb47afe30eaf6f1fafad31cf88b39e502b3ac5b183ad3e5fdf90306a8840bc45d44f3ef933482a2a
    3cb2ac5e5adba06585fe04b5f8260bc0139b7d9892acb3326748aef0d7337122830e39cee915149ce3e2da5281cd7917930274e74ca46a5078019411dcf662ea
    4c6fc1647b62653eecbe6114b2b8c7c6dc4b6f210ec380d093c2674da248029895e2ce8481094ae40a56eb0107e5213556b5af4d1f45fc1d1417d58844d7a116
    c308c1c794e3f76efafffc372719aca595f34a6a87eae2211e0d4ba6d6217528bbbd09675105c2358d48d71711bfd64f42f66179ba845266709e0dbeb2f8f71f
    ebc684bf1217e0176406b2eac9ec257c5ab4e1711ba866420da0874895eec278bbed2aa7546a798d13510bb49929455dcc27791a381d086ef37872d1ec7b3a62
    1bf989667c6804be0dcf1f1d7806cb1e32db6bd6701089b119b745b7d15b8b4d0d421e1cfbd1adaee71586a2d2a6e289cec185b3ce1e139cb9272bfd145918a0
    e7768ece9169197106a3487cab68ebc99f49919d6906953dacfb7ab020045c36db21315004ae7b9632ef1310b657b35e6f6312329274eea7858c9aca3a3f93ee
    a9e065e9d248b1b5476da95708ee65f1e8b3a7a03d95188f87c504626793b8a4b87e49bc1da085dac71342b351496e63e00650b1f9751cec64a60f6b7920b9f9
    eaec00b5788bc77e9a2861501c528be11c5d98f6c4e1d8dd3f809456a8963e7511da4438bd0eb8621c210d522a60deb8e0d9c00b7d354e16d7af2969d6417449
    3f0205444cee5bfcf21ef34e09c93c7941506e77329723e203c4473c9ed861fdf4a20d96235f5615cdd9f5b6013bef71fd37b464677f1a802919115f52316027
    98710ef33495bbb16a0de68d3c0dfd2e1c4833789912ecd7cf41af474f76eb22ef670176ae9e5418eda91be4853de9c212a14636fc7f804612707981a4097f74
    6d137ff7af79aaf73b9d79b5c1243ec5ca02fbfc00c12b02bd59d28217c1181f7388332a1362272182d23aa6059a7493586581a5df3452bd414bcc84599bf740
    de19a745f40953f87f156b568ba4039e4ecc15e11b9f21f6acc6cffb1da164c0a40323043fc126dec090ecb9054ca3ac1a245291925b531f6b08d8ea60becb8e
    dbdd2d4ac4b3a6fd5282335737b5c7fea581e2842f7b3b56a694e0b2e909507690f2c452d6ec020fb309d12ec0f75117c8cfb10c8a3c3614321beafcf0459d52
    3ee0ceb7e730e3b5d2b1b509e7e5310c07f9dd4eb5250e550ae084613791b87c107c4c875c6ae44a30eece84d4ba8d45754c7b5c63ba3193bc0c013c1619c2b8
    2710fd958a92f99c549a3be20fdb7ce3c2f07dba9b917e81190589c8a0fe95a3`),
}

sealing('ML-KEM-1024 derives and decapsulates the test vector of draft-ietf-hpke-pq', () => {
  const { ikm, seed, publicKeyHash, sharedSecret, ciphertext } = MLKEM1024_VECTOR
  const expanded = mlkem1024Seed(ikm)
  assert.is(toHex(expanded), seed)
  const key = mlkem1024Key(expanded)
  assert.is(key.publicKey.length, 1568)
  assert.is(toHex(sha256(key.publicKey)), publicKeyHash)
  assert.is(toHex(key.decapsulate(ciphertext)), sharedSecret)
  throwsCode(() => key.decapsulate(ciphertext.subarray(1)), 'malformed')
})

sealing('the key of a seed under ML-KEM-1024 stays what it is', () => {
  const { publicKey } = mlkem1024KeyFromSeed(new Uint8Array(32).fill(7))
  assert.is(toHex(sha256(publicKey)), '6aa743e57af7cb3f7fdcd23838b54057e9ee04391d29fcf992100884d2c005be')
  assert.equal(sealingKeyFromSeed(new Uint8Array(32).fill(7), SUITE_MLKEM1024).publicKey, concat(Uint8Array.of(2), publicKey))
})

sealing(
  'a seed opens what was sealed to any of its keys, and no key opens what is for another',
  property(random => {
    const seed = random.bytes(32)
    const opener = sealingOpener(seed)
    for (const id of SUITE_NAMES.values()) {
      const key = sealingKeyFromSeed(seed, id)
      assert.is(suiteOf(key.publicKey), id)
      assert.equal(codec(sealingPublicKeySchema, 4096).decode(codec(sealingPublicKeySchema, 4096).encode(key.publicKey)), key.publicKey)
      const plaintext = random.bytes(random.below(300))
      const sealed = seal(key.publicKey, plaintext, context)
      assert.is(suiteOf(sealed), id)
      assert.equal([key.open(sealed, context), opener.open(sealed, context)], [plaintext, plaintext])
      for (const other of SUITE_NAMES.values()) {
        if (other !== id) throwsCode(() => sealingKeyFromSeed(seed, other).open(sealed, context), 'unsealing-failed')
      }
      throwsCode(() => sealingOpener(random.bytes(32)).open(sealed, context), 'unsealing-failed')
      for (const place of [1, 2, 700, sealed.length - 17, sealed.length - 1]) {
        const changed = sealed.slice()
        changed[place] = (changed[place] as number) ^ 1
        throwsCode(() => opener.open(changed, context), 'unsealing-failed')
      }
    }
  }),
)

sealing('a public key has the length of its suite', () => {
  const keys = codec(sealingPublicKeySchema, 4096)
  for (const id of SUITE_NAMES.values()) {
    const { publicKey } = sealingKeyFromSeed(randomBytes(32), id)
    for (const wrong of [publicKey.subarray(1), publicKey.subarray(0, -1), concat(publicKey, Uint8Array.of(0))])
      throwsCode(() => keys.encode(wrong), 'malformed')
  }
  throwsCode(() => keys.encode(new Uint8Array(1217)), 'malformed')
  throwsCode(() => mlkem1024Encapsulate(new Uint8Array(1568).fill(0xff)), 'malformed')
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
  for (const suiteByte of [0, 3, 255]) {
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
  throwsCode(() => key.sharedKey(concat(Uint8Array.of(3), other.subarray(1)), utf8('use')), 'unknown-suite')
  const without = sealingKeyFromSeed(randomBytes(32), SUITE_MLKEM1024)
  throwsCode(() => key.sharedKey(without.publicKey, utf8('use')), 'no-agreement')
  throwsCode(() => without.sharedKey(without.publicKey, utf8('use')), 'no-agreement')
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
