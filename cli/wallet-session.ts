/** A command that acts for the owner of a wallet: the wallet opened, a light peer on the wallet's network. */
import { findOwnedFolder, type OwnedFolder, type Wallet } from '../src/client/folders.ts'
import type { LightPeer } from '../src/client/light-peer.ts'
import { equalBytes, parseHex, toHex } from '../src/encoding/bytes.ts'
import { EpioneError } from '../src/encoding/errors.ts'
import type { Context } from './context.ts'
import { connect } from './network.ts'
import { readPassphrase } from './passphrase.ts'
import { openWalletFile, walletPath } from './wallet-file.ts'
import { readWalletState, type WalletState, walletStatePath, writeWalletState } from './wallet-state.ts'

export interface WalletSession {
  readonly peer: LightPeer
  readonly wallet: Wallet
  readonly path: string
  readonly state: WalletState
}

/** Bytes of an id that the declaration has checked already. */
export function idBytes(hex: string): Uint8Array {
  const bytes = parseHex(hex)
  if (bytes?.length !== 32) throw new EpioneError('invalid-argument', `${hex} is no id of 64 hex digits`)
  return bytes
}

/**
 * Runs `act` with the wallet and a light peer, which is stopped in the end. A wallet stays with the network that it was first used
 * with, so that a node cannot show its owner another one.
 */
export async function withWallet<T>(context: Context, act: (session: WalletSession) => Promise<T>): Promise<T> {
  const path = walletPath(context)
  const known = await readWalletState(path)
  const wallet = await openWalletFile(path, await readPassphrase(context, { of: `the wallet ${path}` }))
  await using peer = await connect(context, null)
  if (known !== null && !equalBytes(known.chainId, peer.chainId)) {
    throw new EpioneError(
      'other-chain',
      `the wallet ${path} is used with network ${toHex(known.chainId)} and the node is of ${toHex(peer.chainId)}; name another node, or, if the network was made anew, remove ${walletStatePath(path)}`,
    )
  }
  const state = known ?? { chainId: peer.chainId, nextIndex: 0 }
  if (known === null) await writeWalletState(path, state)
  return await act({ peer, wallet, path, state })
}

/** As {@link withWallet}, with one of the wallet's folders. @throws EpioneError `not-found` */
export async function withOwnedFolder<T>(
  context: Context,
  folder: string,
  act: (session: WalletSession & { owned: OwnedFolder }) => Promise<T>,
): Promise<T> {
  return await withWallet(context, async session => {
    const owned = await findOwnedFolder(session.peer, session.wallet, idBytes(folder), { signal: context.signal })
    return await act({ ...session, owned })
  })
}
