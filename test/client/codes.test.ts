/** The codes that people copy: cards, shares, enrolments, and the base64url that they are written in. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fromBase64Url, toBase64Url } from '../../src/client/base64url.ts'
import { createEnrolment, decodeEnrolment, encodeEnrolment } from '../../src/client/folders.ts'
import {
  decodeCard,
  decodeShare,
  decodeShares,
  encodeCard,
  encodeShare,
  encodeShares,
  MAX_SHARED_FOLDERS,
} from '../../src/client/identity.ts'
import { LABELS } from '../../src/contracts/folders-formats.ts'
import { property } from '../encoding/seeded.ts'
import { throwsCode } from '../encoding/throws.ts'
import { nodeKeys, seedOf, walletOf } from '../node/cluster.ts'

const test = suite('codes')

const card = {
  version: 1,
  chainId: seedOf('chain'),
  organisation: seedOf('organisation'),
  name: 'Dr Achieng’ Ωduya 😀',
  role: 'physician',
  signingKey: nodeKeys(0).signing.publicKey,
  sealingKey: nodeKeys(0).sealing.publicKey,
}
const share = { version: 1, chainId: seedOf('chain'), folder: seedOf('folder'), consent: seedOf('consent') }
const enrolment = createEnrolment(walletOf('patient'), {
  chainId: seedOf('chain'),
  organisation: seedOf('organisation'),
  firstIndex: 3,
  labels: ['normal', 'mental-health'],
})

const shares = ['a', 'b', 'c'].map(name => ({ ...share, folder: seedOf(name), consent: seedOf(`consent ${name}`) }))

const CODES: [string, string, (text: string) => unknown, string][] = [
  ['card', encodeCard(card), decodeCard, 'bad-card'],
  ['share', encodeShare(share), decodeShare, 'bad-share'],
  ['enrolment', encodeEnrolment(enrolment), decodeEnrolment, 'bad-enrolment'],
]

test('a share code is for one folder or several', () => {
  assert.equal(decodeShares(encodeShares(shares)), shares)
  assert.is(encodeShares([share]), encodeShare(share), 'one is what it always was')
  assert.equal(decodeShares(encodeShare(share)), [share])
  throwsCode(() => decodeShare(encodeShares(shares)), 'bad-share')
  throwsCode(() => encodeShares([]), 'bad-share')
  throwsCode(() => encodeShares([share, { ...share, chainId: seedOf('other') }]), 'bad-share')
  const many = (length: number) => Array.from({ length }, (_, i) => ({ ...share, folder: seedOf('many', i) }))
  const most = many(MAX_SHARED_FOLDERS)
  assert.equal(decodeShares(encodeShares(most)), most)
  assert.ok(encodeShares(most).length < 2953, 'a QR code holds it')
  throwsCode(() => encodeShares(many(MAX_SHARED_FOLDERS + 1)), 'too-many-folders')
})

test('each code comes back as it was written, and says what it is', () => {
  assert.equal(decodeCard(encodeCard(card)), card)
  assert.equal(decodeShare(encodeShare(share)), share)
  assert.equal(decodeEnrolment(encodeEnrolment(enrolment)), enrolment)
  for (const [name, code] of CODES) assert.match(code, new RegExp(`^epione-${name}:[A-Za-z0-9_-]+$`))
})

for (const [name, code, decode, error] of CODES) {
  test(
    `what is not a ${name} is told as ${error}, without repeating it`,
    property(random => {
      const body = code.slice(code.indexOf(':') + 1)
      const prefix = code.slice(0, code.indexOf(':') + 1)
      const wrong = [
        '',
        ' ',
        'x',
        prefix,
        body,
        `${prefix}!!!!`,
        `${prefix}${body}!`,
        `${prefix}ä`,
        `${prefix}${body}${body}`,
        ` ${code}`,
        code.toUpperCase(),
        code.replace('epione', 'epiome'),
        ...CODES.filter(([other]) => other !== name).flatMap(([, other]) => [other, prefix + other.slice(other.indexOf(':') + 1)]),
      ]
      for (let length = 0; length < code.length; length += 1 + random.below(9)) wrong.push(code.slice(0, length))
      for (let times = 0; times < 100; times++) wrong.push(prefix + toBase64Url(random.bytes(random.below(200))))
      for (const text of wrong) {
        const told = throwsCode(() => decode(text), error)
        assert.match(told.message, `epione-${name}:`)
        assert.not.match(told.message, body.slice(0, 20))
      }
    }),
  )
}

test('a card of a later version, or with what no card holds, is refused', () => {
  for (const change of [{ version: 2 }, { name: 'x'.repeat(129) }, { role: 'y'.repeat(65) }, { signingKey: new Uint8Array(31) }]) {
    throwsCode(() => decodeCard(encodeCard({ ...card, ...change })), 'malformed')
  }
})

test('an enrolment has a key for each label, and none beyond the recovery keys of the wallet', () => {
  assert.equal(
    enrolment.folders.map(({ label }) => label),
    ['normal', 'mental-health'],
  )
  const input = { chainId: seedOf('chain'), organisation: seedOf('organisation'), firstIndex: 0, labels: LABELS }
  const all = createEnrolment(walletOf('patient'), input)
  assert.is(new Set(all.folders.map(({ ownerKeyHash }) => toBase64Url(ownerKeyHash))).size, LABELS.length)
  throwsCode(() => createEnrolment(walletOf('patient'), { ...input, firstIndex: 5 }), 'recovery-keys-used-up')
})

test('base64url as in RFC 4648, without padding', () => {
  const vectors: [string, string][] = [
    ['', ''],
    ['f', 'Zg'],
    ['fo', 'Zm8'],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg'],
    ['fooba', 'Zm9vYmE'],
    ['foobar', 'Zm9vYmFy'],
  ]
  for (const [text, code] of vectors) {
    assert.is(toBase64Url(new TextEncoder().encode(text)), code)
    assert.is(new TextDecoder().decode(fromBase64Url(code)), text)
  }
  assert.is(toBase64Url(Uint8Array.of(0xfb, 0xff, 0xfe)), '-__-')
})

test(
  'bytes of every length come back',
  property(random => {
    for (let length = 0; length < 300; length++) {
      const bytes = random.bytes(length)
      const code = toBase64Url(bytes)
      assert.match(code, /^[A-Za-z0-9_-]*$/)
      assert.equal(fromBase64Url(code), bytes)
    }
  }),
)

test('text outside the alphabet is refused', () => {
  for (const text of ['!', 'Zg!', 'Z', 'ä', 'Zm9v\u0000']) {
    let refused = false
    try {
      fromBase64Url(text)
    } catch {
      refused = true
    }
    assert.is(refused, true, JSON.stringify(text))
  }
})

test.run()
