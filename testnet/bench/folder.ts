/** A folder to measure on. */
import {
  createEnrolment,
  type FolderAddress,
  type OwnedFolder,
  openFolders,
  RECOVERY_KEYS,
  scanFolders,
  type Wallet,
} from '../../src/client/folders.ts'
import { type Person, personFromSeeds } from '../../src/client/identity.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import type { Label } from '../../src/contracts/folders-formats.ts'
import { u64 } from '../../src/encoding/bytes.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import type { Testnet } from '../launcher/testnet.ts'

export interface BenchFolder {
  person: Person
  wallet: Wallet
  address: FolderAddress
  owned: OwnedFolder
}

let count = 0

/** Opens a fresh folder at a hospital, the first unless said otherwise. */
export async function openBenchFolder(
  net: Testnet,
  peer: LightPeer,
  seed: number,
  options: { label?: Label; author?: number } = {},
): Promise<BenchFolder> {
  const { label = 'normal', author = 0 } = options
  const secret = (name: string): Uint8Array => taggedHash(`bench-${name}`, u64(seed), u64(count))
  count++
  const person = personFromSeeds(net.registrar(author))
  const wallet: Wallet = {
    seed: secret('wallet'),
    recoveryKeyHashes: Array.from({ length: RECOVERY_KEYS }, (_, i) => taggedHash('bench-recovery', u64(seed), u64(i))),
  }
  const enrolment = createEnrolment(wallet, { chainId: peer.chainId, organisation: person.organisation, firstIndex: 0, labels: [label] })
  const { folders } = await openFolders(peer, person, enrolment)
  const { folders: owned } = await scanFolders(peer, wallet)
  return { person, wallet, address: folders[0] as FolderAddress, owned: owned[0] as OwnedFolder }
}
