/** What an organisation signs for the owners of its folders, and what it refuses: all in the same words. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createFolderCodec, folderCodec } from '../../src/contracts/folders-formats.ts'
import { anchorBodyCodec, anchorCodec } from '../../src/contracts/records-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { type SigningKey, verifySignature } from '../../src/crypto/signature.ts'
import { folderSealingKey, ownerKey, ownerKeyHash } from '../../src/crypto/wallet.ts'
import { concat, equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { MalformedError } from '../../src/encoding/errors.ts'
import { domain } from '../../src/encoding/hash.ts'
import { merkleProof } from '../../src/encoding/merkle.ts'
import { submissionRoot, uploadTicketBytes, uploadTicketCodec, type VersionLeaf, versionLeafHash } from '../../src/fragments/formats.ts'
import { type Move, moveBytes, moveCodec, movedRoot } from '../../src/fragments/move.ts'
import { createTransaction } from '../../src/ledger/transaction.ts'
import { OPEN_FOLDER_DOMAIN, openFolderCodec, type SignedMove } from '../../src/network/light-messages.ts'
import { OwnerSponsor } from '../../src/node/owner-sponsor.ts'
import type { ReceiptDependencies } from '../../src/node/storage-receipts.ts'
import { throwsCode } from '../encoding/throws.ts'
import { nodeKeys, seedOf, walletOf } from './cluster.ts'

const test = suite('sponsoring of owners')
const NOW = 1_700_000_000_000
const CHAIN = seedOf('chain')
const PEER = seedOf('peer')
const { account, signing } = nodeKeys(0)
const { seed } = walletOf('patient')
const [sourceKey, targetKey, strange] = [ownerKey(seed, 0), ownerKey(seed, 1), ownerKey(seed, 2)]
const [SOURCE, TARGET, ELSEWHERE] = [seedOf('source'), seedOf('target'), seedOf('elsewhere')]

const leafOf = (i: number): VersionLeaf => ({
  ...{ recordId: seedOf('record', i), version: 1, dispersalRoot: seedOf('dispersal', i), commitment: seedOf('commitment', i) },
  ...{ sealedKeyHash: seedOf('key', i), classCommitment: seedOf('class', i) },
})
const leaves = [0, 1, 2, 3, 4].map(leafOf)
const ROOT = submissionRoot(leaves)
const FOREIGN = submissionRoot(leaves.slice(0, 2))

function folder(key: SigningKey, author = account): Uint8Array {
  return folderCodec.encode({
    ...{ author, ownerKeyHash: ownerKeyHash(key.publicKey), recoveryKeyHash: seedOf('recovery'), epoch: 0, previousKeyHash: null },
    ...{ sealingKey: folderSealingKey(seed, 0, 0).publicKey, labelCommitment: seedOf('label'), policy: 0, status: 'open' },
  })
}

const anchored = (author: Uint8Array): Uint8Array =>
  anchorCodec.encode({ author, epoch: 0, sizeBucket: 10, n: 4, k: 2, memberHeight: 0, height: 1 })

const state = new Map([
  [toHex(stateKey.folder(SOURCE)), folder(sourceKey)],
  [toHex(stateKey.folder(TARGET)), folder(targetKey)],
  [toHex(stateKey.folder(ELSEWHERE)), folder(strange, nodeKeys(1).account)],
  [toHex(stateKey.submission(SOURCE, ROOT)), anchored(account)],
  [toHex(stateKey.submission(SOURCE, FOREIGN)), anchored(nodeKeys(1).account)],
])
const chain = { chainId: CHAIN, tip: { tree: { get: (key: Uint8Array) => state.get(toHex(key)) } } }
const sponsor = new OwnerSponsor({ account, accountKey: signing }, { chain, now: () => NOW } as unknown as ReceiptDependencies)

function moveOf(changes: Partial<Move> = {}): Move {
  const positions = [1, 3]
  return {
    ...{ chainId: CHAIN, source: SOURCE, sourceRoot: ROOT, total: leaves.length, target: TARGET, peer: PEER, time: NOW },
    proof: merkleProof(leaves.map(versionLeafHash), positions),
    versions: positions.map(position => ({
      ...{ position, leaf: leafOf(position), sealedKeyHash: seedOf('new key', position), classCommitment: seedOf('new class', position) },
    })),
    ...changes,
  }
}

function sign(move: Move, [source, target]: readonly SigningKey[] = [sourceKey, targetKey]): SignedMove {
  const content = moveCodec.encode(move)
  const bytes = moveBytes(content)
  return {
    content,
    ...{ sourceKey: (source as SigningKey).publicKey, sourceSignature: (source as SigningKey).sign(bytes) },
    ...{ targetKey: (target as SigningKey).publicKey, targetSignature: (target as SigningKey).sign(bytes) },
  }
}

function ticketOf(move: Move, changes: object = {}): Uint8Array {
  return uploadTicketCodec.encode({
    ...{ folder: move.target, epoch: 0, submissionRoot: movedRoot(move), versions: move.versions.length, size: 100, n: 4, k: 2 },
    ...{ memberHeight: 0, labelSalt: seedOf('salt'), label: 'restricted', sponsor: account, until: NOW + 1000 },
    ...changes,
  })
}

test('a ticket for what both owners move is signed, and says that it is no other', () => {
  const move = moveOf()
  const ticket = ticketOf(move)
  const { signature, folder: charged } = sponsor.ticket(sign(move), ticket, PEER)
  assert.ok(verifySignature(signing.publicKey, uploadTicketBytes(uploadTicketCodec.decode(ticket)), signature))
  assert.equal(charged, TARGET)
  const others: object[] = [
    ...[{ folder: SOURCE }, { submissionRoot: ROOT }, { sponsor: nodeKeys(1).account }, { versions: 3 }, { until: NOW + 7_200_000 }],
  ]
  for (const changes of others) throwsCode(() => sponsor.ticket(sign(move), ticketOf(move, changes), PEER), 'not-sponsored')
})

test('who owns one of the folders alone, another folder, chain, place or time, and what another anchored, are refused alike', () => {
  const refused = (signed: SignedMove, peer = PEER): void => {
    throwsCode(() => sponsor.ticket(signed, ticketOf(moveOf()), peer), 'not-sponsored')
  }
  refused(sign(moveOf(), [strange, targetKey]))
  refused(sign(moveOf(), [sourceKey, strange]))
  refused({ ...sign(moveOf()), sourceSignature: targetKey.sign(moveBytes(moveCodec.encode(moveOf()))) })
  refused({ ...sign(moveOf()), content: moveCodec.encode(moveOf({ time: NOW - 1 })) })
  refused(sign(moveOf()), seedOf('another peer'))
  for (const changes of [
    { source: ELSEWHERE },
    { target: ELSEWHERE },
    { source: seedOf('no folder') },
    { chainId: seedOf('another') },
    { time: NOW - 600_000 },
    { sourceRoot: FOREIGN },
    { sourceRoot: seedOf('never') },
  ]) {
    refused(sign(moveOf(changes)))
    refused(sign(moveOf(changes), [strange, strange]))
  }
})

test('versions that are not in the submission, or not as they are there, are no move', () => {
  const [first, second] = moveOf().versions as [Move['versions'][number], Move['versions'][number]]
  const others = [
    [{ ...first, leaf: { ...first.leaf, commitment: seedOf('forged') } }, second],
    [{ ...first, leaf: { ...first.leaf, dispersalRoot: seedOf('forged') } }, second],
    [{ ...first, leaf: { ...first.leaf, recordId: seedOf('forged') } }, second],
    [{ ...first, position: 0 }, second],
    [second, first],
  ]
  for (const versions of others) {
    assert.throws(
      () => sponsor.ticket(sign(moveOf({ versions })), ticketOf(moveOf()), PEER),
      (error: unknown) => error instanceof MalformedError,
    )
  }
})

test('an anchor of anything else is not countersigned, whatever the move', () => {
  const move = moveOf()
  const anchorOf = (changes: {
    folder?: Uint8Array
    root?: Uint8Array
    contract?: string
    action?: string
    sponsor?: Uint8Array
    key?: SigningKey
  }) =>
    createTransaction(
      {
        ...{ chainId: CHAIN, from: { kind: 'folder', id: changes.folder ?? TARGET }, validUntil: NOW + 60_000, nonce: new Uint8Array(16) },
        ...{ contract: changes.contract ?? 'records', action: changes.action ?? 'anchor', sponsor: changes.sponsor ?? account },
        body: anchorBodyCodec.encode({
          ...{ folder: changes.folder ?? TARGET, epoch: 0, submissionRoot: changes.root ?? movedRoot(move), sizeBucket: 7, n: 4, k: 2 },
          memberHeight: 0,
        }),
      },
      changes.key ?? targetKey,
    ).bytes
  for (const changes of [
    ...[{ folder: SOURCE }, { root: seedOf('forged') }, { contract: 'access' }, { action: 'erase' }],
    ...[{ sponsor: nodeKeys(1).account }, { key: sourceKey }],
  ]) {
    throwsCode(() => sponsor.anchor(sign(move), anchorOf(changes), [], PEER), 'not-sponsored')
  }
  // The right one fails for want of receipts: the custodians of that height are not known here.
  throwsCode(() => sponsor.anchor(sign(move), anchorOf({}), [], PEER), 'stale-members')
})

test('a further folder is for who owns one', () => {
  const body = createFolderCodec.encode({
    ...{ ownerKeyHash: seedOf('new'), recoveryKeyHash: seedOf('r'), sealingKey: folderSealingKey(seed, 3, 0).publicKey },
    ...{ labelCommitment: seedOf('label'), policy: 0 },
  })
  const ask = (key: SigningKey, changes: object = {}) => {
    const content = openFolderCodec.encode({ chainId: CHAIN, folder: SOURCE, peer: PEER, time: NOW, body, ...changes })
    return { content, key: key.publicKey, signature: key.sign(concat(domain(OPEN_FOLDER_DOMAIN), content)) }
  }
  const opened = sponsor.openFolder(ask(sourceKey), PEER)
  assert.ok(opened.transaction.length > 0 && equalBytes(opened.folder, SOURCE))
  for (const wrong of [
    ask(targetKey),
    ask(strange, { folder: ELSEWHERE }),
    ask(sourceKey, { folder: seedOf('no folder') }),
    ask(sourceKey, { time: NOW + 600_000 }),
    ask(sourceKey, { chainId: seedOf('another') }),
    { ...ask(sourceKey), signature: ask(targetKey).signature },
  ]) {
    throwsCode(() => sponsor.openFolder(wrong, PEER), 'not-sponsored')
  }
})

test.run()
