/** `epione enroll offer` */
import { resolve } from 'node:path'
import { createEnrolment, encodeEnrolment, GAP_LIMIT, scanFolders } from '../../src/client/folders.ts'
import type { Label } from '../../src/contracts/folders-formats.ts'
import { toHex, utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { count, printable } from '../format.ts'
import { assertWritable, writePrivateFile } from '../private-file.ts'
import { qrLines } from '../qr.ts'
import { idBytes, withWallet } from '../wallet-session.ts'
import { walletStatePath, writeWalletState } from '../wallet-state.ts'

export interface EnrollOfferOptions {
  organisation: string
  /** One folder for each label; one with `normal` where absent. */
  label?: readonly Label[]
  out?: string
  qr?: boolean
}

/** What `--json` prints. */
export interface EnrollOfferResult {
  /** The offer as text: content of the file, or of the code. */
  offer: string
  /** Path that was written, or null. */
  file: string | null
  chainId: string
  organisation: { id: string; name: string }
  folders: readonly { index: number; label: Label; ownerKeyHash: string }[]
}

/** Most folders of one offer. */
const MAX_FOLDERS = 16

export async function enrollOffer(context: Context, options: EnrollOfferOptions): Promise<void> {
  const labels = options.label ?? ['normal']
  if (labels.length > MAX_FOLDERS) {
    throw new EpioneError('invalid-argument', `an offer is for at most ${MAX_FOLDERS} folders, not ${labels.length}`)
  }
  const file = options.out === undefined ? null : resolve(options.out)
  if (file !== null) await assertWritable(file)
  const { signal, output } = context
  await withWallet(context, async ({ peer, wallet, path, state }) => {
    const organisation = await peer.member(idBytes(options.organisation), { signal })
    if (organisation.status !== 'active') {
      throw new EpioneError('unknown-member', `${printable(organisation.organisation.name)} is no member of the network any more`)
    }
    const used = (await scanFolders(peer, wallet, { signal })).nextIndex
    const firstIndex = Math.max(used, state.nextIndex)
    if (firstIndex + labels.length > used + GAP_LIMIT) {
      throw new EpioneError(
        'too-many-offers',
        `${firstIndex - used} offered keys wait for an organisation to accept them, and a wallet finds its folders again only while fewer than ${GAP_LIMIT} are missing in a row; have them accepted, or, if they are lost, remove ${walletStatePath(path)}`,
        { metadata: { waiting: firstIndex - used, limit: GAP_LIMIT } },
      )
    }
    const enrolment = createEnrolment(wallet, { chainId: peer.chainId, organisation: organisation.id, firstIndex, labels })
    const offer = encodeEnrolment(enrolment)
    const code = options.qr === true ? await qrLines(offer).catch(hintFile) : []
    // On the disk before anybody sees the keys: no key is handed out twice.
    await writeWalletState(path, { ...state, nextIndex: firstIndex + labels.length })
    if (file !== null) await writePrivateFile(file, [utf8(`${offer}\n`)])
    const value: EnrollOfferResult = {
      offer,
      file,
      chainId: toHex(peer.chainId),
      organisation: { id: toHex(organisation.id), name: organisation.organisation.name },
      folders: enrolment.folders.map(({ label, ownerKeyHash }, i) => ({ index: firstIndex + i, label, ownerKeyHash: toHex(ownerKeyHash) })),
    }
    output.result(value, () => (file === null ? [...code, offer] : [file]))
    output.note(
      `an offer of keys for ${count(labels.length, 'folder')} (${labels.join(', ')}) to ${printable(organisation.organisation.name)}; it accepts with: epione enroll accept`,
    )
  })
}

/** One folder's keys fit into a code, several do not. */
function hintFile(error: unknown): never {
  if (errorCode(error) !== 'too-large') throw error
  throw new EpioneError('too-large', 'the offer is too long for a QR code; offer one label at a time, or write a file with --out', {
    cause: error,
  })
}
