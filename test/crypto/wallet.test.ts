import { hkdfSync } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seal } from '../../src/crypto/sealing.ts'
import { generateSigningSeed, verifySignature } from '../../src/crypto/signature.ts'
import {
  folderSealingKey,
  folderSealingSeed,
  labelSalt,
  labelSaltFrom,
  ownerKey,
  ownerKeyHash,
  phraseToSeed,
  readingSeed,
  recoveryBoxKey,
  recoveryKey,
  recoveryKeyHash,
  sealingSeedFrom,
  seedToPhrase,
} from '../../src/crypto/wallet.ts'
import { concat, toHex, u32, utf8 } from '../../src/encoding/bytes.ts'
import type { EpioneError } from '../../src/encoding/errors.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { property } from '../encoding/seeded.ts'
import { throwsCode } from '../encoding/throws.ts'

const wallet = suite('wallet')
const seed = Uint8Array.from({ length: 32 }, (_, i) => i)
const PHRASE =
  'abandon amount liar amount expire adjust cage candy arch gather drum bullet absurd math era live bid rhythm alien crouch range attend journey unaware'

wallet('phrases are the test vectors of BIP-39', () => {
  for (const [byte, phrase] of [
    [0x00, `${'abandon '.repeat(23)}art`],
    [0x7f, `${'legal winner thank year wave sausage worth useful '.repeat(2)}legal winner thank year wave sausage worth title`],
    [0x80, `${'letter advice cage absurd amount doctor acoustic avoid '.repeat(2)}letter advice cage absurd amount doctor acoustic bless`],
    [0xff, `${'zoo '.repeat(23)}vote`],
  ] as const) {
    assert.is(seedToPhrase(new Uint8Array(32).fill(byte)), phrase)
    assert.equal(phraseToSeed(phrase), new Uint8Array(32).fill(byte))
  }
  assert.is(seedToPhrase(seed), PHRASE)
})

wallet(
  'every seed survives its phrase, however the phrase is spaced',
  property(random => {
    for (let i = 0; i < 50; i++) {
      const bytes = random.bytes(32)
      const phrase = seedToPhrase(bytes)
      assert.is(phrase.split(' ').length, 24)
      assert.equal(
        phraseToSeed(
          `\n ${phrase
            .toUpperCase()
            .split(' ')
            .join(random.pick(['  ', '\t', '\r\n', ' \u3000']))} `,
        ),
        bytes,
      )
    }
  }),
)

wallet('a wrong phrase is told by where it is wrong, without repeating it', () => {
  const words = PHRASE.split(' ')
  for (const position of [1, 12, 24]) {
    const error = throwsCode(() => phraseToSeed(words.with(position - 1, 'epionee').join(' ')), 'phrase-word') as EpioneError
    assert.is(error.metadata.position, position)
    assert.match(error.message, `word ${position} `)
    assert.not.match(error.message, 'epionee')
  }
  throwsCode(() => phraseToSeed(words.toSpliced(3, 1).join(' ')), 'phrase-length')
  throwsCode(() => phraseToSeed(`${PHRASE} abandon`), 'phrase-length')
  throwsCode(() => phraseToSeed(''), 'phrase-length')
  throwsCode(() => phraseToSeed(words.with(23, 'abandon').join(' ')), 'phrase-checksum')
  throwsCode(
    () =>
      phraseToSeed(
        words
          .with(0, words[2] as string)
          .with(2, words[0] as string)
          .join(' '),
      ),
    'phrase-checksum',
  )
  throwsCode(() => seedToPhrase(new Uint8Array(16)), 'seed-length')
})

wallet('the derivations are final', () => {
  assert.is(toHex(ownerKey(seed, 0).publicKey), '2a65f1f56ff9d16863fd77a4fd6e2c96edd8f305969a14dec39b3e349689c160')
  assert.is(toHex(ownerKey(seed, 1).publicKey), 'c5ebef3c38847ba695ba2e1522cf2f4824af6b64b679c9d0bab95b22d8af6a2a')
  assert.is(toHex(ownerKey(seed, 0xffffffff).publicKey), '1d80e210ecaca9d32a53fe11eb2a6b4431485cb446b48ff2fbf9b6b3d8745a28')
  assert.is(toHex(readingSeed(seed)), 'fc3d6b6192c924019a363a27cb1ccdd66a91fd41aa57497243ae384b136c1b3e')
  assert.is(toHex(recoveryBoxKey(seed)), 'fdb442f6352eb7b2d4d980b9f1498c15180cfb9490fcfbed84b4e1274c7178de')
  assert.is(toHex(folderSealingSeed(seed, 0, 0)), '6bc050cae3a5d51d451edd0a217e4ed9dc96f4b16e2bec6a5fb258c574abbca2')
  assert.is(toHex(folderSealingSeed(seed, 0, 1)), '7cfeb73448a0d702fec5598725e91063ec38c86b86ac321437b230de105e46fb')
  assert.is(toHex(folderSealingSeed(seed, 1, 0)), '59d9dd077377575680f19dd659efb5edb8943058aa5ebbdd17fbbcc0e9a96102')
  assert.is(toHex(sha256(folderSealingKey(seed, 0, 0).publicKey)), '946ffd63a1d73cfcf4a44b495b99b2e439751ac6f63697f7a6f624dbe62d4118')
  assert.is(toHex(labelSalt(seed, 0)), 'bfbba4bf117232141bbef27627f025826a5cfdee5de437bff1e466dd8118f0fd')
  assert.is(toHex(recoveryKey(seed, 0).publicKey), '79c6e5d327575aae0509dc4cca476bcc6a6997f175b6d0eaa35f8f341e240d7d')
  assert.is(toHex(ownerKeyHash(ownerKey(seed, 0).publicKey)), '19daa08ed16994190641a14fbb69aa291fec9582e50d8f6df6abd2a38ffa7876')
  assert.is(toHex(recoveryKeyHash(recoveryKey(seed, 0).publicKey)), '21dca8d33776c01b106f85b786477b99fa5a8202d9a29e47f0c87822764f424e')
})

wallet('the derivations are the HKDF that the format states', () => {
  const derived = (from: Uint8Array, use: string, ...counters: number[]): Uint8Array =>
    new Uint8Array(hkdfSync('sha256', from, utf8('epione/wallet/1\0'), concat(utf8(use), ...counters.map(u32)), 32))
  const reading = derived(seed, 'reading-seed')
  assert.equal(readingSeed(seed), reading)
  assert.equal(folderSealingSeed(seed, 7, 3), derived(reading, 'folder-sealing-key', 7, 3))
  assert.equal(sealingSeedFrom(reading, 7, 3), folderSealingSeed(seed, 7, 3))
  assert.equal(labelSalt(seed, 7), derived(reading, 'label-salt', 7))
  assert.equal(labelSaltFrom(reading, 7), labelSalt(seed, 7))
  assert.equal(recoveryBoxKey(seed), derived(seed, 'recovery-box'))
})

wallet('no two uses, indices or epochs share a secret', () => {
  const seen = new Set<string>()
  for (let index = 0; index < 8; index++) {
    seen.add(toHex(ownerKey(seed, index).publicKey))
    seen.add(toHex(recoveryKey(seed, index).publicKey))
    seen.add(toHex(labelSalt(seed, index)))
    for (let epoch = 0; epoch < 4; epoch++) seen.add(toHex(folderSealingSeed(seed, index, epoch)))
  }
  assert.is(seen.size, 8 * 7)
})

wallet('derived keys sign and open', () => {
  const own = generateSigningSeed()
  const key = ownerKey(own, 5)
  assert.ok(verifySignature(key.publicKey, utf8('revoke'), key.sign(utf8('revoke'))))
  const context = { info: utf8('info'), aad: utf8('aad') }
  const sealed = seal(folderSealingKey(own, 5, 2).publicKey, utf8('dek'), context)
  assert.equal(folderSealingKey(own, 5, 2).open(sealed, context), utf8('dek'))
  throwsCode(() => folderSealingKey(own, 5, 3).open(sealed, context), 'unsealing-failed')
})

wallet('counters outside 32 bits are refused', () => {
  for (const counter of [-1, 0.5, 2 ** 32, Number.NaN]) {
    throwsCode(() => ownerKey(seed, counter), 'index-invalid')
    throwsCode(() => folderSealingSeed(seed, 0, counter), 'index-invalid')
  }
  throwsCode(() => labelSalt(seed.subarray(1), 0), 'seed-length')
})

wallet.run()
