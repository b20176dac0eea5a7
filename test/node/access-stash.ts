/** What a reader has got hold of, and what it opens. */
import { decryptObject } from '../../src/crypto/object-stream.ts'
import { sealingOpener } from '../../src/crypto/sealing.ts'
import { concat, equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { fragmentRootProof } from '../../src/fragments/dispersal.ts'
import { sealingContext, type VersionMeta } from '../../src/fragments/formats.ts'
import { assemble } from '../../src/fragments/gather.ts'
import type { FragmentSource } from '../../src/fragments/source-reader.ts'
import { chunks } from '../fragments/dispersed.ts'
import type { VersionRow } from './access-model.ts'
import { CODE, type Custodian, type Version } from './access-world.ts'

/** What a reader has of one version. */
export interface Got {
  meta: VersionMeta | undefined
  sources: Map<number, FragmentSource>
}

/** A reader who keeps everything. */
export interface Stash {
  /** By folder and epoch: private halves. */
  seeds: Map<string, Uint8Array>
  versions: Map<VersionRow, Got>
}

/** A custodian's own fragment, as it can give it away. */
export async function sourceFrom(
  { parts, number }: Custodian,
  fragmentRoots: readonly Uint8Array[],
  dispersalRoot: Uint8Array,
  fragment: Uint8Array,
): Promise<FragmentSource> {
  const chunkLeaves = await parts.fragments.chunkLeaves({ dispersalRoot, index: number })
  const proof = fragmentRootProof(fragmentRoots, number)
  const fragmentRoot = fragmentRoots[number] as Uint8Array
  return { index: number, fragmentRoot, proof, chunkLeaves, open: first => chunks(fragment, first) }
}

/** Whether the plaintext of a version comes out, with any of the keys. */
export async function decrypts(
  chainId: Uint8Array,
  seeds: Stash['seeds'],
  { folder, plaintext }: Version,
  { meta, sources }: Got,
): Promise<boolean> {
  if (meta === undefined) return false
  for (const [name, seed] of seeds) {
    if (!name.startsWith(toHex(folder.id))) continue
    const epoch = Number(name.split(' ')[1])
    const context = sealingContext.versionKey(chainId, folder.id, epoch, meta.leaf.recordId, meta.leaf.version)
    try {
      const dek = sealingOpener(seed).open(meta.sealedKey, context)
      const shape = { ...CODE, size: meta.size, dispersalRoot: meta.leaf.dispersalRoot }
      const pieces: Uint8Array[] = []
      for await (const piece of decryptObject(dek, assemble({ ...shape, sources: [...sources.values()] }), meta.size)) {
        pieces.push(Uint8Array.from(piece))
      }
      return equalBytes(concat(...pieces), plaintext)
    } catch (error) {
      if (!['unsealing-failed', 'too-few-fragments'].includes(errorCode(error))) throw error
    }
  }
  return false
}
