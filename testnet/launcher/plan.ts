/** What a testnet is made of, before anything is written or started: organisations, keys, ports, genesis. All follow from the options. */

import { join } from 'node:path'
import { EMERGENCY_DEFAULTS } from '../../src/contracts/emergency-formats.ts'
import type { Genesis } from '../../src/contracts/members-formats.ts'
import { utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import { DEFAULT_DICTIONARIES } from '../../src/fragments/dictionary/dictionary.ts'
import { peerIdOf } from '../../src/network/peer.ts'
import { type NodeKeys, newNodeSecrets, nodeKeysFrom } from '../../src/node/keys.ts'
import { hospitalAt } from './hospitals.ts'
import { checkRange, portsOf } from './ports.ts'

/** Most nodes: each is a process. */
export const MAX_NODES = 64
/** Fewest custodians that a network can have: n = 3f + 1 with f = 1. */
const MIN_NODES = 4
/** Fragments of one version grow with the network up to f = 15: the limits of the genesis. */
const MAX_FAULTS = 15

/** Longest silence between two blocks where nothing else is said, in ms. */
export const HEARTBEAT_MS = 30_000
/** Short, so that what a testnet's custodians lose is seen while somebody looks. A network in earnest has five minutes, and a thirtieth of the work. */
export const AUDIT_WINDOW_MS = 10_000
const POWER = 10
const CAPACITY = 100

/** Seeds of the keys of one member of staff, as `personFromSeeds` takes them. */
export interface StaffSeeds {
  organisation: Uint8Array
  role: string
  signingSeed: Uint8Array
  sealingSeed: Uint8Array
}

export interface PlannedNode {
  /** `node1` and so on: its folder, and its name in commands. */
  id: string
  number: number
  /** Name of its organisation. */
  name: string
  jurisdiction: string
  validator: boolean
  home: string
  secrets: Record<string, Uint8Array>
  keys: NodeKeys
  /** Addresses to listen at: TCP, then WebSockets. */
  listen: string[]
  /** The same with the peer's id: what others dial. */
  addresses: string[]
  registrar: StaffSeeds
}

export interface PlanOptions {
  /** Folder of the testnet. */
  dir: string
  validators: number
  /** Nodes that follow the chain and store fragments without voting. */
  full: number
  seed: number
  basePort: number
  /** Fragments of a version, and how many of them are needed. @default n = 3f + 1 and k = f + 1 for as large an f as the nodes allow */
  fragments?: { n: number; k: number }
  /** Waits of recoveries, in ms; three days and two weeks, if left out. */
  recoveryWaits?: { firstMs: number; secondMs: number } | undefined
}

export interface Plan extends PlanOptions {
  nodes: PlannedNode[]
  /** Opens every keystore of the testnet. */
  passphrase: string
}

/** Secrets of a testnet are functions of its seed: good for repeating a run, worthless as secrets. */
function seeded(seed: number, ...path: string[]): Uint8Array {
  return taggedHash('testnet-secret', utf8([String(seed), ...path].join('/')))
}

/** @throws EpioneError `invalid-argument` */
export function planTestnet(options: PlanOptions): Plan {
  const { dir, validators, full, seed, basePort } = options
  const count = validators + full
  if (validators < 1 || full < 0 || count < MIN_NODES || count > MAX_NODES) {
    throw new EpioneError(
      'invalid-argument',
      `a testnet has ${MIN_NODES} to ${MAX_NODES} nodes, at least one a validator, and not ${validators} validators and ${full} full nodes`,
    )
  }
  checkRange(basePort, count)
  const nodes = Array.from({ length: count }, (_, index): PlannedNode => {
    const number = index + 1
    const id = `node${number}`
    const secrets = newNodeSecrets(name => seeded(seed, id, name))
    const keys = nodeKeysFrom(secrets)
    const { tcp, ws } = portsOf(basePort, number)
    const listen = [`/ip4/127.0.0.1/tcp/${tcp}`, `/ip4/127.0.0.1/tcp/${ws}/ws`]
    const peerId = peerIdOf(keys.network.publicKey).toString()
    return {
      id,
      number,
      ...hospitalAt(index),
      validator: index < validators,
      home: join(dir, id),
      secrets,
      keys,
      listen,
      addresses: listen.map(address => `${address}/p2p/${peerId}`),
      registrar: {
        organisation: keys.account,
        role: 'registrar',
        signingSeed: seeded(seed, id, 'registrar', 'signing'),
        sealingSeed: seeded(seed, id, 'registrar', 'sealing'),
      },
    }
  })
  return { ...options, nodes, passphrase: `testnet-${seed}` }
}

/**
 * The genesis of a planned testnet: timeouts for processes on one machine, everything else as a network in earnest.
 * @param timeMs time of height 0; the first block is due one heartbeat later
 */
export function planGenesis(plan: Plan, timeMs: number, heartbeatMs: number, auditWindowMs: number = AUDIT_WINDOW_MS): Genesis {
  const faults = Math.min(MAX_FAULTS, Math.floor((plan.nodes.length - 1) / 3))
  const { firstMs, secondMs } = plan.recoveryWaits ?? { firstMs: 72 * 3_600_000, secondMs: 14 * 24 * 3_600_000 }
  const { n, k } = plan.fragments ?? { n: 3 * faults + 1, k: faults + 1 }
  return {
    version: 1,
    network: 'epione-testnet',
    time: timeMs,
    parameters: {
      n,
      k,
      heartbeatMs,
      proposeTimeoutMs: 1_000,
      voteTimeoutMs: 500,
      timeoutGrowthMs: 500,
      sponsorQuota: 1_000_000,
      folderQuota: 16,
      auditWindowMs,
      emergency: EMERGENCY_DEFAULTS,
      recoveryWaitMs: firstMs,
      recoverySecondWaitMs: secondMs,
      policies: [{ name: 'anywhere', jurisdictions: null }],
      dictionaries: [...DEFAULT_DICTIONARIES],
    },
    organisations: plan.nodes.map(({ keys, name, jurisdiction, validator }) => ({
      name,
      jurisdiction,
      kind: 'provider',
      signingKey: keys.signing.publicKey,
      sealingKey: keys.sealing.publicKey,
      networkKey: keys.network.publicKey,
      consensusKey: validator ? keys.consensus.publicKey : null,
      power: validator ? POWER : 0,
      capacity: CAPACITY,
    })),
  }
}
