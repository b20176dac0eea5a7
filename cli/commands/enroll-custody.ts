/** `epione enroll open`, `hand-over` and `take-over`: folders for somebody who has no wallet yet. */
import { resolve } from 'node:path'
import { createEnrolment, decodeEnrolment, findOwnedFolder, openFolders, scanFolders } from '../../src/client/folders.ts'
import {
  addressAfter,
  decodeHandOver,
  encodeHandOver,
  handOverFolder,
  prepareHandOver,
  takeOverFolder,
} from '../../src/client/hand-over.ts'
import type { Label } from '../../src/contracts/folders-formats.ts'
import { phraseToSeed } from '../../src/crypto/wallet.ts'
import { toHex, utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { readCode } from '../codes.ts'
import { assertConfirmable, confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { type ErasureReport, erasureReport, reportLines } from '../erasure-report.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { addFolders, replaceFolder } from '../folder-book.ts'
import { count } from '../format.ts'
import { homeOf } from '../home.ts'
import { withPerson } from '../person-session.ts'
import { assertWritable, writePrivateFile } from '../private-file.ts'
import { createProgress } from '../progress.ts'
import { readSecretFile } from '../secrets.ts'
import { idBytes, withWallet } from '../wallet-session.ts'
import { writeWalletState } from '../wallet-state.ts'

export interface EnrollOpenOptions {
  forLater?: boolean
  label: Label
  policy?: string
}

export interface EnrollOpenResult {
  folder: string
  label: Label
  index: number
  height: number
}

/** By the organisation: a folder whose owner's key its own wallet file keeps until it is handed over. */
export async function enrollOpen(context: Context, options: EnrollOpenOptions): Promise<void> {
  const { signal, output } = context
  if (options.forLater !== true) {
    throw new EpioneError('missing-option', 'say --for-later: the owner key lies in this wallet file until the folder is handed over')
  }
  await withWallet(context, async ({ wallet, path, state, peer: scanned }) => {
    await withPerson(context, async ({ peer, person }) => {
      const used = (await scanFolders(scanned, wallet, { signal })).nextIndex
      // What was handed over is this wallet's no longer, so that there is no gap to mind.
      const index = Math.max(used, state.nextIndex)
      const { labels, chainId, organisation } = { labels: [options.label], chainId: peer.chainId, organisation: person.organisation }
      const enrolment = createEnrolment(wallet, { chainId, organisation, firstIndex: index, labels })
      await writeWalletState(path, { ...state, nextIndex: index + 1 })
      const opened = await openFolders(peer, person, enrolment, {
        signal,
        ...(options.policy === undefined ? {} : { policy: options.policy }),
      })
      await addFolders(homeOf(context), opened.folders)
      const [folder] = opened.folders
      const value: EnrollOpenResult = {
        folder: toHex(folder?.id ?? new Uint8Array(0)),
        label: options.label,
        index,
        height: opened.committed[0]?.height ?? 0,
      }
      output.result(value, () => [value.folder])
      output.note(
        'hand it over when its owner has a wallet: epione enroll hand-over; until then keep this wallet file as you would keep theirs',
      )
    })
  })
}

export interface EnrollHandOverOptions {
  folder: string
  out: string
  yes?: boolean
  /** File with the recovery phrase of the organisation's wallet. */
  recoveryPhraseFile?: string
}

/** By the organisation: the folder becomes that of an offer. */
export async function enrollHandOver(context: Context, options: EnrollHandOverOptions, given: string): Promise<void> {
  const { signal, output } = context
  assertConfirmable(context, options.yes === true)
  const file = resolve(options.out)
  await assertWritable(file)
  const offer = decodeEnrolment(await readCode(context, given, 'epione-enrolment:'))
  const { recoveryPhraseFile } = options
  const phrase = recoveryPhraseFile === undefined ? undefined : await readSecretFile(context, recoveryPhraseFile, 'recovery phrase')
  const recovery = phrase === undefined ? {} : { recoverySeed: phraseToSeed(phrase) }
  await withWallet(context, async ({ peer, wallet }) => {
    const owned = await findOwnedFolder(peer, wallet, idBytes(options.folder), { signal })
    const handOver = prepareHandOver(wallet, owned, offer)
    output.note('From then on the owner of the offered keys owns the folder, and you cannot act for them any more.')
    await confirmed(context, options.yes === true, 'Hand this folder over?', 'nothing was handed over')
    // First, for afterwards nobody here can make it again.
    await writePrivateFile(file, [utf8(`${encodeHandOver(handOver)}\n`)])
    await handOverFolder(peer, wallet, owned, offer, { signal, ...recovery })
    await replaceFolder(homeOf(context), addressAfter(owned, offer))
    output.result({ folder: options.folder, file, ownerKeyHash: toHex(handOver.ownerKeyHash) }, () => [file])
    if (phrase === undefined)
      output.warn(
        'your recovery phrase leads to the folder until the owner has renewed the recovery key; with --recovery-phrase-file it would not any more',
      )
    output.note('give the file to the owner, who takes the folder over with: epione enroll take-over; nobody else can open it')
  })
}

export interface EnrollTakeOverOptions {
  wait: number
}

export interface EnrollTakeOverResult {
  folder: string
  label: Label
  index: number
  epoch: number
  /** Versions that were sealed to the wallet's own key. */
  resealed: number
  erasure: ErasureReport | null
}

/** By the wallet. */
export async function enrollTakeOver(context: Context, options: EnrollTakeOverOptions, given: string): Promise<ExitCode> {
  const { signal, output } = context
  const handOver = decodeHandOver(await readCode(context, given, 'epione-hand-over:'))
  return await withWallet(context, async ({ peer, wallet, path, state }) => {
    const progress = createProgress(context)
    const { owned, resealed, erasure } = await takeOverFolder(peer, wallet, handOver, {
      signal,
      waitMs: options.wait,
      onProgress: ({ phase, done, total }) =>
        progress.show(() => `${phase === 'erasing' ? 'custodians' : 'sealing anew'}: ${done} of ${total}`),
    }).finally(() => progress.clear())
    await writeWalletState(path, { ...state, nextIndex: Math.max(state.nextIndex, owned.index + 1) })
    const value: EnrollTakeOverResult = {
      folder: toHex(owned.id),
      label: owned.label,
      index: owned.index,
      epoch: owned.folder.epoch,
      resealed,
      erasure: erasure === null ? null : erasureReport(erasure),
    }
    output.result(value, () => [
      `folder       ${value.folder} (${value.label})`,
      `sealed anew  ${count(resealed, 'version')}`,
      ...(value.erasure === null ? [] : reportLines(value.erasure)),
    ])
    return value.erasure === null || value.erasure.status === 'erased' ? EXIT.ok : EXIT.unhealthy
  })
}
