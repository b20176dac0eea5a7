import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex, u32 } from '../../src/encoding/bytes.ts'
import { batchCodec, batchDigest } from '../../src/ledger/block.ts'
import { createTransaction } from '../../src/ledger/transaction.ts'
import { batchRequestCodec, batchResponseCodec } from '../../src/network/validator-messages.ts'
import { TransactionService, type TransactionServiceDependencies } from '../../src/node/transactions.ts'
import { nodeKeys } from './cluster.ts'

const test = suite('gathering batches')
const COUNT = 128
/** Requests of one peer that a node serves at once; more are refused. */
const SERVED_AT_ONCE = 32
/** Batches of one block that a node fetches at once. */
const FETCHES_AT_ONCE = 16
const author = nodeKeys(1)
const chainId = new Uint8Array(32)

/** Batches of one transaction each. */
const batches = Array.from({ length: COUNT }, (_, i) => {
  const content = {
    chainId,
    from: { kind: 'account' as const, id: author.account },
    validUntil: 1_000_000,
    nonce: new Uint8Array([...u32(i), ...new Uint8Array(12)]),
    contract: 'records',
    action: 'anchor',
    body: new Uint8Array(1),
    sponsor: null,
  }
  const bytes = batchCodec.encode({ author: author.consensus.publicKey, transactions: [createTransaction(content, author.signing).bytes] })
  return { bytes, digest: batchDigest(bytes) }
})

/** A service whose one peer holds all batches and refuses what it would refuse. */
function service(options: { silent?: Uint8Array } = {}) {
  const held = new Map(batches.map(({ digest, bytes }) => [toHex(digest), bytes]))
  const seen = { requests: 0, open: 0, refused: 0, unanswered: 0 }
  const request = async (peer: Uint8Array, _protocol: string, bytes: Uint8Array): Promise<Uint8Array> => {
    if (peer === options.silent) {
      seen.unanswered++
      return await new Promise(() => undefined)
    }
    seen.requests++
    if (seen.open >= SERVED_AT_ONCE) {
      seen.refused++
      throw new Error('busy')
    }
    seen.open++
    await new Promise(resolve => setImmediate(resolve))
    seen.open--
    return batchResponseCodec.encode({ batch: held.get(toHex(batchRequestCodec.decode(bytes).digest)) as Uint8Array })
  }
  const set = { validators: [{ publicKey: author.consensus.publicKey, power: 1 }], since: 0 }
  const made = new TransactionService({ validatorKey: null }, {
    chain: { chainId, tip: { header: { time: 0 }, validators: { current: set, next: set, decided: set } }, seen: { has: () => false } },
    directory: { byConsensusKey: () => ({ organisation: { networkKey: author.network.publicKey } }) },
    network: {
      peers: () =>
        [...(options.silent === undefined ? [] : [options.silent]), author.network.publicKey].map(networkKey => ({
          networkKey,
          validator: true,
          connected: true,
        })),
      request,
      report: () => undefined,
    },
    logger: {},
    now: () => 0,
    onWork: () => undefined,
  } as unknown as TransactionServiceDependencies)
  return { made, seen }
}

test('a hundred missing batches come in order, and nobody is asked for more at once than it serves', async () => {
  const { made, seen } = service()
  const digests = batches.map(({ digest }) => digest)
  const gathered = await made.gather(digests, { signal: AbortSignal.timeout(30_000) })
  assert.equal(
    gathered.map(({ digest }) => toHex(digest)),
    digests.map(digest => toHex(digest)),
  )
  assert.equal([seen.requests, seen.refused], [COUNT, 0])
})

test('a peer that never answers is passed over, and asked last from then on', async () => {
  const { made, seen } = service({ silent: nodeKeys(2).network.publicKey })
  const digests = batches.map(({ digest }) => digest)
  const gathered = await made.gather(digests, { signal: AbortSignal.timeout(30_000) })
  assert.is(gathered.length, COUNT)
  // Each of the first fetches learns it for itself; none after them asks it again.
  assert.ok(seen.unanswered <= FETCHES_AT_ONCE, `${seen.unanswered} fetches asked the silent peer`)
})

test('a gathering that is given up ends', async () => {
  const { made } = service()
  const over = new AbortController()
  const gathering = made.gather([new Uint8Array(32)], { signal: over.signal })
  over.abort(new Error('given up'))
  try {
    await gathering
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, 'given up')
  }
})

test.run()
