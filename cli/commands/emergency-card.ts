/** `epione emergency card` */
import { resolve } from 'node:path'
import { encodeEmergencyCard } from '../../src/client/emergency.ts'
import { readDeposit } from '../../src/client/emergency-deposit.ts'
import { findOwnedFolder } from '../../src/client/folders.ts'
import { equalBytes, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { nodeAddresses } from '../connection.ts'
import type { Context } from '../context.ts'
import { readFolders } from '../folder-book.ts'
import { homeOf } from '../home.ts'
import { connect } from '../network.ts'
import { writePrivateFile } from '../private-file.ts'
import { qrLines } from '../qr.ts'
import { idBytes, withWallet } from '../wallet-session.ts'

export interface EmergencyCardOptions {
  folder: string
  qr?: boolean
  out?: string
}

/** Most nodes that a card names. */
const MAX_NODES = 4

export async function emergencyCard(context: Context, options: EmergencyCardOptions): Promise<void> {
  const { signal, output } = context
  const folder = idBytes(options.folder)
  const { chainId, isDeposited } = await lookUp(context, folder)
  const nodes = (await nodeAddresses(context)).slice(0, MAX_NODES)
  const card = encodeEmergencyCard({ version: 1, chainId, folder, nodes: [...nodes] })
  const file = options.out === undefined ? null : resolve(options.out)
  if (file !== null) await writePrivateFile(file, [utf8(`${card}\n`)])
  const code = options.qr === true ? await qrLines(card) : []
  signal.throwIfAborted()
  output.result({ card, folder: toHex(folder), chainId: toHex(chainId), nodes, deposited: isDeposited, file }, () =>
    file === null ? [...code, card] : code,
  )
  if (!isDeposited) output.warn('no key was left for emergencies with this folder: nobody can open it by this card')
}

/** An organisation knows the folder's label from its book; a patient, from the wallet. */
async function lookUp(context: Context, folder: Uint8Array): Promise<{ chainId: Uint8Array; isDeposited: boolean }> {
  const { signal } = context
  const known = (await readFolders(homeOf(context))).find(({ id }) => equalBytes(id, folder))
  if (known !== undefined) {
    assertSummary(known.label)
    await using peer = await connect(context, null)
    return { chainId: peer.chainId, isDeposited: (await readDeposit(peer, folder, { signal })) !== null }
  }
  return await withWallet(context, async ({ peer, wallet }) => {
    assertSummary((await findOwnedFolder(peer, wallet, folder, { signal })).label)
    return { chainId: peer.chainId, isDeposited: (await readDeposit(peer, folder, { signal })) !== null }
  })
}

function assertSummary(label: string): void {
  if (label === 'emergency-summary') return
  throw new EpioneError('not-emergency-summary', `a card is for an emergency summary; this folder has the label ${label}`)
}
