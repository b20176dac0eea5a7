/** A testnet, an author's home and a patient's wallet with an open folder: where end-to-end tests of the command line begin. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createKeystore, openKeystore } from '../../src/crypto/keystore.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { createTestnet, type Testnet, type TestnetOptions } from '../../testnet/launcher/testnet.ts'
import { type CliRun, runCli } from '../cli/run-cli.ts'

export class Setting {
  readonly dir: string
  readonly net: Testnet
  /** Options by which a command acts as the first hospital's registrar. */
  readonly author: readonly string[]
  /** Options by which a command acts as the patient, through the second hospital's node. */
  readonly patient: readonly string[]
  folder = ''
  /** What `epione wallet create` printed for the patient. */
  created = { recoveryPhrase: '', recoveryKit: '' }

  private constructor(dir: string, net: Testnet) {
    this.dir = dir
    this.net = net
    const [first, second] = net.nodes as [Testnet['nodes'][number], Testnet['nodes'][number]]
    this.author = ['--home', first.home]
    this.patient = [
      ...['--home', this.at('patient'), '--wallet', this.at('wallet'), '--passphrase-file', this.at('passphrase')],
      ...['--peer', second.addresses[0] as string],
    ]
  }

  static async create(name: string, seed: number, options: Partial<TestnetOptions> = {}): Promise<Setting> {
    const dir = mkdtempSync(join(tmpdir(), `epione-${name}-`))
    const net = await createTestnet({ ...options, dir: join(dir, 'net'), validators: 4, seed })
    const setting = new Setting(dir, net)
    const { author, patient } = setting
    writeFileSync(setting.at('passphrase'), 'a patient\n', { mode: 0o600 })
    setting.created = (await succeed('wallet', 'create', ...patient)) as typeof setting.created
    await ease(setting.at('wallet'), 'a patient')
    const account = toHex((net.nodes[0] as Testnet['nodes'][number]).account)
    await succeed('enroll', 'offer', '--organisation', account, '--out', setting.at('offer'), ...patient)
    const accepted = await succeed('enroll', 'accept', setting.at('offer'), ...author)
    setting.folder = (accepted.folders as { folder: string }[])[0]?.folder as string
    return setting
  }

  at(name: string): string {
    return join(this.dir, name)
  }

  async put(file: string, ...options: string[]): Promise<CliRun> {
    return await runCli(this.putArguments(file, ...options))
  }

  putArguments(file: string, ...options: string[]): string[] {
    return ['record', 'put', file, '--folder', this.folder, ...options, ...this.author, '--json']
  }

  /** Reads as the patient, into a file. */
  async get(out: string, ...selector: string[]): Promise<CliRun> {
    return await runCli(this.getArguments(out, ...selector))
  }

  getArguments(out: string, ...selector: string[]): string[] {
    return ['record', 'get', ...selector, '--folder', this.folder, '--out', this.at(out), ...this.patient]
  }

  async stop(): Promise<void> {
    await this.net.stop()
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** Lets a keystore's passphrase cost little: what guessing it costs is not what is tested here, and every command opens it. */
export async function ease(path: string, passphrase: string): Promise<void> {
  const entries = await openKeystore(path, passphrase)
  rmSync(path)
  await createKeystore(path, passphrase, entries, { scrypt: { N: 2 ** 12, r: 8, p: 1 } })
}

/** Runs a command that must succeed; gives its JSON. */
export async function succeed(...args: string[]): Promise<Record<string, unknown>> {
  const run = await runCli([...args, '--json'])
  assert.is(run.code, 0, `epione ${args.join(' ')}\n${run.stderr}`)
  return json(run)
}

export function json(run: CliRun): Record<string, unknown> {
  return JSON.parse(run.stdout) as Record<string, unknown>
}

/** The error that a command with `--json` printed. */
export function failure(run: CliRun): { code: string; message: string } {
  return (JSON.parse(run.stderr.trim().split('\n').at(-1) as string) as { error: { code: string; message: string } }).error
}
