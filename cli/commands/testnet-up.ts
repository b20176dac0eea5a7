/** `epione testnet up` */
import { resolve } from 'node:path'
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
  const [{ openTestnet }, { lightPeerSnippet }, { readManifest }] = await Promise.all([
    import('../../testnet/launcher/testnet.ts'),
    import('../../testnet/launcher/snippet.ts'),
    import('../../testnet/launcher/manifest.ts'),
  ])
  const dir = resolve(options.dir)
  const { validators, full, seed } = options
  const startedAt = performance.now()
  const basePort = options.basePort ?? (readManifest(dir) === null ? BASE_PORT : undefined)
  const net = await openTestnet({ dir, validators, full, seed, basePort, detached: true })
  try {
    context.output.note(`starting ${net.nodes.length} nodes in ${net.dir}`)
    await net.start()
    await net.ready({ signal: context.signal })
    await net.leave()
  } catch (error) {
    await net.stop({ onlyStarted: true })
    throw error
  }
  const { manifest } = net
  const readyMs = Math.round(performance.now() - startedAt)
  const snippet = lightPeerSnippet(manifest, process.cwd())
  const at = options.dir === DEFAULT_DIR ? '' : ` --dir ${options.dir}`
  context.output.result({ ...manifest, readyMs, snippet: snippet.join('\n') }, () => [
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
      ['in agreement', `after ${formatSpan(readyMs)}`],
    ]),
    '',
    'Try it as a developer, in this folder:',
    '',
    ...snippet,
    '',
    `As an operator:  epione status --home ${manifest.nodes[0]?.home}`,
    `Watch and stop:  epione testnet status${at}    epione testnet logs -f${at}    epione testnet down${at}`,
  ])
}
