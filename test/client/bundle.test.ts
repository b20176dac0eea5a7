/** What a page loads before it can connect and verify stays small, and what it needs later comes later. */
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('bundle for browsers')
const ROOT = join(import.meta.dirname, '..', '..')
/** Bytes after gzip: all that must be there before the first question. */
const FIRST_BYTES = 170_000
/** The same of the worker's script, without the WebAssembly of zstd, which it loads when something is compressed. */
const WORKER_BYTES = 45_000

test('connecting, verifying and reading the ledger fit, without DHT, gossip, FHIR, key encapsulation and decompression', async () => {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: "import { createLightPeer } from './src/client/light-peer.ts'\nObject.assign(globalThis, { createLightPeer })\n",
      resolveDir: ROOT,
      sourcefile: 'entry.ts',
    },
    ...{ bundle: true, write: false, metafile: true, splitting: true, minify: true, outdir: join(ROOT, 'never-written') },
    ...{ platform: 'browser', format: 'esm', target: 'es2024', logLevel: 'silent', absWorkingDir: ROOT },
  })
  const outputs = Object.entries(metafile.outputs)
  const first = new Set<string>()
  const take = (path: string): void => {
    if (first.has(path)) return
    first.add(path)
    for (const { kind, path: next } of metafile.outputs[path]?.imports ?? []) if (kind === 'import-statement') take(next)
  }
  const entry = outputs.find(([, { entryPoint }]) => entryPoint?.endsWith('entry.ts'))
  assert.ok(entry)
  take(entry[0])
  const inputs = [...first].flatMap(path => Object.keys(metafile.outputs[path]?.inputs ?? {}))
  for (const late of ['kad-dht', 'gossipsub', 'medplum', 'post-quantum', 'zstd-wasm', 'fragments/kernel', 'src/fhir']) {
    assert.equal(
      inputs.filter(path => path.includes(late)),
      [],
      late,
    )
  }
  assert.equal(
    Object.values(metafile.inputs).flatMap(({ imports }) => imports.filter(({ external }) => external)),
    [],
  )
  const bytes = outputFiles
    .filter(({ path }) => [...first].some(name => path.endsWith(name.split('/').at(-1) as string)))
    .reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0)
  process.stdout.write(`» first chunk ${bytes} bytes after gzip in ${first.size} files\n`)
  assert.ok(bytes > 100_000 && bytes <= FIRST_BYTES, `${bytes} bytes, and ${FIRST_BYTES} are the budget`)
})

test('what runs in the worker is small, and has nothing of the network', async () => {
  const { outputFiles, metafile } = await build({
    ...{ entryPoints: ['src/client/worker.ts'], bundle: true, write: false, metafile: true, minify: true },
    ...{ platform: 'browser', format: 'esm', target: 'es2024', logLevel: 'silent', absWorkingDir: ROOT },
  })
  const inputs = Object.keys(metafile.inputs)
  for (const other of ['libp2p', 'medplum', 'src/network', 'src/contracts'])
    assert.equal(
      inputs.filter(path => path.includes(other)),
      [],
      other,
    )
  assert.ok(inputs.some(path => path.includes('fragments/kernel')))
  const bytes = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length
  process.stdout.write(`» worker ${bytes} bytes after gzip\n`)
  assert.ok(bytes > 5_000 && bytes <= WORKER_BYTES, `${bytes} bytes, and ${WORKER_BYTES} are the budget`)
})

test.run()
