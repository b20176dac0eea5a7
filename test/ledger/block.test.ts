import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes, toHex, utf8 } from '../../src/encoding/bytes.ts'
import {
  type Block,
  batchCodec,
  batchDigest,
  blockCodec,
  MAX_BATCH_BYTES,
  MAX_BATCH_TRANSACTIONS,
  receiptsRoot,
  transactionsRoot,
} from '../../src/ledger/block.ts'
import { MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, MAX_TRANSACTION_BYTES } from '../../src/ledger/limits.ts'
import { type LedgerEvent, type Receipt, receiptCodec } from '../../src/ledger/receipt.ts'
import { throwsCode } from '../encoding/throws.ts'
import { genesisHeader } from './chain-fixture.ts'

const blocks = suite('blocks, batches and receipts')

const block = (transactions: Uint8Array[]): Block => ({ header: genesisHeader, transactions, certificate: null })
const of = (count: number, length: number): Uint8Array[] => Array.from({ length: count }, () => new Uint8Array(length))

blocks('a block survives its bytes and holds up to its limits', () => {
  const small = block([utf8('a'), utf8('b')])
  assert.equal(blockCodec.decode(blockCodec.encode(small)), small)
  const most = block(of(MAX_BLOCK_TRANSACTIONS, 10))
  assert.is(blockCodec.decode(blockCodec.encode(most)).transactions.length, MAX_BLOCK_TRANSACTIONS)
  const heaviest = block(of(MAX_BLOCK_BYTES / MAX_TRANSACTION_BYTES, MAX_TRANSACTION_BYTES))
  assert.is(blockCodec.decode(blockCodec.encode(heaviest)).transactions.length, MAX_BLOCK_BYTES / MAX_TRANSACTION_BYTES)
  throwsCode(() => blockCodec.encode(block(of(MAX_BLOCK_TRANSACTIONS + 1, 1))), 'malformed')
  throwsCode(() => blockCodec.encode(block(of(1, MAX_TRANSACTION_BYTES + 1))), 'malformed')
  throwsCode(() => blockCodec.encode(block(of(160, MAX_TRANSACTION_BYTES))), 'malformed')
})

blocks('a batch survives its bytes, holds up to its limits and is never empty', () => {
  const batch = { author: new Uint8Array(32).fill(1), transactions: [utf8('a')] }
  assert.equal(batchCodec.decode(batchCodec.encode(batch)), batch)
  assert.is(
    batchCodec.decode(batchCodec.encode({ ...batch, transactions: of(MAX_BATCH_TRANSACTIONS, 400) })).transactions.length,
    MAX_BATCH_TRANSACTIONS,
  )
  throwsCode(() => batchCodec.encode({ ...batch, transactions: [] }), 'malformed')
  throwsCode(() => batchCodec.encode({ ...batch, transactions: of(MAX_BATCH_TRANSACTIONS + 1, 1) }), 'malformed')
  throwsCode(
    () => batchCodec.encode({ ...batch, transactions: of(MAX_BATCH_BYTES / MAX_TRANSACTION_BYTES + 2, MAX_TRANSACTION_BYTES) }),
    'malformed',
  )
  const bytes = batchCodec.encode(batch)
  assert.not(equalBytes(batchDigest(bytes), batchDigest(batchCodec.encode({ ...batch, author: new Uint8Array(32) }))))
})

blocks('roots move with content and order, and those of transactions and receipts are one kind of tree', () => {
  const [a, b] = [utf8('a'), utf8('b')]
  const roots = [[], [a], [b], [a, b], [b, a], [a, a]].map(list => toHex(transactionsRoot(list)))
  assert.is(new Set(roots).size, roots.length)
  assert.equal(receiptsRoot([a, b]), transactionsRoot([a, b]))
  // RFC 6962 keeps leaves and nodes apart: the two leaves' hashes in a row are not a transaction with the same root.
  assert.not(equalBytes(transactionsRoot([new Uint8Array([...transactionsRoot([a]), ...transactionsRoot([b])])]), transactionsRoot([a, b])))
})

blocks('a receipt survives its bytes and keeps its limits', () => {
  const event: LedgerEvent = { name: 'consents.granted', subject: new Uint8Array(32), index: 1, data: utf8('data') }
  const receipt: Receipt = { transaction: new Uint8Array(32).fill(3), code: 'ok', events: [event] }
  assert.equal(receiptCodec.decode(receiptCodec.encode(receipt)), receipt)
  const refused: Receipt[] = [
    { ...receipt, code: 'Not OK' },
    { ...receipt, code: '' },
    { ...receipt, events: Array.from({ length: 65 }, () => event) },
    { ...receipt, events: [{ ...event, name: 'consents' }] },
    { ...receipt, events: [{ ...event, data: new Uint8Array(4097) }] },
    { ...receipt, transaction: new Uint8Array(31) },
  ]
  for (const wrong of refused) throwsCode(() => receiptCodec.encode(wrong), 'malformed')
})

blocks.run()
