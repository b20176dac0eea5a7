/** Joining by a snapshot from peers of whom some lie. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { voteEvidence } from '../../src/consensus/evidence.ts'
import { signVote } from '../../src/consensus/messages.ts'
import { openBodyCodec } from '../../src/contracts/access-formats.ts'
import { evidenceBodyCodec } from '../../src/contracts/evidence-formats.ts'
import { createFolderCodec, folderId } from '../../src/contracts/folders-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { SEALING_PUBLIC_KEY_LENGTH } from '../../src/crypto/sealing-suites.ts'
import { signingKeyFromSeed } from '../../src/crypto/signature.ts'
import { ownerKeyHash } from '../../src/crypto/wallet.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { chunkCodec, MAX_CHUNKS, manifestCodec, manifestId } from '../../src/ledger/snapshot.ts'
import {
  countersign,
  createTransaction,
  decodeTransaction,
  type Transaction,
  type TransactionContent,
} from '../../src/ledger/transaction.ts'
import { headsCodec, snapshotChunkCodec, snapshotListCodec, snapshotManifestCodec } from '../../src/network/validator-messages.ts'
import type { Chain } from '../../src/node/chain.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { nodeKeys, seedOf } from './cluster.ts'
import { certify, consensusKeys, createFolder, nextBlock, temporary } from './ledger-fixture.ts'
import { type Answer, but, forger, HEIGHT, type Joiner, joiner, type Source, source } from './snapshot-world.ts'

const test = suite('snapshot join')
const shared = temporary()
let from: Source
test.before(async () => {
  from = await source(shared.dir)
})
test.after(async () => {
  await from[Symbol.asyncDispose]()
  shared[Symbol.dispose]()
})

test('a newcomer has the state, the headers and the last hour, and judges replays like everybody', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  assert.ok((from.snapshots.manifest(HEIGHT)?.chunks.length ?? 0) >= 2)
  assert.is(await to.run({ a: from.honest, b: from.honest }), true)
  assert.equal(to.reports, [])
  assert.equal(to.chain.tip.hash, from.chain.tip.hash)
  assert.is(to.chain.store.base, 7)
  const time = from.chain.tip.header.time + 1
  assert.is(to.chain.seen.has(from.last.id, time), true)
  assert.is(to.chain.seen.has(createFolder(from.chain, 'never seen').id, time), false)
  // Both peers gave chunks.
  assert.ok(to.asked.includes('a chunk') && to.asked.includes('b chunk'))
  // It goes on from there, and hands on all that it has.
  const next = nextBlock(from.chain, [createFolder(from.chain, 'next')])
  await to.chain.accept(next)
  assert.is(to.chain.tip.header.height, HEIGHT + 1)
  assert.equal((await to.chain.store.header(3))?.header, (await from.chain.store.header(3))?.header)
})

test('nobody offers anything: nothing happens', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  const empty = but(from.honest, request =>
    request.type === 'list' ? Promise.resolve(snapshotListCodec.encode({ snapshots: [] })) : undefined,
  )
  assert.is(await to.run({ empty }), false)
  assert.is(to.chain.tip.header.height, 0)
})

test('a peer that gives a wrong chunk is reported, and others give it', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  const liar = but(from.honest, (request, answer) =>
    request.type === 'chunk'
      ? answer().then(bytes => {
          const { chunk } = snapshotChunkCodec.decode(bytes)
          chunk[100] = (chunk[100] as number) ^ 1
          return snapshotChunkCodec.encode({ chunk })
        })
      : undefined,
  )
  assert.is(await to.run({ liar, honest: from.honest }), true)
  assert.ok(to.reports.length >= 1 && to.reports.every(report => report === 'liar: lie'), to.reports.join())
  assert.equal(to.chain.tip.hash, from.chain.tip.hash)
})

test('a snapshot of another state is found out whoever vouches for it, and the next one is taken', async () => {
  using place = temporary()
  await using lying = await forger(from, `${place.dir}/forged`)
  await using to = await joiner(`${place.dir}/joiner`)
  assert.is(await to.run({ liar: lying.answer, honest: from.honest }, { liar: 10 }), true)
  assert.equal(to.reports, ['liar: lie'])
  assert.equal(to.chain.tip.hash, from.chain.tip.hash)
  assert.equal(to.chain.tip.tree.root, from.chain.tip.header.stateRoot)
})

test('headers without a quorum and blocks that are not those of their headers are lies', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  const liar = but(from.honest, (request, answer) => {
    if (request.type === 'heads') {
      return answer().then(bytes => {
        const { heads, sets } = headsCodec.decode(bytes)
        return headsCodec.encode({ heads: heads.map(({ header }) => ({ header, certificate: certify(header, consensusKeys(2)) })), sets })
      })
    }
    // The blocks of other heights than were asked for.
    return request.type === 'blocks' ? from.honest({ type: 'blocks', value: { from: 1, limit: 3 } }) : undefined
  })
  assert.is(await to.run({ liar, honest: from.honest }), true)
  assert.equal(to.reports, ['liar: lie'], 'it comes behind the others then')
  await using second = await joiner(`${place.dir}/second`)
  const withBlocks = but(from.honest, request => (request.type === 'heads' ? undefined : liar(request)))
  assert.is(await second.run({ withBlocks }), false)
  assert.equal([...new Set(second.reports)], ['withBlocks: lie'])
})

test('what was gathered stays: the next attempt asks for the rest alone', async () => {
  using place = temporary()
  const failing = but(from.honest, request =>
    request.type === 'chunk' && request.value.index > 0 ? Promise.reject(new EpioneError('unreachable', 'gone')) : undefined,
  )
  {
    await using first = await joiner(`${place.dir}/joiner`)
    assert.is(await first.run({ failing }), false)
    assert.is(first.chain.tip.header.height, 0)
  }
  await using second = await joiner(`${place.dir}/joiner`)
  assert.is(second.chain.tip.header.height, 0, 'nothing shows before all is there')
  assert.is(await second.run({ honest: from.honest }), true)
  const chunks = (from.snapshots.manifest(HEIGHT)?.chunks.length ?? 0) - 1
  assert.is(second.asked.filter(line => line === 'honest chunk').length, chunks)
  assert.is(second.asked.filter(line => line === 'honest heads').length, 0)
})

test('a stop before the last mark leaves the old chain, and the next attempt needs no peer for the rest', async () => {
  using place = temporary()
  {
    await using first = await joiner(`${place.dir}/joiner`)
    first.generations.switchToCandidate = async () => {
      throw new EpioneError('store-unavailable', 'The power fails here.')
    }
    assert.is(await first.run({ honest: from.honest }), false)
    assert.is(first.chain.tip.header.height, 0)
  }
  {
    await using second = await joiner(`${place.dir}/joiner`)
    assert.is(second.chain.tip.header.height, 0)
    assert.is(await second.run({ honest: from.honest }), true)
    assert.equal(second.asked, ['honest list'])
    assert.is(second.chain.tip.header.height, HEIGHT)
    await second.generations.clearFormer()
  }
  await using third = await joiner(`${place.dir}/joiner`)
  assert.is(third.chain.tip.header.height, HEIGHT)
  assert.is(third.chain.seen.has(from.last.id, from.chain.tip.header.time + 1), true)
})

test('a chain that meanwhile goes over the snapshot stays the one that counts, over a restart, too', async () => {
  using place = temporary()
  {
    await using to = await joiner(`${place.dir}/joiner`)
    const overtaking = but(from.honest, request => {
      if (request.type !== 'blocks') return undefined
      return (async () => {
        for (let height = to.chain.tip.header.height + 1; height <= HEIGHT; height++) {
          const block = await from.chain.store.block(height)
          if (block !== undefined) await to.chain.accept(block)
        }
        await to.chain.accept(nextBlock(to.chain))
        return await from.honest(request)
      })()
    })
    assert.is(await to.run({ overtaking }), false)
    assert.is(to.chain.tip.header.height, HEIGHT + 1)
    assert.is((await to.chain.store.block(1))?.header.height, 1)
  }
  await using again = await joiner(`${place.dir}/joiner`)
  assert.is(again.chain.tip.header.height, HEIGHT + 1)
})

test('who reads the former chain while it goes is told so, and neither that it is damaged nor that there is nothing', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  for (let height = 1; height <= 3; height++) {
    const block = await from.chain.store.block(height)
    if (block !== undefined) await to.chain.accept(block)
  }
  const { store } = to.chain
  const id = (await store.block(1))?.transactions.map(bytes => decodeTransaction(bytes).id)[0] as Uint8Array
  // A read that is under way when the chain is replaced.
  const switchToCandidate = to.generations.switchToCandidate.bind(to.generations)
  let early: Promise<unknown> | undefined
  to.generations.switchToCandidate = async () => {
    await switchToCandidate()
    early = store.receipt(id)
    early.catch(() => undefined)
  }
  assert.is(await to.run({ honest: from.honest }), true)
  await rejectsCode(early as Promise<unknown>, 'chain-replaced')
  const reads = [
    () => store.header(2),
    () => store.block(2),
    () => store.receipt(id),
    () => store.receipts(2),
    () => store.logItems(stateKey.evidence(), 0, 1),
    () => store.logItemById(id),
    () => store.allLogItems().next(),
  ]
  for (const read of reads) await rejectsCode(read(), 'chain-replaced')
  assert.is((await to.chain.store.header(2))?.header.height, 2)
})

test('a node with a chain of its own keeps its headers and takes the rest from others', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  for (let height = 1; height <= 3; height++) {
    const block = await from.chain.store.block(height)
    if (block !== undefined) await to.chain.accept(block)
  }
  assert.is(await to.run({ a: from.honest }), true)
  assert.equal(to.chain.tip.hash, from.chain.tip.hash)
  assert.equal((await to.chain.store.header(2))?.certificate, (await from.chain.store.header(2))?.certificate)
})

test('the chunks of a snapshot hold leaves in order, and decode as they were', async () => {
  let leaves = 0
  for (let index = 0; index < (from.snapshots.manifest(HEIGHT)?.chunks.length ?? 0); index++) {
    leaves += chunkCodec.decode((await from.snapshots.chunk(HEIGHT, index)) as Uint8Array).leaves.length
  }
  assert.is(leaves, from.chain.tip.tree.size)
})

/** A folder whose owner opened it once, and a validator that signed twice. */
async function growLogs(chain: Chain): Promise<Transaction> {
  const owner = signingKeyFromSeed(seedOf('owner'))
  const ownerHash = ownerKeyHash(owner.publicKey)
  const folder = folderId(chain.chainId, ownerHash)
  const { account, signing } = nodeKeys(0)
  const content = (name: string, changes: Pick<TransactionContent, 'contract' | 'action' | 'body'>): TransactionContent => ({
    chainId: chain.chainId,
    from: { kind: 'account', id: account },
    validUntil: chain.tip.header.time + 600_000,
    nonce: seedOf(name).slice(0, 16),
    sponsor: null,
    ...changes,
  })
  const made = createFolderCodec.encode({
    ownerKeyHash: ownerHash,
    recoveryKeyHash: seedOf('recovery'),
    sealingKey: new Uint8Array(SEALING_PUBLIC_KEY_LENGTH).fill(1),
    labelCommitment: seedOf('label'),
    policy: 0,
  })
  await chain.accept(nextBlock(chain, [createTransaction(content('make', { contract: 'folders', action: 'create', body: made }), signing)]))
  const until = chain.tip.header.time + 60_000
  const opened = openBodyCodec.encode({ folder, consent: null, commitment: seedOf('access'), until })
  const entry = content('open', { contract: 'access', action: 'open', body: opened })
  const access = countersign(createTransaction({ ...entry, from: { kind: 'folder', id: folder }, sponsor: account }, owner), signing)
  const liar = nodeKeys(3).consensus
  const vote = (block: Uint8Array | null) =>
    signVote(chain.chainId, { kind: 'precommit', height: 1, round: 0, block, validator: liar.publicKey }, liar)
  const body = evidenceBodyCodec.encode({ evidence: voteEvidence(vote(null), vote(seedOf('block'))) })
  const report = createTransaction(content('report', { contract: 'members', action: 'report', body }), signing)
  await chain.accept(nextBlock(chain, [access, report]))
  return report
}

test('a chain with a line in an access log and evidence against a validator is joined, logs and all', async () => {
  using place = temporary()
  await using logs = await source(`${place.dir}/logs`, growLogs)
  await using to = await joiner(`${place.dir}/joiner`)
  assert.is(await to.run({ a: logs.honest }), true)
  assert.equal(to.reports, [])
  const folder = folderId(logs.chain.chainId, ownerKeyHash(signingKeyFromSeed(seedOf('owner')).publicKey))
  for (const stream of [stateKey.evidence(), stateKey.accessLog(folder)]) {
    const items = await to.chain.store.logItems(stream, 0, 10)
    assert.is(items.length, 1)
    assert.equal(items, await logs.chain.store.logItems(stream, 0, 10))
  }
})

/** A peer that gives one header and one block an answer. */
const dripping = (): Answer =>
  but(from.honest, request =>
    request.type === 'heads' || request.type === 'blocks'
      ? from.honest({ type: request.type, value: { from: request.value.from, limit: 1 } })
      : undefined,
  )
const asks = (to: Joiner, line: string): number => to.asked.filter(each => each === line).length

test('a peer that drips headers and blocks is asked for a few, wherever it stands in the list', async () => {
  for (const isFirst of [true, false]) {
    using place = temporary()
    await using to = await joiner(`${place.dir}/joiner`)
    const peers = isFirst ? { drip: dripping(), honest: from.honest } : { honest: from.honest, drip: dripping() }
    assert.is(await to.run(peers), true)
    assert.ok(asks(to, 'drip heads') <= 1 && asks(to, 'drip blocks') <= 1, to.asked.join(', '))
    assert.equal(to.reports, [])
  }
})

test('where all drip, an attempt ends soon; the next goes on where it stood', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  assert.is(await to.run({ a: dripping(), b: dripping() }), false)
  assert.is(asks(to, 'a heads') + asks(to, 'b heads'), 6)
  assert.equal(to.warnings, ['unreachable'])
  assert.is(await to.run({ honest: from.honest }), true)
})

test('a peer that does not answer is waited for as long as others need, and where all are slow, longer', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  const silent = but(from.honest, request =>
    request.type === 'heads' || request.type === 'blocks' ? new Promise(() => undefined) : undefined,
  )
  assert.is(await to.run({ silent, honest: from.honest }, {}, { patienceMs: 1000 }), true)
  assert.ok(asks(to, 'silent heads') + asks(to, 'silent blocks') <= 2, to.asked.join(', '))
  await using second = await joiner(`${place.dir}/second`)
  const slow = but(from.honest, (request, answer) =>
    request.type === 'heads' ? new Promise(resolve => setTimeout(() => resolve(answer()), 150)) : undefined,
  )
  assert.is(await second.run({ slow }, {}, { patienceMs: 50 }), true)
})

test('a heavier offer whose chunks drip gives way to another, and holds up nobody for ever', async () => {
  using place = temporary()
  await using lying = await forger(from, `${place.dir}/forged`)
  await using to = await joiner(`${place.dir}/joiner`)
  const drip = but(lying.answer, request => (request.type === 'chunk' ? new Promise(() => undefined) : undefined))
  // Its requests are given up with it. Alone it is given up, too, so that blocks can be asked for.
  assert.is(await to.run({ drip }, {}, { graceMs: 100, chunkMs: 10 }), false)
  assert.is(await to.run({ drip, honest: from.honest }, { drip: 10 }, { graceMs: 100, chunkMs: 500 }), true)
  assert.equal(to.warnings, ['too-slow', 'too-slow'])
  assert.equal(to.chain.tip.hash, from.chain.tip.hash)
})

test('a snapshot that takes more disk or memory than this node may use is refused in so many words, and nobody is blamed', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  assert.is(await to.run({ honest: from.honest }, {}, { maxBytes: 2 ** 20 - 1 }), false)
  assert.is(asks(to, 'honest chunk'), 0)
  const leaves = from.chain.tip.tree.size
  assert.is(await to.run({ honest: from.honest }, {}, { maxLeaves: leaves - 1 }), false)
  assert.equal(to.warnings, ['snapshot-too-large', 'snapshot-too-large'])
  assert.equal(to.reports, [])
  assert.is(await to.run({ honest: from.honest }, {}, { maxLeaves: leaves }), true)
})

test('an offer that is too large costs nothing where a smaller one is', async () => {
  using place = temporary()
  await using to = await joiner(`${place.dir}/joiner`)
  const manifest = { height: HEIGHT, block: from.chain.tip.hash, chunks: Array.from({ length: MAX_CHUNKS }, () => seedOf('chunk')) }
  const liar = but(from.honest, request => {
    if (request.type === 'list')
      return Promise.resolve(snapshotListCodec.encode({ snapshots: [{ height: HEIGHT, id: manifestId(manifest) }] }))
    return request.type === 'manifest'
      ? Promise.resolve(snapshotManifestCodec.encode({ manifest: manifestCodec.encode(manifest) }))
      : undefined
  })
  assert.is(await to.run({ liar, honest: from.honest }, { liar: 10 }), true)
  assert.equal(to.warnings, ['snapshot-too-large'])
  assert.is(asks(to, 'liar chunk'), 0)
})

test.run()
