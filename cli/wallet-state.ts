/**
 * What a wallet remembers beside its keys: the network that it is used with, and the keys that it has handed out. In a file beside the
 * wallet; it holds no secret. A wallet that is restored from its phrase finds its folders without it.
 */
import { parseHex, toHex, utf8 } from '../src/encoding/bytes.ts'
import { EpioneError } from '../src/encoding/errors.ts'
import { readBoundedFile } from '../src/node/config-file.ts'
import { writePrivateFile } from './private-file.ts'

const MAX_STATE_BYTES = 64 * 1024

export interface WalletState {
  /** Network that the wallet was first used with. */
  chainId: Uint8Array
  /** First index whose keys were never handed out. */
  nextIndex: number
  /** First key as a delegate that was never handed out; 0 where absent. */
  nextDelegateKey?: number
}

/** File of the state of the wallet at `path`. */
export function walletStatePath(path: string): string {
  return `${path}.state.json`
}

/** The state, or null where the wallet was not used yet. @throws EpioneError `wallet-state-invalid` */
export async function readWalletState(path: string): Promise<WalletState | null> {
  const file = walletStatePath(path)
  const text = await readBoundedFile(file, MAX_STATE_BYTES)
  if (text === null) return null
  try {
    const { version, chainId, nextIndex, nextDelegateKey = 0 } = JSON.parse(text) as Record<string, unknown>
    const id = typeof chainId === 'string' ? parseHex(chainId) : undefined
    if (version !== 1 || id?.length !== 32 || !isCount(nextIndex) || !isCount(nextDelegateKey)) throw new Error('shape')
    return { chainId: id, nextIndex, ...(nextDelegateKey === 0 ? {} : { nextDelegateKey }) }
  } catch (error) {
    throw new EpioneError(
      'wallet-state-invalid',
      `${file} is not intact; remove it, and the wallet finds its folders again. Keys that were offered and not accepted are offered anew`,
      { metadata: { path: file }, cause: error },
    )
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Writes the state; whole or not at all. */
export async function writeWalletState(path: string, { chainId, nextIndex, nextDelegateKey }: WalletState): Promise<void> {
  const text = `${JSON.stringify({ version: 1, chainId: toHex(chainId), nextIndex, nextDelegateKey }, null, 2)}\n`
  await writePrivateFile(walletStatePath(path), [utf8(text)])
}
