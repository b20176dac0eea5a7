/** `epione recovery shares` */
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Guardian, SHARE, shareAmong, shareFile } from '../../src/client/guardians.ts'
import { decodeCard } from '../../src/client/identity.ts'
import { encodeKit } from '../../src/client/recovery-kit.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { readCode } from '../codes.ts'
import type { Context } from '../context.ts'
import { printable } from '../format.ts'
import { readPassphrase } from '../passphrase.ts'
import { assertWritable, writePrivateFile } from '../private-file.ts'
import { assertPhraseOf, readRecoveryPhrase } from '../recovery-phrase.ts'
import { shareSheet, writeSheet } from '../recovery-sheet.ts'
import { openWalletFile, walletPath } from '../wallet-file.ts'

export interface RecoverySharesOptions {
  threshold: number
  /** Number of guardians; those without a name or card are numbered. */
  guardians?: number
  guardian?: readonly string[]
  card?: readonly string[]
  out: string
  phraseFile?: string
}

/** What `--json` prints. */
export interface RecoverySharesResult {
  threshold: number
  shares: readonly { number: number; guardian: string; sealed: boolean; file: string; sheet: string | null }[]
}

export async function recoveryShares(context: Context, options: RecoverySharesOptions): Promise<void> {
  const guardians = await guardiansOf(context, options)
  const folder = resolve(options.out)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await assertWritable(join(folder, 'share'))
  const path = walletPath(context)
  const wallet = await openWalletFile(path, await readPassphrase(context, { of: `the wallet ${path}` }))
  const { seed } = await readRecoveryPhrase(context, options)
  assertPhraseOf(wallet.recoveryKeyHashes, seed)
  const { threshold } = options
  const texts = await shareAmong(guardians, { recoverySeed: seed, threshold, kit: encodeKit(wallet, seed) })
  const shares: RecoverySharesResult['shares'][number][] = []
  for (const { guardian, number, text } of texts) {
    const stem = join(folder, `share-${number}-of-${texts.length}`)
    await writePrivateFile(`${stem}.txt`, [shareFile({ guardian, number, text })])
    const sealed = !text.startsWith(SHARE)
    // A sealed share is opened by its guardian's own program; paper would only be in its way.
    const sheet = sealed ? null : `${stem}.html`
    if (sheet !== null) await writeSheet(sheet, shareSheet({ number, count: texts.length, threshold, guardian: guardian.name, text }))
    shares.push({ number, guardian: guardian.name, sealed, file: `${stem}.txt`, sheet })
  }
  const value: RecoverySharesResult = { threshold, shares }
  context.output.result(value, () =>
    shares.map(({ file, guardian, sealed }) => [file, guardian, ...(sealed ? ['sealed to the card'] : [])].join('  ')),
  )
  context.output.note(
    `any ${threshold} of the ${shares.length} guardians give the recovery phrase back; hand each their own, and remove the files`,
  )
  const plain = shares.filter(({ sealed }) => !sealed).length
  if (plain > 0) context.output.warn(`${plain} of the files can be read by whoever has them: ${threshold} together take the folders over`)
}

async function guardiansOf(context: Context, { guardians, guardian = [], card = [] }: RecoverySharesOptions): Promise<Guardian[]> {
  const cards = await Promise.all(card.map(async given => decodeCard(await readCode(context, given, 'epione-card:'))))
  const named: Guardian[] = [
    ...guardian.map(name => ({ name: printable(name) })),
    ...cards.map(one => ({ name: printable(one.name).slice(0, 64), card: one })),
  ]
  const count = guardians ?? named.length
  if (count < named.length) throw new EpioneError('invalid-argument', `${named.length} guardians are named and only ${count} are to be`)
  const long = named.find(({ name }) => new TextEncoder().encode(name).length > 64)
  if (long !== undefined) throw new EpioneError('invalid-argument', 'the name of a guardian has at most 64 bytes')
  return [...named, ...Array.from({ length: count - named.length }, () => ({ name: '' }))]
}
