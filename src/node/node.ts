/**
 * The composition root of a full node: the one place where its services are made, joined, started and, in reverse order,
 * stopped. Nothing else constructs a service.
 */
import { mkdir } from 'node:fs/promises'
import { nodeDisk } from '../consensus/node-disk.ts'
import { nextLogHead } from '../contracts/access-formats.ts'
import { logHeads, logItemId } from '../contracts/log-rules.ts'
import { genesisChanges, genesisHeader } from '../contracts/members.ts'
import type { Genesis } from '../contracts/members-formats.ts'
import { NAMESPACE } from '../contracts/state-keys.ts'
import { openFragmentStore } from '../fragments/fragment-store.ts'
import { ChainGenerations } from '../ledger/chain-generations.ts'
import { openChainStore } from '../ledger/chain-store.ts'
import { openLevelStore } from '../ledger/level-store.ts'
import { SnapshotStore } from '../ledger/snapshot-store.ts'
import { StateTree } from '../ledger/state-tree.ts'
import { createNetwork, type Network, type NetworkLimits } from '../network/network.ts'
import { MAX_CLAIM } from '../network/peer-status-messages.ts'
import { Activity, type NodeActivity } from './activity.ts'
import { AddressBook } from './address-book.ts'
import { Chain } from './chain.ts'
import { nodeClock } from './clock.ts'
import { Conflicts } from './conflicts.ts'
import { ConsensusService } from './consensus-service.ts'
import type { ConsensusSight } from './consensus-sight.ts'
import { Announcer } from './custodian/announcer.ts'
import { AuditResponder } from './custodian/audit-responder.ts'
import { AuditService } from './custodian/audit-service.ts'
import { Damages } from './custodian/damages.ts'
import { Disputes } from './custodian/disputes.ts'
import { Emergencies } from './custodian/emergencies.ts'
import { ErasureService } from './custodian/erasure.ts'
import { ErasureReceipts } from './custodian/erasure-receipts.ts'
import { Holdings } from './custodian/holdings.ts'
import { Pace } from './custodian/pace.ts'
import { ReleaseService } from './custodian/release.ts'
import { RepairServer } from './custodian/repair-server.ts'
import { type RepairOptions, RepairService } from './custodian/repair-service.ts'
import { RepairStrays } from './custodian/repair-strays.ts'
import { Scrubber, type ScrubOptions } from './custodian/scrub.ts'
import { CustodianService } from './custodian/service.ts'
import { Submissions } from './custodian/submissions.ts'
import { UploadService } from './custodian/upload.ts'
import { FolderDesk } from './custodian/wraps.ts'
import { openDatastore } from './datastore.ts'
import { DeskService } from './desk-service.ts'
import { Directory } from './directory.ts'
import { DiskWatch, type StatDisk, statDisk } from './disk-watch.ts'
import { EmergencyCases } from './emergency-cases.ts'
import { EvidenceService } from './evidence-service.ts'
import { type FragmentPlace, fragmentMap } from './fragment-map.ts'
import { createGrantFinder } from './grant-finder.ts'
import { type HomePaths, lockHome } from './home.ts'
import { Keyring } from './keyring.ts'
import type { NodeKeys } from './keys.ts'
import { LightService } from './light-service.ts'
import type { Logger } from './logger.ts'
import { Notices } from './notices.ts'
import { OwnerSponsor } from './owner-sponsor.ts'
import { PeerStatusService } from './peer-status.ts'
import { SnapshotJoin } from './snapshot-join.ts'
import { SnapshotService } from './snapshot-service.ts'
import { Staff } from './staff.ts'
import { type NodeStatus, nodePeers, nodeStatus, type PeersReport } from './status.ts'
import { type StorageOptions, StorageService } from './storage-service.ts'
import { type SyncOptions, SyncService } from './sync.ts'
import { TransactionService } from './transactions.ts'

/** Leaves of a state that is joined by a snapshot where nothing else is said: about 3 GB of memory. */
const MAX_STATE_LEAVES = 8_000_000

export interface NodeOptions {
  paths: HomePaths
  genesis: Genesis
  keys: NodeKeys
  /** Addresses to listen at. */
  listen: readonly string[]
  announce?: readonly string[]
  /** Addresses of other members' nodes, with their peer ids. */
  bootstrap: readonly string[]
  /** Height from which on the operator accepts to vote although the record of what was signed is lost. */
  voteDespiteLostLog?: number
  /** Most bytes of fragments. */
  quotaBytes: number
  /** What this custodian takes. */
  custody?: CustodyOptions
  limits?: Partial<NetworkLimits>
  /** Snapshots, and which old blocks are kept. */
  storage?: Omit<StorageOptions, 'dirs' | 'quotaBytes'> & { quotaBytes?: number }
  sync?: SyncOptions
  /** Rates and pauses of repairs, and of reading fragments through for those that went bad. */
  repair?: Pick<RepairOptions, 'atOnce' | 'graceMs' | 'lookMs'> & { bytesPerSecond?: number }
  scrub?: ScrubOptions & { bytesPerSecond?: number }
  /** Leaves that the state of a snapshot may have to be joined by. @default 8,000,000 */
  maxStateLeaves?: number
}

export interface CustodyOptions {
  /** Bytes of fragments that one organisation may have here. @default half of `quotaBytes` */
  organisationQuotaBytes?: number
  /** Longest ciphertext of one version, in bytes. @default 64 GiB */
  maxVersionBytes?: number
  /** Bytes that stay free on the disk. @default 5 % of the disk, 1 GiB at least */
  minFreeBytes?: number | null
}
/** Bytes of fragments that are repaired, and again that others are helped with, in a second; and that are read through. */
const REPAIR_BYTES_PER_SECOND = 32 * 1024 * 1024
const SCRUB_BYTES_PER_SECOND = 8 * 1024 * 1024

/** Part of the quota that one sponsor may fill with fragments that are not anchored yet. */
const STAGED_SHARE = 0.25
/** Part of the quota that one sponsor may fill in all. */
const ORGANISATION_SHARE = 0.5
const MAX_VERSION_BYTES = 64 * 2 ** 30

export interface NodeDependencies {
  logger: Logger
  /** Clock, in ms. @default Date.now */
  now?: () => number
  /** Room on a folder's disk. @default what the system says */
  statDisk?: StatDisk
}

/** Undoes what was started, latest first. */
class Teardown {
  readonly #steps: (() => Promise<void> | void)[] = []

  add(step: () => Promise<void> | void): void {
    this.#steps.push(step)
  }

  async run(logger: Logger): Promise<void> {
    for (const step of this.#steps.reverse()) {
      try {
        await step()
      } catch (error) {
        logger.error({ error: error instanceof Error ? error.message : 'unknown' }, 'a service did not stop cleanly')
      }
    }
    this.#steps.length = 0
  }
}

export class Node {
  readonly chain: Chain
  readonly network: Network
  readonly directory: Directory
  readonly transactions: TransactionService
  readonly storage: StorageService
  readonly #teardown: Teardown
  readonly #logger: Logger
  readonly #status: () => NodeStatus
  readonly #peers: () => PeersReport
  readonly #activity: () => NodeActivity
  readonly #watch: ConsensusService['watch']
  readonly #fragmentMap: (root: Uint8Array) => Promise<FragmentPlace[] | null>

  /** Use {@link startNode}. */
  constructor(parts: {
    chain: Chain
    network: Network
    directory: Directory
    transactions: TransactionService
    storage: StorageService
    teardown: Teardown
    logger: Logger
    status: () => NodeStatus
    peers: () => PeersReport
    activity: () => NodeActivity
    watch: ConsensusService['watch']
    fragmentMap: (root: Uint8Array) => Promise<FragmentPlace[] | null>
  }) {
    this.chain = parts.chain
    this.network = parts.network
    this.directory = parts.directory
    this.transactions = parts.transactions
    this.storage = parts.storage
    this.#teardown = parts.teardown
    this.#logger = parts.logger
    this.#status = parts.status
    this.#peers = parts.peers
    this.#activity = parts.activity
    this.#watch = parts.watch
    this.#fragmentMap = parts.fragmentMap
  }

  status(): NodeStatus {
    return this.#status()
  }

  peers(): PeersReport {
    return this.#peers()
  }

  activity(): NodeActivity {
    return this.#activity()
  }

  /** Calls back for what validators are seen to propose and vote; returns how to stop that. */
  watchConsensus(watcher: (sight: ConsensusSight) => void): () => void {
    return this.#watch(watcher)
  }

  /** Who keeps which fragment of a submission; null where this node was never given it. */
  async fragmentMap(root: Uint8Array): Promise<FragmentPlace[] | null> {
    return await this.#fragmentMap(root)
  }

  /** Stops everything; fine to call more than once. */
  async stop(): Promise<void> {
    await this.#teardown.run(this.#logger)
  }
}

/**
 * Starts a node: opens what it has on disk, checks it, joins the network and serves.
 * @throws EpioneError `home-locked`, `other-chain`, `store-corrupt`, `port-in-use`, and others that say what to do
 */
export async function startNode(options: NodeOptions, dependencies: NodeDependencies): Promise<Node> {
  const teardown = new Teardown()
  try {
    return await build(options, dependencies, teardown)
  } catch (error) {
    await teardown.run(dependencies.logger)
    throw error
  }
}

async function build(options: NodeOptions, dependencies: NodeDependencies, teardown: Teardown): Promise<Node> {
  const { logger, now = Date.now } = dependencies
  const { paths, genesis, keys } = options
  const startedAt = now()
  const releaseLock = await lockHome(paths)
  teardown.add(releaseLock)
  for (const dir of [paths.chain, paths.snapshots, paths.custody, paths.fragments, paths.consensus])
    await mkdir(dir, { recursive: true, mode: 0o700 })

  const chainDb = await openLevelStore(paths.chain)
  teardown.add(async () => await chainDb.close())
  const changes = genesisChanges(genesis)
  const header = genesisHeader(genesis, StateTree.empty().apply(changes).root)
  const founding = { genesisHeader: header, genesisChanges: changes }
  const generations = await ChainGenerations.open(chainDb)
  const store = await openChainStore(generations.current, founding)
  const chain = await Chain.open(genesis, store, chainDb.sublevel('validator-sets'))
  const directory = new Directory(chain)
  teardown.add(() => directory.stop())

  const snapshotDb = await openLevelStore(paths.snapshots)
  teardown.add(async () => await snapshotDb.close())
  const snapshots = await SnapshotStore.open(snapshotDb)

  const custodyDb = await openLevelStore(paths.custody)
  teardown.add(async () => await custodyDb.close())
  const keyring = await Keyring.open(paths.keyring, keys.storage)
  const fragments = await openFragmentStore({
    dir: paths.fragments,
    store: custodyDb.sublevel('fragment-store'),
    quotaBytes: options.quotaBytes,
  })
  teardown.add(async () => await fragments.close())
  const submissions = new Submissions(custodyDb.sublevel('submissions'), keyring)

  const datastore = await openDatastore(`${paths.root}/data/dht`)
  teardown.add(async () => await datastore.close())
  const network = await createNetwork(
    { privateKeySeed: keys.networkSeed, listen: options.listen, announce: options.announce, mode: 'full', limits: options.limits },
    { logger, datastore: datastore.store },
  )

  const peerStatus: PeerStatusService = new PeerStatusService(
    {},
    {
      network,
      now,
      own: () => ({
        height: chain.tip.header.height,
        tip: chain.tip.hash,
        base: chain.store.base,
        silentThrough: Math.min(MAX_CLAIM, consensus.silentThrough()),
      }),
    },
  )

  // Consensus, pool and synchronisation know each other; each asks for the others when it needs them.
  let sync: SyncService
  let transactions: TransactionService
  let evidence: EvidenceService
  const consensus: ConsensusService = new ConsensusService(
    { key: keys.consensus, voteDespiteLostLog: options.voteDespiteLostLog },
    {
      chain,
      directory,
      network,
      peerStatus,
      logger,
      clock: nodeClock(now),
      disk: nodeDisk(paths.consensus),
      sync: () => sync,
      transactions: () => transactions,
      onEvidence: found => evidence.add(found),
    },
  )
  transactions = new TransactionService(
    { validatorKey: keys.consensus.publicKey },
    { chain, directory, network, logger, now, onWork: () => consensus.wake() },
  )
  const conflicts = new Conflicts({ chain, directory, logger, onEvidence: found => evidence.add(found) })
  evidence = new EvidenceService({ account: keys.account, accountKey: keys.signing }, { chain, directory, transactions, logger, now })
  const quotaBytes = options.storage?.quotaBytes ?? options.quotaBytes
  const join = new SnapshotJoin(
    { maxBytes: quotaBytes, maxLeaves: options.maxStateLeaves ?? MAX_STATE_LEAVES },
    {
      chain,
      network,
      generations,
      genesis: founding,
      logRules: { itemId: logItemId, nextHead: nextLogHead, heads: logHeads },
      logger,
    },
  )
  sync = new SyncService(options.sync ?? {}, {
    chain,
    network,
    logger,
    peerStatus,
    nodeOf: key => directory.byConsensusKey(key)?.organisation.networkKey,
    join,
    onSynced: async tip => await consensus.syncedTo(tip),
  })
  const storage = new StorageService(
    { ...options.storage, quotaBytes, dirs: [paths.chain, paths.snapshots] },
    { chain, snapshots, fragmentBytes: () => fragments.usage().bytes, logger, now },
  )
  const disk = new DiskWatch(
    { dirs: [paths.fragments, paths.chain], minFreeBytes: options.custody?.minFreeBytes ?? null },
    { statDisk: dependencies.statDisk ?? statDisk, logger },
  )
  const snapshotService = new SnapshotService({ chain, network, snapshots })

  const identity = { custodian: keys.account, accountKey: keys.signing }
  const receipts = new ErasureReceipts(identity, { chain, store: custodyDb.sublevel('erasures'), now })
  const disputes = new Disputes({ chain, keyring, store: custodyDb.sublevel('disputes') })
  const notices = new Notices({ account: keys.account }, { chain, keyring, store: custodyDb.sublevel('notices'), now })
  const emergencies = new Emergencies(
    { ...identity, sealingKey: keys.sealing },
    {
      ...{ chain, directory, network, keyring, store: custodyDb.sublevel('emergencies'), logger, now },
      holders: (folder, memberHeight) => holdings.shares(folder, memberHeight),
    },
  )
  const desk = new FolderDesk(identity, {
    ...{ chain, directory, keyring, disputes, notices, emergencies, now },
    store: custodyDb.sublevel('folders'),
    erasures: receipts,
  })
  const cases = new EmergencyCases({ account: keys.account, chain, keyring, store: custodyDb.sublevel('cases'), now })
  const sealed = [submissions, desk, disputes, notices, emergencies, cases]
  const erasures = new ErasureService({ chain, fragments, submissions, keyring, receipts, sealed, logger })
  const { organisationQuotaBytes = Math.floor(options.quotaBytes * ORGANISATION_SHARE), maxVersionBytes = MAX_VERSION_BYTES } =
    options.custody ?? {}
  const limits = { stagedQuotaBytes: Math.floor(options.quotaBytes * STAGED_SHARE), organisationQuotaBytes, maxVersionBytes }
  const uploads = new UploadService({ ...identity, ...limits }, { chain, directory, fragments, submissions, erasures, disk, logger, now })
  const onCorrupt = async (root: Uint8Array, leaf: number): Promise<void> => await repair.lost(root, leaf)
  const releases = new ReleaseService(identity, { chain, fragments, submissions, onCorrupt, desk, logger, now })
  const announcer = new Announcer({ network, submissions, store: custodyDb.sublevel('announcements'), logger, now })
  const custodian = new CustodianService({
    ...{ chain, network, fragments, submissions, uploads, releases, desk, erasures, emergencies, announcer, logger, now },
  })
  const damages = new Damages(custodyDb.sublevel('damages'))
  await damages.start()
  const holdings = new Holdings({ chain, fragments, submissions, damages, now })
  const responder = new AuditResponder({ chain, directory, network, fragments, submissions, onCorrupt, logger, now })
  const audits = new AuditService(
    { account: keys.account, accountKey: keys.signing },
    {
      ...{ chain, directory, network, transactions, responder, logger, now },
      holders: (folder, root) => holdings.placed(folder, root)?.holders,
    },
  )
  const strays = new RepairStrays(custodyDb.sublevel('repairs'), { fragments, submissions })
  const repairRate = options.repair?.bytesPerSecond ?? REPAIR_BYTES_PER_SECOND
  const repair = new RepairService(
    { ...identity, ...options.repair },
    {
      ...{ chain, directory, network, fragments, submissions, transactions, holdings, damages, announcer, erasures },
      ...{ strays, disk, logger, now, pace: new Pace(repairRate) },
    },
  )
  const isWhole = async (root: Uint8Array): Promise<boolean> => await repair.isWhole(root)
  const repairs = new RepairServer(
    { custodian: keys.account, sealingKey: keys.sealing },
    { chain, directory, network, fragments, submissions, holdings, damages, isWhole, onCorrupt, pace: new Pace(repairRate), logger },
  )
  const scrubRate = options.scrub?.bytesPerSecond ?? SCRUB_BYTES_PER_SECOND
  const scrubber = new Scrubber(options.scrub ?? {}, {
    fragments,
    submissions,
    damages,
    store: custodyDb.sublevel('scrub'),
    pace: new Pace(scrubRate),
    onCorrupt,
    logger,
    now,
  })
  const grants = createGrantFinder({ chain, directory, network, now, local: async (request, peer) => await desk.answer(request, peer) })
  const staffDesk = new DeskService(
    { account: keys.account, accountKey: keys.signing, sealingKey: keys.sealing },
    { chain, directory, network, staff: new Staff(paths.staff), transactions, grants, notices, cases, now },
  )
  const status = (): NodeStatus =>
    nodeStatus({
      ...{ chain, directory, network, consensus, peerStatus, sync, transactions, fragments, storage, keys, startedAt, now },
      limits: { quotaBytes: options.quotaBytes, ...limits, disk: disk.report(), usage: submissions.usage() },
      conflicts: () => conflicts.report(),
      custody: () => ({ submissions: submissions.size, ...repair.report(), ...scrubber.report() }),
    })
  const activity = new Activity({ chain, directory, uploads, releases, repair, erasures, announcer, audits })
  activity.start()
  teardown.add(() => activity.stop())
  const peers = (): PeersReport => nodePeers({ network, directory, addressesOf: key => book.addressesOf(key) })
  const owners = new OwnerSponsor({ account: keys.account, accountKey: keys.signing }, { chain, directory, now })
  const light = new LightService(
    { account: keys.account, accountKey: keys.signing },
    { chain, network, transactions, now, owners, conflicts, status: () => JSON.stringify(status()), peers: () => JSON.stringify(peers()) },
  )

  const book = new AddressBook({ directory, network, logger }, options.bootstrap)
  const setMembers = (): void =>
    network.setMembers(
      directory.peers().map(({ networkKey, validator }) => ({ networkKey, validator, addresses: book.addressesOf(networkKey) })),
    )
  setMembers()
  directory.onChange(setMembers)
  const stopFollowing = chain.onCommit(({ candidate }) => {
    if (candidate.changes.some(({ key }) => key[0] === NAMESPACE.validators)) setMembers()
  })
  teardown.add(stopFollowing)
  teardown.add(chain.onReplace(setMembers))
  book.start(setMembers)
  teardown.add(() => book.stop())

  await peerStatus.start()
  teardown.add(() => peerStatus.stop())
  await generations.clearFormer()
  await disk.start()
  teardown.add(async () => await disk.stop())
  storage.start()
  teardown.add(async () => await storage.stop())
  await snapshotService.start()
  await light.start()
  await staffDesk.start()
  // Before anything is served.
  await strays.start()
  await custodian.start()
  await responder.start()
  await repairs.start()
  await transactions.start()
  await sync.start()
  evidence.start()
  audits.start()
  teardown.add(async () => await network.stop())
  teardown.add(async () => await sync.stop())
  teardown.add(() => transactions.stop())
  teardown.add(() => evidence.stop())
  teardown.add(async () => await audits.stop())
  teardown.add(async () => await custodian.stop())
  teardown.add(() => light.stop())
  await network.start()
  teardown.add(async () => await consensus.stop())
  await consensus.start()
  repair.start()
  teardown.add(async () => await repair.stop())
  await scrubber.start()
  teardown.add(async () => await scrubber.stop())
  sync.catchUp()
  const parts = { chain, network, directory, transactions, storage, teardown, logger, status, peers }
  return new Node({
    ...parts,
    activity: () => activity.report(),
    watch: watcher => consensus.watch(watcher),
    fragmentMap: async root => await fragmentMap(root, { account: keys.account, submissions, holdings, repair, directory }),
  })
}
