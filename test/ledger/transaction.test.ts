import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type SigningKey, signingKeyFromSeed, verifySignature } from '../../src/crypto/signature.ts'
import { concat, equalBytes, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { decodeCanonical, encodeCanonical } from '../../src/encoding/cbor.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { MAX_TRANSACTION_BYTES } from '../../src/ledger/limits.ts'
import {
  countersign,
  createTransaction,
  decodeTransaction,
  hasSignatureShape,
  signatureChecks,
  type Transaction,
  type TransactionContent,
  verifyTransaction,
} from '../../src/ledger/transaction.ts'
import { property } from '../encoding/seeded.ts'
import { throwsCode } from '../encoding/throws.ts'

const transactions = suite('transactions')

const keyOf = (n: number): SigningKey => signingKeyFromSeed(new Uint8Array(32).fill(n))
const [author, sponsor, stranger] = [keyOf(1), keyOf(2), keyOf(3)]

function content(fields: Partial<TransactionContent> = {}): TransactionContent {
  return {
    chainId: new Uint8Array(32).fill(9),
    from: { kind: 'folder', id: new Uint8Array(32).fill(8) },
    validUntil: 1_700_000_000_000,
    nonce: new Uint8Array(16).fill(7),
    contract: 'consents',
    action: 'grant',
    body: utf8('body'),
    sponsor: null,
    ...fields,
  }
}

const sponsored = content({ sponsor: new Uint8Array(32).fill(6) })

transactions('an act signed by its author verifies and survives its bytes', () => {
  const made = createTransaction(content(), author)
  assert.ok(verifyTransaction(made))
  const read = decodeTransaction(made.bytes)
  assert.equal(read, made)
  assert.ok(verifyTransaction(read))
  assert.equal(read.content, content())
})

transactions('a sponsored act needs both signatures, each over the same bytes', () => {
  const half = createTransaction(sponsored, author)
  assert.not(hasSignatureShape(half))
  assert.not(verifyTransaction(half))
  const whole = decodeTransaction(countersign(half, sponsor).bytes)
  assert.ok(verifyTransaction(whole))
  assert.equal(
    whole.signatures.map(({ publicKey }) => publicKey),
    [author.publicKey, sponsor.publicKey],
  )
  assert.equal(whole.id, half.id, 'the sponsor adds nothing to what was signed')
  assert.is(signatureChecks(whole).length, 2)
  assert.equal(countersign(whole, stranger).signatures[1]?.publicKey, stranger.publicKey, 'a sponsor takes the place of another')
})

transactions('a signature too many, or none, is refused', () => {
  const unasked = countersign(createTransaction(content(), author), sponsor)
  assert.not(verifyTransaction(unasked))
  const [signed] = decodeCanonical(unasked.bytes, { maxBytes: MAX_TRANSACTION_BYTES }) as [Uint8Array]
  throwsCode(() => decodeTransaction(encodeCanonical([signed, []])), 'malformed')
  const one = [author.publicKey, unasked.signatures[0]?.signature as Uint8Array]
  throwsCode(() => decodeTransaction(encodeCanonical([signed, [one, one, one]])), 'malformed')
})

transactions('signatures are bound to what they sign: another field is another act', () => {
  const made = createTransaction(content(), author)
  const others: Partial<TransactionContent>[] = [
    { chainId: new Uint8Array(32).fill(1) },
    { from: { kind: 'account', id: content().from.id } },
    { from: { kind: 'folder', id: new Uint8Array(32) } },
    { validUntil: content().validUntil + 1 },
    { nonce: new Uint8Array(16) },
    { contract: 'folders' },
    { action: 'revoke' },
    { body: utf8('bodY') },
    { sponsor: new Uint8Array(32).fill(6) },
  ]
  for (const fields of others) {
    const other = createTransaction(content(fields), author)
    assert.not(equalBytes(other.id, made.id))
    const moved: Transaction = { ...other, signatures: made.signatures }
    assert.not(verifyTransaction(moved), Object.keys(fields).join())
  }
})

transactions('author and sponsor cannot change places, nor one sign for the other', () => {
  const whole = countersign(createTransaction(sponsored, author), sponsor)
  const [first, second] = whole.signatures as [Transaction['signatures'][number], Transaction['signatures'][number]]
  assert.not(verifyTransaction({ ...whole, signatures: [{ ...first, publicKey: second.publicKey }, second] }))
  assert.not(verifyTransaction({ ...whole, signatures: [first, { ...second, publicKey: stranger.publicKey }] }))
  // Exchanged as pairs they are right signatures of the wrong people: that is for the contracts to see, by the keys.
  assert.equal(signatureChecks({ ...whole, signatures: [second, first] })[0]?.publicKey, sponsor.publicKey)
})

transactions(
  'no changed byte passes: it is malformed, or another act, or not signed',
  property(random => {
    const whole = countersign(createTransaction(sponsored, author), sponsor)
    for (let i = 0; i < 300; i++) {
      const bytes = Uint8Array.from(whole.bytes)
      const at = random.below(bytes.length)
      bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
      try {
        assert.not(verifyTransaction(decodeTransaction(bytes)))
      } catch (error) {
        assert.is(errorCode(error, String(error)), 'malformed')
      }
    }
  }),
)

transactions('the id does not move with the signature: malleated signatures are refused, and would be the same act', () => {
  const made = createTransaction(content(), author)
  const [{ publicKey, signature }] = made.signatures as [Transaction['signatures'][number]]
  // S + L is the same scalar for a lax verifier.
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  let scalar = order
  for (let i = 0; i < 32; i++) scalar += BigInt(signature[32 + i] as number) << BigInt(8 * i)
  const raised = Uint8Array.from(signature)
  for (let i = 0; i < 32; i++) raised[32 + i] = Number((scalar >> BigInt(8 * i)) & 255n)
  const bytes = encodeCanonical([made.signed, [[publicKey, raised]]])
  const malleated = decodeTransaction(bytes)
  assert.equal(malleated.id, made.id)
  assert.not(verifyTransaction(malleated))
})

transactions('bytes with two spellings are refused, inside and out', () => {
  const made = createTransaction(content(), author)
  throwsCode(() => decodeTransaction(concat(made.bytes, Uint8Array.of(0))), 'malformed')
  // The array's length spelled in two bytes where one would do.
  assert.is(made.bytes[0], 0x82)
  throwsCode(() => decodeTransaction(concat(Uint8Array.of(0x98, 2), made.bytes.subarray(1))), 'malformed')
  assert.is(made.signed[0], 0x88)
  const inner = concat(Uint8Array.of(0x98, 8), made.signed.subarray(1))
  throwsCode(
    () => decodeTransaction(encodeCanonical([inner, [[author.publicKey, made.signatures[0]?.signature as Uint8Array]]])),
    'malformed',
  )
})

transactions('a signature over the bare bytes, without the domain, is not one over a transaction', () => {
  const made = createTransaction(content(), author)
  const bare = author.sign(made.signed)
  assert.ok(verifySignature(author.publicKey, made.signed, bare))
  assert.not(verifyTransaction({ ...made, signatures: [{ publicKey: author.publicKey, signature: bare }] }))
})

transactions('equal acts differ by their nonce, and ids are those of the signed bytes', () => {
  const one = createTransaction(content(), author)
  const two = createTransaction(content({ nonce: new Uint8Array(16) }), author)
  assert.is.not(toHex(one.id), toHex(two.id))
  assert.equal(createTransaction(content(), stranger).id, one.id)
})

transactions('a transaction holds up to its limit and no more', () => {
  const room = MAX_TRANSACTION_BYTES - createTransaction(sponsored, author).bytes.length
  const body = (length: number): TransactionContent => content({ sponsor: sponsored.sponsor, body: new Uint8Array(length) })
  const big = countersign(createTransaction(body(room - 200), author), sponsor)
  assert.ok(big.bytes.length <= MAX_TRANSACTION_BYTES)
  assert.ok(verifyTransaction(decodeTransaction(big.bytes)))
  throwsCode(() => createTransaction(body(MAX_TRANSACTION_BYTES), author), 'malformed')
  throwsCode(() => decodeTransaction(new Uint8Array(MAX_TRANSACTION_BYTES + 1)), 'malformed')
})

transactions('fields outside their schema are refused when made and when read', () => {
  const wrong: Partial<TransactionContent>[] = [
    { contract: 'Consents' },
    { action: '' },
    { action: 'x'.repeat(33) },
    { validUntil: -1 },
    { validUntil: 1.5 },
    { nonce: new Uint8Array(15) },
    { chainId: new Uint8Array(31) },
    { sponsor: new Uint8Array(33) },
    { from: { kind: 'patient' as 'folder', id: new Uint8Array(32) } },
  ]
  for (const fields of wrong) throwsCode(() => createTransaction(content(fields), author), 'malformed')
})

transactions.run()
