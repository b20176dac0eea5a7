/** `epione testnet up` */
import { resolve } from 'node:path'
import type { Manifest } from '../../testnet/launcher/manifest.ts'
import type { Context } from '../context.ts'
import { formatSpan } from '../format.ts'
import { table } from '../output.ts'

export interface TestnetUpOptions {
  dir: string
  validators?: number
  full?: number
  basePort?: number
  seed?: number
}

/** Ports that are free on most machines, beside that of a node in earnest, and always the same. */
const BASE_PORT = 7700
/** Where a testnet is unless said otherwise: need not be said again. */
const DEFAULT_DIR = '.epione-testnet'

export async function testnetUp(context: Context, options: TestnetUpOptions): Promise<void> {
  const [{ openTestnet }, { startControl, act, dashboardUrl }, { lightPeerSnippet }, { readManifest }] = await Promise.all([
    import('../../testnet/launcher/testnet.ts'),
    import('../../testnet/control/remote.ts'),
    import('../../testnet/launcher/snippet.ts'),
    import('../../testnet/launcher/manifest.ts'),
  ])
  const dir = resolve(options.dir)
  const { validators, full, seed } = options
  const startedAt = performance.now()
  const basePort = options.basePort ?? (readManifest(dir) === null ? BASE_PORT : undefined)
  const planned = await openTestnet({ dir, validators, full, seed, basePort, detached: true })
  const { signal } = context
  context.output.note(`starting ${planned.nodes.length} nodes in ${planned.dir}`)
  const before = await Promise.all(planned.nodes.map(async (_, index) => await planned.runningPid(index)))
  let manifest: Manifest
  try {
    await startControl(dir, { signal })
    await act(dir, { verb: 'up' }, { signal })
    // As the process that started them noted them.
    const net = await openTestnet({ dir, detached: true })
    await net.ready({ signal }).finally(async () => await net.leave())
    manifest = net.manifest
  } catch (error) {
    const { stopStarted } = await import('../../testnet/launcher/control.ts')
    await stopStarted(dir, before)
    throw error
  }
  const readyMs = Math.round(performance.now() - startedAt)
  const dashboard = await dashboardUrl(dir)
  const snippet = lightPeerSnippet(manifest, process.cwd())
  const at = options.dir === DEFAULT_DIR ? '' : ` --dir ${options.dir}`
  context.output.result({ ...manifest, readyMs, dashboard, snippet: snippet.join('\n') }, () => [
    ...table([
      ['node', 'organisation', '', 'role', 'process', 'address'],
      ...manifest.nodes.map(node => [
        node.id,
        node.name,
        node.jurisdiction,
        node.validator ? 'validator' : 'full node',
        String(node.process?.pid ?? '-'),
        node.addresses[0] ?? '-',
      ]),
    ]),
    '',
    ...table([
      ['chain', manifest.chainId],
      [
        'homes',
        `${manifest.directory}/node1 and so on: config.yaml, node.keystore (the node), identity.keystore (its registrar), node.log`,
      ],
      ['passphrase', `of every keystore: ${manifest.passphraseFile}`],
      ['all of it', `${manifest.directory}/net.json`],
      ['dashboard', dashboard ?? '-'],
      ['in agreement', `after ${formatSpan(readyMs)}`],
    ]),
    '',
    'Try it as a developer, in this folder:',
    '',
    ...snippet,
    '',
    `As an operator:  epione status --home ${manifest.nodes[0]?.home}`,
    `Watch and stop:  epione testnet watch${at}    epione testnet status${at}    epione testnet logs -f${at}    epione testnet down${at}`,
  ])
}
