/** `epione emergency open` */
import { decodeEmergencyCard } from '../../src/client/emergency.ts'
import type { EmergencyReason } from '../../src/contracts/emergency-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { readCode } from '../codes.ts'
import { assertConfirmable, confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { peerAddresses } from '../home.ts'
import { recordGet } from './record-get.ts'

export interface EmergencyOpenOptions {
  reason: EmergencyReason
  purpose: 'BTG' | 'ETREAT'
  out?: string
  yes?: boolean
}

export async function emergencyOpen(context: Context, options: EmergencyOpenOptions, code: string): Promise<void> {
  const yes = options.yes === true
  assertConfirmable(context, yes)
  const card = decodeEmergencyCard(await readCode(context, code, 'epione-emergency:'))
  const { reason, purpose } = options
  for (const line of recorded(toHex(card.folder), reason)) context.output.note(line)
  await confirmed(context, yes, 'Break the glass?', 'nothing was opened')
  await recordGet(
    await reachable(context, card.nodes),
    { all: true, emergency: { card, reason, purpose }, ...(options.out === undefined ? {} : { out: options.out }) },
    undefined,
  )
}

/** What will stand in the ledger and be told to the patient, before anything is signed. */
function recorded(folder: string, reason: EmergencyReason): string[] {
  return [
    `this opens the emergency summary ${folder.slice(0, 16)} without the patient, for four hours`,
    'recorded for good, for everybody to see: your organisation, the name by which your sessions are counted, and when',
    `told to the patient and to who watches for them, at once: that it was opened; with the records: your key, your role, and the reason "${reason}"`,
    'another person of your organisation has to review it; while reviews of yours are overdue you can open nothing more',
  ]
}

/** Where the command names no node and the home's does not run, the card's nodes are the way in. */
async function reachable(context: Context, nodes: readonly string[]): Promise<Context> {
  if (peerAddresses(context) !== null || nodes.length === 0) return context
  const { nodeAddresses } = await import('../connection.ts')
  try {
    await nodeAddresses(context)
    return context
  } catch {
    return { ...context, globals: { ...context.globals, peer: nodes } }
  }
}
