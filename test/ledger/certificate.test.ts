import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type SigningKey, signingKeyFromSeed } from '../../src/crypto/signature.ts'
import { compareBytes, toHex, utf8 } from '../../src/encoding/bytes.ts'
import {
  type Certificate,
  type CommitSignature,
  certificateCodec,
  certificatePower,
  MAX_ROUND,
  verifyCertificate,
  voteSigningBytes,
} from '../../src/ledger/certificate.ts'
import {
  type Header,
  headerCodec,
  headerHash,
  isMoreThanThird,
  isQuorum,
  totalPower,
  type ValidatorSet,
  validatorSetCodec,
  validatorSetHash,
} from '../../src/ledger/header.ts'
import { MAX_VALIDATORS } from '../../src/ledger/limits.ts'
import { property } from '../encoding/seeded.ts'
import { throwsCode } from '../encoding/throws.ts'
import { genesisHeader } from './chain-fixture.ts'

const certificates = suite('certificates')

const keys: SigningKey[] = Array.from({ length: 8 }, (_, i) => signingKeyFromSeed(new Uint8Array(32).fill(i + 1))).sort((a, b) =>
  compareBytes(a.publicKey, b.publicKey),
)
const header: Header = { ...genesisHeader, height: 7, parent: headerHash(genesisHeader) }

const setOf = (powers: readonly number[]): ValidatorSet => ({
  validators: powers.map((power, i) => ({ publicKey: (keys[i] as SigningKey).publicKey, power })),
  since: 0,
})

interface Vote {
  kind?: 'prevote' | 'precommit'
  round?: number
  block?: Uint8Array | null
  chainId?: Uint8Array
  height?: number
}

function sign(i: number, vote: Vote = {}): CommitSignature {
  const key = keys[i] as SigningKey
  const { chainId, height } = header
  const message = voteSigningBytes({ chainId, kind: 'precommit', height, round: 3, block: headerHash(header), ...vote })
  return { validator: key.publicKey, signature: key.sign(message) }
}

const certify = (signers: readonly number[], vote: Vote = {}): Certificate => ({
  height: header.height,
  round: 3,
  block: headerHash(header),
  signatures: signers.map(i => sign(i, vote)),
})

const valid = (certificate: Certificate, set: ValidatorSet): void => verifyCertificate(header, certificate, set)
const invalid = (certificate: Certificate, set: ValidatorSet): Error => throwsCode(() => valid(certificate, set), 'invalid-certificate')

certificates('a quorum is strictly more than two thirds, at every total', () => {
  for (let total = 1; total <= 400; total++) {
    const f = Math.floor((total - 1) / 3)
    let least = 0
    while (!isQuorum(least, total)) least++
    assert.is(least, Math.floor((2 * total) / 3) + 1, `total ${total}`)
    // Two quorums share more than a third, so at least one that is honest; and those that are honest alone make one.
    assert.ok(isMoreThanThird(2 * least - total, total))
    assert.ok(isQuorum(total - f, total))
    assert.not(isMoreThanThird(f, total))
    assert.ok(isMoreThanThird(Math.floor(total / 3) + 1, total))
  }
  // As exact at the greatest weights that the formats allow.
  const most = MAX_VALIDATORS * 1_000_000_000
  assert.not(isQuorum(Math.floor((2 * most) / 3), most))
  assert.ok(isQuorum(Math.floor((2 * most) / 3) + 1, most))
})

certificates('a quorum of precommits makes a header final, one fewer does not', () => {
  const equal = setOf([1, 1, 1, 1])
  valid(certify([0, 1, 2, 3]), equal)
  valid(certify([1, 2, 3]), equal)
  invalid(certify([1, 2]), equal)
  invalid(certify([]), equal)
  valid(certify([0]), setOf([1]))
  // Weights count, not heads.
  const weighted = setOf([10, 1, 1, 1])
  valid(certify([0]), weighted)
  invalid(certify([1, 2, 3]), weighted)
  const third = setOf([1, 1, 1])
  invalid(certify([0, 1]), third)
  valid(certify([0, 1, 2]), third)
})

certificates(
  'weights add up: valid if and only if the signers hold more than two thirds',
  property(random => {
    for (let i = 0; i < 25; i++) {
      const powers = Array.from({ length: 1 + random.below(6) }, () => 1 + random.below(5))
      const set = setOf(powers)
      const signers = powers.map((_, j) => j).filter(() => random.below(3) > 0)
      const power = signers.reduce((sum, j) => sum + (powers[j] as number), 0)
      assert.is(certificatePower(header.chainId, certify(signers), set), power)
      if (3 * power > 2 * totalPower(set)) valid(certify(signers), set)
      else invalid(certify(signers), set)
    }
  }),
)

certificates('a doubled signer does not count twice', () => {
  const set = setOf([1, 1, 1, 1])
  invalid(certify([0, 1, 1]), set)
  invalid(certify([0, 0, 0, 0]), set)
  invalid(certify([0, 1, 2, 2]), set)
})

certificates('signers stand in order', () => {
  const set = setOf([1, 1, 1, 1])
  invalid(certify([1, 0, 2]), set)
  invalid(certify([0, 1, 3, 2]), set)
})

certificates('an unknown signer refuses the whole, whatever the others hold', () => {
  const set = setOf([1, 1, 1, 1])
  invalid(certify([0, 1, 2, 3, 4]), set)
  const ours = certificatePower(header.chainId, certify([0, 1, 5]), set, { skipUnknown: true })
  assert.is(ours, 2)
  assert.is(certificatePower(header.chainId, certify([0, 1, 5]), set), undefined)
  assert.is(certificatePower(header.chainId, certify([0, 5, 5]), set, { skipUnknown: true }), undefined, 'skipped ones stand in order, too')
})

certificates('one wrong signature refuses the whole', () => {
  const set = setOf([1, 1, 1, 1])
  const good = certify([0, 1, 2, 3])
  const broken = structuredClone(good)
  const bytes = (broken.signatures[3] as CommitSignature).signature
  bytes[40] = (bytes[40] as number) ^ 1
  invalid(broken, set)
  const swapped = structuredClone(good)
  const [a, b] = swapped.signatures as [CommitSignature, CommitSignature]
  ;[a.signature, b.signature] = [b.signature, a.signature]
  invalid(swapped, set)
})

certificates('only precommits for this block, height, round and chain count', () => {
  const set = setOf([1, 1, 1, 1])
  const others: Vote[] = [
    { kind: 'prevote' },
    { round: 2 },
    { height: 8 },
    { block: null },
    { block: header.parent },
    { chainId: header.parent },
  ]
  for (const vote of others) invalid(certify([0, 1, 2, 3], vote), set)
  const good = certify([0, 1, 2, 3])
  invalid({ ...good, round: 4 }, set)
  invalid({ ...good, height: 8 }, set)
  invalid({ ...good, block: header.parent }, set)
  throwsCode(() => verifyCertificate({ ...header, time: header.time + 1 }, good, set), 'invalid-certificate')
  throwsCode(() => verifyCertificate({ ...header, height: 8 }, good, set), 'invalid-certificate')
})

certificates('votes are told apart by every field', () => {
  const base = { chainId: header.chainId, kind: 'precommit', height: 1, round: 1, block: headerHash(header) } as const
  const all = [base, { ...base, kind: 'prevote' as const }, { ...base, height: 2 }, { ...base, round: 2 }, { ...base, block: null }]
  const spelled = all.map(vote => toHex(voteSigningBytes(vote)))
  assert.is(new Set(spelled).size, all.length)
  assert.ok(spelled.every(text => text.startsWith(toHex(utf8('epione/vote/1\0')))))
})

certificates('the formats hold up to their limits and no more', () => {
  const full = { ...certify([]), round: MAX_ROUND, signatures: Array.from({ length: MAX_VALIDATORS }, () => sign(0)) }
  assert.equal(certificateCodec.decode(certificateCodec.encode(full)), full)
  throwsCode(() => certificateCodec.encode({ ...full, signatures: [...full.signatures, sign(0)] }), 'malformed')
  throwsCode(() => certificateCodec.encode({ ...full, round: MAX_ROUND + 1 }), 'malformed')
  const greatest = Number.MAX_SAFE_INTEGER
  const largest: Header = { ...header, version: 0xffff, height: greatest, time: greatest }
  assert.equal(headerCodec.decode(headerCodec.encode(largest)), largest)
  throwsCode(() => headerCodec.encode({ ...header, version: 0 }), 'malformed')
  throwsCode(() => headerCodec.encode({ ...header, height: -1 }), 'malformed')
  throwsCode(() => headerCodec.encode({ ...header, parent: new Uint8Array(31) }), 'malformed')
  const one = { publicKey: new Uint8Array(32).fill(255), power: 1_000_000_000 }
  const set: ValidatorSet = { validators: Array.from({ length: MAX_VALIDATORS }, () => one), since: greatest }
  assert.equal(validatorSetCodec.decode(validatorSetCodec.encode(set)), set)
  throwsCode(() => validatorSetCodec.encode({ ...set, validators: [...set.validators, one] }), 'malformed')
  throwsCode(() => validatorSetCodec.encode({ ...set, validators: [{ ...one, power: 0 }] }), 'malformed')
})

certificates('hashes of headers and sets move with every field', () => {
  const bytes = new Uint8Array(32).fill(5)
  const fields: Partial<Header>[] = [
    ...(
      ['chainId', 'parent', 'proposer', 'transactionsRoot', 'stateRoot', 'receiptsRoot', 'validatorsHash', 'nextValidatorsHash'] as const
    ).map(name => ({ [name]: bytes })),
    { version: 2 },
    { height: 9 },
    { time: 9 },
  ]
  const hashes = new Set([header, ...fields.map(field => ({ ...header, ...field }))].map(each => toHex(headerHash(each))))
  assert.is(hashes.size, fields.length + 1)
  const sets = [setOf([1, 1]), setOf([1, 2]), setOf([1]), { ...setOf([1, 1]), since: 1 }]
  assert.is(new Set(sets.map(set => toHex(validatorSetHash(set)))).size, sets.length)
})

certificates.run()
