import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { hkdf, scryptKey } from '../../src/crypto/kdf.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import { toHex, utf8 } from '../../src/encoding/bytes.ts'
import { hex } from '../encoding/hex.ts'
import { throwsCode } from '../encoding/throws.ts'

const kdf = suite('kdf')

kdf('HKDF gives the test cases of RFC 5869 appendix A', () => {
  assert.is(
    toHex(hkdf(new Uint8Array(22).fill(0x0b), hex('000102030405060708090a0b0c'), hex('f0f1f2f3f4f5f6f7f8f9'), 42)),
    '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
  )
  const run = (from: number): Uint8Array => Uint8Array.from({ length: 80 }, (_, i) => from + i)
  assert.is(
    toHex(hkdf(run(0x00), run(0x60), run(0xb0), 82)),
    'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87',
  )
  assert.is(
    toHex(hkdf(new Uint8Array(22).fill(0x0b), new Uint8Array(0), new Uint8Array(0), 42)),
    '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
  )
})

kdf('HKDF refuses lengths that the counter cannot reach', () => {
  const none = new Uint8Array(0)
  assert.is(hkdf(none, none, none, 8160).length, 8160)
  for (const length of [0, -1, 8161, 1.5, Number.NaN]) throwsCode(() => hkdf(none, none, none, length), 'length-invalid')
})

kdf('scrypt gives the test vectors of RFC 7914', async () => {
  assert.is(
    toHex(await scryptKey('password', utf8('NaCl'), { N: 1024, r: 8, p: 16 }, 64)),
    'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640',
  )
  assert.is(
    toHex(await scryptKey('pleaseletmein', utf8('SodiumChloride'), { N: 16384, r: 8, p: 1 }, 64)),
    '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
  )
})

kdf('one passphrase typed composed, decomposed or full-width is one key', async () => {
  const salt = utf8('salt')
  const params = { N: 16, r: 1, p: 1 }
  const key = toHex(await scryptKey('Zürich 1', salt, params, 32))
  assert.is(toHex(await scryptKey('Zu\u0308rich 1', salt, params, 32)), key)
  assert.is(toHex(await scryptKey('Zürich \uff11', salt, params, 32)), key)
  assert.is.not(toHex(await scryptKey('Zurich 1', salt, params, 32)), key)
})

kdf('random bytes have the wanted length and do not repeat', () => {
  assert.is(randomBytes(0).length, 0)
  const seen = new Set(Array.from({ length: 64 }, () => toHex(randomBytes(16))))
  assert.is(seen.size, 64)
  assert.is(randomBytes(8).constructor, Uint8Array)
})

kdf.run()
