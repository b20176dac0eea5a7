/** Writes the folders of a testnet's nodes, each a home as `epione init` makes it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Genesis } from '../../src/contracts/members-formats.ts'
import { chainId as genesisId } from '../../src/contracts/members-formats.ts'
import { signingKeyFromSeed } from '../../src/crypto/signature.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { peerIdOf } from '../../src/network/peer.ts'
import { configTemplate } from '../../src/node/config.ts'
import { formatGenesis, parseGenesis } from '../../src/node/genesis-file.ts'
import { homePaths } from '../../src/node/home.ts'
import { createIdentityKeystore } from '../../src/node/identity-file.ts'
import { createNodeKeystore } from '../../src/node/keys.ts'
import type { LogLevel, NodeConfig } from '../../src/node/settings.ts'
import { writeStaff } from '../../src/node/staff.ts'
import type { Manifest } from './manifest.ts'
import { type Plan, type PlannedNode, planGenesis } from './plan.ts'
import { portsOf } from './ports.ts'

/**
 * The passphrase of a testnet lies beside its keystores and its keys follow from a small number: a cost for guessing it would
 * protect nothing, and be paid at each start of each node. Networks in earnest have DEFAULT_SCRYPT.
 */
const TESTNET_SCRYPT = { N: 2 ** 12, r: 8, p: 1 }
/** Bytes that a node of a testnet leaves free on the disk, which is a person's and may be fuller than a server's. */
const TESTNET_MIN_FREE = 256 * 2 ** 20
/** Nodes by which each finds the network. */
const MAX_BOOTSTRAP = 16

export interface HomesOptions {
  logLevel: LogLevel
  /** Time of height 0, in ms. */
  genesisTimeMs: number
  /** Longest silence between two blocks, in ms. */
  heartbeatMs: number
  /** Span of time in which audits count together, in ms. */
  auditWindowMs?: number
  /** Whether each node serves health, metrics and its view of the network at a port of its own. */
  operations?: boolean
  /** Further settings of every node. */
  config?: Partial<NodeConfig>
}

/** Writes everything and gives what net.json is to say; the folder must hold no testnet yet. */
export async function writeHomes(plan: Plan, options: HomesOptions): Promise<{ manifest: Manifest; genesis: Genesis }> {
  const genesis = planGenesis(plan, options.genesisTimeMs, options.heartbeatMs, options.auditWindowMs)
  const genesisText = formatGenesis(genesis)
  parseGenesis(genesisText)
  const chainId = genesisId(genesis)
  const passphraseFile = join(plan.dir, 'passphrase')
  const genesisPath = join(plan.dir, 'genesis.json')
  await mkdir(plan.dir, { recursive: true, mode: 0o700 })
  await writeFile(passphraseFile, `${plan.passphrase}\n`, { mode: 0o600 })
  await writeFile(genesisPath, genesisText, { mode: 0o644 })
  await Promise.all(plan.nodes.map(async node => await writeHome(plan, node, { ...options, chainId, genesisText, passphraseFile })))
  const manifest: Manifest = {
    schemaVersion: 1,
    network: genesis.network,
    chainId: toHex(chainId),
    seed: plan.seed,
    basePort: plan.basePort,
    validators: plan.validators,
    full: plan.full,
    directory: plan.dir,
    genesis: genesisPath,
    passphraseFile,
    nodes: plan.nodes.map(node => ({
      id: node.id,
      name: node.name,
      jurisdiction: node.jurisdiction,
      validator: node.validator,
      account: toHex(node.keys.account),
      peerId: peerIdOf(node.keys.network.publicKey).toString(),
      addresses: node.addresses,
      home: node.home,
      log: join(node.home, 'node.log'),
      process: null,
    })),
  }
  return { manifest, genesis }
}

async function writeHome(
  plan: Plan,
  node: PlannedNode,
  {
    chainId,
    genesisText,
    passphraseFile,
    logLevel,
    operations = false,
    config,
  }: HomesOptions & { chainId: Uint8Array; genesisText: string; passphraseFile: string },
): Promise<void> {
  const paths = homePaths(node.home)
  const { registrar } = node
  await mkdir(node.home, { recursive: true, mode: 0o700 })
  await createNodeKeystore(paths.keystore, plan.passphrase, node.secrets, { scrypt: TESTNET_SCRYPT })
  await createIdentityKeystore(
    paths.identity,
    plan.passphrase,
    { name: `Registrar of ${node.name}`, chainId, ...registrar },
    { scrypt: TESTNET_SCRYPT },
  )
  await writeStaff(paths.staff, [{ key: toHex(signingKeyFromSeed(registrar.signingSeed).publicKey), role: registrar.role }])
  await writeFile(paths.genesis, genesisText, { mode: 0o644 })
  const bootstrap = plan.nodes.filter(other => other !== node).slice(0, MAX_BOOTSTRAP)
  await writeFile(
    paths.config,
    configTemplate({
      ...{ passphraseFile, logLevel, minFree: TESTNET_MIN_FREE },
      ...(operations ? { operations: `127.0.0.1:${portsOf(plan.basePort, node.number).operations}` } : {}),
      ...config,
      listen: node.listen,
      bootstrap: bootstrap.map(other => other.addresses[0]!),
    }),
    { mode: 0o600 },
  )
}
