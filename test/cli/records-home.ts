/** A home without a network, and command lines that are refused in it. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { encodeShare } from '../../src/client/identity.ts'
import { createKeystore } from '../../src/crypto/keystore.ts'
import { createIdentityKeystore } from '../../src/node/identity-file.ts'
import { type CliRun, runCli } from './run-cli.ts'

/** Nobody listens there: what must not reach the network would fail otherwise than expected. */
const NOWHERE = '/ip4/127.0.0.1/tcp/1'

export const home = mkdtempSync(join(tmpdir(), 'epione-records-'))
export const env = { EPIONE_HOME: home, EPIONE_PASSPHRASE: 'correct horse battery', EPIONE_PEER: NOWHERE }
export const folder = 'ab'.repeat(32)
export const record = 'cd'.repeat(32)
export const at = (name: string): string => join(home, name)
export const share = encodeShare({
  version: 1,
  chainId: new Uint8Array(32).fill(1),
  folder: new Uint8Array(32).fill(2),
  consent: new Uint8Array(32).fill(3),
})

/** Makes a wallet and a person's keys in the home. */
export async function makeKeys(): Promise<void> {
  // What guessing these passphrases costs is not what is tested here.
  const scrypt = { N: 2 ** 12, r: 8, p: 1 }
  await createKeystore(at('wallet.keystore'), env.EPIONE_PASSPHRASE, { 'wallet/owner-seed': new Uint8Array(32).fill(1) }, { scrypt })
  const id = new Uint8Array(32).fill(0xab)
  await createIdentityKeystore(
    at('identity.keystore'),
    env.EPIONE_PASSPHRASE,
    { name: 'A', role: 'nurse', organisation: id, chainId: id, signingSeed: id, sealingSeed: id },
    { scrypt },
  )
}

/** Runs a command line with `--json` and demands exit code and error code. */
export async function refused(args: readonly string[], exit: number, code: string, input?: string): Promise<CliRun & { message: string }> {
  const run = await runCli([...args, '--json'], { env, ...(input === undefined ? {} : { input }) })
  const line = args.join(' ')
  assert.is(run.stdout, '', line)
  const { error } = JSON.parse(run.stderr)
  assert.equal([run.code, error.code, error.exitCode], [exit, code, exit], `${line}: ${error.message}`)
  return { ...run, message: error.message }
}
