/** Light peers against nodes that lie: what is detected, by which code, and that another node is asked. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readAccessLog } from '../../src/client/access-log.ts'
import { grantConsent } from '../../src/client/consents.ts'
import type { Person } from '../../src/client/identity.ts'
import { type LightPeer, staleAfterMs } from '../../src/client/light-peer.ts'
import { openSession } from '../../src/client/session.ts'
import { accessEntryCodec } from '../../src/contracts/access-formats.ts'
import { folderCodec } from '../../src/contracts/folders-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { receiptCodec } from '../../src/ledger/receipt.ts'
import {
  commitResponseCodec,
  logResponseCodec,
  prefixResponseCodec,
  queryResponseCodec,
  receiptResponseCodec,
} from '../../src/network/light-messages.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, nodeKeys, openFolder, permitTo, seedOf, type TestFolder } from './cluster.ts'
import { type Lie, type LyingNode, startLyingNode } from './lying-node.ts'

interface World {
  cluster: Cluster
  liar: LyingNode
  author: Person
  peer: LightPeer
  folder: TestFolder
  /** Ids of two transactions that are final. */
  transactions: Uint8Array[]
}

const test = suite<{ world: World }>('attacks on light peers')

test.before(async context => {
  const cluster = await Cluster.start()
  context.world = { cluster } as World
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const peer = await cluster.peer([0])
  const folder = await openFolder(peer, author, 'patient')
  await openFolder(peer, author, 'another patient')
  await cluster.agree()
  const transactions: Uint8Array[] = []
  const { chain } = cluster.node(0)
  for (let height = 1; height <= chain.tip.header.height; height++) {
    for (const bytes of await chain.store.receipts(height)) transactions.push(receiptCodec.decode(bytes).transaction)
  }
  const liar = await startLyingNode(cluster.addresses[0] as string)
  context.world = { cluster, liar, author, peer, folder, transactions }
})

test.after(async ({ world }) => {
  await world.liar[Symbol.asyncDispose]()
  await world.cluster.stop()
})

/**
 * Who asks the liar alone gets an error with `code`; who knows an honest node too gets what is true, though the liar was asked
 * first. `ask` says what it got as text.
 */
async function caught(world: World, lie: Lie, code: string, ask: (peer: LightPeer) => Promise<string>): Promise<void> {
  const { cluster, liar, peer } = world
  liar.tell(lie)
  const truth = await ask(peer)
  const alone = await cluster.peer([liar.address])
  await rejectsCode(ask(alone), code)
  await alone.stop()
  const before = liar.lies()
  const both = await cluster.peer([liar.address, 1])
  assert.is(await ask(both), truth)
  assert.ok(liar.lies() > before, 'the liar was asked')
  await both.stop()
}

const folderOf =
  ({ folder }: World) =>
  async (peer: LightPeer): Promise<string> => {
    const value = await peer.readOne(stateKey.folder(folder.address.id))
    return value === null ? 'none' : toHex(folderCodec.decode(value).ownerKeyHash)
  }

/** Changes one byte of the place where `needle` lies in the answer; the answer stays well-formed. */
function flipped(answer: Uint8Array, needle: Uint8Array): Uint8Array {
  const out = Uint8Array.from(answer)
  const at = Buffer.from(answer.buffer, answer.byteOffset, answer.length).indexOf(needle)
  assert.ok(at >= 0, 'the answer holds what is to be changed')
  out[at] = (out[at] as number) ^ 1
  return out
}

test('(j) a value that was changed', async ({ world }) => {
  const { ownerKeyHash } = world.folder.owned.folder
  await caught(world, async (request, honest) => flipped(await honest(request), ownerKeyHash), 'invalid-proof', folderOf(world))
})

test('(j) a value that is said not to be there, or to be another', async ({ world }) => {
  const instead =
    (key: Uint8Array): Lie =>
    async (request, honest) =>
      await honest(request.type === 'query' ? { type: 'query', value: { ...request.value, keys: [key] } } : request)
  await caught(world, instead(stateKey.folder(seedOf('no folder'))), 'invalid-proof', folderOf(world))
  await caught(world, instead(stateKey.parameters()), 'invalid-proof', folderOf(world))
})

test('(j) a refusal in the words of a thing that does not exist', async ({ world }) => {
  const refuse: Lie = async () => {
    throw new EpioneError('not-found', 'There is nothing here under this name.')
  }
  await caught(world, refuse, 'not-found', folderOf(world))
})

test('(j) a header that was changed, a certificate without a quorum, and other validators', async ({ world }) => {
  const commit =
    (change: (commit: ReturnType<typeof commitResponseCodec.decode>) => ReturnType<typeof commitResponseCodec.decode>): Lie =>
    async (request, honest) => {
      const answer = await honest(request)
      return request.type === 'commit' ? commitResponseCodec.encode(change(commitResponseCodec.decode(answer))) : answer
    }
  // Of one height: heads may differ while the chain goes on.
  const head = async (peer: LightPeer): Promise<string> => toHex((await peer.headerAt(1)).stateRoot)
  const at = (change: Parameters<typeof commit>[0], code: string) => caught(world, commit(change), code, head)
  await at(answer => ({ ...answer, header: { ...answer.header, stateRoot: seedOf('root') } }), 'invalid-certificate')
  await at(answer => ({ ...answer, header: { ...answer.header, chainId: seedOf('chain') } }), 'invalid-header')
  await at(answer => ({ ...answer, certificate: null }), 'invalid-header')
  await at(({ certificate, ...answer }) => {
    if (certificate === null) throw new Error('no certificate')
    return { ...answer, certificate: { ...certificate, signatures: certificate.signatures.slice(0, 2) } }
  }, 'invalid-certificate')
  await at(answer => ({ ...answer, validators: { ...answer.validators, since: 2 } }), 'invalid-header')
})

test('(j) another height than was asked for', async ({ world }) => {
  const other: Lie = async (request, honest) => await honest(request.type === 'commit' ? { type: 'commit', value: { height: 2 } } : request)
  await caught(world, other, 'malformed', async peer => toHex((await peer.headerAt(1)).stateRoot))
})

test('(j) a list with something left out', async ({ world }) => {
  const accounts = async (peer: LightPeer): Promise<string> =>
    (await peer.list(stateKey.accounts())).entries.map(([key]) => toHex(key)).join()
  const [first] = (await world.peer.list(stateKey.accounts())).entries
  const without: Lie = async (request, honest) =>
    await honest(request.type === 'prefix' ? { type: 'prefix', value: { ...request.value, after: first?.[0] ?? null } } : request)
  await caught(world, without, 'invalid-proof', accounts)
  const altered: Lie = async (request, honest) => {
    const { commit, proof } = prefixResponseCodec.decode(await honest(request))
    return prefixResponseCodec.encode({ commit, proof: { ...proof, entries: proof.entries.slice(1) } })
  }
  await caught(world, altered, 'invalid-proof', accounts)
})

test('(j) a receipt of another transaction, and a receipt that was changed', async ({ world }) => {
  const [first, second] = world.transactions as [Uint8Array, Uint8Array]
  const outcome = async (peer: LightPeer): Promise<string> => {
    const { height, receipt } = await peer.outcome(first)
    return `${height} ${receipt.code}`
  }
  const other: Lie = async (request, honest) =>
    await honest(request.type === 'receipt' ? { type: 'receipt', value: { ...request.value, transaction: second } } : request)
  await caught(world, other, 'invalid-proof', outcome)
  const changed: Lie = async (request, honest) => {
    const answer = receiptResponseCodec.decode(await honest(request))
    if (answer === null) throw new Error('no receipt')
    const receipt = receiptCodec.encode({ ...receiptCodec.decode(answer.receipt), code: 'expired', events: [] })
    return receiptResponseCodec.encode({ ...answer, receipt })
  }
  await caught(world, changed, 'invalid-proof', outcome)
})

test('(j) a node that keeps a receipt to itself is passed over', async ({ world }) => {
  const { cluster, liar, transactions } = world
  liar.tell(async () => receiptResponseCodec.encode(null))
  const peer = await cluster.peer([liar.address, 1])
  const before = liar.lies()
  assert.is((await peer.outcome(transactions[0] as Uint8Array)).receipt.code, 'ok')
  assert.is(liar.lies(), before + 1)
})

test('(j) bytes that are no answer at all', async ({ world }) => {
  await caught(world, async () => seedOf('noise'), 'malformed', folderOf(world))
})

test('(j) an older state that was true once, to who has seen a newer one', async ({ world }) => {
  const { cluster, liar } = world
  const old: Lie = async (request, honest) => {
    if (request.type === 'query') return await honest({ type: 'query', value: { ...request.value, height: 1 } })
    if (request.type === 'commit') return await honest({ type: 'commit', value: { height: 1 } })
    return await honest(request)
  }
  liar.tell(old)
  const peer = await cluster.peer([liar.address])
  // Who has seen nothing newer cannot know: it is told how old the answer is.
  const first = await peer.head()
  assert.is(first.asOf.height, 1)
  liar.tell(async (request, honest) => await honest(request))
  const tip = cluster.node(0).chain.tip.header.height
  assert.ok((await peer.head()).header.height >= tip)
  liar.tell(old)
  await rejectsCode(peer.head(), 'stale')
  await rejectsCode(peer.readOne(stateKey.parameters()), 'stale')
  // An honest node helps.
  peer.nodes.add(nodeKeys(1).network.publicKey, [cluster.addresses[1] as string])
  assert.ok((await peer.head()).header.height >= tip)
})

test('(j) a state that is true and stale: another node is asked, and where there is none, the answer says how old it is', async ({
  world,
}) => {
  const { cluster, liar } = world
  liar.tell(async (request, honest) => {
    if (request.type === 'commit') return await honest({ type: 'commit', value: { height: 1 } })
    return await honest(request)
  })
  const { chain } = cluster.node(0)
  const one = await chain.store.header(1)
  const ahead = staleAfterMs(chain.parameters) - (Date.now() - (one?.header.time ?? 0)) + 1
  const alone = await cluster.peer([liar.address], () => Date.now() + ahead)
  const { asOf } = await alone.head()
  assert.is(asOf.stale, true)
  assert.is(asOf.height, 1)
  const both = await cluster.peer([liar.address, 1], () => Date.now() + ahead)
  assert.ok((await both.head()).header.height > 1)
})

test('(j) an access log with lines left out, in another order, or changed', async ({ world }) => {
  const { cluster, liar, author, folder, peer } = world
  const input = { sealingKey: author.sealing.publicKey, provision: permitTo(author) }
  const { share } = await grantConsent(peer, folder.wallet, folder.owned, input)
  for (let times = 0; times < 3; times++) await openSession(peer, author, share)
  const log = async (reading: LightPeer): Promise<string> => {
    const { entries } = await readAccessLog(reading, folder.wallet, folder.owned)
    return entries.map(({ id }) => toHex(id)).join()
  }
  const lines =
    (change: (items: Uint8Array[]) => Uint8Array[]): Lie =>
    async (request, honest) => {
      const answer = await honest(request)
      return request.type === 'log' ? logResponseCodec.encode({ items: change(logResponseCodec.decode(answer).items) }) : answer
    }
  const attacks: Lie[] = [
    lines(() => []),
    lines(items => items.slice(1)),
    lines(items => [...items].reverse()),
    lines(items =>
      items.map((item, i) =>
        i === 1 ? accessEntryCodec.encode({ ...accessEntryCodec.decode(item), organisation: seedOf('other') }) : item,
      ),
    ),
  ]
  for (const lie of attacks) await caught(world, lie, 'invalid-proof', log)
  // Nor does a reader take a made-up line for the one that was committed.
  liar.tell(lines(items => items.map(item => accessEntryCodec.encode({ ...accessEntryCodec.decode(item), until: 1 }))))
  const reader = await cluster.peer([liar.address, 0])
  const before = liar.lies()
  const session = await openSession(reader, author, share)
  assert.ok(liar.lies() > before)
  const known = await readAccessLog(peer, folder.wallet, folder.owned)
  assert.ok(known.entries.some(({ id }) => equalBytes(id, session.entryId)))
})

test('(j) proofs for fewer keys than were asked', async ({ world }) => {
  const fewer: Lie = async (request, honest) => {
    const { commit, proofs } = queryResponseCodec.decode(await honest(request))
    return queryResponseCodec.encode({ commit, proofs: proofs.slice(1) })
  }
  await caught(world, fewer, 'malformed', folderOf(world))
})

test.run()
