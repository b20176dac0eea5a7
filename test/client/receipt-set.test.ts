/** What of a write's receipts comes with proofs, and what without. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { collectEvidence } from '../../src/client/receipt-set.ts'
import { anchorBodyCodec } from '../../src/contracts/records-formats.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import { rejectsCode } from '../encoding/throws.ts'

const test = suite('client/receipt-set')

const hash = (name: string): Uint8Array => taggedHash(`test-${name}`)
const body = anchorBodyCodec.encode({
  folder: hash('folder'),
  epoch: 0,
  submissionRoot: hash('root'),
  sizeBucket: 12,
  n: 4,
  k: 2,
  memberHeight: 0,
})
const receipt = { transaction: hash('transaction'), code: 'ok', events: [] }
const anchored = { status: 'committed' as const, height: 7, time: 1, receipt, proof: new Uint8Array(0) }

/** Collects while the nodes answer with `prove`. */
async function collect(prove: () => Promise<Uint8Array>, signal?: AbortSignal) {
  return await collectEvidence({ chainId: hash('chain'), prove }, { body, receipts: [], anchored }, { signal })
}

test('proofs are kept where they can be had; where not, the receipts stand without', async () => {
  assert.equal((await collect(async () => Uint8Array.of(1))).evidence, Uint8Array.of(1))
  const without = await collect(async () => {
    throw new EpioneError('unreachable', 'No node answers.')
  })
  assert.is(without.evidence, null)
  assert.is(without.height, 7)
})

test('whoever gives up waiting for proofs is told so', async () => {
  const stop = new AbortController()
  const collecting = collect(async () => {
    stop.abort(new EpioneError('stopped', 'That is enough.'))
    throw new EpioneError('timeout', 'No node answered in time.')
  }, stop.signal)
  await rejectsCode(collecting, 'stopped')
})

test.run()
