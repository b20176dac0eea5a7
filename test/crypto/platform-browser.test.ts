/** What browsers take in the place of Node's primitives gives the same bytes; both run in Node here. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as browserClient from '../../src/client/platform.browser.ts'
import * as nodeClient from '../../src/client/platform.ts'
import * as browser from '../../src/crypto/platform.browser.ts'
import * as node from '../../src/crypto/platform.ts'
import * as browserEncoding from '../../src/encoding/platform.browser.ts'
import * as nodeEncoding from '../../src/encoding/platform.ts'
import { FHIR_DICTIONARY_HASH, findDictionary } from '../../src/fragments/dictionary/dictionary.ts'
import * as browserLedger from '../../src/ledger/platform.browser.ts'
import * as nodeLedger from '../../src/ledger/platform.ts'
import { property } from '../encoding/seeded.ts'

const test = suite('primitives for browsers')

/** Lengths around the edges of blocks. */
const LENGTHS = [0, 1, 15, 16, 17, 55, 56, 63, 64, 65, 1000, 70_000]

/** What a key is differs; all else has the shape that it has in Node. */
type Shapes = { [Name in keyof typeof node]: Name extends `${'ed25519' | 'x25519' | 'mlkem'}${string}` ? unknown : (typeof node)[Name] }

test('they have the names and shapes of those of Node', () => {
  assert.equal(Object.keys({ ...browser } satisfies Shapes).sort(), Object.keys(node).sort())
  assert.equal(Object.keys({ ...browserEncoding } satisfies typeof nodeEncoding).sort(), Object.keys(nodeEncoding).sort())
  assert.equal(Object.keys({ ...browserLedger } satisfies typeof nodeLedger).sort(), Object.keys(nodeLedger).sort())
  assert.equal(Object.keys({ ...browserClient } satisfies typeof nodeClient).sort(), Object.keys(nodeClient).sort())
})

test(
  'one-byte strings are the same',
  property(random => {
    for (const length of LENGTHS) {
      const bytes = random.bytes(length)
      const text = nodeLedger.bytesToLatin1(bytes)
      assert.is(browserLedger.bytesToLatin1(bytes), text)
      assert.equal(browserLedger.latin1ToBytes(text), bytes)
      assert.is(browserLedger.sha256Latin1(text, text), nodeLedger.sha256Latin1(text, text))
    }
    const [left, right] = [random.bytes(32), random.bytes(32)].map(bytes => nodeLedger.bytesToLatin1(bytes)) as [string, string]
    assert.is(browserLedger.innerHashLatin1(left, right), nodeLedger.innerHashLatin1(left, right))
  }),
)

test(
  'what one compresses the other gives back, with and without a dictionary, and never more than was said',
  property(async random => {
    const dictionary = findDictionary(FHIR_DICTIONARY_HASH)?.bytes as Uint8Array
    for (const length of LENGTHS) {
      const bytes = random.bytes(length)
      for (let i = 0; i < length; i += 3) bytes[i] = 7
      for (const used of [undefined, dictionary]) {
        const [here, there] = [await nodeClient.zstd(bytes, used), await browserClient.zstd(bytes, used)]
        for (const compressed of [here, there]) {
          assert.equal(await nodeClient.unzstd(compressed, length, used), bytes)
          assert.equal(await browserClient.unzstd(compressed, length, used), bytes)
        }
        if (length < 1000) continue
        for (const side of [nodeClient, browserClient]) {
          for (const compressed of [here, there]) {
            const failed = await side.unzstd(compressed, length - 1, used).then(
              () => false,
              () => true,
            )
            assert.ok(failed, 'no more than was said')
          }
        }
      }
    }
  }),
)

test(
  'hashes and hex are the same',
  property(random => {
    for (const length of LENGTHS) {
      const bytes = random.bytes(length)
      assert.equal(browserEncoding.sha256(bytes), nodeEncoding.sha256(bytes))
      assert.is(browserEncoding.bytesToHex(bytes), nodeEncoding.bytesToHex(bytes))
      const cut = random.below(length + 1)
      const state = browserEncoding.sha256Stream()
      state.update(bytes.subarray(0, cut))
      state.update(bytes.subarray(cut))
      assert.equal(state.digest(), nodeEncoding.sha256(bytes))
      assert.equal(browser.sha3(bytes.subarray(0, cut), bytes.subarray(cut)), node.sha3(bytes))
      assert.equal(browser.shake256(bytes, 96), node.shake256(bytes, 96))
      const key = random.bytes(random.below(200))
      assert.equal(browser.hmacSha256(key, bytes.subarray(0, cut), bytes.subarray(cut)), node.hmacSha256(key, bytes))
    }
  }),
)

test(
  'keys from passphrases are the same',
  property(async random => {
    for (const params of [
      { N: 2, r: 1, p: 1 },
      { N: 1024, r: 8, p: 2 },
    ]) {
      const [password, salt] = [random.bytes(20), random.bytes(16)]
      assert.equal(await browser.scryptSha256(password, salt, params, 64), await node.scryptSha256(password, salt, params, 64))
    }
  }),
)

test(
  'what one seals the other opens, and nothing else',
  property(async random => {
    for (const length of LENGTHS) {
      const [key, nonce, aad, plaintext] = [random.bytes(32), random.bytes(12), random.bytes(random.below(40)), random.bytes(length)]
      const sealed = node.aesGcmSeal(key, nonce, aad, plaintext)
      assert.equal(browser.aesGcmSeal(key, nonce, aad, plaintext), sealed)
      assert.equal(browser.aesGcmOpen(key, nonce, aad, sealed), plaintext)
      const chunk = node.aesGcmSeal(key, nonce, new Uint8Array(0), plaintext)
      const [here, there] = [node.chunkCipher(key), browser.chunkCipher(key)]
      assert.equal([await here.seal(nonce, plaintext), await there.seal(nonce, plaintext)], [chunk, chunk])
      assert.equal([await here.open(nonce, chunk), await there.open(nonce, chunk)], [plaintext, plaintext])
      const at = random.below(chunk.length)
      for (const bytes of [chunk, sealed]) bytes[at] = (bytes[at] as number) ^ 1
      assert.is(browser.aesGcmOpen(key, nonce, aad, sealed), undefined)
      assert.equal([await here.open(nonce, chunk), await there.open(nonce, chunk)], [undefined, undefined])
      assert.equal(
        [browser.aesGcmOpen(key, nonce, aad, plaintext.subarray(0, 15)), await there.open(nonce, plaintext.subarray(0, 15))],
        [undefined, undefined],
      )
      const block = random.below(2 ** 31)
      assert.equal(browser.aesCtrKeystream(key, block, length), node.aesCtrKeystream(key, block, length))
    }
    await browser
      .chunkCipher(random.bytes(5))
      .seal(random.bytes(12), random.bytes(5))
      .then(
        () => assert.unreachable('a key of five bytes'),
        error => assert.instance(error, Error),
      )
  }),
)

test(
  'bytes are compared as in Node, and randomness fills all of them',
  property(random => {
    for (const length of LENGTHS) {
      const bytes = random.bytes(length)
      const other = bytes.slice()
      assert.ok(browser.constantTimeEqual(bytes, other))
      if (length > 0) {
        other[random.below(length)] = 256 - (other[0] as number)
        assert.is(browser.constantTimeEqual(bytes, other), node.constantTimeEqual(bytes, other))
      }
      assert.not.ok(browser.constantTimeEqual(bytes, random.bytes(length + 1)))
    }
    const filled = new Uint8Array(200_000)
    browser.fillRandom(filled)
    for (let at = 0; at < filled.length; at += 1000) assert.ok(filled.subarray(at, at + 1000).some(byte => byte !== 0))
  }),
)

test.run()
