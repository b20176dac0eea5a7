/**
 * What the page of a network and the live terminal are told, by a node's own operations endpoint and by the process that minds a
 * testnet: the same JSON at the same paths. Types and bounds alone, so that a browser may import it.
 *
 *     GET /network/                       the page; holds nothing, asks for no token
 *     GET /v1/network                     NetworkView
 *     GET /v1/network/events              ViewEvent by ViewEvent, as server-sent events with ids
 *     GET /v1/network/records/<root hex>  RecordView: who keeps which fragment of a submission
 */

/** Most of each list that a view holds; the oldest go first. */
export const VIEW_BOUNDS = {
  nodes: 4096,
  blocks: 200,
  rounds: 60,
  /** One a second. */
  samples: 900,
  acts: 1000,
  log: 500,
} as const

export type VoteSeen = 'block' | 'nil' | 'none'
export type LinkState = 'open' | 'cut' | 'silent' | 'unknown'

export interface NodeView {
  /** In a testnet `node1` and so on; in a real network the account. */
  id: string
  /** Name of the organisation. */
  name: string
  /** ISO 3166-1 alpha-2. */
  jurisdiction: string
  role: 'validator' | 'full'
  /** Account of the organisation, hexadecimal. */
  account: string
  /** State of its status; `unknown` where it was not asked, `stopped` and `paused` in a testnet alone. */
  state: string
  height: number
  /** Blocks behind the highest node of the view. */
  behind: number
  /** Null where nobody tried. */
  reachable: boolean | null
  rssBytes: number | null
  /** 1 is one core. */
  cpuShare: number | null
  /** What was done to it, in words; in a testnet alone. */
  faults: string[]
  /** Codes of what it finds wrong or remarkable. */
  findings: string[]
}

/** Light peers that are connected to a node. */
export interface LightsView {
  node: string
  count: number
}

export interface LinkView {
  from: string
  to: string
  state: LinkState
  delayMs: number
  loss: number
  rttMs: number | null
}

export interface BlockView {
  height: number
  /** Of the header, hexadecimal. */
  hash: string
  /** Time in the header, in ms since the epoch. */
  timeMs: number
  /** When it was first seen here, in ms since the epoch. */
  seenMs: number
  /** Account of the validator that proposed it; empty where that is not known. */
  proposer: string
  round: number
  transactions: number
  bytes: number
  /** From the header's time to the commit here; null for blocks that were caught up on. */
  commitMs: number | null
  /** Transactions by kind. */
  kinds: Record<string, number>
  /** In a testnet: another node has another block at this height. */
  conflict: boolean
  /** In a testnet, at a conflict alone: which nodes have which block. */
  hashes?: Record<string, string[]>
}

export interface RoundView {
  height: number
  round: number
  /** Account; empty where it is not known. */
  proposer: string
  /** When the proposal was seen, in ms since the epoch. */
  proposalMs: number | null
  votes: { validator: string; prevote: VoteSeen; precommit: VoteSeen }[]
  decided: boolean
}

export interface Sample {
  atMs: number
  height: number
  transactionsPerSecond: number
  /** Over the newest blocks; null before the first. */
  commitP50Ms: number | null
  commitP95Ms: number | null
  perNode: { id: string; height: number; rssBytes: number | null; cpuShare: number | null }[]
}

/** What was done to a testnet. */
export interface ActView {
  atMs: number
  tookMs: number
  what: string
  act: unknown
  error: string | null
}

/** An event in words of this program: a finding, a state that changed, an offence. Nothing that a peer wrote. */
export interface LogLine {
  atMs: number
  node: string
  level: 'info' | 'warn' | 'error'
  code: string
  text: string
}

export interface DhtView {
  node: string
  servers: number
  routingTable: number
  provided: number
  lookups: number
}

export interface NetworkView {
  schemaVersion: 1
  source: 'node' | 'testnet'
  network: string
  /** Hexadecimal. */
  chainId: string
  nowMs: number
  /** Whether faults can be asked for. */
  canAct: boolean
  nodes: NodeView[]
  lights: LightsView[]
  links: LinkView[]
  /** Oldest first, as all that follow. */
  blocks: BlockView[]
  rounds: RoundView[]
  samples: Sample[]
  acts: ActView[]
  log: LogLine[]
  dht: DhtView[]
}

export type ViewEvent =
  | { type: 'block'; block: BlockView }
  /** The matrix of one round; a later one for the same height and round takes its place. */
  | { type: 'round'; round: RoundView }
  | { type: 'nodes'; nodes: NodeView[] }
  | { type: 'links'; links: LinkView[] }
  | { type: 'lights'; lights: LightsView[] }
  | { type: 'sample'; sample: Sample }
  | { type: 'act'; act: ActView }
  | { type: 'log'; line: LogLine }
  | { type: 'dht'; dht: DhtView[] }
  /** Events were lost: ask for the view again. */
  | { type: 'gap' }

export interface RecordView {
  /** Of the submission, hexadecimal. */
  root: string
  fragments: { index: number; custodian: string; name: string; jurisdiction: string; holds: 'yes' | 'no' | 'unknown' }[]
}
