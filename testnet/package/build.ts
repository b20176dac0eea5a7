/**
 * `npm run build`: the package as it is published, in `dist/`: JavaScript and types of `src` and of the command line, a package.json of its own. Nothing of
 * `testnet` and `test` is in it, and so no fault and no hook.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildNetworkPage } from './network-page.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const DIST = join(ROOT, 'dist')

interface Manifest {
  exports: Record<string, string>
  browser: Record<string, string>
  [field: string]: unknown
}

/** The fields of the project's own package.json that go into the published one. */
const KEPT = ['name', 'version', 'description', 'license', 'type', 'engines', 'dependencies', 'allowScripts'] as const

function built(path: string): string {
  return path.replace(/\.ts$/, '.js')
}

/** The published package.json. Types come first, as TypeScript reads conditions in their order. */
export function publishedManifest(source: Manifest): Record<string, unknown> {
  const exports = Object.fromEntries(
    Object.entries(source.exports).map(([entry, path]) => [entry, { types: path.replace(/\.ts$/, '.d.ts'), default: built(path) }]),
  )
  return {
    ...Object.fromEntries(KEPT.map(field => [field, source[field]])),
    exports: { ...exports, './package.json': './package.json' },
    browser: Object.fromEntries(Object.entries(source.browser).map(([from, to]) => [built(from), built(to)])),
    sideEffects: ['./cli/**', './src/client/worker.js'],
    bin: { epione: './cli/epione.js' },
  }
}

async function build(): Promise<void> {
  rmSync(DIST, { recursive: true, force: true })
  execFileSync(process.execPath, [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', join(ROOT, 'tsconfig.build.json')], {
    stdio: 'inherit',
  })
  // The command line names the launcher of testnets in types and loads it lazily: it is for a checkout of the project.
  for (const room of ['testnet', 'test']) rmSync(join(DIST, room), { recursive: true, force: true })
  for (const path of readdirSync(join(DIST, 'cli'), { recursive: true, encoding: 'utf8' })) {
    if (path.endsWith('.d.ts')) rmSync(join(DIST, 'cli', path))
  }
  for (const path of readdirSync(join(DIST, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (/^fragments\/kernel\/build\./.test(path)) rmSync(join(DIST, 'src', path))
  }
  mkdirSync(DIST, { recursive: true })
  const starter = readFileSync(join(ROOT, 'cli', 'epione.js'), 'utf8').replace("'./main.ts'", "'./main.js'")
  writeFileSync(join(DIST, 'cli', 'epione.js'), starter)
  chmodSync(join(DIST, 'cli', 'epione.js'), 0o755)
  await buildNetworkPage(join(DIST, 'network'))
  for (const name of ['README.md', 'LICENSE']) cpSync(join(ROOT, name), join(DIST, name))
  const source = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest
  writeFileSync(join(DIST, 'package.json'), `${JSON.stringify(publishedManifest(source), null, 2)}\n`)
}

if (import.meta.main) await build()
