/**
 * The settings of a node: one table from which flags, environment names, the file's keys, help texts, defaults and (in config.ts) the
 * schema follow. It loads nothing, so that help is printed at once. What all members must agree on (block time, heartbeat, limits of
 * the chain) is in the genesis, not here.
 */

/** How a setting is written and checked; config.ts has the schema of each kind. */
export type SettingKind = 'path' | 'level' | 'multiaddrs' | 'peers' | 'bytes' | 'count' | 'endpoint'

/** The type of a setting's value by its kind. `bytes` are integers; paths are absolute once loaded. */
export interface SettingValues {
  path: string
  level: LogLevel
  multiaddrs: readonly string[]
  peers: readonly string[]
  bytes: number
  count: number
  endpoint: string
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

interface Setting<K extends SettingKind, D extends SettingValues[K] | null> {
  kind: K
  /** Text as it would be given, or null where there is none. */
  default: D
  flag: `--${string}`
  env: `EPIONE_${string}`
  /** One sentence, without a full stop. */
  help: string
  /** Not allowed in the file, with the reason. */
  notInFile?: string
}

function setting<K extends SettingKind, const D extends SettingValues[K] | null>(
  kind: K,
  value: D,
  flag: `--${string}`,
  env: `EPIONE_${string}`,
  help: string,
  notInFile?: string,
): Setting<K, D> {
  return { kind, default: value, flag, env, help, ...(notInFile === undefined ? {} : { notInFile }) }
}

const GIB = 2 ** 30

export const SETTINGS = {
  home: setting('path', '~/.epione', '--home', 'EPIONE_HOME', 'folder of keys, settings and data', 'it says where this file is'),
  passphraseFile: setting(
    'path',
    null,
    '--passphrase-file',
    'EPIONE_PASSPHRASE_FILE',
    'file whose content unlocks the keys, for starts without a terminal',
  ),
  logLevel: setting('level', 'info', '--log-level', 'EPIONE_LOG_LEVEL', `least severe log lines to write: ${LOG_LEVELS.join(', ')}`),
  listen: setting(
    'multiaddrs',
    ['/ip4/0.0.0.0/tcp/7700', '/ip4/0.0.0.0/tcp/7701/ws'],
    '--listen',
    'EPIONE_LISTEN',
    'addresses to listen on, as multiaddrs: TCP, and WebSockets for pages in browsers',
  ),
  advertise: setting(
    'multiaddrs',
    [],
    '--advertise',
    'EPIONE_ADVERTISE',
    'addresses to tell others instead of those listened on, for nodes behind a router',
  ),
  bootstrap: setting(
    'peers',
    [],
    '--bootstrap',
    'EPIONE_BOOTSTRAP',
    'addresses of nodes to find the network by, as multiaddrs that end in /p2p/<peer id>',
  ),
  storageQuota: setting(
    'bytes',
    256 * GIB,
    '--storage-quota',
    'EPIONE_STORAGE_QUOTA',
    'bytes that ledger and fragments together may fill on the disk, such as 256GiB',
  ),
  fragmentQuota: setting(
    'bytes',
    192 * GIB,
    '--fragment-quota',
    'EPIONE_FRAGMENT_QUOTA',
    'bytes of it that fragments may fill; more is refused, what is stored stays',
  ),
  organisationQuota: setting(
    'bytes',
    null,
    '--organisation-quota',
    'EPIONE_ORGANISATION_QUOTA',
    'bytes of it that the records of one organisation may fill; half of it where this is not set',
  ),
  recordLimit: setting(
    'bytes',
    64 * GIB,
    '--record-limit',
    'EPIONE_RECORD_LIMIT',
    'bytes that one version of a record may have, encrypted; longer ones are refused',
  ),
  minFree: setting(
    'bytes',
    null,
    '--min-free',
    'EPIONE_MIN_FREE',
    'bytes that stay free on the disk: below, the node takes no fragments; 5 % of the disk and at least 1GiB where this is not set',
  ),
  repairBytesPerSecond: setting(
    'bytes',
    32 * 2 ** 20,
    '--repair-bytes-per-second',
    'EPIONE_REPAIR_BYTES_PER_SECOND',
    'bytes of lost fragments that are brought back in a second, and as much again for helping others',
  ),
  scrubBytesPerSecond: setting(
    'bytes',
    8 * 2 ** 20,
    '--scrub-bytes-per-second',
    'EPIONE_SCRUB_BYTES_PER_SECOND',
    'bytes of fragments that are read through in a second, to find those that went bad on the disk',
  ),
  scrubMinutes: setting(
    'count',
    7 * 24 * 60,
    '--scrub-minutes',
    'EPIONE_SCRUB_MINUTES',
    'minutes, one at least, from the beginning of one reading of all fragments to that of the next',
  ),
  retainBlocks: setting(
    'count',
    0,
    '--retain-blocks',
    'EPIONE_RETAIN_BLOCKS',
    'newest blocks whose transactions and receipts are kept; 0 keeps all, headers and the last hour always stay',
  ),
  retainHours: setting(
    'count',
    0,
    '--retain-hours',
    'EPIONE_RETAIN_HOURS',
    'hours for which transactions and receipts are kept; 0 for ever, and what --retain-blocks keeps stays longer',
  ),
  snapshotInterval: setting(
    'count',
    1_000,
    '--snapshot-interval',
    'EPIONE_SNAPSHOT_INTERVAL',
    'heights between two snapshots of the state, by which new nodes join without executing every block; 0 makes none',
  ),
  maxStateLeaves: setting(
    'count',
    8_000_000,
    '--max-state-leaves',
    'EPIONE_MAX_STATE_LEAVES',
    'leaves that the state of a snapshot may have to be joined by: the state is in memory, at about 400 bytes a leaf',
  ),
  lightConnections: setting(
    'count',
    256,
    '--light-connections',
    'EPIONE_LIGHT_CONNECTIONS',
    'connections of light peers served at a time; members have slots of their own',
  ),
  lightRequestsPerSecond: setting(
    'count',
    1_000,
    '--light-requests-per-second',
    'EPIONE_LIGHT_REQUESTS_PER_SECOND',
    'requests that one light peer may make per second',
  ),
  lightBytesPerSecond: setting(
    'bytes',
    32 * 2 ** 20,
    '--light-bytes-per-second',
    'EPIONE_LIGHT_BYTES_PER_SECOND',
    'bytes that one light peer may move per second, such as 32MiB',
  ),
  lightStreams: setting(
    'count',
    64,
    '--light-streams',
    'EPIONE_LIGHT_STREAMS',
    'requests and streams of one light peer that are served at once; half of them may wait for something to happen',
  ),
  operations: setting(
    'endpoint',
    null,
    '--operations',
    'EPIONE_OPERATIONS',
    'host and port for health and metrics over HTTP, such as 127.0.0.1:7790; off where this is not set',
  ),
  operationsTokenFile: setting(
    'path',
    null,
    '--operations-token-file',
    'EPIONE_OPERATIONS_TOKEN_FILE',
    'file with the token that health and metrics ask for; without one they are served to this machine alone',
  ),
} as const

export type SettingName = keyof typeof SETTINGS

/** The settings of a node, checked and complete. */
export type NodeConfig = {
  readonly [Name in SettingName]:
    | SettingValues[(typeof SETTINGS)[Name]['kind']]
    | ((typeof SETTINGS)[Name]['default'] extends null ? null : never)
}

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[]

/** Environment names of the program that are no settings of a node. */
export const OTHER_ENVIRONMENT: Readonly<Record<string, string>> = {
  EPIONE_PASSPHRASE: 'passphrase of the keystore; prefer a file',
  EPIONE_WALLET: 'wallet file',
  EPIONE_IDENTITY: "keystore of a person's keys",
  EPIONE_PEER: 'multiaddr of the node to speak to',
  EPIONE_NODE: 'Node.js binary that the launcher starts',
  EPIONE_DEBUG: '1 prints stacks of errors',
}
