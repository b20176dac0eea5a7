/**
 * Recovery of folders by the recovery seed: finding them, starting, objecting, finishing. The ledger makes everybody wait between
 * start and finish (contracts/README.md), so that an owner who lost nothing can object, once.
 */
import { type Folder, folderCodec, ownerCodec } from '../contracts/folders-formats.ts'
import { type Recovery, recoveryCodec, recoveryKeyCodec, settleRecoveryCodec, startRecoveryCodec } from '../contracts/recovery-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { randomBelow } from '../crypto/random.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { labelSaltFrom, ownerKey, ownerKeyHash, recoveryKey, recoveryKeyHash } from '../crypto/wallet.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { folderOwnerKey, GAP_LIMIT, labelOf, type OwnedFolder, RECOVERY_KEYS, scanFolders, type Wallet } from './folders.ts'
import type { Committed, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/** Time over which acts on several folders are spread unless asked otherwise, in ms: at one moment they would tell whose they are. */
export const SPREAD_MS = 60 * 60 * 1000

/** A folder that a recovery seed may recover. */
export interface RecoverableFolder {
  readonly index: number
  readonly id: Uint8Array
  readonly folder: Folder
  /** What the ledger says of its recovery; null where nothing was ever begun. */
  readonly recovery: Recovery | null
}

/** One folder as a recovery left it. */
export interface RecoveryStep {
  readonly index: number
  readonly id: Uint8Array
  /**
   * `pending`: the wait is not over (until `ends`); `finished`: the new keys are in force; `refused`: the ledger said no, with `code`;
   * `none`: no recovery is pending for this wallet, for it was objected to, cancelled, or never begun.
   */
  readonly status: 'pending' | 'finished' | 'refused' | 'none'
  readonly ends: number | null
  readonly isFinal: boolean
  readonly code: string | null
  /** Epoch of the folder when it was looked at. */
  readonly epoch: number
}

export interface SpreadOptions extends CallOptions {
  /** Time over which the folders' acts are spread, in ms. @default {@link SPREAD_MS} */
  spreadMs?: number
  /** After each folder, in the order in which they are done. */
  onProgress?: (done: number, total: number, step: RecoveryStep) => void
}

/** Finds the folders of a recovery seed: the ledger leads from each recovery key to its folder, and proves where there is none. */
export async function scanRecoverable(peer: LightPeer, recoverySeed: Uint8Array, options: CallOptions = {}): Promise<RecoverableFolder[]> {
  const found: RecoverableFolder[] = []
  for (let first = 0, end = GAP_LIMIT; first < Math.min(end, RECOVERY_KEYS); first += GAP_LIMIT) {
    const hashes = Array.from({ length: GAP_LIMIT }, (_, i) => recoveryKeyHash(recoveryKey(recoverySeed, first + i).publicKey))
    const { values } = await peer.read(hashes.map(stateKey.recoveryKey), options)
    for (const [i, value] of values.entries()) {
      if (value === null) continue
      const id = recoveryKeyCodec.decode(value)
      const { folder, recovery } = await readState(peer, id, options)
      if (folder === null || !equalBytes(folder.recoveryKeyHash, hashes[i] as Uint8Array)) continue
      found.push({ index: first + i, id, folder, recovery })
      end = first + i + 1 + GAP_LIMIT
    }
  }
  return found
}

async function readState(
  peer: LightPeer,
  id: Uint8Array,
  options: CallOptions,
): Promise<{ folder: Folder | null; recovery: Recovery | null }> {
  const { values } = await peer.read([stateKey.folder(id), stateKey.recovery(id)], options)
  const [folder = null, recovery = null] = values
  return {
    folder: folder === null ? null : folderCodec.decode(folder),
    recovery: recovery === null ? null : recoveryCodec.decode(recovery),
  }
}

/**
 * The wallet that is to come, for the folders that were found: with what opens their past. To be kept before {@link startRecovery}, so that
 * no start is ever lost to a crash.
 */
export function successorWallet(
  successor: Wallet,
  found: readonly RecoverableFolder[],
  former: { readingSeed: Uint8Array; takenOver: NonNullable<Wallet['takenOver']> },
): Wallet {
  const before = former.takenOver.flatMap(({ folders }) => folders)
  const folders = found.map(({ id, index, folder }) => ({
    folder: id,
    keyIndex: before.findLast(known => equalBytes(known.folder, id))?.nextKeyIndex ?? keyIndexOf(folder, former.readingSeed) ?? index,
    lastEpoch: folder.epoch,
    nextKeyIndex: index,
  }))
  return { ...successor, takenOver: [...former.takenOver, { readingSeed: former.readingSeed, folders }] }
}

/** Index under which a folder was opened by the wallet of a reading seed; undefined where another wallet opened it. */
function keyIndexOf(folder: Folder, reading: Uint8Array): number | undefined {
  for (let index = 0; index < RECOVERY_KEYS; index++) if (labelOf(folder, labelSaltFrom(reading, index)) !== undefined) return index
  return undefined
}

/**
 * The wallet with the epochs at which the folders stood once their recovery was pending: nobody moves them from then on. Whoever held the
 * owner key may have done so between the look and the start.
 */
export function withEpochs(wallet: Wallet, steps: readonly RecoveryStep[]): Wallet {
  const takenOver = [...(wallet.takenOver ?? [])]
  const last = takenOver.pop()
  if (last === undefined) return wallet
  const folders = last.folders.map(folder => {
    const pending = steps.find(({ id, status }) => equalBytes(id, folder.folder) && status === 'pending')
    return pending === undefined ? folder : { ...folder, lastEpoch: pending.epoch }
  })
  return { ...wallet, takenOver: [...takenOver, { ...last, folders }] }
}

/** Starts the recovery of folders, in random order and spread over time. What was started before goes on: after a crash, call it again. */
export async function startRecovery(
  peer: LightPeer,
  recoverySeed: Uint8Array,
  successor: Wallet,
  found: readonly RecoverableFolder[],
  options: SpreadOptions = {},
): Promise<RecoveryStep[]> {
  return await spread(found, options, options.onProgress, async one => {
    const body = startRecoveryCodec.encode({
      ownerKeyHash: ownerKeyHash(ownerKey(successor.seed, one.index).publicKey),
      recoveryKeyHash: successorRecoveryKey(successor, one.index),
    })
    return await step(peer, successor, one, options, async () => {
      await submit(peer, one.id, 'start', body, recoveryKey(recoverySeed, one.index), options)
    })
  })
}

function successorRecoveryKey({ recoveryKeyHashes }: Wallet, index: number): Uint8Array {
  const hash = recoveryKeyHashes[index]
  if (hash === undefined) throw new EpioneError('recovery-keys-used-up', `The new wallet holds no recovery key for folder ${index}.`)
  return hash
}

/** Takes back what {@link startRecovery} started. */
export async function cancelRecovery(
  peer: LightPeer,
  recoverySeed: Uint8Array,
  found: readonly RecoverableFolder[],
  options: SpreadOptions = {},
): Promise<number> {
  const pending = found.flatMap(one => (one.recovery?.pending == null ? [] : [{ ...one, to: one.recovery.pending.ownerKeyHash }]))
  await spread(pending, options, undefined, async ({ id, index, to }) => {
    await submit(peer, id, 'cancel', settleRecoveryCodec.encode({ ownerKeyHash: to }), recoveryKey(recoverySeed, index), options)
  })
  return pending.length
}

/** The folders that are kept for a new wallet, or are its own already by a recovery. */
export async function recoveredFolders(peer: LightPeer, successor: Wallet, options: CallOptions = {}): Promise<RecoveryStep[]> {
  const taken = new Set((successor.takenOver ?? []).flatMap(({ folders }) => folders.map(({ folder }) => toHex(folder))))
  const steps: RecoveryStep[] = []
  for (let first = 0; first < RECOVERY_KEYS && steps.length < taken.size; first += GAP_LIMIT) {
    const hashes = Array.from({ length: GAP_LIMIT }, (_, i) => ownerKeyHash(ownerKey(successor.seed, first + i).publicKey))
    const { values } = await peer.read(hashes.map(stateKey.owner), options)
    for (const [i, value] of values.entries()) {
      const id = value === null ? null : ownerCodec.decode(value)
      if (id !== null && taken.has(toHex(id))) steps.push(await look(peer, successor, first + i, id, options))
    }
  }
  return steps
}

async function look(peer: LightPeer, successor: Wallet, index: number, id: Uint8Array, options: CallOptions): Promise<RecoveryStep> {
  const { folder, recovery } = await readState(peer, id, options)
  const own = ownerKeyHash(ownerKey(successor.seed, index).publicKey)
  const common = { index, id, code: null, epoch: folder?.epoch ?? 0 }
  if (folder !== null && equalBytes(folder.ownerKeyHash, own)) return { ...common, status: 'finished', ends: null, isFinal: false }
  const pending = recovery?.pending ?? null
  if (pending === null || !equalBytes(pending.ownerKeyHash, own)) return { ...common, status: 'none', ends: null, isFinal: false }
  return { ...common, status: 'pending', ends: pending.ends, isFinal: pending.isFinal }
}

/**
 * Finishes what is due, by the new wallet's own keys: guardians need not be asked again. Folders whose wait is not over are left as they
 * are; call it again later. `onFinished` is for what belongs to the same moment as a folder's new owner, see recovery-epochs.ts.
 */
export async function finishRecovery(
  peer: LightPeer,
  successor: Wallet,
  options: SpreadOptions & { onFinished?: (step: RecoveryStep) => Promise<void> } = {},
): Promise<RecoveryStep[]> {
  const { header } = await peer.head(options)
  const all = await recoveredFolders(peer, successor, options)
  // A chain that rests has no block of this moment; the one that takes the act in will be.
  const now = Math.max(header.time, peer.now())
  const due = all.filter(({ status, ends }) => status === 'pending' && (ends as number) <= now)
  const done = await spread(due, options, options.onProgress, async one => {
    const key = ownerKey(successor.seed, one.index)
    const body = settleRecoveryCodec.encode({ ownerKeyHash: ownerKeyHash(key.publicKey) })
    const after = await step(peer, successor, one, options, async () => await submit(peer, one.id, 'finish', body, key, options))
    if (after.status === 'finished') await options.onFinished?.(after)
    return after
  })
  return all.map(one => done.find(({ index }) => index === one.index) ?? one)
}

/** Does one folder's act and looks at what came of it; a refusal of the ledger does not keep the other folders waiting. */
async function step(
  peer: LightPeer,
  successor: Wallet,
  { index, id }: { index: number; id: Uint8Array },
  options: CallOptions,
  act: () => Promise<unknown>,
): Promise<RecoveryStep> {
  let code: string | null = null
  try {
    await act()
  } catch (error) {
    options.signal?.throwIfAborted()
    code = errorCode(error)
    if (!REFUSALS.includes(code)) throw error
  }
  const now = await look(peer, successor, index, id, options)
  // Too early by the clock of the chain is no refusal: the wait is not over.
  return code === null || code === 'too-early' || now.status === 'finished' ? now : { ...now, status: 'refused', code }
}

const REFUSALS = ['exists', 'recovery-pending', 'not-found', 'too-early', 'over-folder-quota', 'veto-used', 'unknown-owner']

/** Runs `act` for each, one at a time, in random order, at random moments of the span; the first at once. */
export async function spread<T, R>(
  items: readonly T[],
  options: SpreadOptions,
  told: ((done: number, total: number, result: R) => void) | undefined,
  act: (item: T) => Promise<R>,
): Promise<R[]> {
  const order = shuffled(items)
  const spreadMs = options.spreadMs ?? SPREAD_MS
  const moments = [0, ...order.slice(1).map(() => randomBelow(spreadMs + 1))].sort((a, b) => a - b)
  const begun = performance.now()
  const results: R[] = []
  for (const [i, item] of order.entries()) {
    await pause((moments[i] as number) - (performance.now() - begun), options.signal)
    const result = await act(item)
    results.push(result)
    told?.(i + 1, order.length, result)
  }
  return results
}

function shuffled<T>(items: readonly T[]): T[] {
  const out = [...items]
  for (let i = out.length - 1; i > 0; i--) {
    const j = randomBelow(i + 1)
    ;[out[i], out[j]] = [out[j] as T, out[i] as T]
  }
  return out
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  if (ms <= 0) return
  const done = Promise.withResolvers<void>()
  const timer = setTimeout(done.resolve, ms)
  const abort = (): void => done.reject(signal?.reason)
  signal?.addEventListener('abort', abort)
  try {
    await done.promise
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

async function submit(
  peer: LightPeer,
  id: Uint8Array,
  action: 'start' | 'cancel' | 'finish' | 'veto',
  body: Uint8Array,
  key: SigningKey,
  options: CallOptions,
): Promise<Committed> {
  const transaction = peer.sign({ from: { kind: 'folder', id }, contract: 'recovery', action, body }, key)
  return await peer.submit(transaction, options)
}

/** What threatens, or changes, who owns one of a wallet's folders. */
export interface FolderWarning {
  readonly owned: OwnedFolder
  readonly recovery: Recovery
}

/** The wallet's folders of which a recovery is pending, or another recovery key announced, with proof that there are no others. */
export async function recoveryWarnings(
  peer: LightPeer,
  wallet: Wallet,
  options: CallOptions = {},
): Promise<{ folders: OwnedFolder[]; warnings: FolderWarning[]; height: number; timeMs: number }> {
  const { folders } = await scanFolders(peer, wallet, options)
  const warnings: FolderWarning[] = []
  const { header } = await peer.head(options)
  for (let at = 0; at < folders.length; at += GAP_LIMIT) {
    const page = folders.slice(at, at + GAP_LIMIT)
    const { values } = await peer.read(
      page.map(({ id }) => stateKey.recovery(id)),
      options,
    )
    for (const [i, value] of values.entries()) {
      if (value === null) continue
      const recovery = recoveryCodec.decode(value)
      if (recovery.pending !== null || recovery.announced !== null) warnings.push({ owned: page[i] as OwnedFolder, recovery })
    }
  }
  return { folders, warnings, height: header.height, timeMs: header.time }
}

/** Objects to a pending recovery of an own folder. @throws EpioneError `no-recovery`; `veto-used` where it was objected to one before */
export async function vetoRecovery(peer: LightPeer, wallet: Wallet, owned: OwnedFolder, options: CallOptions = {}): Promise<Committed> {
  const { recovery } = await readState(peer, owned.id, options)
  if (recovery?.pending == null) throw new EpioneError('no-recovery', 'No recovery of this folder is pending.')
  if (recovery.pending.isFinal) {
    throw new EpioneError(
      'veto-used',
      'You objected to a recovery of this folder before; this one cannot be vetoed, only its starter can cancel it.',
    )
  }
  const body = settleRecoveryCodec.encode({ ownerKeyHash: recovery.pending.ownerKeyHash })
  return await submit(peer, owned.id, 'veto', body, folderOwnerKey(wallet, owned), options)
}
