/** `epione recovery start` */
import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Wallet } from '../../src/client/folders.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import {
  type RecoverableFolder,
  SPREAD_MS,
  scanRecoverable,
  startRecovery,
  successorWallet,
  withEpochs,
} from '../../src/client/recovery.ts'
import { encodeKit, openKit, type RecoveryKit } from '../../src/client/recovery-kit.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import { seedToPhrase, WALLET_SEED_LENGTH } from '../../src/crypto/wallet.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { count, formatSpan } from '../format.ts'
import { connect } from '../network.ts'
import { readPassphrase } from '../passphrase.ts'
import { assertWritable } from '../private-file.ts'
import { readRecoveryPhrase } from '../recovery-phrase.ts'
import { recoverySheet, writeSheet } from '../recovery-sheet.ts'
import { type StepResult, stepLine, stepResult } from '../recovery-steps.ts'
import { createWalletFile, openWalletFile, recoveryKeyHashes, walletPath, writeTakenOver } from '../wallet-file.ts'
import { readWalletState, writeWalletState } from '../wallet-state.ts'

export interface RecoveryStartOptions {
  phraseFile?: string
  kit?: string
  /** Where the new wallet's recovery sheet goes. */
  sheet?: string
  /** All folders at once. */
  now?: boolean
}

/** What `--json` prints. */
export interface RecoveryStartResult {
  wallet: string
  /** Sheet of the new wallet's recovery phrase; null where the wallet was made by an earlier start. */
  sheet: string | null
  folders: readonly StepResult[]
}

export async function recoveryStart(context: Context, options: RecoveryStartOptions): Promise<void> {
  const { signal, output } = context
  const path = walletPath(context)
  const sheet = resolve(options.sheet ?? `${path}.recovery-sheet.html`)
  await assertWritable(sheet)
  const { seed, kit } = await readRecoveryPhrase(context, options)
  if (kit === null) {
    throw new EpioneError(
      'kit-required',
      'the recovery kit is needed, too: without it nothing that was written before could be read; it is on the recovery sheet and with each guardian: give --kit, or a second line in the phrase file',
    )
  }
  const former = openKit(kit, seed)
  await using peer = await connect(context, null)
  const found = await scanRecoverable(peer, seed, { signal })
  if (found.length === 0) {
    throw new EpioneError(
      'nothing-to-recover',
      'no folder is under this recovery phrase: it is of a wallet without folders, or its folders were recovered before',
    )
  }
  const isNew = !(await exists(path))
  const passphrase = await readPassphrase(context, { of: `the new wallet ${path}`, create: isNew })
  const { wallet } = isNew
    ? await makeSuccessor(context, { path, passphrase, sheet, peer, found, former })
    : { wallet: await continued(path, passphrase, peer, found, former) }
  const spreadMs = options.now === true ? 0 : SPREAD_MS
  if (found.length > 1 && spreadMs > 0) {
    output.note(
      `starting ${count(found.length, 'folder')} at random moments within ${formatSpan(spreadMs)}, so that nobody sees that they belong together; --now starts all at once`,
    )
  }
  const steps = await startRecovery(peer, seed, wallet, found, {
    signal,
    spreadMs,
    onProgress: (done, total) => output.note(`${done} of ${total} started`),
  })
  await writeTakenOver(path, passphrase, withEpochs(wallet, steps).takenOver ?? [])
  const value: RecoveryStartResult = { wallet: path, sheet: isNew ? sheet : null, folders: steps.map(stepResult) }
  output.result(value, () => value.folders.map(stepLine))
  if (isNew) output.warn(`${sheet} has the new wallet's recovery phrase, which is shown nowhere else: print it and remove the file`)
  output.note(`when the wait is over: epione recovery finish --wallet ${path}`)
}

interface Making {
  path: string
  passphrase: string
  sheet: string
  peer: LightPeer
  found: readonly RecoverableFolder[]
  former: RecoveryKit
}

/** A wallet of new seeds. It and its recovery sheet are on the disk before the ledger hears of its keys. */
async function makeSuccessor(context: Context, { path, passphrase, sheet, peer, found, former }: Making): Promise<{ wallet: Wallet }> {
  const recoverySeed = randomBytes(WALLET_SEED_LENGTH)
  const bare: Wallet = { seed: randomBytes(WALLET_SEED_LENGTH), recoveryKeyHashes: recoveryKeyHashes(recoverySeed) }
  const wallet = successorWallet(bare, found, former)
  await writeSheet(sheet, recoverySheet(seedToPhrase(recoverySeed), encodeKit(wallet, recoverySeed)))
  await createWalletFile(path, passphrase, wallet)
  await writeWalletState(path, { chainId: peer.chainId, nextIndex: Math.max(...found.map(({ index }) => index)) + 1 })
  context.output.note(`a new wallet: ${path}`)
  return { wallet }
}

/** The wallet that an earlier start made. @throws EpioneError `wallet-in-use` where it is another one */
async function continued(
  path: string,
  passphrase: string,
  peer: LightPeer,
  found: readonly RecoverableFolder[],
  former: RecoveryKit,
): Promise<Wallet> {
  const state = await readWalletState(path)
  if (state !== null && !equalBytes(state.chainId, peer.chainId)) {
    throw new EpioneError('other-chain', `the wallet ${path} is used with network ${toHex(state.chainId)}; name another node`)
  }
  const wallet = await openWalletFile(path, passphrase)
  const takenOver = wallet.takenOver ?? []
  const last = takenOver.at(-1)
  if (last === undefined || !equalBytes(last.readingSeed, former.readingSeed)) {
    throw new EpioneError(
      'wallet-in-use',
      `${path} is the wallet of something else; name a new file with --wallet, or, to go on with a start that broke off, give the same phrase and kit`,
    )
  }
  const renewed = successorWallet({ ...wallet, takenOver: takenOver.slice(0, -1) }, found, { ...former, takenOver: takenOver.slice(0, -1) })
  await writeTakenOver(path, passphrase, renewed.takenOver ?? [])
  return renewed
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}
