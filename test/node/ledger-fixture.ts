/** A ledger without nodes around it: the chain of a four-member genesis, with blocks that the members' test keys sign. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CreateFolder, createFolderCodec } from '../../src/contracts/folders-formats.ts'
import { genesisChanges, genesisHeader } from '../../src/contracts/members.ts'
import type { Genesis } from '../../src/contracts/members-formats.ts'
import { SEALING_PUBLIC_KEY_LENGTH } from '../../src/crypto/sealing-suites.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { compareBytes } from '../../src/encoding/bytes.ts'
import type { Block } from '../../src/ledger/block.ts'
import { type Certificate, voteSigningBytes } from '../../src/ledger/certificate.ts'
import { openChainStore } from '../../src/ledger/chain-store.ts'
import { type Header, headerHash } from '../../src/ledger/header.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { StateTree } from '../../src/ledger/state-tree.ts'
import type { KeyValueStore } from '../../src/ledger/store.ts'
import { createTransaction, type Transaction, type TransactionContent } from '../../src/ledger/transaction.ts'
import { Chain } from '../../src/node/chain.ts'
import { buildCandidate, type Candidate } from '../../src/node/executor.ts'
import { nodeKeys, seedOf } from './cluster.ts'

/** A folder of temporary files, removed when the scope ends. */
export function temporary(): { dir: string } & Disposable {
  const dir = mkdtempSync(join(tmpdir(), 'epione-test-'))
  return { dir, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) }
}

export interface TestChain extends AsyncDisposable {
  chain: Chain
  store: KeyValueStore
}

/** Opens the chain that lies in `dir`; made there if need be. */
export async function openTestChain(dir: string, genesis: Genesis): Promise<TestChain> {
  const store = await openLevelStore(dir)
  const changes = genesisChanges(genesis)
  const header = genesisHeader(genesis, StateTree.empty().apply(changes).root)
  const chainStore = await openChainStore(store.sublevel('chain'), { genesisHeader: header, genesisChanges: changes })
  const chain = await Chain.open(genesis, chainStore, store.sublevel('validator-sets'))
  return { chain, store, [Symbol.asyncDispose]: async () => await store.close() }
}

/** A certificate by these keys for a header. */
export function certify(header: Header, keys: readonly SigningKey[], round = 0): Certificate {
  const block = headerHash(header)
  const message = voteSigningBytes({ chainId: header.chainId, kind: 'precommit', height: header.height, round, block })
  const signatures = [...keys]
    .sort((a, b) => compareBytes(a.publicKey, b.publicKey))
    .map(key => ({ validator: key.publicKey, signature: key.sign(message) }))
  return { height: header.height, round, block, signatures }
}

/** The consensus keys of the first `count` members. */
export function consensusKeys(count = 4): SigningKey[] {
  return Array.from({ length: count }, (_, index) => nodeKeys(index).consensus)
}

/** The block above the tip, executed. */
export function nextCandidate(chain: Chain, transactions: readonly Transaction[] = [], afterMs = 1000): Candidate {
  const proposer = nodeKeys(0).consensus.publicKey
  return buildCandidate(chain.tip, { time: chain.tip.header.time + afterMs, proposer, transactions }, chain.seen)
}

export function blockOf(candidate: Candidate, certificate: Certificate): Block {
  return { header: candidate.header, transactions: candidate.transactions.map(({ bytes }) => bytes), certificate }
}

/** A finished block above the tip. */
export function nextBlock(chain: Chain, transactions: readonly Transaction[] = [], afterMs = 1000): Block {
  const candidate = nextCandidate(chain, transactions, afterMs)
  return blockOf(candidate, certify(candidate.header, consensusKeys(3)))
}

/** An act of the first member: a new folder whose keys follow from `name`. */
export function createFolder(chain: Chain, name: string, changes: Partial<TransactionContent> = {}): Transaction {
  const sealingKey = new Uint8Array(SEALING_PUBLIC_KEY_LENGTH).fill(1)
  const folder: CreateFolder = {
    ownerKeyHash: seedOf(`owner ${name}`),
    recoveryKeyHash: seedOf(`recovery ${name}`),
    sealingKey,
    labelCommitment: seedOf(`label ${name}`),
    policy: 0,
  }
  return createTransaction(
    {
      chainId: chain.chainId,
      from: { kind: 'account', id: nodeKeys(0).account },
      validUntil: chain.tip.header.time + 600_000,
      nonce: seedOf(`nonce ${name}`).slice(0, 16),
      contract: 'folders',
      action: 'create',
      body: createFolderCodec.encode(folder),
      sponsor: null,
      ...changes,
    },
    nodeKeys(0).signing,
  )
}
